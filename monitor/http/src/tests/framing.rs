//! Where messages end.

use super::*;

/// What is reported of one request, answered by 200, and a second one behind it.
#[track_caller]
fn two(first: &str, expected: &str) {
    for size in [usize::MAX, 1, 7] {
        let mut wire = Wire::new();
        for piece in first.as_bytes().chunks(size.min(first.len())) {
            wire.send(piece);
        }
        wire.reply(ok("x")).send(get("/second")).reply(status(404, "")).finish();
        wire.expect(&[&format!("{expected} 200"), "GET /second 404"]);
    }
}

#[test]
fn bodies_of_known_length_hide_what_looks_like_requests() {
    two(&post("/a", "GET /inner HTTP/1.1\r\n\r\n"), "POST /a");
}

#[test]
fn chunked_bodies_hide_what_looks_like_requests() {
    let chunk = get("/inner");
    two(
        &format!(
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x=y\r\n{chunk}\r\n0\r\nT: v\r\n\r\n",
            chunk.len()
        ),
        "POST /a",
    );
}

#[test]
fn transfer_encoding_wins_over_content_length() {
    two("POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /a");
}

#[test]
fn unusual_but_served_requests_are_requests() {
    two("\r\n\r\nGET /a HTTP/1.1\r\n\r\n", "GET /a");
    two("GET /a HTTP/1.1\nHost: x\n\n", "GET /a");
    two("get /a HTTP/1.1\r\n\r\n", "get /a");
    two("X-WhatEver! /a HTTP/1.1\r\n\r\n", "X-WhatEver! /a");
    two("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a b");
    two("GET http://example.com/a HTTP/1.1\r\n\r\n", "GET http://example.com/a");
    two("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS *");
    two("GET /a HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n", "GET /a");
    two("GET /a HTTP/1.1\r\nno colon\r\n\r\n", "GET /a");
    two("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /a");
}

#[test]
fn an_empty_target_is_reported_as_empty() {
    let mut wire = Wire::new();
    wire.send("GET  HTTP/1.1\r\n\r\n").reply(status(400, "")).finish();
    wire.expect(&["GET  400"]);
}

#[test]
fn a_simple_request_is_a_request() {
    let mut wire = Wire::new();
    wire.send("GET /old\r\n").reply("<html>").server_fin().settle().settle();
    wire.expect(&["GET /old -"]);
}

#[test]
fn the_body_is_kept_up_to_its_cap() {
    let mut wire = Wire::with(Limits { body: 4096, ..Limits::default() });
    wire.send(post("/a", &"y".repeat(6000))).reply(ok("")).finish();
    assert_eq!(wire.record.bodies, [[b'y'; 4096]]);
    let mut wire = Wire::new();
    wire.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        .reply(ok(""));
    assert_eq!(wire.record.bodies, [b"abcdef"]);
}

#[test]
fn responses_without_body_have_none() {
    let mut wire = Wire::new();
    wire.captured = usize::MAX;
    wire.send(["HEAD /a HTTP/1.1\r\n\r\n", &get("/b"), &get("/c"), &get("/d")].concat());
    wire.reply(
        [
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        ]
        .concat(),
    );
    wire.expect(&["HEAD /a 200", "GET /b 204", "GET /c 304", "GET /d 200"]);
}

#[test]
fn a_chunked_response_is_followed_through_what_is_captured() {
    let mut wire = Wire::new();
    wire.send(get("/a")).reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n");
    wire.reply([b'z'; 1024]).reply("\r\n0\r\n\r\n");
    wire.expect(&["GET /a 200"]);
}

#[test]
fn a_long_head_is_cut_and_its_framing_still_holds() {
    for size in [usize::MAX, 1, 1000] {
        let mut wire = Wire::with(Limits { head: 4096, ..Limits::default() });
        let inner = get("/inner");
        let head = format!(
            "POST /a HTTP/1.1\r\nX: {}\r\nContent-Length: {}\r\n\r\n{inner}",
            "x".repeat(9000),
            inner.len()
        );
        for piece in head.as_bytes().chunks(size.min(16384)) {
            wire.send(piece);
        }
        wire.reply(ok("")).send(get("/b")).reply(ok("")).finish();
        wire.expect(&["POST /a 200", "GET /b 200"]);
        assert_eq!(wire.connections.counters().truncated_heads, 1);
        assert_eq!(wire.record.sizes[0].0, head.len() as u64);
    }
}

#[test]
fn a_target_longer_than_the_cap_is_cut() {
    let mut wire = Wire::with(Limits { head: 4096, ..Limits::default() });
    wire.send(get(&format!("/{}", "t".repeat(6000)))).reply(status(414, "")).finish();
    assert_eq!(wire.record.exchanges, [format!("GET /{} 414", "t".repeat(4096 - 5))]);
}

#[test]
fn framing_that_servers_refuse_ends_the_connection_for_them() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: x",
        "Content-Length : 5",
        "Transfer-Encoding: gzip",
    ] {
        let mut wire = Wire::new();
        wire.send(format!("POST /a HTTP/1.1\r\n{fields}\r\n\r\n{}", get("/no"))).reply(status(400, ""));
        wire.server_fin().settle().settle();
        wire.expect(&["POST /a 400"]);
    }
}

#[test]
fn after_a_request_to_close_nothing_is_served() {
    let mut wire = Wire::new();
    wire.send(["GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", &get("/b")].concat()).reply(ok("")).finish();
    wire.expect(&["GET /a 200"]);
}

#[test]
fn an_upgrade_makes_the_connection_opaque() {
    let mut wire = Wire::new();
    wire.send("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    // The client's first frames are seen before the late 101.
    let (server, received) = (wire.server, wire.received);
    let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    wire.unseen_reply(switch.len() as u32).send(get("/in-a-frame"));
    wire.received = received;
    wire.respond_at(server, switch);
    wire.received = wire.client;
    wire.reply(b"\x81\x02no").send(get("/in-another")).finish();
    wire.expect(&["GET /ws 101"]);
    assert_eq!(wire.record.directives, [Directive::Ignore]);
    assert_eq!(wire.connections.counters().upgraded, 1);
}

#[test]
fn an_upgrade_that_goes_on_in_http_hides_nothing() {
    let mut wire = Wire::new();
    wire.send("GET /ws HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        .reply("HTTP/1.1 101 S\r\n\r\n");
    for target in ["/a", "/b"] {
        wire.send(get(target)).reply(ok(""));
    }
    wire.finish().expect(&["GET /ws 101", "GET /a 200", "GET /b 200"]);
}

#[test]
fn connect_makes_a_tunnel_unless_it_is_refused() {
    let mut wire = Wire::new();
    wire.send("CONNECT host:25 / HTTP/1.0\r\nnonsense\r\n\r\n")
        .reply("HTTP/1.0 200 Connection established\r\n\r\n");
    wire.send(get("/inside")).reply("220 mail\r\n").finish();
    wire.expect(&["CONNECT host:25 / 200"]);
    assert_eq!(wire.record.directives, [Directive::Ignore]);
    let mut wire = Wire::new();
    wire.send("CONNECT host:25 HTTP/1.1\r\n\r\n").reply(ok("a handler's answer"));
    wire.send(get("/a")).reply(ok("")).send("get /b HTTP/1.1\r\n\r\n").reply(ok("")).finish();
    wire.expect(&["CONNECT host:25 200", "GET /a 200", "get /b 200"]);
    let mut wire = Wire::new();
    wire.send("CONNECT host:25 HTTP/1.1\r\n\r\n")
        .reply(status(405, ""))
        .send(get("/a"))
        .reply(ok(""))
        .finish();
    wire.expect(&["CONNECT host:25 405", "GET /a 200"]);
}

#[test]
fn large_bodies_are_skipped_once_their_request_is_confirmed() {
    let mut wire = Wire::with(Limits { body: 2_000, ..Limits::default() });
    let head = "PUT /a HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    wire.send(head).send([b'b'; 500]);
    assert_eq!(wire.record.directives, [], "it is kept up to the cap");
    wire.send([b'b'; 1500]);
    wire.respond_at(wire.server, b"");
    assert_eq!(wire.record.directives, [Directive::SkipTo(wire.client.wrapping_add(98_000))]);
    let mut wire = Wire::with(Limits { body: 0, ..Limits::default() });
    wire.send(head);
    assert_eq!(wire.record.directives, []);
    wire.send([b'b'; 1000]);
    let end = wire.client.wrapping_add(99_000);
    assert_eq!(wire.record.directives, [Directive::SkipTo(end)]);
    wire.miss(99_000).reply(ok("")).send(get("/b")).reply(ok("")).finish();
    wire.expect(&["PUT /a 200", "GET /b 200"]);
    assert_eq!(wire.record.sizes[0].0, head.len() as u64 + 100_000);
    assert_eq!(wire.connections.counters().gaps, 0);
}

#[test]
fn other_protocols_are_left_alone_once_the_server_answers_in_them() {
    for (bytes, answer) in OTHER_PROTOCOLS {
        let mut wire = Wire::new();
        wire.send(bytes);
        assert_eq!(wire.record.directives, []);
        wire.send(bytes).reply(answer);
        assert_eq!(wire.record.directives.last(), Some(&Directive::Ignore), "{bytes:?}");
        wire.finish().expect(&[]);
        let counters = wire.connections.counters();
        assert_eq!(counters.tls + counters.http2 + counters.not_http, 1);
        assert_eq!(counters.unexplained, [0; 6]);
    }
}

/// What a client and a server say first.
const OTHER_PROTOCOLS: [(&[u8], &[u8]); 5] = [
    (b"\x16\x03\x01\x00\xa5\x01", b"\x16\x03\x03\x00\x7a\x02"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\x06\x04\0\0\0\0\0"),
    (b"SSH-2.0-x\r\n", b"SSH-2.0-y\r\n"),
    (b"*1\r\n$4\r\n", b"+PONG\r\n"),
    (b"\0\0\0\x01", b"R\0\0\0\x08"),
];

#[test]
fn what_looks_like_another_protocol_hides_nothing_where_the_server_answers_in_http() {
    for (bytes, _) in OTHER_PROTOCOLS {
        let mut wire = Wire::new();
        wire.send(bytes).reply(status(400, ""));
        for target in ["/a", "/b"] {
            wire.send(get(target)).reply(ok(""));
        }
        wire.finish();
        let reported = &wire.record.exchanges;
        let unseen: u64 = wire.connections.counters().unexplained.iter().sum();
        assert_eq!(reported.len() as u64 + unseen, 3, "{bytes:?}: {reported:?}");
        assert!(
            reported.ends_with(&["GET /a 200".to_owned(), "GET /b 200".to_owned()]),
            "{bytes:?}: {reported:?}"
        );
    }
}

/// Far more than can be sent within a connection's sequence numbers.
#[test]
fn a_body_of_any_length_may_be_announced() {
    for length in [1_u64 << 31, 1 << 32, (1 << 32) + 5, (1 << 62) + 5, (1 << 63) + 5, u64::MAX] {
        let mut wire = Wire::new();
        wire.send(format!("GET /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\nhello")).reply(ok("x"));
        wire.send(get("/b")).reply(status(400, "")).server_fin().settle().settle().finish();
        wire.expect(&["GET /a 200", "GET /b 400"]);
    }
}

/// Waitress passes over lines of blanks as if they were empty.
#[test]
fn a_line_of_blanks_in_front_of_a_request_is_none() {
    for blanks in [" \r\n", "\t\n", "\r\n \t\r\n"] {
        for split in 0..=blanks.len() {
            let mut wire = Wire::new();
            let (first, rest) = blanks.split_at(split);
            wire.send(get("/a")).reply(ok("x"));
            if !first.is_empty() {
                wire.send(first);
            }
            wire.send(format!("{rest}{}", get("/b"))).reply(ok("y")).finish();
            wire.expect(&["GET /a 200", "GET /b 200"]);
        }
        let mut wire = Wire::new();
        wire.send(format!("{}{blanks}{}", get("/a"), get("/b"))).reply(ok("x")).reply(ok("y")).finish();
        wire.expect(&["GET /a 200", "GET /b 200"]);
    }
}
