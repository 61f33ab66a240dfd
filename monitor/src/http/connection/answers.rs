//! Response bytes in order: late and shuffled batches, and what a response shows of its request.

use super::{Closing, Connection};
use crate::{
    http::{
        connections::Sink,
        requests::Shared,
        responses::{Effect, Piece},
    },
    stream::{
        Segment,
        sequence::{after, distance},
    },
    time::Timestamp,
};

/// What a stashed response segment costs besides its bytes.
const STASH_COST: usize = 64;

/// A response segment that came before its turn.
#[derive(Debug)]
pub(super) struct Stashed {
    seq: u32,
    length: u32,
    ack: Option<u32>,
    at: Timestamp,
    fin: bool,
    cycle: u64,
    data: Vec<u8>,
}

impl Connection {
    /// Response bytes in order.
    pub(super) fn answer(&mut self, piece: Piece<'_>, fin: bool, shared: &mut Shared, sink: &mut dyn Sink) {
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
    pub(super) fn believe(&mut self, ack: Option<u32>, shared: &mut Shared) {
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
    pub(super) fn stash(&mut self, segment: &Segment<'_>, seq: u32, shared: &mut Shared) {
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
    pub(super) fn unstash(&mut self, cycle: u64, shared: &mut Shared, sink: &mut dyn Sink) {
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

    /// The server reads no further than the request that it answers now.
    pub(super) fn unserved(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
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

    /// Drops what is stashed.
    pub(super) fn drop_stash(&mut self, shared: &mut Shared) {
        shared.buffered -= std::mem::take(&mut self.stashed);
        for stashed in self.stash.drain(..) {
            shared.pool.recycle(stashed.data);
        }
        self.stash = Vec::new();
    }
}
