//! Header fields: odd names, values and foldings, and many of them.

use super::{List, NEXT, TARGET, get, joined};

const LINES: [(&str, &[u8]); 47] = [
    ("no-colon", b"nonsense\r\n"),
    ("colon-only", b":\r\n"),
    ("no-name", b": x\r\n"),
    ("no-value", b"A:\r\n"),
    ("space-before-colon", b"A : b\r\n"),
    ("tab-before-colon", b"A\t: b\r\n"),
    ("space-name", b"A B: c\r\n"),
    ("leading-space", b" A: b\r\n"),
    ("leading-tab", b"\tA: b\r\n"),
    ("colon-first", b":A: b\r\n"),
    ("colons", b"A:: b\r\n"),
    ("name-high", b"\xc3\xa9: b\r\n"),
    ("name-control", b"A\x01: b\r\n"),
    ("name-nul", b"A\0: b\r\n"),
    ("name-del", b"A\x7f: b\r\n"),
    ("name-slash", b"A/B: c\r\n"),
    ("name-quote", b"\"A\": b\r\n"),
    ("name-brackets", b"[A]: b\r\n"),
    ("name-dot", b".: b\r\n"),
    ("name-cr", b"A\r: b\r\n"),
    ("value-high", b"A: \x80\xff\r\n"),
    ("value-nul", b"A: b\0c\r\n"),
    ("value-control", b"A: b\x01c\r\n"),
    ("value-del", b"A: \x7f\r\n"),
    ("value-cr", b"A: b\rc\r\n"),
    ("value-cr-field", b"A: b\rHost: y\r\n"),
    ("value-crcr", b"A: b\r\r\n"),
    ("value-lf", b"A: b\nB: c\r\n"),
    ("value-vt", b"A: \x0bb\r\n"),
    ("fold-space", b"A: b\r\n c\r\n"),
    ("fold-tab", b"A: b\r\n\tc\r\n"),
    ("fold-blank", b"A: b\r\n \r\n"),
    ("fold-many", b"A: b\r\n c\r\n d\r\n e\r\n"),
    ("fold-lf", b"A: b\n c\r\n"),
    ("fold-colon", b"A: b\r\n C: d\r\n"),
    ("fold-request", b"A: b\r\n GET /v1/customers/5 HTTP/1.1\r\n"),
    ("host-twice", b"Host: x\r\n"),
    ("host-other", b"Host: y\r\n"),
    ("host-folded", b"Host:\r\n y\r\n"),
    ("request-as-field", b"GET /v1/customers/5 HTTP/1.1: x\r\n"),
    ("status-as-field", b"HTTP/1.1 200 OK: x\r\n"),
    ("request-line-again", b"GET /v1/customers/5 HTTP/1.1\r\n"),
    ("cookie-odd", b"Cookie: a=\"b; c=\xff; =; ;;\r\n"),
    ("authorization-odd", b"Authorization:  \tBearer\t \r\n"),
    ("range", b"Range: bytes=0-0,5-9,-1\r\n"),
    ("http2-settings", b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    ("pseudo", b":path: /v1/customers/5\r\n"),
];

/// What stands in `Host`, which some servers check.
const HOSTS: [(&str, &str); 9] = [
    ("empty", ""),
    ("space", "a b"),
    ("port", "x:0"),
    ("port-odd", "x:y"),
    ("at", "u@x"),
    ("slash", "x/y"),
    ("comma", "x, y"),
    ("high", "\u{e9}"),
    ("bracket", "[::1"),
];

/// Numbers of fields at which servers, and what reads along, stop.
const COUNTS: [usize; 10] = [32, 63, 64, 65, 66, 95, 99, 101, 250, 1_200];

pub(super) fn add(list: &mut List) {
    for (name, line) in LINES {
        let head = |end: &[u8]| {
            joined(&[b"GET ", TARGET.as_bytes(), b" HTTP/1.1\r\nHost: x\r\n", line, b"\r\n", end])
        };
        list.one(format!("field/{name}"), head(b""));
        list.one(
            format!("field/{name}/first"),
            joined(&[b"GET ", TARGET.as_bytes(), b" HTTP/1.1\r\n", line, b"Host: x\r\n\r\n"]),
        );
        list.one(format!("field/{name}/pipelined"), head(NEXT.as_bytes()));
    }
    for (name, host) in HOSTS {
        list.one(format!("host/{name}"), format!("GET {TARGET} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    list.one("host/none", format!("GET {TARGET} HTTP/1.1\r\n\r\n"));
    list.one("host/none-1.0", format!("GET {TARGET} HTTP/1.0\r\n\r\n"));
    for count in COUNTS {
        let fields: String = (0..count).map(|field| format!("F{field}: v\r\n")).collect();
        list.one(format!("fields/{count}"), get(&fields));
        list.one(format!("fields/{count}/pipelined"), get(&fields) + NEXT);
        list.several(format!("fields/{count}/second"), [get(""), get(&fields)]);
    }
}
