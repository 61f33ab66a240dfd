//! Which request bytes the server's TCP accepted: order, losses, and bytes that come twice.

use super::{Closing, Connection};
use crate::{
    http::requests::Shared,
    stream::{
        Checksum, Segment,
        reassembly::{Block, Origin},
        sequence::{after, before, distance, earliest, latest},
    },
};

impl Connection {
    /// Contiguous bytes are as good as accepted: there is no other direction to tell.
    pub(in crate::http) fn accept_all(&mut self, shared: &mut Shared) {
        let place = |front: &Block| (front.seq, front.end());
        while let Some((seq, end)) = self.early.as_ref().and_then(|early| early.front()).map(place) {
            self.accepted = latest(self.accepted, end);
            self.deliver(self.accepted, shared);
            // It stands behind a FIN, where TCP takes nothing.
            if self.early.as_ref().and_then(|early| early.front()).map(place) == Some((seq, end)) {
                break;
            }
        }
        self.accepted = latest(self.accepted, self.requests.next);
        self.believe_guess();
    }

    /// Payload of the request direction.
    pub(super) fn payload(&mut self, segment: &Segment<'_>, seq: u32, shared: &mut Shared) {
        let shown = if segment.received.is_none() { self.server_shown(segment.ack) } else { None };
        let sent = segment.sent.or(shown);
        // Of an answer that was not captured, the client's acknowledgement tells.
        let went_on = self.asked.zip(shown).is_some_and(|(asked, shown)| after(shown, asked));
        let answered = segment.after_response || segment.received.is_none() && (self.answered || went_on);
        // What comes before its turn follows bytes that are still to come, and no answer.
        let turn = segment.received.unwrap_or(latest(self.requests.next, self.accepted));
        let in_order = turn == seq;
        let boundary = in_order && (self.untouched || answered) || went_on;
        self.asked = shown;
        let waited = segment.ack.zip(sent).is_none_or(|(ack, sent)| !before(ack, sent));
        let origin = Origin {
            at: segment.at,
            sent,
            pipelined: !(boundary && waited),
            boundary,
            certain: segment.after_response && waited && in_order && segment.received.is_some(),
            trusted: segment.checksum == Checksum::Valid,
            sampling: segment.sampling,
        };
        self.untouched = false;
        self.answered = false;
        self.urgent = segment.urgent.or(self.urgent);
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
                self.reset = false;
                self.closing = Closing::No;
            }
            let skip = next.wrapping_sub(seq);
            let data = segment.data.get(skip as usize..).unwrap_or_default();
            self.feed(data, segment.length - skip, &origin, shared);
            self.deliver(self.requests.next, shared);
        }
    }

    /// How far the server's stream had come, for sources that do not have its state: what was seen of it, and what the
    /// client says that it has.
    fn server_shown(&self, ack: Option<u32>) -> Option<u32> {
        let stashed = self.stash.first().map(|last| last.seq.wrapping_add(last.length));
        [self.responses.next, stashed, ack].into_iter().flatten().reduce(latest)
    }

    /// Bytes in order, without one that goes past the application's stream.
    pub(super) fn feed(&mut self, data: &[u8], length: u32, origin: &Origin, shared: &mut Shared) {
        let data = &data[..data.len().min(length as usize)];
        let urgent = self.urgent.map(|at| at.wrapping_sub(self.requests.next));
        if let Some(before) = urgent.filter(|&before| before < length) {
            self.urgent = None;
            let (left, right) = data.split_at(data.len().min(before as usize));
            self.feed(left, before, origin, shared);
            self.believe_doubted(shared);
            self.requests.next = self.requests.next.wrapping_add(1);
            let behind = right.get(1..).unwrap_or_default();
            let origin = Origin {
                boundary: origin.boundary && before == 0,
                certain: origin.certain && before == 0,
                ..*origin
            };
            return self.feed(behind, length - before - 1, &origin, shared);
        }
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
    pub(super) fn doubt(&mut self, data: &[u8], length: u32, origin: &Origin, shared: &mut Shared) {
        let next = self.requests.next;
        if self.doubt.as_ref().is_some_and(|doubted| !after(doubted.1.end(), self.accepted)) {
            self.believe_doubted(shared);
        }
        let accepted = !after(next.wrapping_add(length), self.accepted);
        if accepted || self.requests.is_opaque() || (self.doubt.is_none() && origin.trusted) {
            return;
        }
        let mut doubted = match self.doubt.take() {
            Some(doubted) => {
                shared.buffered -= doubted.1.cost();
                doubted
            }
            None => {
                let mut doubted = shared.doubts.pop().unwrap_or_default();
                doubted.0 = self.requests.place(&self.pending, &mut shared.pool);
                doubted.1.start(next);
                doubted
            }
        };
        let kept = doubted.1.push(data, origin) && data.len() == length as usize;
        if kept && shared.buffered + doubted.1.cost() <= shared.limits.buffered {
            shared.buffered += doubted.1.cost();
            self.doubt = Some(doubted);
        } else {
            shared.counters.buffer_overflows += 1;
            shared.recycle(doubted);
        }
    }

    /// Gives up comparing.
    pub(super) fn believe_doubted(&mut self, shared: &mut Shared) {
        if let Some(doubted) = self.doubt.take() {
            shared.buffered -= doubted.1.cost();
            shared.recycle(doubted);
        }
    }

    /// A segment covers bytes that were taken already but not accepted yet. If they differ, TCP has dropped
    /// what was taken, or is about to drop this: a verified checksum decides for what was taken.
    pub(super) fn reconcile(&mut self, seq: u32, data: &[u8], accepted: u32, shared: &mut Shared) {
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
        // What TCP has taken of it all the same, it will show.
        if doubt.is_hopeless() {
            return;
        }
        for (bytes, origin) in doubt.before(difference) {
            self.feed(bytes, bytes.len() as u32, origin, shared);
        }
        if let Some(doubted) = &mut self.doubt {
            doubted.1.contradicted(&doubt);
        }
    }

    /// Keeps a segment that came before its turn.
    pub(super) fn buffer(&mut self, segment: &Segment<'_>, seq: u32, origin: Origin, shared: &mut Shared) {
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
        // What lies amid a body says nothing; the room is for what comes behind it.
        let amid_body = u64::from(distance(self.requests.next, block.end())) <= self.requests.body_left();
        if amid_body && early.held() + cost > shared.limits.buffered_per_connection / 2 {
            shared.pool.recycle(block.data);
            return;
        }
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
    pub(super) fn deliver(&mut self, lost: u32, shared: &mut Shared) {
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
    pub(super) fn give_up(&mut self, lost: u32, shared: &mut Shared) {
        let missing = distance(self.requests.next, lost);
        let only_fin = missing == 1 && self.fin == Some(self.requests.next);
        if missing > 0 && !only_fin {
            self.requests.gap(missing, &mut self.pending, shared);
        }
    }

    pub(super) fn mark_hole(&mut self, shared: &Shared) {
        if self.hole == 0 {
            self.hole = shared.cycle;
        }
    }

    /// The client's stream ends here.
    pub(super) fn finished(&mut self, end: u32, shared: &Shared) {
        self.fin = Some(end);
        if self.closing == Closing::No {
            self.closing = Closing::Half(shared.cycle);
        }
    }
}
