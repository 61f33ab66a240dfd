//! One connection: which bytes the server's TCP accepted, and what follows for its requests and responses.

mod answers;
mod evidence;
mod reporting;

use std::collections::VecDeque;

use self::answers::Stashed;
use super::{
    connections::Sink,
    counters::Unexplained,
    pending::Pending,
    requests::{Place, Requests, Shared},
    responses::{Piece, Responses},
};
use crate::{
    stream::{
        Checksum, ConnectionId, Endpoints, Segment,
        doubt::Doubt,
        reassembly::OutOfOrder,
        sequence::{after, before, latest},
    },
    time::Timestamp,
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
    /// A byte of the request direction that is not part of what the application reads.
    urgent: Option<u32>,
    /// The client has reset the connection where its stream stood.
    reset: bool,
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
    /// How far the server's stream had come at the last request segment. For sources that don't say.
    asked: Option<u32>,
    /// The source has the receiver's own state.
    pub(super) live: bool,
    /// A segment of the response direction has been seen.
    pub(super) heard: bool,
    /// The kernel was asked for whole responses.
    whole: bool,
    /// A CONNECT was granted, and the server has not shown yet whether it meant it.
    tunnel: bool,
    /// A deadline is set.
    pub(super) timer: bool,
    /// `settle` will come by.
    pub(super) queued: bool,
}

impl Connection {
    /// A connection whose request stream is at `next`: at its start, or, for a reason, amid it.
    pub(super) fn new(id: ConnectionId, next: u32, amid: Option<Unexplained>, at: Timestamp) -> Connection {
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
            urgent: None,
            reset: false,
            fin: None,
            hole: 0,
            closing: Closing::No,
            skipping: None,
            untouched: true,
            answered: false,
            asked: None,
            live: false,
            heard: false,
            whole: false,
            tunnel: false,
            timer: false,
            queued: false,
        }
    }

    /// A segment of the request direction.
    pub(super) fn request(&mut self, segment: &Segment<'_>, shared: &mut Shared, sink: &mut dyn Sink) {
        self.seen = self.seen.max(segment.at);
        self.endpoints = self.endpoints.or(segment.endpoints);
        self.live |= segment.received.is_some();
        let Some(segment) = &plausible(segment) else {
            shared.counters.implausible += 1;
            return;
        };
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
                self.reset = end == self.requests.next;
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
        if let Some(ack) = segment.ack.filter(|_| !segment.rst || self.live)
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

    /// Whether a response segment holds bytes that have not been seen yet.
    pub(super) fn expects(&self, segment: &Segment<'_>) -> bool {
        self.responses.next.is_none_or(|next| after(segment.seq.wrapping_add(segment.length), next))
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
            if self.live && self.reset {
                // What came in order was contradicted by nothing, and a reset leaves no acknowledgement.
                self.accepted = latest(self.accepted, self.requests.next);
            }
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
        self.requests.close(shared);
    }

    /// Whether a segment that comes after a long silence can be read without knowing what came before.
    pub(super) fn forgettable(&self) -> bool {
        // What a PROXY header said would be forgotten, and another one believed.
        self.requests.at_start()
            && !self.requests.is_announced()
            && self.pending.is_empty()
            && self.early.is_none()
    }

    /// Nothing more is read here.
    pub(super) fn is_opaque(&self) -> bool {
        self.requests.is_opaque()
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
        self.drop_stash(shared);
        self.pending = VecDeque::new();
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
    if let Some(sent) = segment.sent
        && after(ack, sent)
    {
        if ack.wrapping_sub(sent) > UNDERWAY {
            return None;
        }
        // Whether TCP takes it depends on what the server had really sent: no checksum settles that.
        segment.checksum = Checksum::Unknown;
    }
    Some(segment)
}
