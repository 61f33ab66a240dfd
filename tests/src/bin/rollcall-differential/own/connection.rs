//! What becomes of the connection: `Connection`, `Expect`, `Upgrade`, CONNECT, the preface of HTTP/2, pipelines.

use super::{List, NEXT, TARGET, get, post};

const CONNECTIONS: [(&str, &str); 24] = [
    ("close", "Connection: close\r\n"),
    ("close-upper", "CONNECTION: CLOSE\r\n"),
    ("close-x", "Connection: close, x\r\n"),
    ("x-close", "Connection: x, close\r\n"),
    ("keep-alive", "Connection: keep-alive\r\n"),
    ("keep-alive-close", "Connection: keep-alive, close\r\n"),
    ("close-keep-alive", "Connection: close, keep-alive\r\n"),
    ("twice", "Connection: keep-alive\r\nConnection: close\r\n"),
    ("twice-close-first", "Connection: close\r\nConnection: keep-alive\r\n"),
    ("empty", "Connection:\r\n"),
    ("commas", "Connection: ,,close,,\r\n"),
    ("space", "Connection: close \r\n"),
    ("tab", "Connection:\tclose\t\r\n"),
    ("semicolon", "Connection: close;x\r\n"),
    ("quoted", "Connection: \"close\"\r\n"),
    ("closed", "Connection: closed\r\n"),
    ("folded", "Connection:\r\n close\r\n"),
    ("content-length", "Connection: Content-Length\r\nContent-Length: 0\r\n"),
    ("upgrade", "Connection: Upgrade\r\n"),
    ("te", "Connection: TE\r\nTE: trailers\r\n"),
    ("proxy", "Proxy-Connection: close\r\n"),
    ("keep-alive-field", "Keep-Alive: timeout=0, max=1\r\n"),
    ("space-colon", "Connection : close\r\n"),
    ("nul", "Connection: close\0\r\n"),
];

const EXPECTATIONS: [(&str, &str); 8] = [
    ("100", "100-continue"),
    ("100-upper", "100-CONTINUE"),
    ("100-x", "100-continue, x"),
    ("100-parameter", "100-continue;x=y"),
    ("x", "x"),
    ("empty", ""),
    ("200", "200-ok"),
    ("twice", "100-continue\r\nExpect: 100-continue"),
];

/// A handshake that a WebSocket server takes (RFC 6455, section 1.3).
const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// RFC 7540, section 3.2.
const H2C: &str =
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

const UPGRADES: [(&str, &str); 13] = [
    ("websocket", WEBSOCKET),
    ("websocket-no-key", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
    ("websocket-version", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\n"),
    ("websocket-list", "Connection: keep-alive, Upgrade\r\nUpgrade: x, websocket\r\n"),
    ("h2c", H2C),
    ("h2c-no-settings", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    ("h2c-no-connection", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    ("h2c-bad-settings", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: !\r\n"),
    ("h2c-websocket", "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"),
    ("tls", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"),
    ("unknown", "Connection: Upgrade\r\nUpgrade: x/1\r\n"),
    ("empty", "Connection: Upgrade\r\nUpgrade:\r\n"),
    ("close", "Connection: Upgrade, close\r\nUpgrade: websocket\r\n"),
];

pub(super) fn add(list: &mut List) {
    for (name, fields) in CONNECTIONS {
        list.several(format!("connection/{name}"), [get(fields), NEXT.to_owned()]);
        list.one(format!("connection/{name}/pipelined"), get(fields) + NEXT);
        list.several(
            format!("connection/{name}/1.0"),
            [format!("GET {TARGET} HTTP/1.0\r\n{fields}\r\n"), NEXT.to_owned()],
        );
    }
    for (name, expectation) in EXPECTATIONS {
        let with = |length: &str| format!("Expect: {expectation}\r\n{length}");
        let length = with("Content-Length: 5\r\n");
        list.one(format!("expect/{name}"), post(&length, "hello") + NEXT);
        list.several(
            format!("expect/{name}/waits"),
            [post(&length, ""), "hello".to_owned(), NEXT.to_owned()],
        );
        // The client takes the refusal, and goes on without the body.
        list.several(format!("expect/{name}/no-body"), [post(&length, ""), NEXT.to_owned()]);
        list.several(format!("expect/{name}/get"), [get(&with("")), NEXT.to_owned()]);
        list.several(
            format!("expect/{name}/1.0"),
            [
                format!("POST {TARGET} HTTP/1.0\r\nConnection: keep-alive\r\n{length}\r\n"),
                "hello".to_owned(),
                NEXT.to_owned(),
            ],
        );
    }
    for (name, fields) in UPGRADES {
        list.several(format!("upgrade/{name}"), [get(fields), NEXT.to_owned()]);
        list.one(format!("upgrade/{name}/pipelined"), get(fields) + NEXT);
        let body = format!("{fields}Content-Length: 5\r\n");
        list.several(format!("upgrade/{name}/body"), [post(&body, "hello"), NEXT.to_owned()]);
        list.several(
            format!("upgrade/{name}/1.0"),
            [format!("GET {TARGET} HTTP/1.0\r\n{fields}\r\n"), NEXT.to_owned()],
        );
        let preface = [get(fields).into_bytes(), [PREFACE.as_bytes(), SETTINGS].concat(), NEXT.into()];
        list.several(format!("upgrade/{name}/preface"), preface);
    }
    tunnels(list);
    pipelines(list);
}

/// CONNECT, and the preface of HTTP/2, to servers that may have an ordinary handler for them.
fn tunnels(list: &mut List) {
    for (name, target) in [
        ("authority", "x:80"),
        ("ipv6", "[::1]:443"),
        ("path", TARGET),
        ("absolute", "http://x/v1/customers/17"),
        ("slash", "/"),
        ("no-port", "x"),
        ("star", "*"),
    ] {
        let head = |fields: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        list.several(format!("connect/{name}"), [head(""), NEXT.to_owned()]);
        list.one(format!("connect/{name}/pipelined"), head("") + NEXT);
        list.several(
            format!("connect/{name}/body"),
            [head("Content-Length: 5\r\n") + "hello", NEXT.to_owned()],
        );
        list.several(
            format!("connect/{name}/tls"),
            [head("").as_bytes(), b"\x16\x03\x01\0\x05hello", NEXT.as_bytes()],
        );
    }
    list.several("connect/lower", ["connect x:80 HTTP/1.1\r\nHost: x\r\n\r\n", NEXT]);
    list.several("connect/1.0", ["CONNECT x:80 HTTP/1.0\r\n\r\n", NEXT]);
    list.several("preface/whole", [PREFACE.as_bytes(), SETTINGS]);
    list.several("preface/next", [PREFACE, NEXT]);
    list.several("preface/split", ["PRI * HTTP/2.0\r\n\r\n", "SM\r\n\r\n", NEXT]);
    list.several("preface/head", ["PRI * HTTP/2.0\r\nHost: x\r\n\r\n", NEXT]);
    list.several("preface/1.1", ["PRI * HTTP/1.1\r\nHost: x\r\n\r\n", NEXT]);
    list.several("preface/path", ["PRI /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n", NEXT]);
    list.several("preface/second", [&*get(""), PREFACE, NEXT]);
    list.one("preface/pipelined", get("") + PREFACE + NEXT);
    list.several("preface/get-2.0", ["GET /v1/customers/17 HTTP/2.0\r\nHost: x\r\n\r\n", NEXT]);
    for method in ["HEAD", "TRACE", "OPTIONS", "DELETE", "PROPFIND"] {
        let body = format!("{method} {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        list.one(format!("body/{method}"), body.clone() + NEXT);
        list.several(format!("body/{method}/apart"), [body, NEXT.to_owned()]);
        let chunks = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        list.one(
            format!("body/{method}/chunks"),
            format!("{method} {TARGET} HTTP/1.1\r\nHost: x\r\n{chunks}{NEXT}"),
        );
    }
    list.several("options/star", ["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", NEXT]);
}

fn pipelines(list: &mut List) {
    let number = |index: usize, method: &str| format!("{method} /pp/{index} HTTP/1.1\r\nHost: x\r\n\r\n");
    for count in [2, 5, 20, 50, 100, 500] {
        let requests: String = (0..count).map(|index| number(index, "GET")).collect();
        list.one(format!("pipeline/{count}"), requests);
    }
    for count in [3, 8] {
        list.several(format!("pipeline/{count}/apart"), (0..count).map(|index| number(index, "GET")));
    }
    let head: String =
        (0..6).map(|index| number(index, if index % 2 == 0 { "HEAD" } else { "GET" })).collect();
    list.one("pipeline/head", head);
    let bodies: String = (0..6)
        .map(|index| format!("POST /pp/{index} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"))
        .collect();
    list.one("pipeline/bodies", bodies);
    let (first, last) = (number(0, "GET"), number(2, "GET"));
    for (name, middle) in [
        ("bad", "nonsense\r\n\r\n".to_owned()),
        ("bad-line", "GET\r\nHost: x\r\n\r\n".to_owned()),
        ("bad-version", number(1, "GET").replace("1.1", "9.9")),
        ("bad-field", "GET /pp/1 HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n".to_owned()),
        ("close", "GET /pp/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned()),
        ("old", "GET /pp/1 HTTP/1.0\r\n\r\n".to_owned()),
        ("oldest", "GET /pp/1\r\n".to_owned()),
        ("connect", number(1, "CONNECT")),
        ("upgrade", format!("GET /pp/1 HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}\r\n")),
        ("h2c", format!("GET /pp/1 HTTP/1.1\r\nHost: x\r\n{H2C}\r\n")),
        (
            "expect",
            "POST /pp/1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
                .to_owned(),
        ),
        ("blank", "\r\n\r\n".to_owned() + &number(1, "GET")),
        ("high", "GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("cut", "GET /pp/1 HT".to_owned()),
    ] {
        list.one(format!("pipeline/middle/{name}"), format!("{first}{middle}{last}"));
        list.several(format!("pipeline/middle/{name}/apart"), [&*first, &*middle, &*last]);
    }
}
