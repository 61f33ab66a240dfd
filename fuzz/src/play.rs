//! Whole connections in both directions, acted out beside a server that reads the same octets.
//!
//! An input is an octet of switches and a list of steps, parted by the octet 0xFE: the first octet of each says what it
//! is, the rest is what the client sends.

use std::time::Duration;

use rollcall_http::{Connections, Exchange, ExchangeSink, Limits, Unseen};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Direction, Directive, Segment};

use crate::{
    reference::{Answer, Options, Server},
    wire::Wire,
};

/// Parts the steps of an input.
pub const PART: u8 = 0xfe;

/// More steps are left out.
const STEPS: usize = 64;

/// Octets that the kernel captures of a segment of answers.
const CAPTURED: usize = 272;

/// The switches.
pub const WHOLE: u8 = 1;
pub const READS_BODY: u8 = 2;
pub const LONG: u8 = 4;
pub const LENIENT: u8 = 8;
/// Answers come in pieces.
pub const PIECES: u8 = 16;
/// The answers come from the other CPU: late.
pub const LATE: u8 = 32;
pub const JOINED: u8 = 64;

/// Method, target and status.
type Reported = (String, Vec<u8>, Option<u16>);

#[derive(Debug, Default)]
struct Record {
    all: Vec<Reported>,
    unseen: usize,
    whole: bool,
}

impl Record {
    /// What the counters say of requests that were found and given up, as nothing proved their place after a loss.
    fn give_up(&mut self, connections: &Connections) {
        self.unseen += connections.counters().lost_requests as usize;
    }
}

impl ExchangeSink for Record {
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
    /// The client's first octet.
    start: u32,
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
    /// Answers that were kept from the listener.
    lost: usize,
    /// Requests that were under way when the listener came or something was lost: the answers may be taken for ones to what
    /// follows.
    amid: usize,
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
            start: wire.client,
            acknowledged: wire.server,
            wire,
            connections: Connections::new(Limits::default()),
            record: Record::default(),
            switches,
            late: Vec::new(),
            is_lossy: switches & JOINED != 0,
            loses_answers: false,
            lost: 0,
            amid: usize::from(switches & JOINED != 0),
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
    fn run(&mut self) {
        let before = self.server.answers().len();
        let sent = self.server.run();
        if sent.is_empty() && !self.server.is_closed() {
            return;
        }
        // Where servers differ, nothing but its answer shows what a request is.
        if self.loses_answers {
            self.lost += self.server.answers().len() - before;
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
                self.run();
            }
            b'b' => {
                self.send(rest, None, true);
                self.run();
            }
            b'p' => self.send(rest, None, true),
            // In segments of some length, between which the server is run or not.
            b'c' | b'd' => {
                self.acknowledged = self.wire.server;
                for piece in behind.chunks(argument.max(1)) {
                    self.send(piece, None, true);
                    if kind == b'd' {
                        self.run();
                        self.acknowledged = self.wire.server;
                    }
                }
                self.run();
            }
            // With an octet out of band.
            b'u' if !behind.is_empty() => {
                self.acknowledged = self.wire.server;
                self.send(behind, Some(argument % behind.len()), true);
                self.run();
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
                self.run();
            }
            // Lost on the way to the listener: the request, the next answers, everything so far.
            // A connection of which nothing was seen begins with what is.
            b'l' if self.wire.client != self.start => {
                self.is_lossy = true;
                self.amid += 1;
                self.acknowledged = self.wire.server;
                self.send(rest, None, false);
                self.run();
            }
            b'A' => {
                self.is_lossy = true;
                self.loses_answers = true;
            }
            b'R' => {
                self.is_lossy = true;
                self.amid += 2;
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
        self.run();
        if !self.finished {
            self.tick();
            self.acknowledged = self.wire.server;
            let fin = Segment { fin: true, ..self.wire.empty(Direction::Request) };
            self.connections.segment(&fin, &mut self.record);
            self.wire.pass(Direction::Request, 1);
            self.server.finish();
            self.run();
        }
        self.settle(Duration::from_millis(1));
        self.settle(Duration::from_millis(1));
        self.connections.finish(self.wire.now, &mut self.record);
        self.record.give_up(&self.connections);
    }
}

/// Whether what was reported can be what was answered. How many letters of the octets before it belong to a method makes no
/// difference.
fn same(reported: &Reported, answer: &Answer) -> bool {
    let Some(served) = &answer.served else { return true };
    let (method, target, _) = reported;
    let is_method = method.ends_with(&served.method) || served.method.ends_with(method);
    is_method && hyper::Uri::try_from(&target[..]).is_ok_and(|uri| uri == served.uri)
}

/// How many answers were to requests that were reported, each by one; a report with a status has to have its answer, but for
/// `strays` of them.
fn matched(reported: &[Reported], answers: &[Answer], strays: usize) -> Option<usize> {
    // For each number of strays, the best for the first answers with all reports so far; `None` where a status would have no
    // answer.
    let mut best = vec![vec![Some(0); answers.len() + 1]; strays + 1];
    for report in reported {
        let mut next = vec![vec![None; answers.len() + 1]; strays + 1];
        for stray in 0..=strays {
            let passed = |index: usize| {
                let astray = stray.checked_sub(1).and_then(|stray| best[stray][index]);
                astray.max(best[stray][index].filter(|_| report.2.is_none()))
            };
            next[stray][0] = passed(0);
            for (index, answer) in answers.iter().enumerate() {
                let fits = report.2.is_none_or(|status| status == answer.status) && same(report, answer);
                let with = best[stray][index].filter(|_| fits);
                let with = with.map(|count| count + usize::from(answer.served.is_some()));
                next[stray][index + 1] = next[stray][index].max(with).max(passed(index + 1));
            }
        }
        best = next;
    }
    best.iter().filter_map(|best| best[answers.len()]).max()
}

/// Acts an input out: what the server serves is reported with its target and its status, or said to be unseen, and no status is
/// reported that no answer had.
pub fn check(input: &[u8]) {
    let Some((&switches, steps)) = input.split_first() else { return };
    let mut play = Play::new(switches);
    for step in steps.split(|&byte| byte == PART).take(STEPS) {
        if let Some((&kind, rest)) = step.split_first() {
            play.step(kind, rest);
        }
    }
    play.end();
    let counters = play.connections.counters();
    assert_eq!(
        (counters.stream.connections, counters.stream.buffered_bytes, counters.pending_bytes),
        (0, 0, 0)
    );
    let answers = play.server.answers();
    // As first line of a connection it may be a PROXY header, which is not for the server to say.
    let is_proxy = |answer: &Answer| answer.served.as_ref().is_some_and(|served| served.method == "PROXY");
    if answers.first().is_some_and(is_proxy) {
        return;
    }
    let served = answers.iter().filter(|answer| answer.served.is_some()).count();
    let record = &play.record;
    let matched = matched(&record.all, &answers, play.amid);
    let told = || {
        let line =
            |(method, target, status): &Reported| format!("{method} {} {status:?}", target.escape_ascii());
        let reported: Vec<_> = record.all.iter().map(line).collect();
        let unseen = record.unseen;
        format!(
            "{:?}\nanswered {answers:#?}\nreported {reported:#?}\nunseen {unseen}\n{counters:?}",
            input.escape_ascii().to_string()
        )
    };
    let Some(matched) = matched else { panic!("a status that no answer had: {}", told()) };
    let known = matched + record.unseen + play.lost + play.amid;
    assert!(known >= served, "served and neither reported nor told: {}", told());
}
