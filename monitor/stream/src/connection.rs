//! One connection: which bytes the server's TCP accepted, and both directions in order.
//!
//! Request bytes wait until the receiver's own state, or its acknowledgements, show that it accepted them; only then the
//! protocol gets to see them. Responses need no such proof: the server sent them.

use rollcall_model::time::Timestamp;

use super::{
    Checksum, ConnectionId, Segment,
    buffers::Buffers,
    protocol::{Beginning, Link, Piece, Protocol, Standing},
    reassembly::{Block, Origin, Queue},
    sequence::{first, nearest},
};

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

/// A response segment that came before its turn.
#[derive(Debug)]
struct Stashed {
    place: u64,
    length: u32,
    ack: Option<u64>,
    at: Timestamp,
    fin: bool,
    cycle: u64,
    data: Vec<u8>,
}

/// What a stashed response segment costs besides its bytes.
const STASH_COST: usize = 64;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection<P> {
    pub(super) link: Link,
    pub(super) protocol: P,
    /// Bytes of the request direction that TCP is not known to have accepted, or that came before their turn.
    waiting: Option<Box<Queue>>,
    /// How far the protocol has got in the request direction.
    taken: u64,
    /// Where the bytes end that have come without a gap.
    next: u64,
    /// How far the protocol has got in the response direction, once that is known.
    answered_to: Option<u64>,
    stash: Vec<Stashed>,
    stashed: usize,
    /// A byte of the request direction that is not part of what the application reads.
    urgent: Option<u64>,
    /// The client has reset the connection where its stream stood.
    reset: bool,
    /// Where the client's stream ends, once its FIN was seen in sequence.
    fin: Option<u64>,
    /// The cycle since which accepted bytes are missing; 0 if none are.
    hole: u64,
    closing: Closing,
    /// No request bytes have been seen.
    untouched: bool,
    /// The server has sent payload since the last request segment. For sources that don't say.
    answered: bool,
    /// How far the server's stream had come at the last request segment. For sources that don't say.
    asked: Option<u64>,
    /// The source has the receiver's own state.
    pub(super) live: bool,
    /// A segment of the response direction has been seen.
    pub(super) has_responses: bool,
    /// A deadline is set.
    pub(super) timer: bool,
    /// `settle` will come by.
    pub(super) queued: bool,
}

impl<P: Standing> Connection<P> {
    /// A connection whose request stream is at `next`.
    pub(super) fn new(id: ConnectionId, next: u64, beginning: Beginning, at: Timestamp) -> Self {
        Connection {
            link: Link { id, endpoints: None, seen: at, accepted: next, is_wire: true },
            protocol: P::new(beginning),
            waiting: None,
            taken: next,
            next,
            answered_to: None,
            stash: Vec::new(),
            stashed: 0,
            urgent: None,
            reset: false,
            fin: None,
            hole: 0,
            closing: Closing::No,
            untouched: true,
            answered: false,
            asked: None,
            live: false,
            has_responses: false,
            timer: false,
            queued: false,
        }
    }

    /// A segment of the request direction.
    pub(super) fn request<C>(&mut self, segment: &Segment<'_>, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.link.seen = self.link.seen.max(segment.at);
        self.link.endpoints = self.link.endpoints.or(segment.endpoints);
        self.live |= segment.received.is_some();
        let Some(segment) = &plausible(segment) else {
            tcp.counters.implausible += 1;
            return;
        };
        let place = nearest(self.next, segment.seq.wrapping_add(u32::from(segment.syn)));
        let received = segment.received.map(|received| nearest(self.next, received));
        if let Some(received) = received {
            self.link.accepted = self.link.accepted.max(received);
            let lost = if segment.length > 0 { received } else { self.taken };
            self.deliver(lost, tcp, context);
        }
        if self.answered_to.is_none() {
            let shown = segment.sent.or(segment.ack.filter(|_| !segment.syn));
            self.answered_to = shown.map(first);
        }
        if segment.length > 0 {
            self.payload(segment, place, tcp, context);
        }
        let end = place + u64::from(segment.length);
        if segment.rst {
            let is_in_place = end == self.next || end == self.in_order();
            if is_in_place || received == Some(place) {
                // As with a FIN, bytes that follow show that TCP did not take it.
                self.fin = Some(end);
                self.reset = is_in_place;
                self.closing = Closing::Full(tcp.cycle);
            } else {
                tcp.counters.implausible += 1;
            }
        } else if segment.fin && segment.length == 0 && end == self.next {
            self.finished(end, tcp);
        }
        self.flush(context);
    }

    /// A segment of the response direction.
    pub(super) fn response<C>(&mut self, segment: &Segment<'_>, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.link.seen = self.link.seen.max(segment.at);
        self.link.endpoints = self.link.endpoints.or(segment.endpoints);
        let ack = segment.ack.map(|ack| nearest(self.next, ack));
        if let Some(ack) = ack.filter(|&ack| (!segment.rst || self.live) && ack > self.link.accepted) {
            self.link.accepted = ack;
            self.deliver(self.taken, tcp, context);
            self.protocol.advise(&self.link, context);
        }
        let seq = segment.seq.wrapping_add(u32::from(segment.syn));
        let next = *self.answered_to.get_or_insert(first(seq));
        let place = nearest(next, seq);
        self.answered |= segment.length > 0;
        self.has_responses = true;
        if segment.rst {
            self.closing = Closing::Full(tcp.cycle);
        }
        let end = place + u64::from(segment.length);
        // An answer to bytes that were not handed in yet waits for them.
        let early = self.link.accepted > self.taken && self.hole != 0 && self.protocol.is_answered();
        if (segment.length > 0 || segment.fin) && end >= next {
            if place > next || early {
                self.stash(segment, place, ack, tcp);
            } else {
                let skip = (next - place) as u32;
                let piece = Piece {
                    place: next,
                    length: segment.length - skip.min(segment.length),
                    data: segment.data.get(skip as usize..).unwrap_or_default(),
                    ack,
                    at: segment.at,
                };
                self.answer(piece, segment.fin, tcp, context);
                self.unstash(0, tcp, context);
            }
        }
        self.flush(context);
    }

    /// Whether a response segment holds bytes that have not been seen yet.
    pub(super) fn expects(&self, segment: &Segment<'_>) -> bool {
        self.answered_to.is_none_or(|next| nearest(next, segment.seq) + u64::from(segment.length) > next)
    }

    /// Does what had to wait for the other direction or the other CPUs.
    pub(super) fn settle<C>(&mut self, tcp: &mut Buffers, context: &mut C) -> Settled
    where
        P: Protocol<C>,
    {
        let cycle = tcp.cycle;
        if self.hole != 0 && self.hole < cycle {
            self.deliver(self.link.accepted, tcp, context);
        }
        self.unstash(cycle, tcp, context);
        self.flush(context);
        let over = match self.closing {
            Closing::No => false,
            Closing::Full(since) => since < cycle,
            Closing::Half(since) => since < cycle && self.waiting.is_none() && !self.protocol.is_waiting(),
        };
        if over && self.stash.is_empty() {
            if self.live && self.reset {
                // What came in order was contradicted by nothing, and a reset leaves no acknowledgement.
                let end = self.in_order();
                self.link.accepted = self.link.accepted.max(end);
                self.deliver(end, tcp, context);
            }
            let amid = self.protocol.is_amid();
            self.finish(tcp, context);
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

    /// A deadline has passed. The next one, if any.
    pub(super) fn overdue<C>(&mut self, now: Timestamp, tcp: &Buffers, context: &mut C) -> Option<Timestamp>
    where
        P: Protocol<C>,
    {
        self.protocol.overdue(now, context);
        if matches!(self.closing, Closing::Half(_)) && self.link.seen + tcp.limits.linger <= now {
            self.closing = Closing::Full(0);
        }
        self.flush(context);
        self.deadline(tcp, context)
    }

    /// When [`Connection::overdue`] is next needed: for the protocol's sake, or for an answer that is still under way after the
    /// client's end.
    pub(super) fn deadline<C>(&self, tcp: &Buffers, context: &C) -> Option<Timestamp>
    where
        P: Protocol<C>,
    {
        let linger = matches!(self.closing, Closing::Half(_)).then_some(self.link.seen + tcp.limits.linger);
        self.protocol.deadline(context).into_iter().chain(linger).min()
    }

    /// Reports everything that is known, and frees what is held.
    pub(super) fn finish<C>(&mut self, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        if self.hole != 0 {
            self.deliver(self.link.accepted, tcp, context);
        }
        self.unstash(u64::MAX, tcp, context);
        self.flush(context);
        self.protocol.finish(&self.link, context);
        self.believe(tcp, context);
        self.protocol.dismiss(context);
        while let Some(block) = self.waiting.as_mut().and_then(|waiting| waiting.pop()) {
            tcp.buffered -= block.cost();
            tcp.recycle(block.data);
        }
        tcp.keep_queue(self.waiting.take());
        tcp.buffered -= std::mem::take(&mut self.stashed);
        self.stash.drain(..).for_each(|stashed| tcp.recycle(stashed.data));
    }

    /// Contiguous bytes are as good as accepted: there is no other direction to tell.
    pub(super) fn accept_all<C>(&mut self, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        let place = |front: &Block| (front.place, front.end());
        while let Some((start, end)) = self.waiting.as_ref().and_then(|waiting| waiting.front()).map(place) {
            self.link.accepted = self.link.accepted.max(end);
            self.deliver(self.link.accepted, tcp, context);
            // It stands behind a FIN, where TCP takes nothing.
            if self.waiting.as_ref().and_then(|waiting| waiting.front()).map(place) == Some((start, end)) {
                break;
            }
        }
        self.protocol.believe(context);
    }

    /// Where the bytes end that came one after the other.
    fn in_order(&self) -> u64 {
        self.waiting.as_ref().map_or(self.taken, |waiting| waiting.in_order(self.taken))
    }

    /// Whether a segment that comes after a long silence can be read without knowing what came before.
    pub(super) fn is_forgettable(&self) -> bool {
        self.waiting.is_none() && self.protocol.is_forgettable()
    }

    fn flush<C>(&mut self, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.protocol.flush(&self.link, context);
    }

    /// Payload of the request direction.
    fn payload<C>(&mut self, segment: &Segment<'_>, place: u64, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        let shown = if segment.received.is_none() { self.server_shown(segment.ack) } else { None };
        let sent = segment.sent.map(|sent| self.answer_place(sent)).or(shown);
        // Of an answer that was not captured, the client's acknowledgement tells.
        let went_on = self.asked.zip(shown).is_some_and(|(asked, shown)| shown > asked);
        let answered = segment.after_response || segment.received.is_none() && (self.answered || went_on);
        // What comes before its turn follows bytes that are still to come, and no answer.
        let received = segment.received.map(|received| nearest(self.next, received));
        let in_order = received.unwrap_or(self.next.max(self.link.accepted)) == place;
        let boundary = in_order && (self.untouched || answered) || went_on;
        self.asked = shown;
        let ack = segment.ack.map(|ack| self.answer_place(ack));
        let waited = ack.zip(sent).is_none_or(|(ack, sent)| ack >= sent);
        let origin = Origin {
            at: segment.at,
            sent,
            pipelined: !(boundary && waited),
            in_order,
            boundary,
            certain: segment.after_response && waited && in_order && received.is_some(),
            trusted: segment.checksum == Checksum::Valid,
            sampling: segment.sampling,
        };
        self.untouched = false;
        self.answered = false;
        self.urgent = segment.urgent.map(|urgent| nearest(self.next, urgent)).or(self.urgent);
        let end = place + u64::from(segment.length);
        if place < self.taken {
            let known = (self.taken - place).min(segment.data.len() as u64) as usize;
            tcp.counters.conflicts += u64::from(self.protocol.differs(place, &segment.data[..known]));
        }
        if end <= self.taken {
            tcp.counters.retransmitted += 1;
            return;
        }
        // A new FIN-less segment past a FIN shows that the FIN was not accepted.
        if place <= self.next && end > self.next && self.fin.is_some() {
            self.fin = None;
            self.reset = false;
            self.closing = Closing::No;
        }
        self.keep(segment, place, origin, tcp, context);
    }

    /// The place of a sequence number of the response direction.
    fn answer_place(&self, seq: u32) -> u64 {
        self.answered_to.map_or_else(|| first(seq), |next| nearest(next, seq))
    }

    /// How far the server's stream had come, for sources that do not have its state: what was seen of it, and what the
    /// client says that it has.
    fn server_shown(&self, ack: Option<u32>) -> Option<u64> {
        let stashed = self.stash.first().map(|last| last.place + u64::from(last.length));
        [self.answered_to, stashed, ack.map(|ack| self.answer_place(ack))].into_iter().flatten().max()
    }

    /// Keeps a segment until TCP is known to have accepted it.
    fn keep<C>(
        &mut self,
        segment: &Segment<'_>,
        place: u64,
        origin: Origin,
        tcp: &mut Buffers,
        context: &mut C,
    ) where
        P: Protocol<C>,
    {
        let end = place + u64::from(segment.length);
        // What will be passed over is not kept; the room is for what comes behind it.
        let is_passed = !origin.boundary && self.protocol.passes(end, context);
        let data = if is_passed { &[] } else { segment.data };
        let block = Block {
            place,
            length: segment.length,
            data: tcp.buffer(data),
            fin: segment.fin,
            early: place > self.next,
            origin,
        };
        let cost = block.cost();
        if tcp.is_full(self.held(), cost) {
            self.believe(tcp, context);
        }
        // Others may hold all the room, with uploads that stand still.
        let is_full = tcp.is_full(self.held(), cost);
        if is_full && block.early {
            tcp.counters.buffer_overflows += u64::from(!is_passed);
            tcp.recycle(block.data);
            return;
        }
        let waiting = self.waiting.get_or_insert_with(|| tcp.queue());
        let inserted = waiting.insert(block);
        if place <= self.next {
            self.next = waiting.contiguous(self.next);
        }
        tcp.buffered = tcp.buffered + cost - inserted.freed;
        tcp.counters.conflicts += u64::from(inserted.conflict);
        if is_full {
            self.believe(tcp, context);
        }
    }

    /// What the bytes that wait cost of the limits.
    fn held(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.held())
    }

    /// Nobody says what TCP takes, or it says so late: what came in order is believed, so that it needs no room.
    fn believe<C>(&mut self, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        self.link.accepted = self.link.accepted.max(self.next);
        self.deliver(self.taken, tcp, context);
    }

    /// Hands on what waited and was accepted. Accepted bytes that are missing before `lost` are a loss; others
    /// may still come.
    fn deliver<C>(&mut self, lost: u64, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        while let Some(front) = self.waiting.as_ref().and_then(|waiting| waiting.front()) {
            let (place, end) = (front.place, front.end());
            let stale = end <= self.taken;
            if !stale && self.link.accepted <= place {
                break;
            }
            if !stale && place > self.taken {
                self.give_up(lost.min(place), context);
                if place > self.taken {
                    return self.mark_hole(tcp);
                }
            }
            let Some(mut block) = self.waiting.as_mut().and_then(|waiting| waiting.pop()) else { break };
            tcp.buffered -= block.cost();
            if !stale {
                let skip = (self.taken - place) as usize;
                let length = (end.min(self.link.accepted) - self.taken) as u32;
                let data = block.data.get(skip..).unwrap_or_default();
                self.feed(data, length, &block.origin, context);
                if end > self.taken {
                    // What was accepted of it begins where it begins.
                    let origin = &mut block.origin;
                    (origin.boundary, origin.certain, origin.pipelined) = (false, false, true);
                    tcp.buffered += block.cost();
                    self.waiting.get_or_insert_with(|| tcp.queue()).restore(block);
                    break;
                }
                if block.fin {
                    self.finished(end, tcp);
                }
            }
            tcp.recycle(block.data);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.is_empty()) {
            tcp.keep_queue(self.waiting.take());
        }
        self.give_up(lost, context);
        self.next = self.next.max(self.taken);
        // A single missing place is a FIN's, unless more comes behind it.
        if self.link.accepted > self.taken + 1 { self.mark_hole(tcp) } else { self.hole = 0 }
    }

    /// Accepted bytes in order, without one that goes past the application's stream.
    fn feed<C>(&mut self, data: &[u8], length: u32, origin: &Origin, context: &mut C)
    where
        P: Protocol<C>,
    {
        let data = &data[..data.len().min(length as usize)];
        let end = self.taken + u64::from(length);
        if let Some(urgent) = self.urgent.filter(|&urgent| urgent >= self.taken && urgent < end) {
            self.urgent = None;
            let before = (urgent - self.taken) as u32;
            let (left, right) = data.split_at(data.len().min(before as usize));
            self.feed(left, before, origin, context);
            self.taken += 1;
            let behind = right.get(1..).unwrap_or_default();
            let origin = Origin {
                boundary: origin.boundary && before == 0,
                certain: origin.certain && before == 0,
                ..*origin
            };
            return self.feed(behind, length - before - 1, &origin, context);
        }
        self.protocol.request(self.taken, data, origin, context);
        self.taken += data.len() as u64;
        self.give_up(end, context);
    }

    /// The bytes up to here will not come any more.
    fn give_up<C>(&mut self, lost: u64, context: &mut C)
    where
        P: Protocol<C>,
    {
        let missing = lost.saturating_sub(self.taken);
        let only_fin = missing == 1 && self.fin == Some(self.taken);
        if missing > 0 && !only_fin {
            self.protocol.request_gap(self.taken, missing, context);
            self.taken = lost;
        }
    }

    fn mark_hole(&mut self, tcp: &Buffers) {
        if self.hole == 0 {
            self.hole = tcp.cycle;
        }
    }

    /// The client's stream ends here.
    fn finished(&mut self, end: u64, tcp: &Buffers) {
        self.fin = Some(end);
        if self.closing == Closing::No {
            self.closing = Closing::Half(tcp.cycle);
        }
    }

    /// Response bytes in order.
    fn answer<C>(&mut self, piece: Piece<'_>, fin: bool, tcp: &Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        if piece.length > 0 {
            self.answered_to = Some(piece.place + u64::from(piece.length));
            self.protocol.response(piece, &self.link, context);
        }
        if fin {
            self.closing = Closing::Full(tcp.cycle);
        }
    }

    /// Keeps a response segment until those before it, or the request that it answers, have come.
    fn stash(&mut self, segment: &Segment<'_>, place: u64, ack: Option<u64>, tcp: &mut Buffers) {
        let data = tcp.buffer(segment.data);
        let cost = data.capacity() + STASH_COST;
        if tcp.is_full(self.stashed, cost) {
            tcp.counters.buffer_overflows += 1;
            tcp.recycle(data);
            return;
        }
        tcp.buffered += cost;
        self.stashed += cost;
        let at = self.stash.partition_point(|kept| kept.place > place);
        let stashed = Stashed {
            place,
            length: segment.length,
            ack,
            at: segment.at,
            fin: segment.fin,
            cycle: tcp.cycle,
            data,
        };
        self.stash.insert(at, stashed);
    }

    /// Takes stashed response segments, lowest place first, as far as they follow on each other or
    /// were there before `cycle`.
    fn unstash<C>(&mut self, cycle: u64, tcp: &mut Buffers, context: &mut C)
    where
        P: Protocol<C>,
    {
        while let Some(front) = self.stash.last() {
            let next = self.answered_to.unwrap_or(front.place);
            let waits = front.place > next || self.hole != 0;
            if waits && front.cycle >= cycle {
                break;
            }
            let Some(front) = self.stash.pop() else { break };
            let cost = front.data.capacity() + STASH_COST;
            tcp.buffered -= cost;
            self.stashed -= cost;
            if front.place > next {
                self.protocol.response_gap(next, front.place - next, context);
                self.answered_to = Some(front.place);
            }
            let next = next.max(front.place);
            if next <= front.place + u64::from(front.length) {
                let skip = (next - front.place) as u32;
                let piece = Piece {
                    place: next,
                    length: front.length - skip,
                    data: front.data.get(skip as usize..).unwrap_or_default(),
                    ack: front.ack,
                    at: front.at,
                };
                self.answer(piece, front.fin, tcp, context);
            }
            tcp.recycle(front.data);
        }
        if self.stash.is_empty() && self.stash.capacity() > 64 {
            self.stash = Vec::new();
        }
    }
}

/// How far a client's acknowledgement may be ahead of what the server's `snd_nxt` showed: TCP moves it on only after
/// the packet has left, and over loopback the answer to that packet may be back before. Twice the largest packet and
/// room for the ones that a sender may have in the device at once.
const UNDERWAY: u32 = 256 * 1024;

/// The segment as far as it can be believed; `None` if TCP drops it whatever it carries.
fn plausible<'a>(segment: &Segment<'a>) -> Option<Segment<'a>> {
    let mut segment = *segment;
    if segment.listener || segment.length == 0 {
        return Some(segment);
    }
    let Some(ack) = segment.ack else { return (segment.syn || segment.rst).then_some(segment) };
    if let Some(sent) = segment.sent {
        let ahead = ack.wrapping_sub(sent) as i32;
        if ahead > UNDERWAY as i32 {
            return None;
        }
        if ahead > 0 {
            // Whether TCP takes it depends on what the server had really sent: no checksum settles that.
            segment.checksum = Checksum::Unknown;
        }
    }
    Some(segment)
}
