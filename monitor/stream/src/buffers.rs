//! What the connections of a source share: their limits, buffers for reuse, and counters.

use std::time::Duration;

use super::reassembly::Queue;

/// What is kept for reuse: more than one settle cycle's worth on a busy host keeps memory for nothing.
pub const KEPT: usize = 1024;

/// Larger buffers go back to the allocator.
pub const KEPT_CAPACITY: usize = 2048;

/// Empty queues kept for connections that send next: as many as do so at once.
const QUEUES_KEPT: usize = 256;

/// The bounds of [`Connections`](super::Connections). Everything that a client can make grow has one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections whose state is kept. Past it, the one that has been silent for long gives way.
    pub connections: usize,
    /// Bytes that TCP has not accepted yet, or that came before their turn, for each connection and direction. 256 KiB: what a
    /// receiver with Linux's default buffers holds of a single loss.
    pub buffered_per_connection: usize,
    /// The same of all connections.
    pub buffered: usize,
    /// How long a silent connection is remembered, at least; at most twice as long.
    pub idle: Duration,
    /// How long a half-closed connection is kept for an answer that is still under way.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 131_072,
            buffered_per_connection: 256 * 1024,
            buffered: 16 * 1024 * 1024,
            idle: Duration::from_secs(300),
            linger: Duration::from_secs(10),
        }
    }
}

/// Counts since the start, but for the gauges at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Segments for whose bytes TCP had other ones: an attempt to show the monitor what the server does not see.
    pub conflicts: u64,
    /// Segments with a wrong checksum, which TCP drops.
    pub checksum_invalid: u64,
    /// Segments that TCP drops for other reasons: no ACK flag, acknowledging what was never sent, a reset out of place.
    pub implausible: u64,
    /// Segments of which every byte had been seen.
    pub retransmitted: u64,
    /// Connections given up because there were too many.
    pub evicted_connections: u64,
    /// Connections forgotten because they were silent.
    pub idle_connections: u64,
    /// Segments that no room was left for.
    pub buffer_overflows: u64,
    /// Segments seen by a listening socket whose connection did not show up in time.
    pub listener_expired: u64,
    /// Gauge: connections being followed.
    pub connections: u64,
    /// Gauge: bytes held that TCP has not accepted yet, that came before their turn, or that may yet be read otherwise.
    pub buffered_bytes: u64,
}

/// Byte buffers for reuse.
#[derive(Debug, Default)]
pub struct Pool(Vec<Vec<u8>>);

impl Pool {
    /// A copy of some bytes.
    pub fn buffer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = self.0.pop().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Takes a copy back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < KEPT && (1..=KEPT_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) limits: Limits,
    pub(super) counters: StreamCounters,
    /// Bytes held.
    pub(super) buffered: usize,
    /// Counts the calls of `settle`.
    pub(super) cycle: u64,
    pool: Pool,
    #[expect(clippy::vec_box, reason = "boxes travel between here and the connections without being copied")]
    queues: Vec<Box<Queue>>,
}

impl Buffers {
    pub(super) fn new(limits: Limits) -> Buffers {
        Buffers { limits, cycle: 1, ..Buffers::default() }
    }

    /// A copy of some bytes.
    pub(super) fn buffer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pool.buffer(bytes)
    }

    /// Takes a copy back.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.pool.recycle(buffer);
    }

    /// An empty queue.
    pub(super) fn queue(&mut self) -> Box<Queue> {
        self.queues.pop().unwrap_or_default()
    }

    /// Takes an empty queue back.
    pub(super) fn keep_queue(&mut self, queue: Option<Box<Queue>>) {
        self.queues.extend(queue.filter(|_| self.queues.len() < QUEUES_KEPT));
    }

    /// There is no room for so much more where one direction of a connection holds so much.
    pub(super) fn is_full(&self, held: usize, cost: usize) -> bool {
        held + cost > self.limits.buffered_per_connection || self.buffered + cost > self.limits.buffered
    }
}
