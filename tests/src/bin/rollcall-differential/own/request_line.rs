//! The request line: what stands before it, between its parts and behind it, methods and versions.

use super::{List, NEXT, TARGET, get, joined};

const REST: &[u8] = b"\r\nHost: x\r\n\r\n";

/// What some servers take for the space between the parts of a request line.
const SEPARATORS: [(&str, &[u8]); 14] = [
    ("two", b"  "),
    ("tab", b"\t"),
    ("tab-space", b"\t "),
    ("space-tab", b" \t"),
    ("vt", b"\x0b"),
    ("ff", b"\x0c"),
    ("cr", b"\r"),
    ("cr-space", b"\r "),
    ("nul", b"\0"),
    ("us", b"\x1f"),
    ("nel", b"\x85"),
    ("nbsp", b"\xc2\xa0"),
    ("ideographic", b"\xe3\x80\x80"),
    ("many", b"                                                                                "),
];

/// What may stand before a request line.
const LEADING: [(&str, &[u8]); 21] = [
    ("space", b" "),
    ("tab", b"\t"),
    ("cr", b"\r"),
    ("lf", b"\n"),
    ("crlf", b"\r\n"),
    ("crlf-3", b"\r\n\r\n\r\n"),
    ("lf-9", b"\n\n\n\n\n\n\n\n\n"),
    ("crlf-space", b"\r\n "),
    ("space-crlf", b" \r\n"),
    ("nul", b"\0"),
    ("nul-8", b"\0\0\0\0\0\0\0\0"),
    ("vt", b"\x0b"),
    ("del", b"\x7f"),
    ("high", b"\xff"),
    ("bom", b"\xef\xbb\xbf"),
    ("letter", b"a"),
    ("brace", b"{"),
    ("dashes", b"--"),
    ("tls", b"\x16\x03\x01\x00\x05"),
    ("proxy-2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    ("answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
];

const METHODS: [(&str, &[u8]); 30] = [
    ("empty", b""),
    ("lower", b"get"),
    ("one", b"G"),
    ("tilde", b"~"),
    ("marks", b"!#$%&'*+-.^_`|~"),
    ("digit", b"0"),
    ("digit-first", b"1GET"),
    ("digit-last", b"GET1"),
    ("colon", b"GET:"),
    ("at", b"GET@"),
    ("equals", b"GET=1"),
    ("parens", b"(GET)"),
    ("angle", b"<GET>"),
    ("backslash", b"GET\\"),
    ("quoted", b"\"GET\""),
    ("slash", b"/GET"),
    ("del", b"GET\x7f"),
    ("high", b"GET\x80"),
    ("utf-8", b"G\xc3\x89T"),
    ("soh", b"\x01GET"),
    ("esc", b"G\x1bET"),
    ("percent", b"%47ET"),
    ("underscore", b"MY_METHOD"),
    ("rpc", b"RPC_IN_DATA"),
    ("mkcalendar", b"MKCALENDAR"),
    ("32", b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"),
    ("33", b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"),
    ("http", b"HTTP"),
    ("status", b"HTTP/1.1 200"),
    ("ssh", b"SSH-2.0-x"),
];

const VERSIONS: [(&str, &str); 29] = [
    ("none", ""),
    ("1.01", "HTTP/1.01"),
    ("1.10", "HTTP/1.10"),
    ("1.00", "HTTP/1.00"),
    ("1.9", "HTTP/1.9"),
    ("0.9", "HTTP/0.9"),
    ("0.0", "HTTP/0.0"),
    ("1.1.1", "HTTP/1.1.1"),
    ("1.", "HTTP/1."),
    (".1", "HTTP/.1"),
    ("11", "HTTP/11"),
    ("2", "HTTP/2"),
    ("3", "HTTP/3"),
    ("3.0", "HTTP/3.0"),
    ("lower", "http/1.1"),
    ("mixed", "Http/1.1"),
    ("space-in", "HTTP /1.1"),
    ("space-in-2", "HTTP/ 1.1"),
    ("comma", "HTTP/1,1"),
    ("plus", "HTTP/+1.1"),
    ("trailing-space", "HTTP/1.1 "),
    ("trailing-tab", "HTTP/1.1\t"),
    ("trailing-vt", "HTTP/1.1\x0b"),
    ("trailing-nul", "HTTP/1.1\0"),
    ("trailing-word", "HTTP/1.1 x"),
    ("twice", "HTTP/1.1 HTTP/1.1"),
    ("no-slash", "HTTP1.1"),
    ("other", "ICE/1.0"),
    ("fullwidth", "HTTP/\u{ff11}.\u{ff11}"),
];

/// Line ends behind the request line, behind a field, and at the head's end.
const LINE_ENDS: [(&str, [&str; 3]); 12] = [
    ("lf", ["\n", "\n", "\n"]),
    ("lf-first", ["\n", "\r\n", "\r\n"]),
    ("lf-field", ["\r\n", "\n", "\r\n"]),
    ("lf-last", ["\r\n", "\r\n", "\n"]),
    ("cr-first", ["\r", "\r\n", "\r\n"]),
    ("cr-last", ["\r\n", "\r\n", "\r"]),
    ("crcrlf-first", ["\r\r\n", "\r\n", "\r\n"]),
    ("crcrlf-last", ["\r\n", "\r\n", "\r\r\n"]),
    ("lfcr", ["\n\r", "\n\r", "\n\r"]),
    ("space-first", [" \r\n", "\r\n", "\r\n"]),
    ("space-last", ["\r\n", "\r\n", " \r\n"]),
    ("nul-last", ["\r\n", "\r\n\0", "\r\n"]),
];

pub(super) fn add(list: &mut List) {
    let target = TARGET.as_bytes();
    for (name, separator) in SEPARATORS {
        let line = |first, second| joined(&[b"GET", first, target, second, b"HTTP/1.1", REST]);
        list.one(format!("separator/{name}/first"), line(separator, b" "));
        list.one(format!("separator/{name}/second"), line(b" ", separator));
        list.one(format!("separator/{name}/both"), line(separator, separator));
    }
    for (name, leading) in LEADING {
        list.one(format!("leading/{name}"), joined(&[leading, get("").as_bytes()]));
        list.several(format!("leading/{name}/apart"), [leading, get("").as_bytes()]);
        // Behind a request that was in order, in one packet and in two.
        list.one(
            format!("leading/{name}/pipelined"),
            joined(&[get("").as_bytes(), leading, NEXT.as_bytes()]),
        );
        list.several(
            format!("leading/{name}/second"),
            [get("").into_bytes(), joined(&[leading, NEXT.as_bytes()])],
        );
    }
    for (name, method) in METHODS {
        list.one(format!("method/{name}"), joined(&[method, b" ", target, b" HTTP/1.1", REST]));
        list.several(
            format!("method/{name}/second"),
            [get("").into_bytes(), joined(&[method, b" /next/99 HTTP/1.1", REST])],
        );
    }
    for (name, version) in VERSIONS {
        list.one(format!("version/{name}"), format!("GET {TARGET} {version}\r\nHost: x\r\n\r\n"));
    }
    for (name, [line, field, end]) in LINE_ENDS {
        list.one(format!("line-end/{name}"), format!("GET {TARGET} HTTP/1.1{line}Host: x{field}{end}"));
        list.one(
            format!("line-end/{name}/body"),
            format!("POST {TARGET} HTTP/1.1{line}Content-Length: 5{field}{end}hello{NEXT}"),
        );
    }
    old(list);
}

/// HTTP/0.9, and what looks like it.
fn old(list: &mut List) {
    for (name, line) in [
        ("crlf", format!("GET {TARGET}\r\n")),
        ("lf", format!("GET {TARGET}\n")),
        ("blank", format!("GET {TARGET} \r\n\r\n")),
        ("post", format!("POST {TARGET}\r\n\r\n")),
        ("fields", format!("GET {TARGET}\r\nHost: x\r\nContent-Length: 0\r\n\r\n")),
        ("pipelined", format!("GET {TARGET}\r\nGET /next/99\r\n")),
        ("then-1.1", format!("GET {TARGET}\r\n{NEXT}")),
        ("no-slash", "GET v1/customers/17\r\n".to_owned()),
        ("empty", "GET\r\n\r\n".to_owned()),
        ("blank-only", "GET \r\n\r\n".to_owned()),
    ] {
        list.one(format!("old/{name}"), line);
    }
}
