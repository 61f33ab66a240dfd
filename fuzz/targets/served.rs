//! Whole connections in both directions, beside a server that reads the same octets: what it serves is reported with its
//! target and its status, or said to be unseen, and no status is reported that no answer had.
//!
//! An input is an octet of switches and a list of steps, parted by the octet 0xFE: the first octet of each says what it
//! is, the rest is what the client sends.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rollcall::{
    http::{Connections, Directive, Exchange, Limits, Sink, Unseen},
    stream::{ConnectionId, Direction, Segment},
    time::Timestamp,
};
use rollcall_fuzz::{
    reference::{Answer, Options, Server},
    seeds,
    wire::Wire,
};

/// Octets that the kernel captures of a segment of answers.
const CAPTURED: usize = 272;

/// The switches.
const WHOLE: u8 = 1;
const READS_BODY: u8 = 2;
const LONG: u8 = 4;
const LENIENT: u8 = 8;
/// Answers come in pieces.
const PIECES: u8 = 16;
/// The answers come from the other CPU: late.
const LATE: u8 = 32;
const JOINED: u8 = 64;

const SEEDS: [&str; 14] = [
    "qGET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n|s|qHEAD /c HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n|q0\r\nT: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n|qGET /c HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n|qhello|qGET /b HTTP/1.1\r\n\r\n",
    "pGET /a HTTP/1.1\r\n\r\n|pGET /b HTTP/1.1\r\n\r\nGET /c HT|qTP/1.1\r\n\r\n|qGET /d HTTP/1.0\r\n\r\n",
    "c\u{7}GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\n\r\n",
    "d\u{1}GET /a HTTP/1.1\r\nHost: x\r\n\r\n|d\u{3}GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n",
    "u\u{6}GET /no HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /upgrade HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /a HTTP/1.1\r\n\r\n|lGET /b HTTP/1.1\r\n\r\n|qGET /c HTTP/1.1\r\n\r\n|A|qGET /d HTTP/1.1\r\n\r\n|qGET /e HTTP/1.1\r\n\r\n",
    "qPOST /a HTTP/1.1\r\nContent-Length: 40\r\n\r\nGET /no HTTP/1.1\r\n\r\n|qGET /no HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
    "qGET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /no HTTP/1.1\r\n\r\n",
    "o\u{9}GET /a HTTP/1.1\r\n\r\n|bGET /b HTTP/1.1\r\n\r\n|bGET /c HTTP/1.1\r\n\r\n|r|w|s",
    "qGET /a HTTP/1.1\r\n\r\n|R|qGET /b HTTP/1.1\r\n\r\nGE|qT /c HTTP/1.1\r\n\r\n|qGET /d HTTP/1.1\r\n\r\n",
    "qG\u{ff}T / HTTP/1.1\r\n\r\n|qGET /b HTTP/1.1\r\n\r\n",
];

const WORDS: [&str; 40] = [
    "GET ",
    "POST ",
    "HEAD ",
    "CONNECT ",
    "OPTIONS * ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n\r\n",
    "\n\n",
    "GET /x HTTP/1.1\r\n\r\n",
    "Content-Length: ",
    "Content-Length: 3\r\n\r\nabc",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "PROXY UNKNOWN\r\n",
    "\r\n 0\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "Host: x\r\n",
    "http://x",
    "/upgrade",
    "\u{16}\u{3}\u{1}",
    "q",
    "p",
    "b",
    "c\u{1}",
    "d\u{1}",
    "l",
    "A",
    "s",
    "R",
    "u",
];

#[derive(Debug, Default)]
struct Record {
    all: Vec<(String, Vec<u8>, Option<u16>)>,
    unseen: usize,
    whole: bool,
}

impl Record {
    /// What the counters say of requests that were found and given up, as nothing proved their place after a loss.
    fn give_up(&mut self, connections: &Connections) {
        self.unseen += connections.counters().lost_requests as usize;
    }
}

impl Sink for Record {
    fn call(&mut self, _: &Exchange<'_>) {}

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let request = exchange.request;
        let method = String::from_utf8_lossy(request.method()).into_owned();
        self.all.push((method, request.target().to_vec(), exchange.status));
    }

    fn unseen(&mut self, _: &Unseen) {
        self.unseen += 1;
    }

    fn directive(&mut self, _: ConnectionId, directive: Directive) {
        self.whole |= directive == Directive::WholeResponses;
    }
}

/// The server, the wire, and who listens to it.
struct Play {
    server: Server,
    wire: Wire,
    /// What the client has seen of the answers.
    acknowledged: u32,
    connections: Connections,
    record: Record,
    switches: u8,
    late: Vec<(Wire, Vec<u8>)>,
    /// Something was kept from the listener, or it came late.
    is_lossy: bool,
    /// The next answers are kept from the listener.
    loses_answers: bool,
    /// Requests of which neither the octets nor the answer was seen.
    lost_both: usize,
    finished: bool,
}

impl Play {
    fn new(switches: u8) -> Play {
        let options = Options {
            reads_body: switches & READS_BODY != 0,
            long: switches & LONG != 0,
            lenient: switches & LENIENT != 0,
        };
        let mut wire = Wire::new(1, Timestamp(1_700_000_000_000_000_000));
        wire.joined = switches & JOINED != 0;
        Play {
            server: Server::new(options),
            acknowledged: wire.server,
            wire,
            connections: Connections::new(Limits::default()),
            record: Record::default(),
            switches,
            late: Vec::new(),
            is_lossy: switches & JOINED != 0,
            loses_answers: false,
            lost_both: 0,
            finished: false,
        }
    }

    fn tick(&mut self) {
        self.wire.now = self.wire.now + Duration::from_micros(10);
    }

    /// The client sends a segment in order.
    fn send(&mut self, data: &[u8], urgent: Option<usize>, seen: bool) {
        if data.is_empty() || self.server.is_closed() {
            return;
        }
        self.tick();
        let urgent_at = urgent.map(|at| self.wire.client.wrapping_add(at as u32));
        let segment = Segment {
            ack: Some(self.acknowledged),
            urgent: urgent_at,
            ..self.wire.segment(Direction::Request, data)
        };
        if seen {
            self.connections.segment(&segment, &mut self.record);
        }
        self.wire.pass(Direction::Request, data.len() as u32);
        match urgent {
            Some(at) => {
                self.server.receive(&data[..at]);
                self.server.receive(&data[at + 1..]);
            }
            None => self.server.receive(data),
        }
    }

    /// The server does what it can.
    fn run(&mut self, request_seen: bool) {
        let before = self.server.answers().len();
        let sent = self.server.run();
        if sent.is_empty() && !self.server.is_closed() {
            return;
        }
        if self.loses_answers && !request_seen {
            self.lost_both += self.server.answers().len() - before;
        }
        let most = if self.switches & PIECES != 0 { 37 } else { 1448 };
        for piece in sent.chunks(most) {
            self.tick();
            if !self.loses_answers {
                let wire = self.wire.clone();
                if self.switches & LATE != 0 {
                    self.late.push((wire, piece.to_vec()));
                } else {
                    self.show(&wire, piece);
                }
            }
            self.wire.pass(Direction::Response, piece.len() as u32);
        }
        self.loses_answers = self.loses_answers && sent.is_empty();
        if self.server.is_closed() && !self.finished {
            self.finished = true;
            self.deliver();
            self.tick();
            let segment = Segment { fin: true, endpoints: None, ..self.wire.empty(Direction::Response) };
            self.connections.segment(&segment, &mut self.record);
        }
    }

    /// A segment of answers is captured.
    fn show(&mut self, wire: &Wire, data: &[u8]) {
        let whole = self.switches & WHOLE != 0 || self.is_lossy || self.record.whole;
        let captured = if whole { data.len() } else { data.len().min(CAPTURED) };
        let segment =
            Segment { data: &data[..captured], endpoints: None, ..wire.segment(Direction::Response, data) };
        self.connections.segment(&segment, &mut self.record);
    }

    /// What is late comes.
    fn deliver(&mut self) {
        for (wire, data) in std::mem::take(&mut self.late) {
            self.show(&wire, &data);
        }
    }

    fn settle(&mut self, time: Duration) {
        self.deliver();
        self.wire.now = self.wire.now + time;
        self.connections.settle(self.wire.now, &mut self.record);
    }

    fn step(&mut self, kind: u8, rest: &[u8]) {
        let argument = usize::from(rest.first().copied().unwrap_or(0));
        let behind = rest.get(1..).unwrap_or_default();
        match kind {
            // Having waited for the answers; not having seen them; before the server is run.
            b'q' => {
                self.acknowledged = self.wire.server;
                self.send(rest, None, true);
                self.run(true);
            }
            b'b' => {
                self.send(rest, None, true);
                self.run(true);
            }
            b'p' => self.send(rest, None, true),
            // In segments of some length, between which the server is run or not.
            b'c' | b'd' => {
                self.acknowledged = self.wire.server;
                for piece in behind.chunks(argument.max(1)) {
                    self.send(piece, None, true);
                    if kind == b'd' {
                        self.run(true);
                        self.acknowledged = self.wire.server;
                    }
                }
                self.run(true);
            }
            // With an octet out of band.
            b'u' if !behind.is_empty() => {
                self.acknowledged = self.wire.server;
                self.send(behind, Some(argument % behind.len()), true);
                self.run(true);
            }
            // The second half before the first.
            b'o' if behind.len() > 1 && !self.server.is_closed() => {
                self.tick();
                self.acknowledged = self.wire.server;
                let (first, second) = behind.split_at(1 + argument % (behind.len() - 1));
                let base = self.wire.segment(Direction::Request, second);
                let early = Segment { seq: base.seq.wrapping_add(first.len() as u32), ..base };
                self.connections.segment(&early, &mut self.record);
                self.send(first, None, true);
                self.wire.pass(Direction::Request, second.len() as u32);
                self.server.receive(second);
                self.run(true);
            }
            // Lost on the way to the listener: the request, the next answers, everything so far.
            b'l' => {
                self.is_lossy = true;
                self.acknowledged = self.wire.server;
                self.send(rest, None, false);
                self.run(false);
            }
            b'A' => {
                self.is_lossy = true;
                self.loses_answers = true;
            }
            b'R' => {
                self.is_lossy = true;
                self.deliver();
                self.connections.finish(self.wire.now, &mut self.record);
                self.record.give_up(&self.connections);
                self.connections = Connections::new(Limits::default());
                self.wire.joined = true;
                self.record.whole = false;
            }
            b's' => self.settle(Duration::from_millis(1)),
            b'w' => self.settle(Duration::from_secs(1)),
            _ => {}
        }
    }

    /// The client closes, and nothing is under way any more.
    fn end(&mut self) {
        self.run(true);
        if !self.finished {
            self.tick();
            self.acknowledged = self.wire.server;
            let fin = Segment { fin: true, ..self.wire.empty(Direction::Request) };
            self.connections.segment(&fin, &mut self.record);
            self.wire.pass(Direction::Request, 1);
            self.server.finish();
            self.run(true);
        }
        self.settle(Duration::from_millis(1));
        self.settle(Duration::from_millis(1));
        self.connections.finish(self.wire.now, &mut self.record);
        self.record.give_up(&self.connections);
    }
}

/// Whether what was reported can be what was answered.
fn same(reported: &(String, Vec<u8>, Option<u16>), answer: &Answer) -> bool {
    let Some(served) = &answer.served else { return true };
    reported.0 == served.method && hyper::Uri::try_from(&reported.1[..]).is_ok_and(|uri| uri == served.uri)
}

/// How many answers were to requests that were reported, each by one; a report with a status has to have its answer.
fn matched(reported: &[(String, Vec<u8>, Option<u16>)], answers: &[Answer]) -> Option<usize> {
    // The best for the first answers, with all reports so far; `None` where a status would have no answer.
    let mut best: Vec<Option<usize>> = vec![Some(0); answers.len() + 1];
    for report in reported {
        let mut next = vec![None; answers.len() + 1];
        if report.2.is_none() {
            next[0] = best[0];
        }
        for (index, answer) in answers.iter().enumerate() {
            let fits = report.2.is_none_or(|status| status == answer.status) && same(report, answer);
            let with = best[index].filter(|_| fits).map(|count| count + usize::from(answer.served.is_some()));
            let without = best[index + 1].filter(|_| report.2.is_none());
            next[index + 1] = next[index].max(with).max(without);
        }
        best = next;
    }
    best[answers.len()]
}

fuzz_target!(init: seeds::offer(&seeds(), &WORDS), |data: &[u8]| {
    let Some((&switches, data)) = data.split_first() else { return };
    let mut play = Play::new(switches);
    for step in data.split(|&byte| byte == 0xfe).take(64) {
        if let Some((&kind, rest)) = step.split_first() {
            play.step(kind, rest);
        }
    }
    play.end();
    let counters = play.connections.counters();
    assert_eq!((counters.connections, counters.buffered_bytes, counters.pending_bytes), (0, 0, 0));
    let answers = play.server.answers();
    // As first line of a connection it may be a PROXY header, which is not for the server to say.
    let is_proxy = |answer: &Answer| answer.served.as_ref().is_some_and(|served| served.method == "PROXY");
    if answers.first().is_some_and(is_proxy) {
        return;
    }
    let served = answers.iter().filter(|answer| answer.served.is_some()).count();
    let record = &play.record;
    let matched = matched(&record.all, &answers);
    let told = || {
        let line = |(method, target, status): &(String, Vec<u8>, Option<u16>)| {
            format!("{method} {} {status:?}", target.escape_ascii())
        };
        let reported: Vec<_> = record.all.iter().map(line).collect();
        format!("answered {answers:#?}\nreported {reported:#?}\nunseen {}\n{counters:?}", record.unseen)
    };
    let Some(matched) = matched else { panic!("a status that no answer had: {}", told()) };
    assert!(matched + record.unseen + play.lost_both >= served, "served and neither reported nor told: {}", told());
});

/// With the octet that parts steps, the first that chooses, and what was tried on servers of all kinds before.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for text in SEEDS {
        for switches in [0, WHOLE, READS_BODY | PIECES, LONG, WHOLE | LONG | LATE, JOINED] {
            let steps = text.bytes().map(|byte| if byte == b'|' { 0xfe } else { byte });
            seeds.push(std::iter::once(switches).chain(steps).collect());
        }
    }
    seeds.extend(sequences());
    seeds
}

/// Sequences of writes that were tried on servers of all kinds, each followed by ordinary requests.
fn sequences() -> Vec<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Sequence {
        writes: Vec<String>,
    }
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let Some(shared) = std::env::var_os("ROLLCALL_SHARED") else { return Vec::new() };
    let path = std::path::Path::new(&shared).join("data").join("heads.json");
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let sequences: Vec<Sequence> = serde_json::from_slice(&text).expect("a list of sequences");
    let seed = |(number, sequence): (usize, &Sequence)| {
        let mut seed = vec![number as u8 & !JOINED];
        for write in &sequence.writes {
            seed.push(b'q');
            seed.extend(BASE64_STANDARD.decode(write).expect("a write in base64"));
            seed.push(0xfe);
        }
        seed.extend(b"qGET /after HTTP/1.1\r\nHost: x\r\n\r\n\xfeqGET /last HTTP/1.1\r\nHost: x\r\n\r\n");
        seed
    };
    sequences.iter().enumerate().map(seed).collect()
}
