//! Packets: streams, heads, guesses, and what stands behind them.

use std::time::Duration;

use anyhow::Result;
use rollcall_detect::alert::Alert;
use rollcall_engine::{Engine, Output, Settings, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{Checksum, ConnectionId, Direction, Endpoints, Segment};

use super::{Cost, cpu_time};

/// A case is measured for so long, after as long.
const TIME: Duration = Duration::from_millis(500);
/// The least of its connections.
const LEAST: u64 = 6;
/// IP and TCP headers.
const HEADERS: u64 = 40;
/// Payload of a full packet.
const FULL: usize = 1448;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A case: what its `n`th connection does.
type Case = (&'static str, fn(&mut Script, u64));

const CASES: &[Case] = &[
    ("one request", |script, n| {
        script.send(&format!("GET /a/{n} HTTP/1.1\n\n"));
        script.answer(OK);
    }),
    ("10,000 tiny requests, full packets", |script, n| {
        let requests: String =
            (0..10_000).map(|at| format!("G /a/{} HTTP/1.1\n\n", n * 10_000 + at)).collect();
        for packet in requests.as_bytes().chunks(FULL) {
            script.bytes(packet);
            let ended = packet.windows(2).filter(|window| window == b"\n\n").count();
            script.answer(&OK.repeat(ended));
        }
    }),
    ("10,000 tiny requests, a packet each", |script, n| {
        for at in 0..10_000 {
            script.send(&format!("G /a/{} HTTP/1.1\n\n", n * 10_000 + at));
            script.answer(OK);
        }
    }),
    ("1,000 requests, then their answers", |script, n| {
        for _ in 0..10 {
            let requests: String =
                (0..1_000).map(|at| format!("G /a/{} HTTP/1.1\n\n", n * 1_000 + at)).collect();
            requests.as_bytes().chunks(FULL).for_each(|packet| script.bytes(packet));
            (0..1_000).for_each(|_| script.answer(OK));
        }
    }),
    ("a long head, a byte a packet", |script, _| {
        script.in_pieces(format!("GET /a HTTP/1.1\r\nA: {}", "a".repeat(60_000)).as_bytes(), 1);
    }),
    ("the same, checksums unknown", |script, _| {
        script.trusted = false;
        script.in_pieces(format!("GET /a HTTP/1.1\r\nA: {}", "a".repeat(60_000)).as_bytes(), 1);
    }),
    ("a head of 20,000 lines", |script, _| {
        script.in_pieces(format!("GET /a HTTP/1.1\r\n{}\r\n", "a:\n".repeat(20_000)).as_bytes(), FULL);
        script.answer(OK);
    }),
    ("a line of blanks", |script, _| {
        script.in_pieces(format!("GET {} HTTP/1.1\r\n\r\n", " ".repeat(60_000)).as_bytes(), FULL);
        script.answer(OK);
    }),
    ("a line of versions", |script, _| {
        script.in_pieces(format!("GET /{} HTTP/1.1\r\n\r\n", " HTTP/".repeat(10_000)).as_bytes(), FULL);
        script.answer(OK);
    }),
    ("10,000 blank lines before each request", |script, n| {
        for _ in 0..10 {
            script.in_pieces(format!("{}GET /a/{n} HTTP/1.1\n\n", "\r\n".repeat(10_000)).as_bytes(), FULL);
            script.answer(OK);
        }
    }),
    ("chunks of one byte", |script, _| {
        script.send("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        script.in_pieces("1\r\na\r\n".repeat(10_000).as_bytes(), FULL);
    }),
    ("chunks of one byte, a packet each", |script, _| {
        script.send("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        script.in_pieces("1\r\na\r\n".repeat(10_000).as_bytes(), 6);
    }),
    ("bodies full of requests", |script, _| {
        for _ in 0..10 {
            let body = "GET / HTTP/1.1\n\n".repeat(1_000);
            script.send(&format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()));
            script.in_pieces(body.as_bytes(), FULL);
            script.answer(OK);
        }
    }),
    ("bodies full of requests, more answers", |script, _| {
        for _ in 0..10 {
            let body = "GET / HTTP/1.1\n\n".repeat(900);
            script.send(&format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()));
            script.in_pieces(body.as_bytes(), FULL);
            (0..2).for_each(|_| script.answer(OK));
        }
    }),
    ("framing that servers read differently", |script, _| {
        for _ in 0..100 {
            script
                .send("GET /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
            script.in_pieces("GET / HTTP/1.1\n\n".repeat(80).as_bytes(), FULL);
            script.answer(OK);
        }
    }),
    ("answers amid a body", |script, _| {
        script.send("POST /a HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n");
        for _ in 0..1_000 {
            script.answer(OK);
            script.send("GET /a?");
        }
    }),
    ("bytes that are no request, answered", |script, _| {
        for _ in 0..100 {
            script.in_pieces(&[b'\xff'; 4 * FULL], FULL);
            script.answer(OK);
        }
    }),
    ("TLS", |script, _| {
        script.bytes(&[&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 500]].concat());
        script.answer("\x16\x03\x03");
    }),
    ("packets that leave gaps", |script, _| {
        script.send("GET /a HTTP/1.1\r\nA: ");
        // From both ends towards the middle.
        for at in 0..1_800_u32 {
            script.ahead(2 + 2 * at, b"a");
            script.ahead(8_000 - 2 * at, b"a");
        }
    }),
    ("packets that contradict others", |script, _| {
        script.send("GET /a HTTP/1.1\r\nA: ");
        for at in 0..900 {
            script.unaccepted(at, b"a");
        }
        for at in 0..4_000_u32 {
            script.unaccepted(899, if at % 2 == 0 { b"b" } else { b"a" });
        }
    }),
    ("full packets that contradict others", |script, _| {
        script.send("GET /a HTTP/1.1\r\nA: ");
        for at in 0..44 {
            script.unaccepted(at * FULL as u32, &[b'a'; FULL]);
        }
        for at in 0..4_000_u32 {
            script.unaccepted(44 * FULL as u32 - 1, if at % 2 == 0 { b"b" } else { b"a" });
        }
    }),
    ("packets of no connection, then connections", |script, n| {
        if n == 0 {
            (0..1_024).for_each(|at| script.stray(at));
        }
        script.stray((n % 60_000) as u16);
        script.send("GET / HTTP/1.1\n\n");
        script.answer(OK);
    }),
];

/// What each case costs.
pub(super) fn costs(is_chosen: &dyn Fn(&str) -> bool) -> Result<Vec<Cost>> {
    CASES.iter().filter(|case| is_chosen(case.0)).map(cost).collect()
}

fn cost(&(name, case): &Case) -> Result<Cost> {
    let mut engine = Engine::new(Settings::default(), HashKey::new([7; 16]), Nowhere);
    let (mut bytes, mut times) = (0, Vec::new());
    let (mut before, mut during) = (Duration::ZERO, Duration::ZERO);
    let mut n = 0;
    while during < TIME || times.len() < LEAST as usize {
        let mut script = Script::new(n);
        case(&mut script, n);
        script.reset();
        let start = cpu_time();
        for packet in &script.packets {
            engine.segment(&Segment { data: &packet.data, ..packet.segment });
            // As the daemon does when it has taken all that there was.
            if packet.segment.direction == Direction::Response {
                engine.settle(packet.segment.at);
            }
            engine.directives().for_each(drop);
        }
        engine.settle(script.at);
        engine.settle(script.at);
        let took = cpu_time() - start;
        n += 1;
        if before < TIME || n <= LEAST {
            before += took;
            continue;
        }
        during += took;
        bytes += script.bytes;
        times.push(took);
    }
    Cost::of(name, bytes, times)
}

struct Nowhere;

impl Output for Nowhere {
    fn exchange(&mut self, _: &Exchange<'_>, _: &Attributed<'_>) {}

    fn alert(&mut self, _: &Alert) {}
}

struct Packet {
    segment: Segment<'static>,
    data: Vec<u8>,
}

/// What the programs show of a connection.
struct Script {
    id: u64,
    packets: Vec<Packet>,
    /// What the client sends, with headers.
    bytes: u64,
    at: Timestamp,
    /// The server's next bytes in either direction.
    received: u32,
    sent: u32,
    answered: bool,
    /// Checksums could be verified.
    trusted: bool,
}

impl Script {
    fn new(id: u64) -> Script {
        let at = Timestamp(1_700_000_000_000_000_000 + id * 20_000_000);
        Script {
            id: id + 1,
            packets: Vec::new(),
            bytes: 0,
            at,
            received: 1_000,
            sent: 9_000,
            answered: false,
            trusted: true,
        }
    }

    fn segment(&mut self, direction: Direction) -> Segment<'static> {
        self.at = self.at + Duration::from_micros(1);
        let port = 1_024 + (self.id % 60_000) as u16;
        let request = direction == Direction::Request;
        let seq = if request { self.received } else { self.sent };
        Segment {
            endpoints: Some(Endpoints {
                client: ([203, 0, 113, (self.id % 4) as u8], port).into(),
                server: ([127, 0, 0, 1], 8080).into(),
            }),
            ack: Some(if request { self.sent } else { self.received }),
            received: Some(self.received).filter(|_| request),
            sent: Some(self.sent).filter(|_| request),
            after_response: self.answered && request,
            checksum: if self.trusted { Checksum::Valid } else { Checksum::Unknown },
            ..Segment::bare(ConnectionId(self.id), direction, self.at, seq)
        }
    }

    fn push(&mut self, segment: Segment<'static>, data: &[u8]) {
        if segment.direction == Direction::Request {
            self.bytes += HEADERS + data.len() as u64;
        }
        let segment = Segment { length: data.len() as u32, ..segment };
        self.packets.push(Packet { segment, data: data.to_vec() });
    }

    fn send(&mut self, data: &str) {
        self.bytes(data.as_bytes());
    }

    /// The client sends a packet.
    fn bytes(&mut self, data: &[u8]) {
        let segment = self.segment(Direction::Request);
        self.push(segment, data);
        self.received = self.received.wrapping_add(data.len() as u32);
        self.answered = false;
    }

    fn in_pieces(&mut self, data: &[u8], size: usize) {
        data.chunks(size).for_each(|piece| self.bytes(piece));
    }

    /// A packet that comes before its turn.
    fn ahead(&mut self, offset: u32, data: &[u8]) {
        let segment = self.segment(Direction::Request);
        self.push(Segment { seq: segment.seq.wrapping_add(offset), ..segment }, data);
    }

    /// A packet that TCP does not take, as it acknowledges what was never sent.
    fn unaccepted(&mut self, offset: u32, data: &[u8]) {
        let segment = self.segment(Direction::Request);
        let (seq, ack) = (segment.seq.wrapping_add(offset), Some(self.sent.wrapping_add(100)));
        self.push(Segment { seq, ack, ..segment }, data);
    }

    /// A packet from another port of the client, where no connection is.
    fn stray(&mut self, port: u16) {
        let segment = self.segment(Direction::Request);
        let endpoints = segment.endpoints.map(|ends| Endpoints {
            client: (ends.client.ip(), port).into(),
            server: ([127, 0, 0, 2], 8080).into(),
        });
        let listener = Segment { connection: ConnectionId(0), endpoints, listener: true, ..segment };
        self.push(Segment { received: None, sent: None, ..listener }, b"GET");
    }

    /// The server sends a packet, as much of it as is captured.
    fn answer(&mut self, data: &str) {
        let segment = self.segment(Direction::Response);
        self.push(segment, data.as_bytes());
        self.sent = self.sent.wrapping_add(data.len() as u32);
        self.answered = true;
    }

    fn reset(&mut self) {
        let segment = self.segment(Direction::Request);
        self.push(Segment { rst: true, ..segment }, b"");
    }
}
