//! Targets: bytes at every place of the first eight, other forms than a path, paths that servers normalise.

use super::{List, TARGET, joined};

const REST: &[u8] = b" HTTP/1.1\r\nHost: x\r\n\r\n";

/// Bytes that no client has to send, and that some servers serve.
const BYTES: [(&str, &[u8]); 9] = [
    ("soh", b"\x01"),
    ("bs", b"\x08"),
    ("esc", b"\x1b"),
    ("del", b"\x7f"),
    ("80", b"\x80"),
    ("e9", b"\xe9"),
    ("ff", b"\xff"),
    ("utf-8", b"\xc3\xa9"),
    ("emoji", b"\xf0\x9f\x98\x80"),
];

const FORMS: [(&str, &[u8]); 52] = [
    ("star", b"*"),
    ("star-path", b"*/v1/customers/17"),
    ("empty-query", b"?id=17"),
    ("query-only", b"/?id=17"),
    ("absolute", b"http://x/v1/customers/17"),
    ("absolute-https", b"https://x:443/v1/customers/17"),
    ("absolute-other-host", b"http://other.example/v1/customers/17"),
    ("absolute-user", b"http://17:x@y/v1/customers/17"),
    ("absolute-ipv6", b"http://[::1]:80/v1/customers/17"),
    ("absolute-no-path", b"http://x"),
    ("absolute-query", b"http://x?id=17"),
    ("absolute-high", b"http://\xff/v1/customers/17"),
    ("absolute-odd-scheme", b"x+y.z-1://x/v1/customers/17"),
    ("absolute-port", b"http://x:99999/v1/customers/17"),
    ("scheme-only", b"http:"),
    ("mailto", b"mailto:17@x"),
    ("authority", b"x:17"),
    ("double-slash", b"//v1/customers/17"),
    ("triple-slash", b"///v1///customers///17"),
    ("backslash-first", b"\\v1\\customers\\17"),
    ("backslash-mixed", b"/v1\\customers/17"),
    ("dots", b"/v1/x/../customers/./17"),
    ("dots-end", b"/v1/customers/17/."),
    ("dots-end-2", b"/v1/customers/17/x/.."),
    ("dots-above", b"/../../../v1/customers/17"),
    ("dots-encoded", b"/v1/x/%2e%2e/customers/%2E/17"),
    ("dots-half-encoded", b"/v1/x/.%2e/customers/17"),
    ("dots-high", b"/\xff/../v1/customers/17"),
    ("dots-parameter", b"/v1/x/..;a=b/customers/17"),
    ("slash-encoded", b"/v1%2Fcustomers%2F17"),
    ("slash-overlong", b"/v1%c0%afcustomers/17"),
    ("question-encoded", b"/v1/customers%3Fid=17"),
    ("nul-encoded", b"/v1/customers/17%00"),
    ("nul", b"/v1/customers/17\0"),
    ("crlf-encoded", b"/v1/customers/17%0d%0aX:%20y"),
    ("percent-bad", b"/v1/customers/%zz17"),
    ("percent-short", b"/v1/customers/17%1"),
    ("percent-unicode", b"/v1/customers/%u0031%u0037"),
    ("percent-high", b"/v1/customers/%ff17"),
    ("fragment", b"/v1/customers/17#x"),
    ("fragment-query", b"/v1/customers/17#?id=5"),
    ("query-high", b"/v1/customers?id=17&x=\xff"),
    ("query-space", b"/v1/customers?id=17 x"),
    ("query-two", b"/v1/customers?id=17?id=5"),
    ("quote", b"/v1/customers/\"17\""),
    ("pipe", b"/v1/customers/|17|"),
    ("braces", b"/v1/customers/{17}"),
    ("angle", b"/v1/customers/<17>"),
    ("fullwidth", b"/v1/customers/\xef\xbc\x91\xef\xbc\x97"),
    ("answer", b"/HTTP/1.1"),
    ("request-line", b"/x HTTP/1.1 GET /v1/customers/17"),
    ("method-twice", b"GET /v1/customers/17"),
];

pub(super) fn add(list: &mut List) {
    let line = joined(&[b"GET ", TARGET.as_bytes()]);
    for (name, bytes) in BYTES {
        // Before each of the first eight bytes, which is where it is decided whether this is HTTP, and at the end.
        for place in [0, 1, 2, 3, 4, 5, 6, 7, 8, line.len()] {
            let (before, behind) = line.split_at(place);
            list.one(format!("byte/{name}/{place}"), joined(&[before, bytes, behind, REST]));
        }
    }
    for (name, target) in FORMS {
        list.one(format!("target/{name}"), joined(&[b"GET ", target, REST]));
    }
}
