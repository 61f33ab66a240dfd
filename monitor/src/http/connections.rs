//! All connections: from segments to exchanges.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use super::{
    connection::{Connection, Settled},
    counters::{Counters, Unexplained},
    exchange::Exchange,
    limits::Limits,
    requests::Shared,
    table::{Slot, Table},
};
use crate::{
    stream::{Checksum, ConnectionId, Direction, Endpoints, Segment, sequence::before},
    time::Timestamp,
};

/// How often the silence of a share of the connections is looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Connections that are asked for how long they were silent before one of them gives way to a new one.
const CANDIDATES: usize = 16;

/// Segments of one kind that wait for their connection to show up.
const WAITING: usize = 1024;

/// How long a segment that the listening socket saw waits for its connection, which may be silent from then on. Servers wait less
/// for the rest of a head.
const HANDSHAKE: Duration = Duration::from_secs(120);

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

/// Advice for the source of a connection's segments. A source that ignores it loses nothing but time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Not HTTP/1, or no longer: nothing need be captured but what begins as a request or an answer does.
    Ignore,
    /// What comes before this TCP sequence number in request direction is body: it need not be captured.
    SkipTo(u32),
    /// The client pipelines: response segments are needed whole to tell where each response starts.
    WholeResponses,
}

/// A segment that waits for its connection to be known.
#[derive(Debug)]
struct Waiting {
    segment: Owned,
    cycle: u64,
}

/// A segment that owns its bytes.
#[derive(Debug)]
struct Owned {
    segment: Segment<'static>,
    data: Vec<u8>,
}

impl Owned {
    fn new(segment: &Segment<'_>) -> Owned {
        Owned { segment: Segment { data: &[], ..*segment }, data: segment.data.to_vec() }
    }

    fn segment(&self) -> Segment<'_> {
        Segment { data: &self.data, ..self.segment }
    }
}

/// All connections, from segments to exchanges. Deterministic: the same segments and calls of
/// [`Connections::settle`] give the same exchanges.
#[derive(Debug, Default)]
pub struct Connections {
    table: Table,
    shared: Shared,
    deadlines: BinaryHeap<Reverse<(Timestamp, Slot)>>,
    unsettled: Vec<Slot>,
    /// Scratch for `settle`.
    settling: Vec<Slot>,
    /// Seen by listening sockets.
    listening: VecDeque<Waiting>,
    /// Responses on connections of which no request has been handed in.
    orphans: VecDeque<Waiting>,
    swept: Timestamp,
    latest: Timestamp,
}

impl Connections {
    /// No connections yet.
    pub fn new(limits: Limits) -> Connections {
        let limits = Limits { head: limits.head.clamp(Limits::HEAD_MIN, Limits::HEAD_MAX), ..limits };
        Connections { shared: Shared { limits, cycle: 1, ..Shared::default() }, ..Connections::default() }
    }

    /// Takes one segment.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) {
        self.latest = self.latest.max(segment.at);
        if segment.checksum == Checksum::Invalid {
            self.shared.counters.checksum_invalid += 1;
            return;
        }
        if segment.listener {
            let request = segment.direction == Direction::Request && segment.length > 0;
            if request && segment.endpoints.is_some() {
                self.shared.counters.listener_expired +=
                    wait(&mut self.listening, segment, self.shared.cycle);
            }
            return;
        }
        self.take(segment, sink);
        self.gauge();
    }

    /// Puts late responses in order, reports what is overdue, and forgets what is over. To be called by the
    /// source each time that everything which had been captured has been handed in.
    pub fn settle(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.latest = self.latest.max(now);
        let mut settling = std::mem::replace(&mut self.unsettled, std::mem::take(&mut self.settling));
        for slot in settling.drain(..) {
            let Some(connection) = self.table.get(slot) else { continue };
            connection.queued = false;
            match connection.settle(&mut self.shared, sink) {
                Settled::Done => self.watch(slot),
                Settled::Again => {
                    connection.queued = true;
                    self.unsettled.push(slot);
                    self.watch(slot);
                }
                Settled::Closed { amid } => {
                    let connection = self.table.remove(slot);
                    if let Some(connection) = connection.filter(|_| amid) {
                        self.table.depart(connection.id);
                    }
                }
            }
        }
        self.settling = settling;
        let cycle = self.shared.cycle;
        self.shared.cycle += 1;
        while self.orphans.front().is_some_and(|orphan| orphan.cycle < cycle) {
            let Some(orphan) = self.orphans.pop_front() else { break };
            let segment = orphan.segment.segment();
            let slot = self.table.find(segment.connection);
            let connection = slot.and_then(|slot| self.table.get(slot));
            // What was sent before the first request that was seen answers one that was not.
            if connection.is_some_and(|connection| connection.expects(&segment)) {
                self.take(&segment, sink);
            } else {
                self.orphan(&segment, sink);
            }
        }
        while self.listening.front().is_some_and(|early| early.segment.segment.at + HANDSHAKE <= now) {
            self.listening.pop_front();
            self.shared.counters.listener_expired += 1;
        }
        while let Some(&Reverse((deadline, slot))) = self.deadlines.peek() {
            if deadline > now {
                break;
            }
            self.deadlines.pop();
            let Some(connection) = self.table.get(slot) else { continue };
            connection.timer = false;
            if let Some(next) = connection.overdue(now, &mut self.shared, sink) {
                connection.timer = true;
                self.deadlines.push(Reverse((next, slot)));
            }
            self.queue(slot);
        }
        self.sweep(now, sink);
        self.gauge();
    }

    /// Reports everything that is known: the source has ended, or the daemon stops.
    pub fn finish(&mut self, now: Timestamp, sink: &mut impl Sink) {
        self.latest = self.latest.max(now);
        self.settle(now, sink);
        self.settle(now, sink);
        for _ in 0..self.table.slots() {
            let Some(slot) = self.table.advance(usize::MAX) else { break };
            let Some(mut connection) = self.table.remove(slot) else { continue };
            if !connection.heard && !connection.live {
                connection.accept_all(&mut self.shared);
            }
            connection.finish(&mut self.shared, sink);
        }
        self.deadlines.clear();
        self.unsettled.clear();
        self.gauge();
    }

    /// When [`Connections::settle`] is next needed even if no segment comes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.unsettled.is_empty() || !self.orphans.is_empty() {
            return Some(self.latest);
        }
        let sweep = (self.table.len() > 0 || !self.listening.is_empty()).then_some(self.swept + SWEEP);
        let deadline = self.deadlines.peek().map(|&Reverse((deadline, _))| deadline);
        deadline.into_iter().chain(sweep).min()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    fn gauge(&mut self) {
        let counters = &mut self.shared.counters;
        counters.connections = self.table.len() as u64;
        counters.buffered_bytes = self.shared.buffered as u64;
        counters.pending_bytes = self.shared.pool.charged() as u64;
    }

    fn take(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) {
        let Some(slot) = self.table.find(segment.connection).or_else(|| self.open(segment, sink)) else {
            return;
        };
        let Some(connection) = self.table.get(slot) else { return };
        match segment.direction {
            Direction::Request => connection.request(segment, &mut self.shared, sink),
            Direction::Response => connection.response(segment, &mut self.shared, sink),
        }
        if connection.unsettled() && !connection.queued {
            connection.queued = true;
            self.unsettled.push(slot);
        }
        self.watch(slot);
    }

    /// Has `settle` come by.
    fn queue(&mut self, slot: Slot) {
        if let Some(connection) = self.table.get(slot)
            && connection.unsettled()
            && !connection.queued
        {
            connection.queued = true;
            self.unsettled.push(slot);
        }
    }

    /// Sets the deadline, if one is needed.
    fn watch(&mut self, slot: Slot) {
        let Some(connection) = self.table.get(slot) else { return };
        if !connection.timer
            && let Some(deadline) = connection.deadline(&self.shared)
        {
            connection.timer = true;
            self.deadlines.push(Reverse((deadline, slot)));
        }
    }

    /// A connection's first segment.
    fn open(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) -> Option<Slot> {
        let early = self.handshake(segment);
        let start = match segment.direction {
            Direction::Request if segment.syn => segment.seq.wrapping_add(1),
            Direction::Request if segment.length == 0 => return None,
            Direction::Request => segment.received.unwrap_or(segment.seq),
            Direction::Response => match (segment.ack, segment.syn || early.is_some()) {
                (Some(ack), true) => ack,
                _ => {
                    self.shared.counters.unpaired_responses +=
                        wait(&mut self.orphans, segment, self.shared.cycle);
                    return None;
                }
            },
        };
        let start = early.as_ref().map_or(start, |early| payload_start(&early[0].segment()));
        let departed = early.is_none() && !segment.syn && self.table.has_departed(segment.connection);
        let amid = match (segment.joined, departed) {
            (true, _) => Some(Unexplained::Joined),
            (false, true) => Some(Unexplained::Lost),
            _ => None,
        };
        let slot = self.insert(Connection::new(segment.connection, start, amid, segment.at), sink);
        if let (Some(early), Some(connection)) = (early, self.table.get(slot)) {
            for early in &early {
                let segment = Segment { connection: segment.connection, listener: false, ..early.segment() };
                connection.request(&segment, &mut self.shared, sink);
            }
        }
        Some(slot)
    }

    /// A response on a connection of which no request came.
    fn orphan(&mut self, segment: &Segment<'_>, sink: &mut impl Sink) {
        self.shared.counters.unpaired_responses += u64::from(segment.length > 0);
        if !segment.data.starts_with(b"HTTP/1.") {
            return;
        }
        let why = if segment.joined { Unexplained::Joined } else { Unexplained::Lost };
        self.shared.counters.unexplained[why as usize] += 1;
        sink.unseen(&Unseen { endpoints: segment.endpoints, at: segment.at, status: None, why });
    }

    fn insert(&mut self, connection: Connection, sink: &mut impl Sink) -> Slot {
        if self.table.len() >= self.shared.limits.connections.max(1) {
            self.evict(sink);
        }
        self.table.insert(connection)
    }

    /// What listening sockets saw of the connection that this segment opens, if TCP accepted it.
    fn handshake(&mut self, segment: &Segment<'_>) -> Option<Vec<Owned>> {
        let endpoints = segment.endpoints.filter(|_| !self.listening.is_empty())?;
        let accepted = if segment.direction == Direction::Request { segment.received } else { segment.ack }?;
        let mut mine = Vec::new();
        let mut i = 0;
        while i < self.listening.len() {
            if self.listening[i].segment.segment.endpoints == Some(endpoints) {
                mine.extend(self.listening.remove(i).map(|waiting| waiting.segment));
            } else {
                i += 1;
            }
        }
        // What the connection has not accepted was dropped with the handshake, and will be sent again.
        mine.retain(|early| before(payload_start(&early.segment()), accepted));
        mine.sort_by_key(|early| Reverse(accepted.wrapping_sub(payload_start(&early.segment()))));
        (!mine.is_empty()).then_some(mine)
    }

    /// Gives up a connection that has been silent for long, so that a new one has room.
    fn evict(&mut self, sink: &mut impl Sink) {
        let mut victim: Option<(Timestamp, Slot)> = None;
        for _ in 0..CANDIDATES {
            let Some(slot) = self.table.advance(usize::MAX) else { break };
            let Some(connection) = self.table.get(slot) else { continue };
            if victim.is_none_or(|(seen, _)| connection.seen < seen) {
                victim = Some((connection.seen, slot));
            }
        }
        if let Some((_, slot)) = victim {
            self.shared.counters.evicted_connections += 1;
            self.forget(slot, sink);
        }
    }

    /// Reports what is known of a connection and drops it.
    fn forget(&mut self, slot: Slot, sink: &mut impl Sink) {
        let Some(mut connection) = self.table.remove(slot) else { return };
        if !connection.forgettable() {
            self.table.depart(connection.id);
        }
        connection.finish(&mut self.shared, sink);
    }

    /// Looks at a share of the connections, so that each is looked at once in [`Limits::idle`].
    fn sweep(&mut self, now: Timestamp, sink: &mut impl Sink) {
        let elapsed = now.since(self.swept);
        if elapsed < SWEEP {
            return;
        }
        let idle = self.shared.limits.idle;
        let share = elapsed.as_secs_f64() / idle.as_secs_f64().max(1.0);
        self.swept = now;
        let mut steps = ((self.table.slots() as f64 * share).ceil() as usize).min(self.table.slots());
        while steps > 0 {
            steps -= 1;
            let Some(slot) = self.table.advance(1) else { continue };
            let Some(connection) = self.table.get(slot) else { continue };
            // A tunnel in a file: no kernel keeps its bytes away, so it must not be forgotten.
            let kept = connection.is_opaque() && !connection.live;
            if connection.seen + idle <= now && !kept {
                self.shared.counters.idle_connections += 1;
                self.forget(slot, sink);
            }
        }
    }
}

/// Keeps a segment until its connection is known. How many others gave way to it.
fn wait(queue: &mut VecDeque<Waiting>, segment: &Segment<'_>, cycle: u64) -> u64 {
    let full = queue.len() >= WAITING;
    if full {
        queue.pop_front();
    }
    queue.push_back(Waiting { segment: Owned::new(segment), cycle });
    u64::from(full)
}

/// The sequence number of the first payload byte.
fn payload_start(segment: &Segment<'_>) -> u32 {
    segment.seq.wrapping_add(u32::from(segment.syn))
}
