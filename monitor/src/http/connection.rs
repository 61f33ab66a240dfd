//! One connection: which bytes the server's TCP accepted, and what follows for its requests and responses.

use std::collections::VecDeque;

use super::{
    connections::{Directive, Sink},
    pending::Pending,
    recognition::Protocol,
    requests::{Place, Requests, Shared},
    responses::{Effect, Piece, Responses},
};
use crate::{
    stream::{
        Checksum, ConnectionId, Endpoints, Segment,
        doubt::Doubt,
        reassembly::{Block, Origin, OutOfOrder},
        sequence::{after, before, distance, earliest, latest},
    },
    time::Timestamp,
};

/// A body of which less is left is captured rather than skipped: advice costs more than it saves.
const SKIP_MIN: u64 = 16 * 1024;

/// The farthest that a skip reaches: well inside half of the sequence space. A longer body gets more advice later.
const SKIP_MAX: u64 = 1 << 30;

/// What a stashed response segment costs besides its bytes.
const STASH_COST: usize = 64;

/// Room for waiting requests that an idle connection keeps.
const PENDING_KEPT: usize = 16;

/// A response segment that came before its turn.
#[derive(Debug)]
struct Stashed {
    seq: u32,
    length: u32,
    ack: Option<u32>,
    at: Timestamp,
    fin: bool,
    cycle: u64,
    data: Vec<u8>,
}

/// How far the connection's end has come, and in which cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// The client has sent its last byte.
    Half(u64),
    /// Nothing follows in either direction.
    Full(u64),
}

/// What `settle` leaves of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing is left to do.
    Done,
    /// Come back at the next `settle`.
    Again,
    /// The connection is over, and everything has been reported. `amid` a message: its end was not the
    /// stream's, as far as can be seen.
    Closed { amid: bool },
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) endpoints: Option<Endpoints>,
    pub(super) seen: Timestamp,
    requests: Requests,
    responses: Responses,
    pending: VecDeque<Box<Pending>>,
    early: Option<Box<OutOfOrder>>,
    /// What was taken but may be dropped yet, and where the parser stood before it.
    doubt: Option<Box<(Place, Doubt)>>,
    stash: Vec<Stashed>,
    stashed: usize,
    /// Everything before it was accepted by the server's TCP.
    accepted: u32,
    /// Where the client's stream ends, once its FIN was seen in sequence.
    fin: Option<u32>,
    /// The cycle since which accepted bytes are missing; 0 if none are.
    hole: u64,
    closing: Closing,
    /// The place up to which the kernel was told to skip.
    skipping: Option<u32>,
    /// No request bytes have been seen.
    untouched: bool,
    /// The server has sent payload since the last request segment. For sources that don't say.
    answered: bool,
    /// The source has the receiver's own state.
    pub(super) live: bool,
    /// A segment of the response direction has been seen.
    heard: bool,
    /// The kernel was asked for whole responses.
    whole: bool,
    /// A deadline is set.
    pub(super) timer: bool,
    /// `settle` will come by.
    pub(super) queued: bool,
}

impl Connection {
    /// A connection whose request stream is at `next`: at its start, or amid it.
    pub(super) fn new(id: ConnectionId, next: u32, amid: bool, at: Timestamp) -> Connection {
        Connection {
            id,
            endpoints: None,
            seen: at,
            requests: Requests::new(next, amid),
            responses: Responses::default(),
            pending: VecDeque::new(),
            early: None,
            doubt: None,
            stash: Vec::new(),
            stashed: 0,
            accepted: next,
            fin: None,
            hole: 0,
            closing: Closing::No,
            skipping: None,
            untouched: true,
            answered: false,
            live: false,
            heard: false,
            whole: false,
            timer: false,
            queued: false,
        }
    }

    /// A segment of the request direction.
    pub(super) fn request(&mut self, segment: &Segment<'_>, shared: &mut Shared, sink: &mut dyn Sink) {
        self.seen = self.seen.max(segment.at);
        self.endpoints = self.endpoints.or(segment.endpoints);
        self.live |= segment.received.is_some();
        if implausible(segment) {
            shared.counters.implausible += 1;
            return;
        }
        let seq = segment.seq.wrapping_add(u32::from(segment.syn));
        if let Some(received) = segment.received {
            self.accepted = latest(self.accepted, received);
            let lost = if segment.length > 0 { received } else { self.requests.next };
            self.deliver(lost, shared);
        }
        if self.responses.next.is_none() {
            self.responses.next = segment.sent.or(segment.ack.filter(|_| !segment.syn));
        }
        if segment.length > 0 {
            self.payload(segment, seq, shared);
        }
        let end = seq.wrapping_add(segment.length);
        if segment.rst {
            if end == self.requests.next || segment.received == Some(seq) {
                // As with a FIN, bytes that follow show that TCP did not take it.
                self.fin = Some(self.requests.next);
                self.closing = Closing::Full(shared.cycle);
            } else {
                shared.counters.implausible += 1;
            }
        } else if segment.fin && end == self.requests.next {
            self.finished(end, shared);
        }
        self.flush(shared, sink);
    }

    /// A segment of the response direction.
    pub(super) fn response(&mut self, segment: &Segment<'_>, shared: &mut Shared, sink: &mut dyn Sink) {
        self.seen = self.seen.max(segment.at);
        self.endpoints = self.endpoints.or(segment.endpoints);
        if let Some(ack) = segment.ack.filter(|_| !segment.rst)
            && after(ack, self.accepted)
        {
            self.accepted = ack;
            self.deliver(self.requests.next, shared);
        }
        let seq = segment.seq.wrapping_add(u32::from(segment.syn));
        let next = *self.responses.next.get_or_insert(seq);
        self.answered |= segment.length > 0;
        self.heard = true;
        if segment.rst {
            self.closing = Closing::Full(shared.cycle);
        }
        let end = seq.wrapping_add(segment.length);
        // An answer to bytes that were not handed in yet waits for them.
        let early = after(self.accepted, self.requests.next)
            && self.hole != 0
            && self.pending.iter().all(|request| request.answered);
        if (segment.length > 0 || segment.fin) && !before(end, next) {
            if after(seq, next) || early {
                self.stash(segment, seq, shared);
            } else {
                let skip = next.wrapping_sub(seq);
                let piece = Piece {
                    length: segment.length - skip.min(segment.length),
                    data: segment.data.get(skip as usize..).unwrap_or_default(),
                    ack: segment.ack,
                    at: segment.at,
                };
                self.answer(piece, segment.fin, shared, sink);
                self.unstash(0, shared, sink);
            }
        }
        self.flush(shared, sink);
    }

    /// Does what had to wait for the other direction or the other CPUs.
    pub(super) fn settle(&mut self, shared: &mut Shared, sink: &mut dyn Sink) -> Settled {
        let cycle = shared.cycle;
        if self.hole != 0 && self.hole < cycle {
            self.deliver(self.accepted, shared);
        }
        self.unstash(cycle, shared, sink);
        self.flush(shared, sink);
        let over = match self.closing {
            Closing::No => false,
            Closing::Full(since) => since < cycle,
            Closing::Half(since) => {
                let waiting =
                    self.responses.is_amid() || self.pending.iter().any(|request| !request.responded);
                since < cycle && !waiting
            }
        };
        if over && self.stash.is_empty() {
            let amid = !self.is_opaque() && !self.requests.at_start();
            self.finish(shared, sink);
            return Settled::Closed { amid };
        }
        let closing = match self.closing {
            Closing::No => false,
            Closing::Full(_) => true,
            Closing::Half(since) => since >= cycle,
        };
        if self.hole != 0 || !self.stash.is_empty() || closing { Settled::Again } else { Settled::Done }
    }

    /// Whether `settle` has something to do.
    pub(super) fn unsettled(&self) -> bool {
        self.hole != 0 || !self.stash.is_empty() || self.closing != Closing::No
    }

    /// A deadline has passed: confirmed requests without response are handed on. The next deadline, if any.
    pub(super) fn overdue(
        &mut self,
        now: Timestamp,
        shared: &mut Shared,
        sink: &mut dyn Sink,
    ) -> Option<Timestamp> {
        let deadline = shared.limits.deadline;
        for request in &mut self.pending {
            request.due |= request.origin.at + deadline <= now;
        }
        if matches!(self.closing, Closing::Half(_)) && self.seen + shared.limits.linger <= now {
            self.closing = Closing::Full(0);
        }
        self.flush(shared, sink);
        self.deadline(shared)
    }

    /// When [`Connection::overdue`] is next needed: the first request that waits for its response, or an answer
    /// that is still under way after the client's end.
    pub(super) fn deadline(&self, shared: &Shared) -> Option<Timestamp> {
        let waiting = self.pending.iter().find(|request| !request.due);
        let deadline = waiting.map(|request| request.origin.at + shared.limits.deadline);
        let linger = matches!(self.closing, Closing::Half(_)).then_some(self.seen + shared.limits.linger);
        deadline.into_iter().chain(linger).min()
    }

    /// Contiguous bytes are as good as accepted: there is no other direction to tell.
    pub(super) fn accept_all(&mut self, shared: &mut Shared) {
        while let Some(end) = self.early.as_ref().and_then(|early| early.front()).map(Block::end) {
            self.accepted = latest(self.accepted, end);
            self.deliver(self.accepted, shared);
        }
        self.accepted = latest(self.accepted, self.requests.next);
        self.requests.tentative = false;
        self.pending.iter_mut().for_each(|request| request.tentative = false);
    }

    /// Reports everything that is known, and frees what is held.
    pub(super) fn finish(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        if self.hole != 0 {
            self.deliver(self.accepted, shared);
        }
        self.unstash(u64::MAX, shared, sink);
        self.flush(shared, sink);
        while let Some(request) = self.pending.pop_front() {
            self.report(request, shared, sink);
        }
        self.free(shared);
        self.requests.close(&mut shared.pool);
    }

    /// Whether a segment that comes after a long silence can be read without knowing what came before.
    pub(super) fn forgettable(&self) -> bool {
        self.requests.at_start() && self.pending.is_empty() && self.early.is_none()
    }

    /// Nothing more is read here.
    pub(super) fn is_opaque(&self) -> bool {
        self.requests.is_opaque()
    }

    /// Payload of the request direction.
    fn payload(&mut self, segment: &Segment<'_>, seq: u32, shared: &mut Shared) {
        let boundary = self.untouched
            || if segment.received.is_some() {
                segment.after_response
            } else {
                segment.after_response || self.answered
            };
        let sent = segment.sent.or(if segment.received.is_none() { self.responses.next } else { None });
        let waited = segment.ack.zip(sent).is_none_or(|(ack, sent)| ack == sent);
        let origin = Origin {
            at: segment.at,
            sent,
            pipelined: !(boundary && waited),
            boundary,
            trusted: segment.checksum == Checksum::Valid,
            sampling: segment.sampling,
        };
        self.untouched = false;
        self.answered = false;
        let end = seq.wrapping_add(segment.length);
        let accepted = segment.received.map_or(self.accepted, |received| latest(received, self.accepted));
        if before(seq, self.requests.next) && after(earliest(end, self.requests.next), accepted) {
            self.reconcile(seq, segment.data, accepted, shared);
        }
        let next = self.requests.next;
        if !after(end, next) {
            shared.counters.retransmitted += 1;
        } else if after(seq, next) {
            self.buffer(segment, seq, origin, shared);
        } else {
            // A new FIN-less segment past a FIN shows that the FIN was not accepted.
            if self.fin.is_some() {
                self.fin = None;
                self.closing = Closing::No;
            }
            let skip = next.wrapping_sub(seq);
            let data = segment.data.get(skip as usize..).unwrap_or_default();
            self.feed(data, segment.length - skip, &origin, shared);
            self.deliver(self.requests.next, shared);
        }
    }

    /// Bytes in order.
    fn feed(&mut self, data: &[u8], length: u32, origin: &Origin, shared: &mut Shared) {
        let data = &data[..data.len().min(length as usize)];
        if self.doubt.is_some() || !origin.trusted {
            self.doubt(data, length, origin, shared);
        }
        self.requests.feed(data, origin, &mut self.pending, shared);
        let missing = length - data.len() as u32;
        if missing > 0 {
            self.requests.gap(missing, &mut self.pending, shared);
        }
    }

    /// Keeps bytes that TCP may drop, and those that follow them, until they are accepted.
    fn doubt(&mut self, data: &[u8], length: u32, origin: &Origin, shared: &mut Shared) {
        let next = self.requests.next;
        if self.doubt.as_ref().is_some_and(|doubted| !after(doubted.1.end(), self.accepted)) {
            self.believe_doubted(shared);
        }
        let accepted = !after(next.wrapping_add(length), self.accepted);
        if accepted || self.requests.is_opaque() || (self.doubt.is_none() && origin.trusted) {
            return;
        }
        let mut doubted = match self.doubt.take() {
            Some(doubted) => doubted,
            None => Box::new((self.requests.place(&self.pending, &mut shared.pool), Doubt::new(next))),
        };
        shared.buffered -= doubted.1.cost();
        let kept = doubted.1.push(data, origin) && data.len() == length as usize;
        if kept && shared.buffered + doubted.1.cost() <= shared.limits.buffered {
            shared.buffered += doubted.1.cost();
            self.doubt = Some(doubted);
        } else {
            shared.counters.buffer_overflows += 1;
            Requests::discard(doubted.0, &mut shared.pool);
        }
    }

    /// Gives up comparing.
    fn believe_doubted(&mut self, shared: &mut Shared) {
        if let Some(doubted) = self.doubt.take() {
            shared.buffered -= doubted.1.cost();
            Requests::discard(doubted.0, &mut shared.pool);
        }
    }

    /// A segment covers bytes that were taken already but not accepted yet. If they differ, TCP has dropped
    /// what was taken, or is about to drop this: a verified checksum decides for what was taken.
    fn reconcile(&mut self, seq: u32, data: &[u8], accepted: u32, shared: &mut Shared) {
        let from = latest(seq, accepted);
        let Some(data) = data.get(from.wrapping_sub(seq) as usize..) else { return };
        let doubted = self.doubt.as_ref().and_then(|doubted| doubted.1.difference(from, data));
        let Some(difference) = doubted else {
            shared.counters.conflicts += u64::from(self.requests.differs(from, data, &self.pending));
            return;
        };
        shared.counters.conflicts += 1;
        let Some(doubted) = self.doubt.take_if(|doubted| !doubted.1.trusts(difference)) else { return };
        let (place, doubt) = *doubted;
        shared.buffered -= doubt.cost();
        self.requests.rewind(place, &mut self.pending, shared);
        for (bytes, origin) in doubt.before(difference) {
            self.feed(bytes, bytes.len() as u32, origin, shared);
        }
    }

    /// Keeps a segment that came before its turn.
    fn buffer(&mut self, segment: &Segment<'_>, seq: u32, origin: Origin, shared: &mut Shared) {
        if self.requests.is_opaque() {
            return;
        }
        let early = self.early.get_or_insert_default();
        let block = Block {
            seq,
            length: segment.length,
            data: shared.pool.buffer(segment.data),
            fin: segment.fin,
            origin,
        };
        let cost = block.cost();
        if early.held() + cost > shared.limits.buffered_per_connection
            || shared.buffered + cost > shared.limits.buffered
        {
            shared.counters.buffer_overflows += 1;
            shared.pool.recycle(block.data);
            return;
        }
        let inserted = early.insert(block);
        shared.buffered = shared.buffered + cost - inserted.freed;
        shared.counters.conflicts += u64::from(inserted.conflict);
    }

    /// Hands on what waited and was accepted. Accepted bytes that are missing before `lost` are a loss; others
    /// may still come.
    fn deliver(&mut self, lost: u32, shared: &mut Shared) {
        while let Some(front) = self.early.as_ref().and_then(|early| early.front()) {
            let (seq, end) = (front.seq, front.end());
            let stale = !after(end, self.requests.next);
            if !stale && !after(self.accepted, seq) {
                break;
            }
            if !stale && after(seq, self.requests.next) {
                self.give_up(earliest(lost, seq), shared);
                if after(seq, self.requests.next) {
                    return self.mark_hole(shared);
                }
            }
            let Some(block) = self.early.as_mut().and_then(|early| early.pop()) else { break };
            shared.buffered -= block.cost();
            if !stale {
                let skip = self.requests.next.wrapping_sub(seq);
                let upto = earliest(end, self.accepted);
                let length = distance(self.requests.next, upto);
                let data = block.data.get(skip as usize..).unwrap_or_default();
                self.feed(data, length, &block.origin, shared);
                if after(end, self.requests.next) {
                    shared.buffered += block.cost();
                    self.early.get_or_insert_default().restore(block);
                    break;
                }
                if block.fin {
                    self.finished(end, shared);
                }
            }
            shared.pool.recycle(block.data);
        }
        if self.early.as_ref().is_some_and(|early| early.is_empty()) {
            self.early = None;
        }
        self.give_up(lost, shared);
        // A single missing place is a FIN's, unless more comes behind it.
        if distance(self.requests.next, self.accepted) > 1 { self.mark_hole(shared) } else { self.hole = 0 }
    }

    /// The bytes up to here will not come any more.
    fn give_up(&mut self, lost: u32, shared: &mut Shared) {
        let missing = distance(self.requests.next, lost);
        let only_fin = missing == 1 && self.fin == Some(self.requests.next);
        if missing > 0 && !only_fin {
            self.requests.gap(missing, &mut self.pending, shared);
        }
    }

    fn mark_hole(&mut self, shared: &Shared) {
        if self.hole == 0 {
            self.hole = shared.cycle;
        }
    }

    /// The client's stream ends here.
    fn finished(&mut self, end: u32, shared: &Shared) {
        self.fin = Some(end);
        if self.closing == Closing::No {
            self.closing = Closing::Half(shared.cycle);
        }
    }

    /// Response bytes in order.
    fn answer(&mut self, piece: Piece<'_>, fin: bool, shared: &mut Shared, sink: &mut dyn Sink) {
        if piece.length > 0 {
            // The server may answer before the head is whole: too long, too slow, or wrong.
            if self.pending.iter().all(|request| request.answered) {
                self.requests.promote(&mut self.pending, shared);
            }
            self.believe(piece.ack, shared);
            let effect = self.responses.feed(piece, &mut self.pending, shared);
            match effect {
                Some(Effect::Closes) => self.unserved(shared, sink),
                Some(Effect::Upgraded) => {
                    shared.counters.upgraded += 1;
                    self.opaque(shared, sink);
                }
                Some(Effect::Tunnel) => {
                    shared.counters.tunnels += 1;
                    self.opaque(shared, sink);
                }
                None => {}
            }
            if self.pending.len() > 1 || self.pending.front().is_some_and(|request| request.answered) {
                self.flush(shared, sink);
            }
        }
        if fin {
            self.closing = Closing::Full(shared.cycle);
        }
    }

    /// A response to a request that was found by guessing shows that the guess was right, if the server had
    /// read just that when it answered; if it had read bytes beyond, they were no request and nor was it.
    fn believe(&mut self, ack: Option<u32>, shared: &mut Shared) {
        let Some(front) = self.pending.iter().find(|request| !request.answered) else { return };
        let Some(ack) = ack.filter(|&ack| front.tentative && !after(front.head_end, ack)) else { return };
        if self.pending.iter().any(|request| request.complete && request.body_end == Some(ack)) {
            self.requests.tentative = false;
            self.pending.iter_mut().for_each(|request| request.tentative = false);
        } else {
            self.requests.disbelieve(&mut self.pending, shared);
        }
    }

    /// Keeps a response segment until those before it, or the request that it answers, have come.
    fn stash(&mut self, segment: &Segment<'_>, seq: u32, shared: &mut Shared) {
        let data = shared.pool.buffer(segment.data);
        let cost = data.capacity() + STASH_COST;
        if self.stashed + cost > shared.limits.buffered_per_connection
            || shared.buffered + cost > shared.limits.buffered
        {
            shared.counters.buffer_overflows += 1;
            shared.pool.recycle(data);
            return;
        }
        shared.buffered += cost;
        self.stashed += cost;
        let at = self.stash.partition_point(|kept| after(kept.seq, seq));
        let stashed = Stashed {
            seq,
            length: segment.length,
            ack: segment.ack,
            at: segment.at,
            fin: segment.fin,
            cycle: shared.cycle,
            data,
        };
        self.stash.insert(at, stashed);
    }

    /// Takes stashed response segments, lowest sequence number first, as far as they follow on each other or
    /// were there before `cycle`.
    fn unstash(&mut self, cycle: u64, shared: &mut Shared, sink: &mut dyn Sink) {
        while let Some(front) = self.stash.last() {
            let next = self.responses.next.unwrap_or(front.seq);
            let waits = after(front.seq, next) || self.hole != 0;
            if waits && front.cycle >= cycle {
                break;
            }
            let Some(front) = self.stash.pop() else { break };
            let cost = front.data.capacity() + STASH_COST;
            shared.buffered -= cost;
            self.stashed -= cost;
            if after(front.seq, next) {
                self.responses.gap(distance(next, front.seq), &mut self.pending, shared);
            }
            let skip = self.responses.next.unwrap_or(front.seq).wrapping_sub(front.seq);
            if skip <= front.length {
                let piece = Piece {
                    length: front.length - skip,
                    data: front.data.get(skip as usize..).unwrap_or_default(),
                    ack: front.ack,
                    at: front.at,
                };
                self.answer(piece, front.fin, shared, sink);
            }
            shared.pool.recycle(front.data);
        }
        if self.stash.is_empty() && self.stash.capacity() > 64 {
            self.stash = Vec::new();
        }
    }

    /// Confirms, reports and advises, as far as the evidence goes.
    fn flush(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        if let Some(protocol) = self.requests.refused(self.accepted) {
            match protocol {
                Protocol::Tls => shared.counters.tls += 1,
                Protocol::Http2 => shared.counters.http2 += 1,
                Protocol::Other => shared.counters.not_http += 1,
            }
            self.opaque(shared, sink);
        }
        self.confirm();
        if let Some(endpoints) = self.endpoints {
            let mut called = 0;
            let first = self.pending.partition_point(|request| request.called);
            for request in self.pending.iter_mut().skip(first) {
                if !request.due || !request.confirmed {
                    break;
                }
                request.called = true;
                called += 1;
                sink.call(&request.exchange(self.id, endpoints));
            }
            shared.counters.exchanges += called;
        }
        while self.pending.front().is_some_and(|request| request.answered && request.complete) {
            let Some(request) = self.pending.pop_front() else { break };
            self.report(request, shared, sink);
        }
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
        let full =
            self.pending.len() > shared.limits.pipelined || shared.pool.charged() > shared.limits.pending;
        if full {
            self.shed(shared, sink);
        }
        if !self.whole
            && self.pending.len() > 1
            && self.pending.back().is_some_and(|request| request.origin.pipelined)
        {
            self.whole = true;
            sink.directive(self.id, Directive::WholeResponses);
        }
        self.skip(sink);
    }

    /// Marks the requests whose heads were accepted.
    fn confirm(&mut self) {
        let confirmed = self.pending.partition_point(|request| request.confirmed);
        for request in self.pending.iter_mut().skip(confirmed) {
            let line = request.start.wrapping_add(request.request.target.end.into());
            let accepted = if request.responded || request.complete && request.open {
                after(self.accepted, line)
            } else {
                !request.open && !after(request.head_end, self.accepted)
            };
            if !accepted || request.tentative {
                break;
            }
            request.confirmed = true;
        }
        if let Some(request) = self.pending.back_mut() {
            if let Some(end) = request.body_end.filter(|&end| !request.complete && !after(end, self.accepted))
            {
                request.complete = true;
                request.bytes = end.wrapping_sub(request.start).into();
            }
        }
    }

    /// Tells the kernel which bytes are not worth capturing.
    fn skip(&mut self, sink: &mut dyn Sink) {
        let left = self.requests.body_left();
        if left < SKIP_MIN || !self.pending.back().is_none_or(|request| request.confirmed) {
            return;
        }
        let next = self.requests.next;
        if self.skipping.is_none_or(|upto| !after(upto, next)) {
            let upto = next.wrapping_add(left.min(SKIP_MAX) as u32);
            self.skipping = Some(upto);
            sink.directive(self.id, Directive::SkipTo(upto));
        }
    }

    /// Too much waits: what is oldest is reported as it is, or given up.
    fn shed(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        if self.pending.is_empty() && shared.pool.charged() > shared.limits.pending {
            if !self.requests.at_start() && !self.is_opaque() {
                shared.counters.pending_overflows += 1;
                self.requests.lose(shared);
            }
            return;
        }
        while self.pending.len() > shared.limits.pipelined
            || (!self.pending.is_empty() && shared.pool.charged() > shared.limits.pending)
        {
            let Some(mut request) = self.pending.pop_front() else { break };
            shared.counters.pending_overflows += 1;
            // With no other direction, nothing will ever confirm it.
            request.confirmed |= !self.live && !self.heard;
            self.report(request, shared, sink);
        }
    }

    /// The request's exchange is as complete as it gets.
    fn report(&mut self, mut request: Box<Pending>, shared: &mut Shared, sink: &mut dyn Sink) {
        match self.endpoints {
            Some(endpoints) if request.confirmed => {
                let exchange = request.exchange(self.id, endpoints);
                if !request.called {
                    shared.counters.exchanges += 1;
                    sink.call(&exchange);
                }
                sink.exchange(&exchange);
            }
            _ => shared.counters.unconfirmed += 1,
        }
        request.called = true;
        shared.pool.release(request);
    }

    /// The server reads no further than the request that it answers now.
    fn unserved(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        let keep = self.pending.iter().position(|request| !request.responded).unwrap_or(self.pending.len());
        if keep < self.pending.len() {
            for request in self.pending.split_off(keep) {
                if request.called {
                    self.report(request, shared, sink);
                } else {
                    shared.counters.unserved += 1;
                    shared.pool.release(request);
                }
            }
        }
    }

    /// From here on the connection carries something else.
    fn opaque(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        while let Some(request) = self.pending.pop_front() {
            if request.called || request.answered {
                let mut request = request;
                request.confirmed = true;
                self.report(request, shared, sink);
            } else {
                shared.counters.withdrawn += 1;
                shared.pool.release(request);
            }
        }
        self.free(shared);
        self.requests.close(&mut shared.pool);
        self.responses.close();
        sink.directive(self.id, Directive::Ignore);
    }

    /// Gives the buffers back.
    fn free(&mut self, shared: &mut Shared) {
        while let Some(block) = self.early.as_mut().and_then(|early| early.pop()) {
            shared.buffered -= block.cost();
            shared.pool.recycle(block.data);
        }
        self.early = None;
        self.hole = 0;
        self.believe_doubted(shared);
        shared.buffered -= std::mem::take(&mut self.stashed);
        for stashed in self.stash.drain(..) {
            shared.pool.recycle(stashed.data);
        }
        self.stash = Vec::new();
        self.pending = VecDeque::new();
    }
}

/// Segments that TCP drops whatever they carry.
fn implausible(segment: &Segment<'_>) -> bool {
    let unacknowledging = segment.ack.is_none() && !segment.syn && !segment.rst;
    let ahead = segment.ack.zip(segment.sent).is_some_and(|(ack, sent)| after(ack, sent));
    !segment.listener && segment.length > 0 && (unacknowledging || ahead)
}
