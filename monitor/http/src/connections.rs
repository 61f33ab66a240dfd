//! All connections: from segments to exchanges.

use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Directive, Endpoints, Segment};

use super::{
    connection::Connection,
    counters::{HttpCounters, Unexplained},
    exchange::Exchange,
    limits::Limits,
    requests::Shared,
};

/// What becomes of the exchanges.
pub trait Sink {
    /// A request whose status is known, or that has waited for it long enough. Exactly once a request, as soon
    /// as it is confirmed that the server accepted it.
    fn call(&mut self, exchange: &Exchange<'_>);

    /// A request with its response as complete as it will get. Exactly once a request, after [`Sink::call`].
    fn exchange(&mut self, exchange: &Exchange<'_>);

    /// The server answered a request that was not seen.
    fn unseen(&mut self, _unseen: &Unseen) {}

    /// Advice for the source: what of the connection is worth capturing.
    fn directive(&mut self, connection: ConnectionId, directive: Directive);
}

/// An answer of HTTP/1 for which no request waited: proof of a call that nothing else is known of.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    /// `None` if no segment has told them.
    pub endpoints: Option<Endpoints>,
    /// When the answer was seen.
    pub at: Timestamp,
    pub status: Option<u16>,
    pub why: Unexplained,
}

/// What is at hand while a connection is served.
pub(super) struct Context<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) sink: &'a mut dyn Sink,
}

/// All connections, from segments to exchanges. Deterministic: the same segments and calls of
/// [`Connections::settle`] give the same exchanges.
#[derive(Debug)]
pub struct Connections {
    streams: rollcall_stream::Connections<Connection>,
    shared: Shared,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections::new(Limits::default())
    }
}

impl Connections {
    /// No connections yet.
    pub fn new(limits: Limits) -> Connections {
        let limits = Limits { head: limits.head.clamp(Limits::HEAD_MIN, Limits::HEAD_MAX), ..limits };
        let streams = rollcall_stream::Connections::new(limits.stream.clone());
        Connections { streams, shared: Shared { limits, ..Shared::default() } }
    }

    /// Takes one segment.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) {
        self.streams.segment(segment, &mut Context { shared: &mut self.shared, sink });
    }

    /// Puts late responses in order, reports what is overdue, and forgets what is over. To be called by the
    /// source each time that everything which had been captured has been handed in.
    pub fn settle(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.streams.settle(now, &mut Context { shared: &mut self.shared, sink });
    }

    /// Reports everything that is known: the source has ended, or the daemon stops.
    pub fn finish(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.streams.finish(now, &mut Context { shared: &mut self.shared, sink });
    }

    /// When [`Connections::settle`] is next needed even if no segment comes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.streams.next_deadline()
    }

    /// What has happened so far.
    pub fn counters(&self) -> HttpCounters {
        let pending_bytes = self.shared.pool.charged() as u64;
        let mut stream = *self.streams.counters();
        stream.buffered_bytes += self.shared.unparsed as u64;
        HttpCounters { stream, pending_bytes, ..self.shared.counters.clone() }
    }
}
