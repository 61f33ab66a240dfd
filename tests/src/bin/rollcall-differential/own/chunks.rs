//! Chunks: forms of sizes, line ends, last chunks and trailers.

use super::{List, NEXT, post};

/// Bodies, each followed by a request.
const BODIES: [(&str, &str); 66] = [
    ("plain", "5\r\nhello\r\n0\r\n\r\n"),
    ("zero-first", "05\r\nhello\r\n0\r\n\r\n"),
    ("zeros-16", "0000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("zeros-40", "0000000000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("upper", "A\r\nhellohello\r\n0\r\n\r\n"),
    ("lower", "a\r\nhellohello\r\n0\r\n\r\n"),
    ("space-behind", "5 \r\nhello\r\n0\r\n\r\n"),
    ("tab-behind", "5\t\r\nhello\r\n0\r\n\r\n"),
    ("spaces-behind", "5                \r\nhello\r\n0\r\n\r\n"),
    ("space-before", " 5\r\nhello\r\n0\r\n\r\n"),
    ("hex-prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("plus", "+5\r\nhello\r\n0\r\n\r\n"),
    ("minus", "-5\r\nhello\r\n0\r\n\r\n"),
    ("h", "5h\r\nhello\r\n0\r\n\r\n"),
    ("underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
    ("extension", "5;x\r\nhello\r\n0\r\n\r\n"),
    ("extension-value", "5;x=y\r\nhello\r\n0\r\n\r\n"),
    ("extension-quoted", "5;x=\"y\"\r\nhello\r\n0\r\n\r\n"),
    ("extension-quoted-crlf", "5;x=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("extension-space", "5 ; x\r\nhello\r\n0\r\n\r\n"),
    ("extension-empty", "5;\r\nhello\r\n0\r\n\r\n"),
    ("extension-lf", "5;x\nhello\r\n0\r\n\r\n"),
    ("extension-cr", "5;x\ry\r\nhello\r\n0\r\n\r\n"),
    ("extension-nul", "5;\0\r\nhello\r\n0\r\n\r\n"),
    ("size-lf", "5\nhello\r\n0\r\n\r\n"),
    ("size-cr", "5\rhello\r\n0\r\n\r\n"),
    ("size-crcrlf", "5\r\r\nhello\r\n0\r\n\r\n"),
    ("size-nul", "5\0\r\nhello\r\n0\r\n\r\n"),
    ("size-vt", "5\x0b\r\nhello\r\n0\r\n\r\n"),
    ("size-empty", "\r\nhello\r\n0\r\n\r\n"),
    ("size-word", "x\r\nhello\r\n0\r\n\r\n"),
    ("size-fullwidth", "\u{ff15}\r\nhello\r\n0\r\n\r\n"),
    ("data-lf", "5\r\nhello\n0\r\n\r\n"),
    ("data-none", "5\r\nhello0\r\n\r\n"),
    ("data-cr", "5\r\nhello\r0\r\n\r\n"),
    ("data-long", "5\r\nhello!\r\n0\r\n\r\n"),
    ("data-two", "5\r\nhelloXX0\r\n\r\n"),
    ("data-extra", "5\r\nhello\r\n\r\n0\r\n\r\n"),
    ("all-lf", "5\nhello\n0\n\n"),
    ("last-00", "5\r\nhello\r\n00\r\n\r\n"),
    ("last-16", "5\r\nhello\r\n0000000000000000\r\n\r\n"),
    ("last-17", "5\r\nhello\r\n00000000000000000\r\n\r\n"),
    ("last-40", "5\r\nhello\r\n0000000000000000000000000000000000000000\r\n\r\n"),
    ("last-extension", "5\r\nhello\r\n0;x=y\r\n\r\n"),
    ("last-space", "5\r\nhello\r\n0 \r\n\r\n"),
    ("last-minus", "5\r\nhello\r\n-0\r\n\r\n"),
    ("last-hex", "5\r\nhello\r\n0x0\r\n\r\n"),
    ("last-lf", "5\r\nhello\r\n0\n\n"),
    ("last-crlf-lf", "5\r\nhello\r\n0\r\n\n"),
    ("last-no-end", "5\r\nhello\r\n0\r\n"),
    ("last-cr", "5\r\nhello\r\n0\r\n\r"),
    ("last-none", "5\r\nhello\r\n"),
    ("only-last", "0\r\n\r\n"),
    ("nothing", ""),
    ("trailer", "5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
    ("trailers", "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
    ("trailer-folded", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"),
    ("trailer-length", "5\r\nhello\r\n0\r\nContent-Length: 36\r\n\r\n"),
    ("trailer-no-colon", "5\r\nhello\r\n0\r\nnonsense\r\n\r\n"),
    ("trailer-request", "5\r\nhello\r\n0\r\nGET /v1/customers/5 HTTP/1.1\r\n\r\n"),
    ("trailer-lf", "5\r\nhello\r\n0\r\nA: b\n\n"),
    ("trailer-high", "5\r\nhello\r\n0\r\nA: \u{ff}\r\n\r\n"),
    ("max", "FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
    ("max-signed", "7FFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
    ("wraps-64", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("wraps-32", "100000005\r\nhello\r\n0\r\n\r\n"),
];

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn add(list: &mut List) {
    for (name, body) in BODIES {
        list.one(format!("chunk/{name}"), post(CHUNKED, body) + NEXT);
        list.several(format!("chunk/{name}/apart"), [post(CHUNKED, ""), body.to_owned(), NEXT.to_owned()]);
    }
    let many: String = (0..300).map(|_| "1\r\nA\r\n").collect();
    list.one("chunk/many", post(CHUNKED, &many) + "0\r\n\r\n" + NEXT);
    let fields: String = (0..100).map(|field| format!("T{field}: v\r\n")).collect();
    list.one("chunk/trailer-100", post(CHUNKED, &format!("0\r\n{fields}\r\n")) + NEXT);
    let long = "b".repeat(20_000);
    list.one("chunk/trailer-20k", post(CHUNKED, &format!("0\r\nA: {long}\r\n\r\n")) + NEXT);
    list.one(
        "chunk/extension-5k",
        post(CHUNKED, &format!("5;{}\r\nhello\r\n0\r\n\r\n", &long[..5_000])) + NEXT,
    );
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for place in 1..body.len() {
        let (before, behind) = body.split_at(place);
        list.several(format!("chunk/split/{place}"), [post(CHUNKED, before), behind.to_owned() + NEXT]);
    }
}
