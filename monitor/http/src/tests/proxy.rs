//! The PROXY protocol: what stands before the first request, and what only looks like it.

use std::time::Duration;

use super::*;

const TCP4: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.2 40000 80\r\n";
const TCP6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 80\r\n";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
/// A request line, were it not for what follows.
const ODD: &[u8] = b"PROXY UNKNOWN HTTP/1.1\r\n";

/// A header of version 2 for 198.51.100.7, with `more` bytes of TLVs.
pub(super) fn binary(more: u16) -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 192, 0, 2, 2, 0x9c, 0x40, 0, 80];
    let length = (12 + more).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &addresses, &vec![b'\n'; more.into()]].concat()
}

fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    vec![
        (TCP4.to_vec(), Some("198.51.100.7")),
        (TCP6.to_vec(), Some("2001:db8::7")),
        (UNKNOWN.to_vec(), None),
        (ODD.to_vec(), None),
        (binary(0), Some("198.51.100.7")),
        (binary(30), Some("198.51.100.7")),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), None),
    ]
}

#[track_caller]
fn expect_source(wire: &Wire, source: Option<&str>) {
    let source = source.map(|source| source.parse().unwrap());
    assert!(wire.record.proxied_for.iter().all(|&proxied_for| proxied_for == source));
    assert_eq!(wire.connections.counters().proxied, 1);
}

#[test]
fn a_header_belongs_to_all_requests_of_its_connection_wherever_it_is_cut() {
    for (header, source) in headers() {
        let bytes = [&header[..], get("/a").as_bytes()].concat();
        for at in 1..bytes.len() {
            for trusted in [true, false] {
                let mut wire = Wire::new();
                wire.checksum = if trusted { Checksum::Valid } else { Checksum::Unknown };
                wire.send(&bytes[..at]).send(&bytes[at..]).reply(ok(""));
                wire.expect(&["GET /a 200"]);
                wire.send(get("/b")).reply(status(404, "")).finish();
                wire.expect(&["GET /a 200", "GET /b 404"]);
                expect_source(&wire, source);
                let counters = wire.connections.counters();
                assert_eq!(
                    (counters.stream.conflicts, counters.malformed_requests, counters.desyncs),
                    (0, 0, 0)
                );
                assert_eq!(wire.record.sizes[0].0 as usize, get("/a").len());
                assert_eq!(wire.record.directives, []);
            }
        }
    }
}

#[test]
fn a_header_may_come_byte_by_byte_and_with_all_else_at_once() {
    for (header, source) in headers() {
        let bytes = [&header[..], get("/a").as_bytes(), post("/b", "body").as_bytes()].concat();
        for size in [1, 2, 3, bytes.len()] {
            let mut wire = Wire::new();
            wire.captured = usize::MAX;
            for piece in bytes.chunks(size) {
                wire.send(piece);
            }
            wire.reply([ok(""), ok("x")].concat()).finish();
            wire.expect(&["GET /a 200", "POST /b 200"]);
            expect_source(&wire, source);
        }
    }
}

#[test]
fn what_a_line_is_that_may_be_a_header_does_not_depend_on_the_cuts() {
    for next in [
        "HoN\u{1d} x HTTP/1.1",
        "Host x HTTP/1.1",
        "GET  /b HTTP/1.1",
        "X:y HTTP/1.1",
        "\u{16}\u{3}",
        "GET /x",
    ] {
        let bytes = format!("PROXY UNKNOWN x HTTP/1.1\r\n{next}\r\nHost: x\r\n\r\n{}", get("/b"));
        let read = |size: usize| {
            let mut wire = Wire::new();
            for piece in bytes.as_bytes().chunks(size) {
                wire.send(piece);
            }
            wire.fin().finish();
            wire.record.exchanges
        };
        for size in 1..40 {
            assert_eq!(read(size), read(bytes.len()), "{next:?} in pieces of {size}");
        }
    }
}

#[test]
fn requests_that_begin_like_a_header_are_requests() {
    for line in [
        "PROXY /x HTTP/1.1",
        "PROXY  HTTP/1.1",
        "PROXYFOO /x HTTP/1.1",
        "PRO /x HTTP/1.1",
        "PROXY TCP4 HTTP/1.1",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 HTTP/1.1",
        "PROXY UNKNOWN HTTP/1.1",
        "PROXY UNKNOWN x HTTP/1.0",
        "\r\n\r\nGET / HTTP/1.1",
        "\r\n\r\n\r\nGET / HTTP/1.1",
        "\n\r\nGET / HTTP/1.1",
    ] {
        let text = format!("{line}\r\nConnection: keep-alive\r\n\r\n");
        let mut parts = line.trim_start().splitn(2, ' ');
        let (method, rest) = (parts.next().unwrap(), parts.next().unwrap());
        let target = rest.rsplit_once("HTTP/").unwrap().0.trim_end();
        for at in 1..text.len() {
            let mut wire = Wire::new();
            wire.send(&text[..at]).send(&text[at..]).reply(ok(""));
            wire.send(get("/b")).reply(ok("")).finish();
            wire.expect(&[&format!("{method} {target} 200"), "GET /b 200"]);
            assert_eq!(wire.record.sizes[0].0 as usize, text.trim_start().len(), "{line:?} cut at {at}");
            assert_eq!(wire.record.proxied_for, [None, None]);
            assert_eq!(wire.connections.counters().proxied, 0);
            assert_eq!(wire.record.directives, []);
        }
    }
}

#[test]
fn a_request_named_like_a_header_does_not_hide_those_behind_it() {
    for size in [1, 9, usize::MAX] {
        let text = [b"PROXY UNKNOWN HTTP/1.1\r\nHost: x\r\n\r\n", get("/a").as_bytes()].concat();
        let mut wire = Wire::new();
        wire.captured = usize::MAX;
        for piece in text.chunks(size.min(text.len())) {
            wire.send(piece);
        }
        wire.reply([status(404, ""), ok("")].concat()).finish();
        wire.expect(&["PROXY UNKNOWN 404", "GET /a 200"]);
    }
}

#[test]
fn a_header_that_tcp_drops_gives_way_to_the_one_that_it_takes() {
    let decoy = b"PROXY TCP4 203.0.113.99 192.0.2.2 40000 80\r\n";
    for (header, source) in headers() {
        for cut in [0, 3, 15, header.len().min(40)] {
            let cut = cut.min(header.len() - 1);
            for decoy in [&decoy[..], &binary(200), get("/decoy").as_bytes(), b"\0\0\0"] {
                let decoy = &decoy[cut.min(decoy.len() - 1)..];
                let mut wire = Wire::new();
                if cut > 0 {
                    wire.send(&header[..cut]);
                }
                wire.checksum = Checksum::Unknown;
                wire.raw(wire.client, decoy);
                wire.checksum = Checksum::Valid;
                wire.send(&header[cut..]).send(get("/real")).reply(ok("")).finish();
                wire.expect(&["GET /real 200"]);
                expect_source(&wire, source);
            }
        }
    }
}

#[test]
fn a_header_that_tcp_never_accepted_is_not_counted() {
    let mut wire = Wire::new();
    wire.raw(wire.client, TCP4);
    wire.settle().finish();
    assert_eq!(wire.connections.counters().proxied, 0);
}

#[test]
fn a_loss_inside_a_header_loses_the_place_until_the_next_answer() {
    for (at, lost) in [(20, 10), (10, 100), (30, 1)] {
        let mut wire = Wire::new();
        wire.send(&binary(300)[..at]).miss(lost).send(get("/in-a-header")).reply(ok("")).settle().settle();
        wire.send(get("/a")).reply(ok("")).finish();
        wire.expect(&["GET /a 200"]);
        assert_eq!(wire.record.proxied_for, [None]);
        let counters = wire.connections.counters();
        assert_eq!((counters.gaps, counters.lost_bytes, counters.proxied), (1, lost.into(), 0));
    }
}

#[test]
fn behind_a_header_other_protocols_are_left_alone() {
    for header in [TCP4.to_vec(), binary(0)] {
        let mut wire = Wire::new();
        wire.send([&header[..], b"\x16\x03\x01\x02\x00"].concat());
        wire.send("more").finish();
        assert_eq!(wire.record.directives, [Directive::Ignore]);
        let counters = wire.connections.counters();
        assert_eq!((counters.proxied, counters.tls, counters.not_http), (1, 1, 0));
    }
}

#[test]
fn a_second_header_is_not_one() {
    for first in [TCP4.to_vec(), binary(0)] {
        for second in [TCP6.to_vec(), binary(0)] {
            let mut wire = Wire::new();
            wire.send(&first).send(&second).send(get("/a")).reply(status(400, "")).finish();
            assert!(wire.record.exchanges[0].ends_with(" 400"), "{:?}", wire.record.exchanges);
            assert!(wire.record.proxied_for.iter().all(|&address| address == wire.record.proxied_for[0]));
            assert_eq!(wire.connections.counters().proxied, 1);
        }
    }
}

#[test]
fn a_header_behind_a_request_is_not_one() {
    for header in [TCP4.to_vec(), ODD.to_vec(), binary(0)] {
        for together in [true, false] {
            let mut wire = Wire::new();
            if together {
                wire.send([get("/a").as_bytes(), &header, get("/b").as_bytes()].concat()).reply(ok(""));
            } else {
                wire.send(get("/a")).reply(ok("")).send(&header).send(get("/b"));
            }
            wire.finish();
            assert_eq!(wire.record.exchanges[0], "GET /a 200");
            assert!(wire.record.proxied_for.iter().all(Option::is_none));
            assert_eq!(wire.connections.counters().proxied, 0);
        }
    }
}

#[test]
fn a_header_amid_a_stream_is_not_one() {
    let request = [TCP4, get("/a").as_bytes()].concat();
    let mut joined = Wire::new();
    joined.joined = true;
    joined.send(&request).reply(ok("")).send(get("/b")).reply(ok("")).finish();
    joined.expect(&["GET /b 200"]);
    assert_eq!(
        (joined.record.proxied_for.as_slice(), joined.connections.counters().proxied),
        (&[None][..], 0)
    );
    // Forgotten as it was silent, with what its header said.
    let mut silent = Wire::new();
    silent.send(TCP6).send(get("/a")).reply(ok(""));
    for _ in 0..700 {
        silent.wait(Duration::from_secs(1));
    }
    silent.send(&request).reply(status(400, "")).send(get("/b")).reply(ok("")).finish();
    silent.expect(&["GET /a 200", "GET /b 200"]);
    assert_eq!(silent.record.proxied_for, [Some("2001:db8::7".parse().unwrap()), None]);
}

#[test]
fn what_never_becomes_a_header_is_not_http() {
    for start in [
        [&b"PROXY UNKNOWN "[..], &[b'x'; 107]].concat(),
        [&b"PROXY TCP4 "[..], &[b'1'; 107]].concat(),
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 x\r\n".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c0123456789ab".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c0123456789ab".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b0123456789ab".to_vec(),
        b"\r\n\r\n\0x".to_vec(),
    ] {
        for size in [1, 5, start.len()] {
            let mut wire = Wire::new();
            for piece in start.chunks(size) {
                wire.send(piece);
            }
            wire.send("\r\n").send("something else").reply("no HTTP").finish();
            wire.expect(&[]);
            assert_eq!(wire.record.directives, [Directive::Ignore], "{start:?}");
            let counters = wire.connections.counters();
            assert_eq!((counters.proxied, counters.not_http), (0, 1));
        }
    }
}

#[test]
fn a_header_that_never_ends_costs_nothing() {
    let mut wire = Wire::new();
    let endless = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[1; 20]].concat();
    wire.send(&endless).settle();
    for _ in 0..40 {
        wire.send([b'x'; 1400]);
        let counters = wire.connections.counters();
        assert!(counters.stream.buffered_bytes < 2 * 1400, "what TCP has accepted is not kept");
        assert_eq!(counters.pending_bytes, 0);
    }
    wire.fin().settle().finish();
    wire.expect(&[]);
    assert_eq!(wire.connections.counters().proxied, 0);
    // The longest that ends.
    let mut wire = Wire::new();
    for piece in binary(65_535 - 12).chunks(1448) {
        wire.send(piece);
    }
    wire.send(get("/a")).reply(ok("")).finish();
    wire.expect(&["GET /a 200"]);
    expect_source(&wire, Some("198.51.100.7"));
}
