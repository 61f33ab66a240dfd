//! What a user of [`Connections`] sees, told by a server's TCP that is acted out segment by segment.

mod audit;
mod confirmation;
mod evasion;
mod framing;
mod pairing;
mod proxy;
mod recorded;
mod segmentation;
mod speed;

use std::{net::IpAddr, time::Duration};

use rollcall_model::time::Timestamp;
use rollcall_stream::Directive;
use rollcall_stream::{Checksum, ConnectionId, Direction, Endpoints, Segment};

use super::{Connections, Exchange, ExchangeSink, Limits};

/// Response bytes that the kernel captures of a segment.
const CAPTURED: usize = 272;

/// What was reported: `METHOD target status` lines, `-` for none.
#[derive(Debug, Default)]
struct Record {
    calls: Vec<String>,
    exchanges: Vec<String>,
    sizes: Vec<(u64, u64)>,
    /// When the first and the last byte of the response were seen.
    seen: Vec<(Option<Timestamp>, Option<Timestamp>)>,
    bodies: Vec<Vec<u8>>,
    proxied_for: Vec<Option<IpAddr>>,
    directives: Vec<Directive>,
}

impl Record {
    fn line(exchange: &Exchange<'_>) -> String {
        let request = exchange.request;
        format!(
            "{} {} {}",
            String::from_utf8_lossy(request.method()),
            String::from_utf8_lossy(request.target()),
            exchange.status.map_or("-".to_owned(), |status| status.to_string())
        )
    }
}

impl ExchangeSink for Record {
    fn call(&mut self, exchange: &Exchange<'_>) {
        assert_eq!(
            self.calls.len(),
            self.calls.len().max(self.exchanges.len()),
            "a call before its exchange"
        );
        self.calls.push(Record::line(exchange));
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.exchanges.push(Record::line(exchange));
        self.sizes.push((exchange.request_bytes, exchange.response_bytes));
        self.seen.push((exchange.first_byte_at, exchange.last_byte_at));
        self.bodies.push(exchange.request.body.clone());
        self.proxied_for.push(exchange.proxied_for);
        assert!(self.exchanges.len() <= self.calls.len(), "a call before its exchange");
    }

    fn directive(&mut self, _: ConnectionId, directive: Directive) {
        self.directives.push(directive);
    }
}

/// One connection as the kernel shows it.
struct Wire {
    connections: Connections,
    record: Record,
    now: Timestamp,
    /// The client's next byte.
    client: u32,
    /// The server's `rcv_nxt` and `snd_nxt`.
    received: u32,
    server: u32,
    answered: bool,
    captured: usize,
    joined: bool,
    /// The source is a file, which has nothing of the server's state.
    recorded: bool,
    checksum: Checksum,
    id: u64,
}

fn endpoints() -> Endpoints {
    Endpoints { client: ([192, 0, 2, 1], 40000).into(), server: ([192, 0, 2, 2], 80).into() }
}

impl Wire {
    fn new() -> Wire {
        Wire::with(Limits::default())
    }

    fn with(limits: Limits) -> Wire {
        Wire {
            connections: Connections::new(limits),
            record: Record::default(),
            now: Timestamp(1_000_000_000),
            client: u32::MAX - 20,
            received: u32::MAX - 20,
            server: u32::MAX - 50,
            answered: false,
            captured: CAPTURED,
            joined: false,
            recorded: false,
            checksum: Checksum::Valid,
            id: 7,
        }
    }

    fn base(&mut self, direction: Direction) -> Segment<'static> {
        self.now = self.now + Duration::from_micros(10);
        Segment {
            endpoints: Some(endpoints()),
            ack: Some(self.server),
            received: Some(self.received).filter(|_| !self.recorded),
            sent: Some(self.server).filter(|_| !self.recorded),
            after_response: self.answered && !self.recorded,
            joined: self.joined,
            checksum: self.checksum,
            ..Segment::bare(ConnectionId(self.id), direction, self.now, self.client)
        }
    }

    /// A request segment that the server's TCP has not decided about.
    fn raw(&mut self, seq: u32, data: &[u8]) {
        let segment = Segment { seq, data, length: data.len() as u32, ..self.base(Direction::Request) };
        self.answered = false;
        self.connections.segment(&segment, &mut self.record);
    }

    /// Data with the handshake, as the listening socket sees it, which has an id of its own.
    fn send_early(&mut self, data: &str) -> &mut Wire {
        let segment = Segment {
            connection: ConnectionId(1),
            data: data.as_bytes(),
            length: data.len() as u32,
            listener: true,
            received: None,
            sent: None,
            ..self.base(Direction::Request)
        };
        self.connections.segment(&segment, &mut self.record);
        self
    }

    /// A request segment in order, which TCP accepts.
    fn send(&mut self, data: impl AsRef<[u8]>) -> &mut Wire {
        let data = data.as_ref();
        self.raw(self.client, data);
        self.client = self.client.wrapping_add(data.len() as u32);
        self.received = self.client;
        self
    }

    /// Request bytes that TCP accepts but nobody sees.
    fn miss(&mut self, bytes: u32) -> &mut Wire {
        self.client = self.client.wrapping_add(bytes);
        self.received = self.client;
        self.answered = false;
        self
    }

    /// A response segment.
    fn reply(&mut self, data: impl AsRef<[u8]>) -> &mut Wire {
        let data = data.as_ref();
        self.respond_at(self.server, data);
        self.server = self.server.wrapping_add(data.len() as u32);
        self.answered = true;
        self
    }

    fn respond_at(&mut self, seq: u32, data: &[u8]) {
        let segment = Segment {
            seq,
            ack: Some(self.received),
            length: data.len() as u32,
            data: &data[..data.len().min(self.captured)],
            endpoints: None,
            received: None,
            sent: None,
            ..self.base(Direction::Response)
        };
        self.connections.segment(&segment, &mut self.record);
    }

    /// A response that nobody sees.
    fn unseen_reply(&mut self, bytes: u32) -> &mut Wire {
        self.server = self.server.wrapping_add(bytes);
        self.answered = true;
        self
    }

    fn fin(&mut self) -> &mut Wire {
        let segment = Segment { fin: true, ..self.base(Direction::Request) };
        self.connections.segment(&segment, &mut self.record);
        self.client = self.client.wrapping_add(1);
        self.received = self.client;
        self
    }

    fn server_fin(&mut self) -> &mut Wire {
        let segment = Segment {
            seq: self.server,
            ack: Some(self.received),
            fin: true,
            endpoints: None,
            received: None,
            sent: None,
            ..self.base(Direction::Response)
        };
        self.connections.segment(&segment, &mut self.record);
        self.server = self.server.wrapping_add(1);
        self
    }

    fn reset(&mut self, seq: u32) -> &mut Wire {
        let segment = Segment { seq, rst: true, ..self.base(Direction::Request) };
        self.connections.segment(&segment, &mut self.record);
        self
    }

    fn settle(&mut self) -> &mut Wire {
        self.wait(Duration::from_millis(10))
    }

    fn wait(&mut self, time: Duration) -> &mut Wire {
        self.now = self.now + time;
        self.connections.settle(self.now, &mut self.record);
        self
    }

    fn finish(&mut self) -> &mut Wire {
        self.connections.finish(self.now, &mut self.record);
        let counters = self.connections.counters();
        assert_eq!(
            (counters.stream.connections, counters.stream.buffered_bytes, counters.pending_bytes),
            (0, 0, 0)
        );
        assert_eq!(counters.exchanges as usize, self.record.calls.len());
        assert_eq!(self.record.calls.len(), self.record.exchanges.len());
        self
    }

    /// What was reported, in order.
    #[track_caller]
    fn expect(&self, exchanges: &[&str]) {
        assert_eq!(self.record.exchanges, exchanges);
    }

    #[track_caller]
    fn expect_calls(&self, calls: &[&str]) {
        assert_eq!(self.record.calls, calls);
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    status(200, body)
}

fn status(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Because\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
