//! All connections: from segments to exchanges.

use rollcall_model::time::Timestamp;
use rollcall_stream::Segment;
use rollcall_tls::Secret;

use super::{
    connection::Connection,
    counters::HttpCounters,
    limits::Limits,
    requests::Shared,
    sink::{Context, ExchangeSink},
};

/// All connections, from segments to exchanges. Deterministic: the same segments and calls of
/// [`Connections::settle`] give the same exchanges.
#[derive(Debug)]
pub struct Connections {
    streams: rollcall_stream::Connections<rollcall_tls::Connection<Connection>>,
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
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut dyn ExchangeSink) {
        self.streams.segment(segment, &mut Context { shared: &mut self.shared, sink });
    }

    /// Takes a secret of a connection of TLS. From then on records are held for a while whose secret has not come.
    pub fn secret(&mut self, secret: Secret) {
        self.shared.tls.secret(secret);
    }

    /// Secrets are going to come: has records be held from the first connection on.
    pub fn expect_secrets(&mut self) {
        self.shared.tls.expect_secrets();
    }

    /// Puts late responses in order, reports what is overdue, and forgets what is over. To be called by the
    /// source each time that everything which had been captured has been handed in.
    pub fn settle(&mut self, now: Timestamp, sink: &mut dyn ExchangeSink) {
        self.streams.settle(now, &mut Context { shared: &mut self.shared, sink });
        self.shared.tls.settle(now);
    }

    /// Reports everything that is known: the source has ended, or the daemon stops.
    pub fn finish(&mut self, now: Timestamp, sink: &mut dyn ExchangeSink) {
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
        HttpCounters {
            stream,
            pending_bytes,
            decrypted: self.shared.tls.counters(),
            ..self.shared.counters.clone()
        }
    }
}
