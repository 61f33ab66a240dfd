//! Whole connections: any segments, of any number of connections, through the engine with detection behind it.
//!
//! An input is a list of steps, parted by the octet 0xFE: the first octet of each says what it is, the rest is what is
//! sent.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rollcall_detect::{self as detect, Budget, alert::Alert};
use rollcall_engine::{
    Engine, Output, Settings,
    detection::{self, Attributed},
};
use rollcall_fuzz::{check, seeds, wire::Wire};
use rollcall_http::{Exchange, Limits};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{self as stream, Checksum, Direction, Segment};

const SEEDS: [&str; 10] = [
    "qGET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n|aHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok|s|F|f",
    "qPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n|q0\r\nT: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n|\
     aHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n|s",
    "qCONNECT x:443 HTTP/1.1\r\n\r\n|aHTTP/1.1 200 OK\r\n\r\n|qbinary|s|nGET / HTTP/1.1\r\n\r\n|aHTTP/1.0 404 N\r\n\r\nx|f",
    "qGET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n|aHTTP/1.1 101 S\r\n\r\n|qPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "qPROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\nGET / HTTP/1.0\r\n\r\n|r|s",
    "m\u{5}|qGET /x HTTP/1.1\r\n\r\n|o\u{3}HTTP|u\u{3}GET|x|w\u{20}|s|j|qGET /y HTTP/1.1\r\nContent-Length: 99999\r\n\r\nabc",
    "qGET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nHEAD /c HTTP/1.1\r\nConnection: close\r\n\r\n|\
     aHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n|F|f",
    "c|qGET /f HTTP/1.1\r\n\r\n|aHTTP/1.1 200 OK\r\n\r\n|s|\u{16}|q\u{16}\u{3}\u{1}\u{2}",
    "qGET /obs HTTP/1.1\r\nX: y\r\n z\r\nContent-Length : 3\r\nContent-Length: 4, 4\r\n\r\nabcd|k\u{9}GET /cut HTTP/1.1\r\n\r\n",
    "LGET /fastopen HTTP/1.1\r\n\r\n|S|qGET /g\r\n|s|s|W|s",
];
const WORDS: [&str; 34] = [
    "GET ",
    "POST ",
    "HEAD ",
    "CONNECT ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Upgrade: ",
    "Expect: 100-continue\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 100 C\r\n\r\n",
    "HTTP/1.1 101 S\r\n\r\n",
    "HTTP/1.1 204 N\r\n\r\n",
    "HTTP/1.1 304 N\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PROXY TCP4 ",
    "PROXY UNKNOWN\r\n",
    "\r\n 0\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "Host: x\r\n",
    "/v1/customers/17",
    "\u{16}\u{3}\u{1}",
    "Range: ",
    "q",
    "a",
    "s",
    "n",
    "j",
    "Content-Length: 18446744073709551615\r\n",
    "identity",
];

/// What came out.
#[derive(Debug, Default)]
struct Count {
    exchanges: u64,
    alerts: u64,
}

impl Output for Count {
    fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>) {
        self.exchanges += 1;
        check::route(attributed.route);
        check::objects(attributed.objects);
        assert!(exchange.first_byte_at <= exchange.last_byte_at);
    }

    fn alert(&mut self, _: &Alert) {
        self.alerts += 1;
    }
}

/// As by default, or so small that every bound is reached.
fn limits(small: bool) -> Limits {
    if !small {
        return Limits::default();
    }
    Limits {
        head: Limits::HEAD_MIN,
        body: 32,
        pipelined: 3,
        pending: 4096,
        deadline: Duration::from_millis(20),
        stream: stream::Limits {
            connections: 3,
            buffered_per_connection: 256,
            buffered: 512,
            idle: Duration::from_secs(2),
            linger: Duration::from_millis(100),
        },
    }
}

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    let Some((&first, data)) = data.split_first() else { return };
    let http = limits(first & 1 != 0);
    let detection = detection::Settings {
        detector: detect::DetectorSettings { budget: Budget::new(0), ..Default::default() },
        ..detection::Settings::default()
    };
    let (buffered, pending, most) = (http.stream.buffered as u64, http.pending as u64, http.stream.connections as u64);
    let mut engine = Engine::new(Settings { http, detection }, HashKey::new([9; 16]), Count::default());
    let mut now = Timestamp(1_700_000_000_000_000_000);
    let mut wires = vec![Wire::new(1, now)];
    let mut at = 0;
    for step in data.split(|&byte| byte == 0xfe).take(256) {
        let Some((&kind, rest)) = step.split_first() else { continue };
        let argument = u32::from(rest.first().copied().unwrap_or(0));
        now = now + Duration::from_micros(10);
        let wires_now = wires.len();
        let wire = &mut wires[at % wires_now];
        wire.now = now;
        let request = wire.segment(Direction::Request, rest);
        let response = wire.segment(Direction::Response, rest);
        let length = rest.len() as u32;
        let behind = rest.get(1..).unwrap_or_default();
        let seq = |base: u32, data| Segment {
            seq: base.wrapping_add(argument.wrapping_sub(128)),
            ..wire.segment(Direction::Request, data)
        };
        match kind {
            // In order: a request, or an answer, of which the kernel shows the beginning.
            b'q' => (engine.segment(&request), wire.pass(Direction::Request, length)).1,
            b'a' => (engine.segment(&response), wire.pass(Direction::Response, length)).1,
            b'k' => {
                let data = &behind[..behind.len().min(argument as usize)];
                let cut = Segment { data, length: behind.len() as u32, ..request };
                engine.segment(&cut);
                wire.pass(Direction::Request, behind.len() as u32);
            }
            b'A' => {
                let cut = Segment { data: &rest[..rest.len().min(40)], length: length + argument * 100, ..response };
                engine.segment(&cut);
                wire.pass(Direction::Response, cut.length);
            }
            // At some other place, accepted or not.
            b'o' => engine.segment(&seq(wire.client, behind)),
            b'u' => engine.segment(&Segment { urgent: Some(wire.client.wrapping_add(argument)), ..request }),
            b'b' => engine.segment(&Segment {
                seq: wire.server.wrapping_add(argument.wrapping_sub(128)),
                ..wire.segment(Direction::Response, behind)
            }),
            b'x' => engine.segment(&Segment { checksum: Checksum::Invalid, ..request }),
            b'y' => engine.segment(&Segment { checksum: Checksum::Unknown, received: None, sent: None, ..request }),
            // Unseen by the monitor.
            b'm' => wire.pass(Direction::Request, argument),
            b'M' => wire.pass(Direction::Response, argument * 7),
            // The ends.
            b'S' => engine.segment(&Segment { syn: true, seq: wire.client.wrapping_sub(1), ..request }),
            b'F' => engine.segment(&Segment { fin: true, ..request }),
            b'f' => engine.segment(&Segment { fin: true, ..response }),
            b'r' => engine.segment(&Segment { rst: true, ..request }),
            b'R' => engine.segment(&Segment { rst: true, ..response }),
            b'L' => engine.segment(&Segment { listener: true, ..request }),
            // Other connections.
            b'n' => {
                let id = wires.len() as u64 + 1;
                wires.push(Wire::new(id, now));
                at = wires.len() - 1;
            }
            b'j' => wires[at % wires_now].joined = true,
            b'c' => wire.live = false,
            b'p' => at = argument as usize,
            // Time.
            b's' => engine.settle(now),
            b'w' => {
                now = now + Duration::from_millis(u64::from(argument) * 10);
                engine.settle(now);
            }
            b'W' => {
                now = now + Duration::from_secs(400);
                engine.settle(now);
            }
            _ => {}
        }
        let http = engine.counters().http;
        assert!(http.stream.connections <= most);
        assert!(http.stream.buffered_bytes <= buffered + 65_536, "{}", http.stream.buffered_bytes);
        assert!(http.pending_bytes <= pending + 65_536, "{}", http.pending_bytes);
        let mut directives = 0;
        engine.directives().for_each(|_| directives += 1);
        assert!(directives <= 1 + step.len() + wires.len() * 8);
    }
    engine.finish(now);
    let counters = engine.counters();
    let http = &counters.http;
    assert_eq!((http.stream.connections, http.stream.buffered_bytes, http.pending_bytes), (0, 0, 0));
    assert!(counters.detection.detector.tally.pairs <= 2 * 1024 && counters.detection.detector.tally.objects <= 2 * 4096);
    let exchanges = http.exchanges;
    assert_eq!(engine.into_output().exchanges, exchanges);
});

/// With the octet that parts steps, and the first that chooses limits.
fn seeds() -> Vec<Vec<u8>> {
    let seed = |(text, first): (&str, u8)| {
        let steps = text.bytes().map(|byte| if byte == b'|' { 0xfe } else { byte });
        std::iter::once(first).chain(steps).collect()
    };
    SEEDS.iter().flat_map(|text| [(*text, 0), (*text, 1)]).map(seed).collect()
}
