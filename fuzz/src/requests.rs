//! Requests out of octets, as the real parser reads them.

use std::net::IpAddr;

use rollcall_http::{Connections, Exchange, ExchangeSink, Limits, Request};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Direction, Directive};

use crate::wire::Wire;

/// What was reported of one request.
#[derive(Clone, Debug)]
pub struct Reported {
    pub request: Request,
    pub proxied_for: Option<IpAddr>,
    pub request_bytes: u64,
    pub status: Option<u16>,
}

/// Keeps what is reported.
#[derive(Debug, Default)]
pub struct Record {
    pub calls: usize,
    pub all: Vec<Reported>,
}

impl ExchangeSink for Record {
    fn call(&mut self, _: &Exchange<'_>) {
        self.calls += 1;
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.all.push(Reported {
            request: exchange.request.clone(),
            proxied_for: exchange.proxied_for,
            request_bytes: exchange.request_bytes,
            status: exchange.status,
        });
        assert!(self.all.len() <= self.calls, "an exchange before its call");
    }

    fn directive(&mut self, _: ConnectionId, _: Directive) {}
}

/// As much as can be kept of a request.
pub fn roomy() -> Limits {
    Limits { head: Limits::HEAD_MAX, body: 16 * 1024, ..Limits::default() }
}

/// The requests in a stream that arrives in these pieces and is never answered.
pub fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> Vec<Reported> {
    let mut connections = Connections::new(limits);
    let mut record = Record::default();
    let mut wire = Wire::new(7, Timestamp(1_700_000_000_000_000_000));
    for piece in pieces {
        connections.segment(&wire.segment(Direction::Request, piece), &mut record);
        wire.pass(Direction::Request, piece.len() as u32);
    }
    // Shows that the last piece was accepted.
    connections.segment(&wire.empty(Direction::Request), &mut record);
    connections.finish(wire.now, &mut record);
    assert_eq!(record.all.len(), record.calls);
    record.all
}
