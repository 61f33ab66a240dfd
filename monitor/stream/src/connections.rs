//! All connections: from segments to bytes in order, each for the protocol of its connection.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use rollcall_model::time::Timestamp;

use super::{
    Checksum, Direction, Segment,
    buffers::{Buffers, Limits, StreamCounters},
    connection::{Connection, Settled},
    protocol::{Beginning, Protocol, Standing},
    sequence::first,
    table::{Slot, Table},
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

/// All connections. Deterministic: the same segments and calls of [`Connections::settle`] hand the same to each protocol.
#[derive(Debug)]
pub struct Connections<P> {
    table: Table<P>,
    buffers: Buffers,
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

impl<P: Standing> Connections<P> {
    /// No connections yet.
    pub fn new(limits: Limits) -> Connections<P> {
        Connections {
            table: Table::new(),
            buffers: Buffers::new(limits),
            deadlines: BinaryHeap::new(),
            unsettled: Vec::new(),
            settling: Vec::new(),
            listening: VecDeque::new(),
            orphans: VecDeque::new(),
            swept: Timestamp::default(),
            latest: Timestamp::default(),
        }
    }

    /// Takes one segment.
    pub fn segment<C>(&mut self, segment: &Segment<'_>, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.latest = self.latest.max(segment.at);
        if segment.checksum == Checksum::Invalid {
            self.buffers.counters.checksum_invalid += 1;
            return;
        }
        if segment.listener {
            let request = segment.direction == Direction::Request && segment.length > 0;
            if request && segment.endpoints.is_some() {
                let gone = wait(&mut self.listening, segment, self.buffers.cycle);
                self.buffers.counters.listener_expired += u64::from(gone.is_some());
            }
            return;
        }
        self.take(segment, context);
        self.gauge();
    }

    /// Puts late responses in order, reports what is overdue, and forgets what is over. To be called by the
    /// source each time that everything which had been captured has been handed in.
    pub fn settle<C>(&mut self, now: Timestamp, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.latest = self.latest.max(now);
        let mut settling = std::mem::replace(&mut self.unsettled, std::mem::take(&mut self.settling));
        for slot in settling.drain(..) {
            let Some(connection) = self.table.get(slot) else { continue };
            connection.queued = false;
            match connection.settle(&mut self.buffers, context) {
                Settled::Done => self.watch(slot, context),
                Settled::Again => {
                    connection.queued = true;
                    self.unsettled.push(slot);
                    self.watch(slot, context);
                }
                Settled::Closed { amid } => {
                    let connection = self.table.remove(slot);
                    if let Some(connection) = connection.filter(|_| amid) {
                        self.table.depart(connection.link.id);
                    }
                }
            }
        }
        self.settling = settling;
        let cycle = self.buffers.cycle;
        self.buffers.cycle += 1;
        while self.orphans.front().is_some_and(|orphan| orphan.cycle < cycle) {
            let Some(orphan) = self.orphans.pop_front() else { break };
            let segment = orphan.segment.segment();
            let slot = self.table.find(segment.connection);
            let connection = slot.and_then(|slot| self.table.get(slot));
            // What was sent before the first request that was seen answers one that was not.
            if connection.is_some_and(|connection| connection.expects(&segment)) {
                self.take(&segment, context);
            } else {
                P::orphan(&segment, context);
            }
        }
        while self.listening.front().is_some_and(|early| early.segment.segment.at + HANDSHAKE <= now) {
            self.listening.pop_front();
            self.buffers.counters.listener_expired += 1;
        }
        while let Some(&Reverse((deadline, slot))) = self.deadlines.peek() {
            if deadline > now {
                break;
            }
            self.deadlines.pop();
            let Some(connection) = self.table.get(slot) else { continue };
            connection.timer = false;
            if let Some(next) = connection.overdue(now, &self.buffers, context) {
                connection.timer = true;
                self.deadlines.push(Reverse((next, slot)));
            }
            self.queue(slot);
        }
        self.sweep(now, context);
        self.gauge();
    }

    /// Reports everything that is known: the source has ended, or the daemon stops.
    pub fn finish<C>(&mut self, now: Timestamp, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.latest = self.latest.max(now);
        self.settle(now, context);
        self.settle(now, context);
        for _ in 0..self.table.slots() {
            let Some(slot) = self.table.advance(usize::MAX) else { break };
            let Some(mut connection) = self.table.remove(slot) else { continue };
            if !connection.has_responses && !connection.live {
                connection.accept_all(&mut self.buffers, context);
            }
            connection.finish(&mut self.buffers, context);
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
    pub fn counters(&self) -> &StreamCounters {
        &self.buffers.counters
    }

    fn gauge(&mut self) {
        let counters = &mut self.buffers.counters;
        counters.connections = self.table.len() as u64;
        counters.buffered_bytes = self.buffers.buffered as u64;
    }

    fn take<C>(&mut self, segment: &Segment<'_>, context: &mut C)
    where
        P: Protocol<C>,
    {
        let Some(slot) = self.table.find(segment.connection).or_else(|| self.open(segment, context)) else {
            return;
        };
        let Some(connection) = self.table.get(slot) else { return };
        match segment.direction {
            Direction::Request => connection.request(segment, &mut self.buffers, context),
            Direction::Response => connection.response(segment, &mut self.buffers, context),
        }
        if connection.unsettled() && !connection.queued {
            connection.queued = true;
            self.unsettled.push(slot);
        }
        self.watch(slot, context);
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
    fn watch<C>(&mut self, slot: Slot, context: &C)
    where
        P: Protocol<C>,
    {
        let Some(connection) = self.table.get(slot) else { return };
        if !connection.timer
            && let Some(deadline) = connection.deadline(&self.buffers, context)
        {
            connection.timer = true;
            self.deadlines.push(Reverse((deadline, slot)));
        }
    }

    /// A connection's first segment.
    fn open<C>(&mut self, segment: &Segment<'_>, context: &mut C) -> Option<Slot>
    where
        P: Protocol<C>,
    {
        let early = self.handshake(segment);
        let start = match segment.direction {
            Direction::Request if segment.syn => segment.seq.wrapping_add(1),
            Direction::Request if segment.length == 0 => return None,
            Direction::Request => segment.received.unwrap_or(segment.seq),
            Direction::Response => match (segment.ack, segment.syn || early.is_some()) {
                (Some(ack), true) => ack,
                _ => {
                    let gone = wait(&mut self.orphans, segment, self.buffers.cycle);
                    if let Some(gone) = gone {
                        P::orphan(&gone.segment.segment(), context);
                    }
                    return None;
                }
            },
        };
        let start = early.as_ref().map_or(start, |early| payload_start(&early[0].segment()));
        let departed = early.is_none() && !segment.syn && self.table.has_departed(segment.connection);
        let beginning = match (segment.joined, departed) {
            (true, _) => Beginning::Joined,
            (false, true) => Beginning::Lost,
            _ => Beginning::Start,
        };
        let connection = Connection::new(segment.connection, first(start), beginning, segment.at);
        let slot = self.insert(connection, context);
        if let (Some(early), Some(connection)) = (early, self.table.get(slot)) {
            for early in &early {
                let segment = Segment { connection: segment.connection, listener: false, ..early.segment() };
                connection.request(&segment, &mut self.buffers, context);
            }
        }
        Some(slot)
    }

    fn insert<C>(&mut self, connection: Connection<P>, context: &mut C) -> Slot
    where
        P: Protocol<C>,
    {
        if self.table.len() >= self.buffers.limits.connections.max(1) {
            self.evict(context);
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
        mine.retain(|early| ahead(&early.segment(), accepted) > 0);
        mine.sort_by_key(|early| Reverse(ahead(&early.segment(), accepted)));
        (!mine.is_empty()).then_some(mine)
    }

    /// Gives up a connection that has been silent for long, so that a new one has room.
    fn evict<C>(&mut self, context: &mut C)
    where
        P: Protocol<C>,
    {
        let mut victim: Option<(Timestamp, Slot)> = None;
        for _ in 0..CANDIDATES {
            let Some(slot) = self.table.advance(usize::MAX) else { break };
            let Some(connection) = self.table.get(slot) else { continue };
            if victim.is_none_or(|(seen, _)| connection.link.seen < seen) {
                victim = Some((connection.link.seen, slot));
            }
        }
        if let Some((_, slot)) = victim {
            self.buffers.counters.evicted_connections += 1;
            self.forget(slot, context);
        }
    }

    /// Reports what is known of a connection and drops it.
    fn forget<C>(&mut self, slot: Slot, context: &mut C)
    where
        P: Protocol<C>,
    {
        let Some(mut connection) = self.table.remove(slot) else { return };
        if !connection.is_forgettable() {
            self.table.depart(connection.link.id);
        }
        connection.finish(&mut self.buffers, context);
    }

    /// Looks at a share of the connections, so that each is looked at once in [`Limits::idle`].
    fn sweep<C>(&mut self, now: Timestamp, context: &mut C)
    where
        P: Protocol<C>,
    {
        let elapsed = now.since(self.swept);
        if elapsed < SWEEP {
            return;
        }
        let idle = self.buffers.limits.idle;
        let share = elapsed.as_secs_f64() / idle.as_secs_f64().max(1.0);
        self.swept = now;
        let mut steps = ((self.table.slots() as f64 * share).ceil() as usize).min(self.table.slots());
        while steps > 0 {
            steps -= 1;
            let Some(slot) = self.table.advance(1) else { continue };
            let Some(connection) = self.table.get(slot) else { continue };
            // A tunnel in a file: no kernel keeps its bytes away, so it must not be forgotten.
            let kept = connection.protocol.is_opaque() && !connection.live || connection.protocol.is_kept();
            if connection.link.seen + idle <= now && !kept {
                self.buffers.counters.idle_connections += 1;
                self.forget(slot, context);
            }
        }
    }
}

/// Keeps a segment until its connection is known. The one that gave way to it, if any.
fn wait(queue: &mut VecDeque<Waiting>, segment: &Segment<'_>, cycle: u64) -> Option<Waiting> {
    let gone = if queue.len() >= WAITING { queue.pop_front() } else { None };
    queue.push_back(Waiting { segment: Owned::new(segment), cycle });
    gone
}

/// The sequence number of the first payload byte.
fn payload_start(segment: &Segment<'_>) -> u32 {
    segment.seq.wrapping_add(u32::from(segment.syn))
}

/// How far the place with the sequence number `seq` is ahead of the first payload byte.
fn ahead(segment: &Segment<'_>, seq: u32) -> i32 {
    seq.wrapping_sub(payload_start(segment)) as i32
}
