//! One connection as a source shows it.

use std::time::Duration;

use rollcall_http::{Connections, Exchange, ExchangeSink, HttpCounters, Unseen};
use rollcall_model::time::Timestamp;
use rollcall_stream::{Checksum, ConnectionId, Direction, Directive, Endpoints, Segment};
use rollcall_tls::Secret;

use crate::pair::Turn;

/// What was reported of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub text: String,
    pub sizes: (u64, u64),
    pub body: Vec<u8>,
    pub length: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Record {
    pub lines: Vec<Line>,
    pub calls: usize,
    pub unseen: usize,
    pub directives: Vec<Directive>,
}

impl ExchangeSink for Record {
    fn call(&mut self, _: &Exchange<'_>) {
        self.calls += 1;
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let request = exchange.request;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = exchange.status.map_or("-".to_owned(), |status| status.to_string());
        self.lines.push(Line {
            text: format!("{} {} {status}", text(request.method()), text(request.target())),
            sizes: (exchange.request_bytes, exchange.response_bytes),
            body: request.body.clone(),
            length: exchange.response_length,
        });
    }

    fn unseen(&mut self, _: &Unseen) {
        self.unseen += 1;
    }

    fn directive(&mut self, _: ConnectionId, directive: Directive) {
        self.directives.push(directive);
    }
}

/// How the source sees it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Bytes of a segment, in turn.
    pub sizes: Vec<usize>,
    /// Bytes that are captured of a segment of the server's.
    pub captured: usize,
    /// The server's first turns, which are captured whole.
    pub whole: usize,
    /// The source has nothing of the server's state.
    pub is_recorded: bool,
    /// How long after the turn with this number the secrets come.
    pub secrets_behind: usize,
}

impl Sight {
    /// A recording.
    pub fn recorded() -> Sight {
        Sight { sizes: vec![1448], captured: usize::MAX, whole: 0, is_recorded: true, secrets_behind: 0 }
    }

    /// What the kernel captures.
    pub fn live() -> Sight {
        Sight { sizes: vec![1448], captured: 272, whole: 2, is_recorded: false, secrets_behind: 0 }
    }

    /// What is reported of one connection.
    pub fn watch(&self, turns: &[Turn], secrets: &[Secret]) -> (Record, HttpCounters) {
        let mut connections = Connections::default();
        let mut wire = Wire {
            now: Timestamp(1_000_000_000_000),
            client: u32::MAX - 2000,
            server: u32::MAX - 3000,
            received: u32::MAX - 2000,
            is_answered: true,
            sizes: self.sizes.iter().cycle().copied(),
            sight: self,
        };
        let mut record = Record::default();
        if !secrets.is_empty() {
            connections.expect_secrets();
        }
        let mut answers = 0;
        for (index, turn) in turns.iter().enumerate() {
            if index == self.secrets_behind {
                secrets.iter().for_each(|secret| connections.secret(secret.clone()));
            }
            match turn {
                Turn::Client(bytes) => wire.send(bytes, &mut connections, &mut record),
                Turn::Server(bytes) => {
                    answers += 1;
                    let captured = if answers <= self.whole { usize::MAX } else { self.captured };
                    wire.reply(bytes, captured, &mut connections, &mut record);
                }
            }
            wire.now = wire.now + Duration::from_millis(15);
            connections.settle(wire.now, &mut record);
        }
        wire.now = wire.now + Duration::from_millis(600);
        connections.settle(wire.now, &mut record);
        wire.now = wire.now + Duration::from_millis(600);
        connections.settle(wire.now, &mut record);
        connections.finish(wire.now, &mut record);
        let counters = connections.counters();
        assert_eq!((counters.stream.buffered_bytes, counters.pending_bytes), (0, 0));
        assert_eq!(counters.decrypted.held_bytes, 0, "all that was held is given back");
        assert_eq!(record.calls, record.lines.len());
        (record, counters)
    }
}

struct Wire<'a, I> {
    now: Timestamp,
    client: u32,
    server: u32,
    received: u32,
    is_answered: bool,
    sizes: I,
    sight: &'a Sight,
}

impl<I: Iterator<Item = usize>> Wire<'_, I> {
    fn base(&mut self, direction: Direction, seq: u32) -> Segment<'static> {
        self.now = self.now + Duration::from_micros(10);
        let ends = Endpoints { client: ([192, 0, 2, 1], 40000).into(), server: ([192, 0, 2, 2], 443).into() };
        Segment {
            endpoints: Some(ends),
            checksum: if self.sight.is_recorded { Checksum::Unknown } else { Checksum::Valid },
            ..Segment::bare(ConnectionId(7), direction, self.now, seq)
        }
    }

    fn send(&mut self, mut bytes: &[u8], connections: &mut Connections, record: &mut Record) {
        while !bytes.is_empty() {
            let (data, rest) = bytes.split_at(bytes.len().min(self.sizes.next().unwrap_or(1448).max(1)));
            let is_live = !self.sight.is_recorded;
            let segment = Segment {
                ack: Some(self.server),
                data,
                length: data.len() as u32,
                received: is_live.then_some(self.received),
                sent: is_live.then_some(self.server),
                after_response: is_live && self.is_answered,
                ..self.base(Direction::Request, self.client)
            };
            connections.segment(&segment, record);
            self.is_answered = false;
            self.client = self.client.wrapping_add(data.len() as u32);
            self.received = self.client;
            bytes = rest;
        }
        if self.sight.is_recorded {
            let bare = Segment { ack: Some(self.received), ..self.base(Direction::Response, self.server) };
            connections.segment(&bare, record);
        }
    }

    fn reply(
        &mut self,
        mut bytes: &[u8],
        captured: usize,
        connections: &mut Connections,
        record: &mut Record,
    ) {
        while !bytes.is_empty() {
            let (data, rest) = bytes.split_at(bytes.len().min(self.sizes.next().unwrap_or(1448).max(1)));
            let segment = Segment {
                ack: Some(self.received),
                data: &data[..data.len().min(captured)],
                length: data.len() as u32,
                ..self.base(Direction::Response, self.server)
            };
            connections.segment(&segment, record);
            self.server = self.server.wrapping_add(data.len() as u32);
            self.is_answered = true;
            bytes = rest;
        }
    }
}
