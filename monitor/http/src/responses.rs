//! The responses of one connection, and which request each belongs to.
//!
//! Of a response segment usually only the first bytes are captured. A head that is cut tells its status; where
//! the next response starts is then known from the requests: for a client that waits for each answer it is
//! the place that the server stood at when the request arrived ([`Origin::sent`]).
//!
//! [`Origin::sent`]: rollcall_stream::reassembly::Origin::sent

use std::collections::VecDeque;

use rollcall_model::time::Timestamp;
use rollcall_stream::protocol::Piece;

use super::{
    counters::Unexplained,
    framing::{Body, Chunk, Chunked},
    head::{self, ResponseHead, could_be_response},
    pending::Pending,
    requests::Shared,
};

/// A response head that is longer is not waited for: its status is known, its end is not.
const HEAD_MAX: usize = 64 * 1024;

/// What a response does to its connection, or asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The connection speaks another protocol now (101), which may be HTTP/2.
    Upgraded { http2: bool },
    /// The connection may be a tunnel now (CONNECT).
    Tunnel,
    /// The server means to read no more requests.
    Closes,
    /// An answer starts here, and no request waits for it. Nothing of it has been taken: see [`Responses::unpaired`].
    Unpaired,
    /// The head of an answer to no known request is over.
    Unexplained { status: Option<u16> },
    /// What stands where an answer should is none of HTTP/1, and what it answers looked like no request.
    Foreign,
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
}

impl State {
    /// What follows the head of a final answer to a request with this method.
    fn behind(head: &ResponseHead, method: &[u8]) -> State {
        match head.body(method) {
            _ if head.end.is_none() => State::Unknown,
            Body::Length(0) => State::Start,
            Body::Length(length) => State::Body(length),
            Body::Chunked => State::Chunked(Chunked::default()),
            Body::Unspecified | Body::Faulty => State::Close,
        }
    }
}

/// The response direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Responses {
    state: State,
    /// The response under way answers no known request.
    unpaired: bool,
    /// Where the head of a response ends whose request is not certain, and with it the response if that asked for the head alone.
    bodiless: Option<u64>,
    /// Answers went by unseen, nobody knows how many: until one comes in the place of its request, those that come belong to
    /// requests that wait, but nobody knows to which.
    displaced: bool,
    /// The answer under way may as well be to the request before.
    disputed: bool,
    /// What the server had received when it sent the last piece.
    acked: Option<u64>,
    /// What looks like no request may have the answer.
    pub(super) takes_odd: bool,
    /// The last answer may be to either of two requests. Its status.
    pub(super) proves_nothing: Option<Option<u16>>,
    /// There may be answers to requests among what was taken for something else.
    pub(super) may_be_hidden: bool,
    /// The last answer showed a guess to be right.
    pub(super) proves_guess: bool,
}

impl Responses {
    /// Takes the piece that starts at `next`, up to the first effect. Returns how many bytes were taken.
    pub(super) fn feed(
        &mut self,
        piece: Piece<'_>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> (u32, Option<Effect>) {
        let mut effect = None;
        let mut at = 0u32;
        while at < piece.length && effect.is_none() {
            let left = piece.length - at;
            let place = piece.place + u64::from(at);
            let data = piece.data.get(at as usize..).unwrap_or_default();
            let rest = Piece { place, length: left, data, ..piece };
            if at == 0 && self.resumes(rest, pending) {
                // What was not captured of the answer before may hold others.
                self.displaced |= matches!(self.state, State::Unknown) && self.may_hold_others(pending);
                self.state = State::Start;
                self.unpaired = false;
            }
            let amid = !matches!(self.state, State::Start | State::Lost);
            let target = if amid { self.target(pending) } else { None };
            let taken = match &mut self.state {
                State::Start => {
                    effect = self.begin(rest, pending, shared);
                    0
                }
                State::Head(_) => self.head(rest, target, pending, shared, &mut effect),
                State::Body(_) | State::Chunked(_)
                    if self.bodiless.take() == Some(place) && head::is_status_line(rest.data) =>
                {
                    self.passed(0, true, target, pending, piece.at)
                }
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
                State::Close | State::Unknown => self.passed(left, false, target, pending, piece.at),
                State::Lost => left,
            };
            at += taken;
            let is_over = || target.and_then(|index| pending.get(index)).is_some_and(|found| found.answered);
            let ends = amid && matches!(self.state, State::Start) && !self.displaced;
            if ends && pending.len() > 1 && is_over() {
                move_places(pending, piece.place + u64::from(at));
            }
        }
        self.acked = piece.ack;
        (at, effect)
    }

    /// Whether the server had another whole request when it sent the last piece.
    fn may_hold_others(&self, pending: &VecDeque<Box<Pending>>) -> bool {
        let had = |request: &Pending| self.acked.is_none_or(|acked| request.head_end <= acked);
        pending.iter().any(|request| request.waits() && had(request))
    }

    /// Bytes that were not seen.
    pub(super) fn gap(
        &mut self,
        start: u64,
        bytes: u64,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let end = start + bytes;
        let target = self.target(pending);
        let responding = target.and_then(|index| pending.get_mut(index)).filter(|request| request.responded);
        // Where the end of an answer is unknown, the gap may hold others.
        self.displaced |= matches!(self.state, State::Unknown);
        let inside = match &mut self.state {
            State::Body(remaining) if bytes <= *remaining => {
                *remaining -= bytes;
                true
            }
            State::Chunked(chunked) => chunked.pass(bytes),
            State::Close | State::Unknown => true,
            _ => false,
        };
        if let Some(request) = responding {
            request.response_bytes += bytes;
            if !inside {
                request.answered = true;
                request.complete = true;
                request.due = true;
            }
        }
        if matches!(self.state, State::Body(0)) {
            self.passed(0, true, target, pending, Timestamp::default());
        }
        // Answers whose place lies in the gap went by.
        for request in pending.iter_mut().filter(|request| !request.responded) {
            let went_by = request.place.is_some_and(|place| place >= start && place < end);
            request.went_by |= went_by;
            if went_by && !request.interim && request.request.expects_interim() {
                // That may be all that went by.
                request.place = Some(end);
            } else if went_by && !request.needs_answer() {
                miss(request, shared);
            }
        }
        if !inside {
            shared.counters.response_gaps += 1;
            self.displaced = true;
            self.state = State::Lost;
            self.unpaired = false;
        }
    }

    /// The connection carries something else from now on, until an answer shows.
    pub(super) fn close(&mut self) {
        self.state = State::Lost;
        self.unpaired = false;
    }

    /// The answer that [`Effect::Unpaired`] told of is to be passed over: nobody knows the request.
    pub(super) fn unpaired(&mut self) {
        self.takes_odd = false;
        self.unpaired = true;
        self.state = State::Head(Vec::new());
    }

    /// The response that is under way has an end that will be seen, and it has not come.
    pub(super) fn is_amid(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Body(_) | State::Chunked(_))
    }

    /// Between responses.
    pub(super) fn is_at_start(&self) -> bool {
        matches!(self.state, State::Start)
    }

    /// In bytes that belong to nothing.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// The request that the response under way belongs to.
    fn target(&self, pending: &VecDeque<Box<Pending>>) -> Option<usize> {
        if self.unpaired { None } else { pending.iter().position(|request| !request.answered) }
    }

    /// Whether an answer starts with this segment although the end of the one before was not seen.
    fn resumes(&self, piece: Piece<'_>, pending: &VecDeque<Box<Pending>>) -> bool {
        if !could_be_response(piece.data) {
            return false;
        }
        match self.state {
            State::Start | State::Head(_) => false,
            // After what nobody knows, whatever looks like an answer may be one.
            State::Lost => true,
            State::Unknown => {
                let hidden = self.may_be_hidden && head::is_status_line(piece.data);
                hidden || find(pending, piece, true).is_some()
            }
            State::Close | State::Body(_) | State::Chunked(_) => {
                pending.iter().any(|request| request.waits() && request.place == Some(piece.place))
            }
        }
    }

    /// At the start of a response.
    fn begin(
        &mut self,
        piece: Piece<'_>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> Option<Effect> {
        let found = find(pending, piece, false);
        if !could_be_response(piece.data) {
            let Some(request) = found.and_then(|index| pending.get_mut(index)) else {
                shared.counters.unpaired_responses += 1;
                self.state = State::Lost;
                // Where another answer should be are bytes that were not captured.
                let is_hidden = piece.data.is_empty() && self.may_be_hidden;
                return is_hidden.then_some(Effect::Unexplained { status: None });
            };
            if request.odd && !piece.data.is_empty() {
                self.state = State::Lost;
                return Some(Effect::Foreign);
            }
            // Not captured; or an answer without status line (HTTP/0.9), which ends with the connection.
            shared.counters.responses_missed += u64::from(piece.data.is_empty());
            request.respond(0, piece.at);
            request.due = true;
            self.state = State::Unknown;
            return None;
        }
        let Some(mut found) = found else { return Some(Effect::Unpaired) };
        // Who is told to go on may be so twice.
        if head::is_interim(piece.data)
            && let Some(stuck) = stuck_before(pending, found)
        {
            found = stuck;
        }
        let found = match behind_odd(pending, found, piece.data) {
            Some(found) => found,
            None if std::mem::take(&mut self.takes_odd) => found,
            None => return Some(Effect::Unpaired),
        };
        self.displaced &= pending.get(found).is_some_and(|request| request.place != Some(piece.place));
        self.disputed = stuck_before(pending, found).is_some();
        self.displaced |= self.disputed;
        let found = pass_over(pending, found, shared);
        self.prove(piece, found, pending);
        self.state = State::Head(Vec::new());
        None
    }

    /// Guesses that came together are right together: once as many answers have come. Text in a body, which has one answer
    /// however many requests it looks like, is told by that; but the last answer may be the refusal of what stands behind them.
    fn prove(&mut self, piece: Piece<'_>, found: usize, pending: &mut VecDeque<Box<Pending>>) {
        if !pending.get(found).is_some_and(|request| request.tentative) {
            return;
        }
        let had_come = |request: &Pending| piece.ack.is_none_or(|ack| ack > request.start);
        if pending.iter().rposition(|request| request.tentative && had_come(request)) == Some(found) {
            let guesses = || pending.iter().filter(|request| request.tentative);
            let unsure = guesses().count() > 1 && head::may_refuse(piece.data);
            for request in pending.iter_mut().filter(|request| request.tentative) {
                request.tentative = false;
                request.unsure |= unsure;
            }
            self.proves_guess = true;
        }
    }

    /// Inside a head.
    fn head(
        &mut self,
        piece: Piece<'_>,
        target: Option<usize>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
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
        let Some(request) = target.and_then(|index| pending.get_mut(index)) else {
            self.unexplained(head, effect);
            self.bodiless = Some(piece.place + u64::from(taken));
            return taken;
        };
        request.place = Some(piece.place + u64::from(taken));
        self.bodiless = request.place.filter(|_| request.unsure);
        self.answer(head, taken, piece.at, request, effect);
        if std::mem::take(&mut self.disputed) && !head.is_interim() {
            self.proves_nothing = Some(head.status);
        }
        shared.counters.responses_missed += u64::from(self.displaced && request.responded);
        taken
    }

    /// A head is known as far as it will be that answers no known request.
    fn unexplained(&mut self, head: ResponseHead, effect: &mut Option<Effect>) {
        if head.is_interim() {
            self.state = if head.end.is_some() { State::Head(Vec::new()) } else { State::Lost };
            return;
        }
        *effect = Some(Effect::Unexplained { status: head.status });
        self.state = match State::behind(&head, b"") {
            State::Unknown | State::Close => State::Lost,
            state => state,
        };
        self.unpaired = !matches!(self.state, State::Start | State::Lost);
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
        if head.is_interim() {
            request.interim = true;
            request.response_bytes += u64::from(bytes);
            self.state = if head.end.is_some() { State::Start } else { State::Lost };
            return;
        }
        request.respond(bytes.into(), at);
        if !self.displaced {
            request.status = head.status;
            request.response_type = head.media_type;
            request.response_length = match head.body(request.request.method()) {
                Body::Length(length) => Some(length),
                _ => None,
            };
        }
        (request.odd, request.unserved) = (false, false);
        request.due = true;
        let connect = request.request.method() == b"CONNECT" && matches!(head.status, Some(200..300));
        if head.status == Some(101) || connect {
            let http2 = !connect && request.request.asks_for_http2();
            // The call itself is answered in HTTP/2.
            request.status = request.status.filter(|_| !http2);
            *effect = Some(if connect { Effect::Tunnel } else { Effect::Upgraded { http2 } });
            request.answered = true;
            request.complete = true;
            self.state = State::Lost;
            return;
        }
        if head.end.is_some() && head.fields.closes(head.persistent) {
            *effect = Some(Effect::Closes);
        }
        let method = if request.unsure { b"" } else { request.request.method() };
        self.state = State::behind(&head, method);
        request.answered |= matches!(self.state, State::Start);
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
            self.unpaired = false;
        }
        bytes
    }
}

/// An answer ends at `end`: what was asked before it had, though the client had seen some of it, is answered behind it.
fn move_places(pending: &mut VecDeque<Box<Pending>>, end: u64) {
    for request in pending.iter_mut().filter(|request| request.waits() && !request.needs_answer()) {
        request.place = request.place.map(|place| place.max(end));
    }
}

/// The request that the answer belongs to which the piece begins. `resumes`: the end of the answer before it was not seen.
///
/// A client that waits for each answer shows where the next one starts: the server's place when the request arrived. That
/// goes before the order of the requests, as servers pass over some, and answers are lost.
fn find(pending: &VecDeque<Box<Pending>>, piece: Piece<'_>, resumes: bool) -> Option<usize> {
    let Piece { place, ack, .. } = piece;
    let first = pending.iter().position(|request| !request.answered)?;
    // An answer of which the end was not seen is not answered once more.
    let first = first + usize::from(pending[first].responded);
    let had_come = |request: &Pending| ack.is_none_or(|ack| ack > request.start);
    let exact = |request: &Pending| request.place == Some(place) && !request.responded && had_come(request);
    if let Some(found) = pending.iter().skip(first).position(|request| exact(request)) {
        let nearest = first + found;
        let is_last_choice = |request: &Pending| request.went_by || is_stuck(request);
        let others =
            pending.iter().skip(nearest).position(|request| exact(request) && !is_last_choice(request));
        return Some(nearest + others.unwrap_or_default());
    }
    let request = pending.get(first)?;
    // What was sent before the request arrived does not answer it.
    let is_earlier = request.origin.sent.is_some_and(|sent| place < sent);
    // A guess takes the place that was foreseen, or follows one that did.
    let is_guess = request.tentative && request.place.is_some();
    // Amid unknown bytes the request has to be whole.
    let is_whole = !resumes || ack.is_some_and(|ack| request.head_end <= ack);
    (had_come(request) && is_whole && !is_earlier && !is_guess).then_some(first)
}

/// Told to go on with a body that it doesn't have. Some servers wait for one, and drop the request when another comes; others
/// have begun to answer it.
fn is_stuck(request: &Pending) -> bool {
    request.interim && request.body_end == Some(request.head_end)
}

/// The first request before `end` that is stuck and not answered.
fn stuck_before(pending: &VecDeque<Box<Pending>>, end: usize) -> Option<usize> {
    pending.iter().take(end).position(|request| !request.answered && is_stuck(request))
}

/// Where what looks like no request waits first, a good answer is to the request behind it: the server read the former as
/// the end of a body. `None` if there is no request behind it.
fn behind_odd(pending: &VecDeque<Box<Pending>>, found: usize, answer: &[u8]) -> Option<usize> {
    let is_good = matches!(answer.get(9), Some(b'2' | b'3'));
    let is_odd = |request: &Pending| request.odd && !request.names_version();
    if !is_good || !pending.get(found).is_some_and(|request| is_odd(request)) {
        return Some(found);
    }
    let follows = |request: &Pending| request.place.is_none() && !request.odd;
    pending.get(found + 1).is_some_and(|next| follows(next)).then_some(found + 1)
}

/// The requests before the one that is answered now were not, and are over: those that had to be shown to be requests were
/// none, but for a guess after which the server has sent something that was not seen. Returns where the answered one is
/// now.
fn pass_over(pending: &mut VecDeque<Box<Pending>>, found: usize, shared: &mut Shared) -> usize {
    let mut at = 0;
    let mut disputed = false;
    let answered = pending.get(found).and_then(|request| request.place);
    for _ in 0..found {
        let Some(request) = pending.get_mut(at) else { break };
        // A guess after which the server has sent something that was not seen was right.
        let is_behind = request.place.zip(answered).is_some_and(|(place, answered)| place < answered);
        if !request.odd && !request.answered && (request.went_by || is_behind) {
            request.tentative = false;
        }
        // Of guesses that came together fewer were answered, before the client went on.
        let has_answer = request.answered || request.responded;
        let is_short = has_answer && request.tentative && answered.is_some();
        if is_short {
            // The answer was to what nobody saw.
            (request.tentative, request.unsure) = (false, true);
        } else if request.needs_answer() && !has_answer {
            let counters = &mut shared.counters;
            *(match (request.unserved, request.why) {
                (true, _) => &mut counters.unserved,
                (_, Unexplained::Lost) => &mut counters.lost_requests,
                _ => &mut counters.withdrawn,
            }) += 1;
            pending.remove(at).into_iter().for_each(|request| shared.pool.release(request));
            continue;
        }
        request.complete = true;
        if !request.answered {
            disputed |= !request.went_by && !is_behind;
            miss(request, shared);
        }
        at += 1;
    }
    // What was found by guessing may be the rest of a request that still waits.
    if disputed && pending.get(at).is_some_and(|request| request.tentative) {
        pending.iter_mut().filter(|request| request.tentative).for_each(|request| request.unsure = true);
    }
    at
}

/// The answer to a request went by unseen, or there was none.
fn miss(request: &mut Pending, shared: &mut Shared) {
    shared.counters.responses_missed += u64::from(request.status.is_none());
    request.answered = true;
    request.complete = true;
    request.due = true;
}
