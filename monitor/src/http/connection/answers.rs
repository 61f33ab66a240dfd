//! Response bytes in order: late and shuffled batches, and what a response shows of its request.

use super::{Closing, Connection};
use crate::{
    http::{
        connections::{Directive, Sink, Unseen},
        counters::Unexplained,
        head::could_be_response,
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
    pub(super) seq: u32,
    pub(super) length: u32,
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
            self.promote(&piece, shared);
            if self.tunnel && self.responses.is_lost() && !could_be_response(piece.data) {
                self.tunnel = false;
                sink.directive(self.id, Directive::Ignore);
            }
            self.take_answers(piece, shared, sink);
            if self.pending.len() > 1 || self.pending.front().is_some_and(|request| request.answered) {
                self.flush(shared, sink);
            }
        }
        if fin {
            self.closing = Closing::Full(shared.cycle);
        }
    }

    /// The server may answer before the head is whole: too long, too slow, or wrong.
    fn promote(&mut self, piece: &Piece<'_>, shared: &mut Shared) {
        let answers = if self.responses.is_lost() {
            could_be_response(piece.data)
        } else {
            self.responses.is_at_start()
        };
        if answers && self.pending.iter().all(|request| request.answered) {
            self.requests.promote_answered(piece.ack, &mut self.pending, shared);
        }
    }

    /// Pairs the answers in the piece with requests, and does what they say.
    fn take_answers(&mut self, mut piece: Piece<'_>, shared: &mut Shared, sink: &mut dyn Sink) {
        while piece.length > 0 {
            self.responses.may_be_hidden = self.requests.may_hide();
            let (taken, effect) = self.responses.feed(piece, &mut self.pending, shared);
            if std::mem::take(&mut self.responses.proves_guess) {
                let is_unsure = self.pending.iter().any(|request| request.unsure);
                self.requests.believe_guess(is_unsure);
            }
            if let Some(status) = self.responses.proves_nothing.take() {
                self.unexplained(Unexplained::Framing, status, piece.at, shared, sink);
            }
            piece.length -= taken;
            piece.data = piece.data.get(taken as usize..).unwrap_or_default();
            match effect {
                None => {}
                Some(Effect::Unpaired) => {
                    self.believe_doubted(shared);
                    let accepted = piece.ack.unwrap_or(self.accepted);
                    // It may be to bytes that have not been handed in yet; and an interim one shows nothing.
                    let is_settled = !after(accepted, self.requests.next) && piece.data.get(9) != Some(&b'1');
                    if is_settled && self.requests.explain(accepted, &mut self.pending, shared) {
                        self.promote(&piece, shared);
                    } else if !self.responses.takes_odd {
                        self.responses.takes_odd = true;
                    } else {
                        self.responses.unpaired();
                    }
                }
                Some(Effect::Unexplained { status }) => {
                    // Servers say so to clients that are silent.
                    let is_unasked = status == Some(408) && self.requests.at_start();
                    if !is_unasked {
                        self.unexplained(self.requests.reason, status, piece.at, shared, sink);
                    }
                }
                Some(Effect::Foreign) => {
                    self.count_protocol(shared);
                    self.opaque(shared, sink);
                }
                Some(Effect::Closes) => self.unserved(),
                Some(Effect::Upgraded { http2 }) => {
                    shared.counters.upgraded += 1;
                    if http2 {
                        shared.counters.http2 += 1;
                        self.unexplained(Unexplained::UpgradedToHttp2, Some(101), piece.at, shared, sink);
                    }
                    self.elsewhere(shared);
                    sink.directive(self.id, Directive::Ignore);
                }
                Some(Effect::Tunnel) => {
                    shared.counters.tunnels += 1;
                    self.elsewhere(shared);
                    self.tunnel = true;
                }
            }
        }
    }

    /// An answer was given to a request that nobody saw.
    pub(super) fn unexplained(
        &mut self,
        why: Unexplained,
        status: Option<u16>,
        at: Timestamp,
        shared: &mut Shared,
        sink: &mut dyn Sink,
    ) {
        shared.counters.unexplained[why as usize] += 1;
        // One request may have been under way when the source came.
        if why == Unexplained::Joined {
            self.requests.reason = Unexplained::Unknown;
        }
        sink.unseen(&Unseen { endpoints: self.endpoints, at, status, why });
    }

    /// Counts what the connection carries, which is not HTTP/1: the server's answer shows it.
    fn count_protocol(&mut self, shared: &mut Shared) {
        let first = self.pending.iter().find(|request| !request.answered).map(|request| &request.request);
        let counter = match first {
            Some(request) if request.head.first() == Some(&0x16) => &mut shared.counters.tls,
            Some(request) if request.method() == b"PRI" => &mut shared.counters.http2,
            _ => &mut shared.counters.not_http,
        };
        *counter += 1;
    }

    /// What was found by guessing are requests.
    pub(super) fn believe_guess(&mut self) {
        self.requests.believe_guess(false);
        self.pending.iter_mut().for_each(|request| request.tentative = false);
    }

    /// What follows may be of another protocol: requests that came behind count once they are answered.
    fn elsewhere(&mut self, shared: &mut Shared) {
        for request in self.pending.iter_mut().filter(|request| !request.answered && !request.called) {
            (request.tentative, request.confirmed) = (true, false);
            request.why = Unexplained::OtherProtocol;
        }
        self.requests.close(shared);
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

    /// The server means to read no further than the request that it answers now: those behind count once they are answered.
    fn unserved(&mut self) {
        for request in self.pending.iter_mut().filter(|request| request.waits() && !request.called) {
            (request.unserved, request.confirmed) = (true, false);
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
