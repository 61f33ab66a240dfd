//! PROXY headers and what follows them: however a stream is cut, the same requests come out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::{
    requests::{self, Reported},
    seeds,
};
use rollcall_http::Limits;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const WORDS: [&str; 18] = [
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    "192.0.2.1 ",
    "2001:db8::1 ",
    "40000 80\r\n",
    "\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\r\n\r\n\u{0}\r\nQUIT\n!\u{11}\u{0}\u{c}",
    "\r\n\r\n\u{0}\r\nQUIT\n ",
    "!\u{21}\u{0}\u{24}",
    "\u{0}\u{c}",
    "POST / HTTP/1.1\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "Content-Length: 5\r\n\r\n",
    "PROXY UNKNOWN\r\n",
];

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    let Some((&cuts, stream)) = data.split_first() else { return };
    let limits = || if cuts & 1 == 0 { Limits::default() } else { Limits { head: 128, body: 16, ..Limits::default() } };
    let whole = shown(&requests::of([stream], limits()));
    let step = 1 + usize::from(cuts >> 1) % 23;
    assert_eq!(whole, shown(&requests::of(stream.chunks(step), limits())), "in steps of {step}");
    if stream.len() < 512 {
        for cut in (0..stream.len()).step_by(1 + stream.len() / 24) {
            let (first, second) = stream.split_at(cut);
            assert_eq!(whole, shown(&requests::of([first, second], limits())), "cut at {cut}");
        }
    }
});

/// What must not depend on the cuts.
fn shown(all: &[Reported]) -> Vec<String> {
    let one = |reported: &Reported| {
        // How far a body is counted that no server takes depends on the cuts.
        let Reported { request, proxied_for, request_bytes: _, status } = reported;
        let (method, target) = (request.method().escape_ascii(), request.target().escape_ascii());
        let (head, body) = (request.head.escape_ascii(), request.body.escape_ascii());
        let fields = request.headers.len();
        format!("{method} {target} {proxied_for:?} {status:?} {fields} {} {head} {body}", request.truncated)
    };
    all.iter().map(one).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let get = b"GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    let v4 = [&b"\x21\x11\0\x0c"[..], &[192, 0, 2, 1, 192, 0, 2, 2], &[0x9c, 0x40, 0, 80]].concat();
    let v6 = [&b"\x21\x21\0\x27"[..], &[0x20; 32], &[0x9c, 0x40, 0, 80], &[4, 0, 0]].concat();
    let local = b"\x20\x00\0\x03abc".to_vec();
    let texts: [&[u8]; 5] = [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n",
        b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 0 80\r\n",
        b"PROXY UNKNOWN lone \n and \r\t\0\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nT: x\r\n\r\n",
        b"\r\n\r\n",
    ];
    let binary = [v4, v6, local].map(|rest| [SIGNATURE, &rest].concat());
    let all = texts.into_iter().map(<[u8]>::to_vec).chain(binary);
    all.enumerate().map(|(at, header)| [&[at as u8 * 2][..], &header, get].concat()).collect()
}
