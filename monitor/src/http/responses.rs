//! The responses of one connection, and which request each belongs to.
//!
//! Of a response segment usually only the first bytes are captured. A head that is cut tells its status; where
//! the next response starts is then known from the requests: for a client that waits for each answer it is
//! the sequence number that the server stood at when the request arrived ([`Origin::sent`]).
//!
//! [`Origin::sent`]: crate::stream::reassembly::Origin::sent

use std::collections::VecDeque;

use super::{
    framing::{Body, Chunk, Chunked},
    head::{self, ResponseHead, could_be_response},
    pending::Pending,
    requests::Shared,
};
use crate::{
    stream::sequence::{after, before},
    time::Timestamp,
};

/// A response head that is longer is not waited for: its status is known, its end is not.
const HEAD_MAX: usize = 8192;

/// Part of the response stream, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) length: u32,
    /// The captured prefix.
    pub(super) data: &'a [u8],
    /// What the server had received.
    pub(super) ack: Option<u32>,
    pub(super) at: Timestamp,
}

/// What a response does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The connection speaks another protocol now (101).
    Upgraded,
    /// The connection is a tunnel now (CONNECT).
    Tunnel,
    /// The server reads no more requests.
    Closes,
}

#[derive(Debug, Default)]
enum State {
    /// Between responses.
    #[default]
    Start,
    /// In a head, of which this has come.
    Head(Vec<u8>),
    /// In a body of known length: this much is left.
    Body(u64),
    Chunked(Chunked),
    /// In a body that ends with the connection.
    Close,
    /// In a response of unknown length: the next starts where a request says so.
    Unknown,
    /// In bytes that belong to no known response.
    Lost,
    Opaque,
}

/// The response direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Sequence number of the next byte, once it is known.
    pub(super) next: Option<u32>,
    state: State,
}

impl Responses {
    /// Takes the piece that starts at `next`.
    pub(super) fn feed(
        &mut self,
        piece: Piece<'_>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> Option<Effect> {
        let start = self.next.unwrap_or_default();
        let mut effect = None;
        let mut at = 0u32;
        while at < piece.length {
            let left = piece.length - at;
            let rest =
                Piece { length: left, data: piece.data.get(at as usize..).unwrap_or_default(), ..piece };
            let seq = start.wrapping_add(at);
            let target = pending.iter().position(|request| !request.answered);
            let taken = match &mut self.state {
                State::Start => {
                    self.begin(rest, seq, target, pending, shared);
                    0
                }
                State::Head(_) => self.head(rest, target, pending, &mut effect),
                State::Body(remaining) => {
                    let taken = u64::from(left).min(*remaining);
                    *remaining -= taken;
                    let done = *remaining == 0;
                    self.passed(taken as u32, done, target, pending, piece.at)
                }
                State::Chunked(chunked) => {
                    let (taken, done) = match chunked.decode(rest.data, |_| ()) {
                        Chunk::End(taken) => (taken as u32, true),
                        Chunk::More if chunked.pass(u64::from(left) - rest.data.len() as u64) => {
                            (left, false)
                        }
                        _ => {
                            self.state = State::Unknown;
                            (left, false)
                        }
                    };
                    self.passed(taken, done, target, pending, piece.at)
                }
                State::Unknown | State::Lost if at == 0 && resumes(rest, seq, target, pending, shared) => {
                    self.state = State::Start;
                    0
                }
                State::Close | State::Unknown => self.passed(left, false, target, pending, piece.at),
                State::Lost | State::Opaque => left,
            };
            at += taken;
        }
        self.next = Some(start.wrapping_add(piece.length));
        effect
    }

    /// Bytes that were not seen.
    pub(super) fn gap(&mut self, bytes: u32, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        let target = pending.iter().position(|request| !request.answered);
        let responding = target.and_then(|index| pending.get_mut(index)).filter(|request| request.responded);
        let inside = match &mut self.state {
            State::Body(remaining) if u64::from(bytes) <= *remaining => {
                *remaining -= u64::from(bytes);
                true
            }
            State::Chunked(chunked) => chunked.pass(bytes.into()),
            State::Close | State::Unknown | State::Opaque => true,
            _ => false,
        };
        if let Some(request) = responding {
            request.response_bytes += u64::from(bytes);
            if !inside {
                request.answered = true;
                request.complete = true;
                request.due = true;
            }
        }
        if matches!(self.state, State::Body(0)) {
            self.passed(0, true, target, pending, Timestamp::default());
        }
        if !inside {
            shared.counters.response_gaps += 1;
            self.state = State::Lost;
        }
        self.next = self.next.map(|next| next.wrapping_add(bytes));
    }

    /// The connection carries something else from now on.
    pub(super) fn close(&mut self) {
        self.state = State::Opaque;
    }

    /// The response that is under way has an end that will be seen, and it has not come.
    pub(super) fn is_amid(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Body(_) | State::Chunked(_))
    }

    /// At the start of a response.
    fn begin(
        &mut self,
        piece: Piece<'_>,
        seq: u32,
        target: Option<usize>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let Some(request) = target.and_then(|index| pending.get_mut(index)) else {
            shared.counters.unpaired_responses += 1;
            self.state = State::Lost;
            return;
        };
        // What was sent before the request arrived does not answer it.
        if request.origin.sent.is_some_and(|sent| before(seq, sent)) {
            shared.counters.unpaired_responses += 1;
            self.state = State::Lost;
            return;
        }
        if could_be_response(piece.data) {
            self.state = State::Head(Vec::new());
            return;
        }
        // Not captured; or an answer without status line (HTTP/0.9), which ends with the connection.
        shared.counters.responses_missed += u64::from(piece.data.is_empty());
        request.respond(0, piece.at);
        request.due = true;
        self.state = State::Unknown;
    }

    /// Inside a head.
    fn head(
        &mut self,
        piece: Piece<'_>,
        target: Option<usize>,
        pending: &mut VecDeque<Box<Pending>>,
        effect: &mut Option<Effect>,
    ) -> u32 {
        let State::Head(kept) = &mut self.state else { return 0 };
        let before = kept.len();
        let head = if before == 0 {
            head::response(piece.data)
        } else {
            kept.extend_from_slice(piece.data);
            head::response(kept)
        };
        let whole = piece.data.len() == piece.length as usize;
        let Some(head) = head else {
            self.state = State::Unknown;
            return 0;
        };
        if head.end.is_none() && whole && before + piece.data.len() < HEAD_MAX {
            if before == 0 {
                kept.extend_from_slice(piece.data);
            }
            if let Some(request) = target.and_then(|index| pending.get_mut(index)) {
                request.response_bytes += u64::from(piece.length);
                request.first_byte_at = request.first_byte_at.or(Some(piece.at));
                request.last_byte_at = request.last_byte_at.max(Some(piece.at));
            }
            return piece.length;
        }
        let taken = head.end.map_or(piece.length, |end| end.saturating_sub(before) as u32);
        self.state = State::Start;
        if let Some(request) = target.and_then(|index| pending.get_mut(index)) {
            self.answer(head, taken, piece.at, request, effect);
        }
        taken
    }

    /// A head is known as far as it will be.
    fn answer(
        &mut self,
        head: ResponseHead,
        bytes: u32,
        at: Timestamp,
        request: &mut Pending,
        effect: &mut Option<Effect>,
    ) {
        let interim = head.status.is_some_and(|status| (100..200).contains(&status) && status != 101);
        if interim {
            request.response_bytes += u64::from(bytes);
            self.state = if head.end.is_some() { State::Start } else { State::Lost };
            return;
        }
        request.respond(bytes.into(), at);
        request.status = head.status;
        request.due = true;
        let connect = request.request.method() == b"CONNECT" && matches!(head.status, Some(200..300));
        if head.status == Some(101) || connect {
            *effect = Some(if connect { Effect::Tunnel } else { Effect::Upgraded });
            request.answered = true;
            request.complete = true;
            self.state = State::Opaque;
            return;
        }
        if head.end.is_none() {
            self.state = State::Unknown;
            return;
        }
        if head.fields.closes(head.persistent) {
            *effect = Some(Effect::Closes);
        }
        if request.request.method() == b"HEAD" || matches!(head.status, Some(204 | 304)) {
            request.answered = true;
            return;
        }
        self.state = match head.fields.body() {
            Body::Length(0) => {
                request.answered = true;
                State::Start
            }
            Body::Length(length) => State::Body(length),
            Body::Chunked => State::Chunked(Chunked::default()),
            Body::Unspecified | Body::Faulty => State::Close,
        };
    }

    /// Body bytes went by, and the response is over if `done`.
    fn passed(
        &mut self,
        bytes: u32,
        done: bool,
        target: Option<usize>,
        pending: &mut VecDeque<Box<Pending>>,
        at: Timestamp,
    ) -> u32 {
        if let Some(request) = target.and_then(|index| pending.get_mut(index)) {
            if bytes > 0 {
                request.respond(bytes.into(), at);
            }
            request.answered |= done;
        }
        if done {
            self.state = State::Start;
        }
        bytes
    }
}

/// Whether a response starts with this segment although the end of the one before was not seen. Gives up
/// the requests whose responses it shows to be over.
fn resumes(
    piece: Piece<'_>,
    seq: u32,
    target: Option<usize>,
    pending: &mut VecDeque<Box<Pending>>,
    shared: &mut Shared,
) -> bool {
    let Some(target) = target else { return false };
    if !could_be_response(piece.data) {
        return false;
    }
    let next = target + usize::from(pending.get(target).is_some_and(|request| request.responded));
    let exact = pending.iter().skip(next).position(|request| request.origin.sent == Some(seq));
    let accepted = |request: &Pending| piece.ack.is_some_and(|ack| !after(request.head_end, ack));
    let found = match exact {
        Some(found) => next + found,
        None if pending.get(next).is_some_and(|request| {
            accepted(request) && !request.origin.sent.is_some_and(|sent| before(seq, sent))
        }) =>
        {
            next
        }
        None => return false,
    };
    for request in pending.iter_mut().take(found).skip(target) {
        shared.counters.responses_missed += u64::from(request.status.is_none());
        request.answered = true;
        request.complete = true;
        request.due = true;
    }
    true
}
