//! Requests where the parser saw none: at places where one may begin although the stream says otherwise, and among bytes
//! that it took for something else.
//!
//! Nothing that a client sends settles what follows. Servers differ in what they take for a body, and in whether they read on
//! after an error, so where the server has answered, the next bytes are tried as a request: a guess, which counts once it has
//! been answered in its place. And what was taken for a body is kept, as far as it holds what looks like a request, until
//! the server's answers show how it read it.

use std::collections::VecDeque;

use rollcall_stream::reassembly::Origin;

use super::{Requests, Shared, State, Tail, current};
use crate::{counters::Unexplained, pending::Pending, recognition};

/// Bytes that are kept in case the server read them otherwise.
const UNPARSED_MAX: usize = 16 * 1024;

/// No request is looked for behind so many bytes of one: more than a head and [`UNPARSED_MAX`].
pub(super) const LOOKED_AT: u64 = 96 * 1024;

/// Where to go on when a guess is wrong.
#[derive(Debug)]
pub(super) struct Fallback {
    state: State,
    pub(super) place: u64,
    current: u64,
    last: bool,
    reason: Unexplained,
    /// Only what is certainly a request line is one: these bytes may well be something else.
    pub(super) strict: bool,
}

/// Bytes behind the newest head that were not taken for requests.
#[derive(Debug)]
pub(super) struct Unparsed {
    place: u64,
    bytes: Vec<u8>,
    /// They go on up to the parser's place.
    whole: bool,
    /// What came before may go on in them.
    open: bool,
    origin: Origin,
}

impl Unparsed {
    /// Has `tail` take the bytes.
    pub(super) fn pass(&self, tail: &mut Tail) {
        tail.pass(&self.bytes);
        if !self.whole {
            *tail = Tail::UNKNOWN;
        }
    }
}

impl Requests {
    /// Tries the bytes of a segment that follows an answer as a request, where the stream has something else.
    pub(super) fn guess(
        &mut self,
        data: &[u8],
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        if self.fallback.is_some() {
            return;
        }
        let is_lost = match self.state {
            State::Unsynced | State::Opaque | State::Refused => true,
            // Who told the client to go on reads the body, however early it answers; and who sent before the answer came did not
            // go by it. Where an answer has not come to hand yet, the next one will explain.
            State::Body(_) | State::Chunked(_) | State::Skim(_)
                if current(self.current, pending).is_none_or(|request| {
                    !request.interim && request.first_byte_at.is_some_and(|first| first <= origin.at)
                }) =>
            {
                false
            }
            _ => return,
        };
        // After a message that servers read differently, an answer shows that this one has read it.
        let strict = !(origin.certain && self.reason == Unexplained::Framing && is_lost);
        if strict && !recognition::may_be_request(data) {
            // What was used up hides nothing any more.
            if self.reason == Unexplained::Framing && is_lost && !self.tail.goes_on_in(data) {
                self.drop_unparsed(shared);
            }
            return;
        }
        shared.counters.resyncs += u64::from(is_lost);
        let state = std::mem::take(&mut self.state);
        let (place, current, last, reason) = (self.next, self.current, self.last, self.reason);
        self.fallback = Some(Box::new(Fallback { state, place, current, last, reason, strict }));
        if !is_lost {
            self.reason = Unexplained::Framing;
        }
        if let Some(unparsed) = &self.unparsed {
            unparsed.pass(&mut self.tail);
        }
        self.unsure = self.tail.goes_on_in(data);
        self.tentative = true;
    }

    /// A guess has been answered: requests are where they were looked for, unless the answer was to something else.
    pub(crate) fn believe_guess(&mut self, is_unsure: bool) {
        (self.tentative, self.unsure) = (false, false);
        self.fallback = None;
        if is_unsure {
            self.tail = Tail::UNKNOWN;
            if let State::Head(open) = &mut self.state {
                open.unsure = true;
            }
        }
        // Behind it may be the next place where nobody knows what follows.
        if !matches!(self.state, State::Unsynced) {
            self.reason = Unexplained::Unknown;
        }
    }

    /// At what may be the next request's first byte: what was guessed before it was the rest of a body if that ends just here, and the server
    /// has sent nothing since.
    pub(super) fn reconsider(
        &mut self,
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let Some(fallback) = &self.fallback else { return };
        let ends_here = match fallback.state {
            State::Body(left) => left > 0 && left == self.next.saturating_sub(fallback.place),
            _ => false,
        };
        if !ends_here {
            return;
        }
        let is_open = matches!(&self.state, State::Head(open) if open.start == fallback.place);
        let guess = match &self.state {
            State::Head(open) if is_open => Some(open),
            _ => pending.iter().find(|request| request.start == fallback.place),
        };
        if guess.is_none_or(|guess| guess.origin.sent != origin.sent || guess.responded) {
            return;
        }
        match std::mem::take(&mut self.state) {
            State::Head(open) if is_open => self.fall_back(open, 0, origin, pending, shared),
            state => {
                self.state = state;
                self.disbelieve(self.next, pending, shared);
            }
        }
    }

    /// What was found by guessing is none. `open` is a head that shows it, of which the last `taken` bytes are not counted in
    /// the parser's place yet.
    pub(super) fn fall_back(
        &mut self,
        open: Box<Pending>,
        taken: usize,
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let end = open.start + open.request.head.len() as u64;
        let bytes = open.request.head.clone();
        let passed = open.start;
        shared.pool.release(open);
        self.disbelieve(passed, pending, shared);
        self.next = passed;
        self.feed(&bytes, &Origin { boundary: false, certain: false, ..*origin }, pending, shared);
        debug_assert_eq!(self.next, end);
        self.next = end - taken as u64;
    }

    /// Goes back to where the guess was made, with all up to `passed` gone by.
    fn disbelieve(&mut self, passed: u64, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        self.tentative = false;
        self.drop_unparsed(shared);
        let Some(fallback) = self.fallback.take() else { return self.lose(shared) };
        let Fallback { state, place, current, last, reason, .. } = *fallback;
        let mut guesses = 0;
        let is_guess = |request: &Pending| request.tentative && !request.called && request.start >= place;
        for index in (0..pending.len()).rev() {
            let Some(request) = pending.get_mut(index).filter(|request| is_guess(request)) else { break };
            if request.responded {
                // The answer was to what nobody saw.
                (request.tentative, request.unsure, request.complete) = (false, true, true);
                continue;
            }
            guesses += 1;
            pending.remove(index).into_iter().for_each(|request| shared.pool.release(request));
        }
        shared.counters.withdrawn += guesses;
        (self.current, self.last, self.reason) = (current, last, reason);
        let is_body = matches!(state, State::Body(_) | State::Chunked(_) | State::Skim(_));
        if is_body || guesses > 0 && !matches!(reason, Unexplained::Joined | Unexplained::Lost) {
            self.tail = Tail::UNKNOWN;
        }
        let gone = passed.saturating_sub(place);
        self.state = match state {
            State::Body(left) if gone <= left => {
                self.state = State::Body(left - gone);
                self.passed(gone, left == gone, pending);
                return;
            }
            state if gone == 0 => state,
            state @ (State::Unsynced | State::Opaque | State::Refused) => state,
            _ => return self.lose(shared),
        };
    }

    /// Whether bytes that come now are to be kept in case the server reads them otherwise.
    pub(super) fn is_unparsed(&self) -> bool {
        match self.state {
            State::Body(_) | State::Chunked(_) | State::Skim(_) => self.fallback.is_none(),
            State::Unsynced => self.reason == Unexplained::Framing,
            _ => false,
        }
    }

    /// Whether there may be requests among what was taken for something else, so that answers to them have to be seen.
    pub(crate) fn may_hide(&self) -> bool {
        match self.state {
            State::Unsynced => self.reason == Unexplained::Framing && self.tail.names_version(),
            State::Body(_) | State::Chunked(_) | State::Skim(_) => false,
            _ => self.unparsed.is_some(),
        }
    }

    /// Keeps bytes behind the newest head. Those before may be the beginning of a request if `open`.
    pub(super) fn keep_unparsed(&mut self, bytes: &[u8], open: bool, origin: &Origin, shared: &mut Shared) {
        let is_over = !self.is_unparsed();
        if self.unparsed.is_none() {
            if shared.unparsed + bytes.len() > shared.limits.stream.buffered / 2 {
                self.tail = Tail::UNKNOWN;
                return;
            }
            let (place, bytes) = (self.next, shared.buffers.buffer(&[]));
            shared.unparsed += bytes.capacity();
            self.unparsed = Some(Box::new(Unparsed { place, bytes, whole: true, open, origin: *origin }));
        }
        let Some(unparsed) = &mut self.unparsed else { return };
        let room = UNPARSED_MAX.saturating_sub(unparsed.bytes.len());
        let follows = unparsed.whole && unparsed.place + unparsed.bytes.len() as u64 == self.next;
        if follows && shared.unparsed + bytes.len() <= shared.limits.stream.buffered / 2 {
            let before = unparsed.bytes.capacity();
            unparsed.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            shared.unparsed += unparsed.bytes.capacity() - before;
            unparsed.whole = bytes.len() <= room;
        } else {
            unparsed.whole = false;
        }
        // Most bodies hold nothing of the kind.
        if is_over && recognition::find_request_line(&unparsed.bytes).is_none() {
            self.drop_unparsed(shared);
        }
    }

    /// Keeps the part of a head in which some servers may see requests: behind a line of blanks, and what follows an
    /// answer.
    pub(super) fn suspect(&mut self, request: &Pending, blank_line: Option<usize>, shared: &mut Shared) {
        let seam = Some(request.seam).filter(|&seam| seam > 0);
        let Some(from) = blank_line.into_iter().chain(seam).min() else { return };
        let bytes = request.request.head.get(from..).unwrap_or_default();
        if recognition::find_request_line(bytes).is_none() {
            return;
        }
        let bytes = shared.buffers.buffer(bytes);
        shared.unparsed += bytes.capacity();
        let place = request.start + from as u64;
        let open = self.tail.goes_on_in(&bytes);
        self.unparsed = Some(Box::new(Unparsed { place, bytes, whole: true, open, origin: request.origin }));
    }

    /// Forgets what may have been read otherwise.
    pub(super) fn drop_unparsed(&mut self, shared: &mut Shared) {
        if let Some(unparsed) = self.unparsed.take() {
            shared.unparsed -= unparsed.bytes.capacity();
            shared.buffers.recycle(unparsed.bytes);
        }
    }

    /// The server has answered once more than there were requests, and has bytes up to `accepted`: looks for the request
    /// among those that were taken for something else. True if there is one now.
    pub(crate) fn explain(
        &mut self,
        accepted: u64,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> bool {
        let Some(unparsed) = &self.unparsed else { return false };
        let at = recognition::find_request_line(&unparsed.bytes);
        let Some(at) = at.filter(|&at| unparsed.place + (at as u64) < accepted) else {
            return false;
        };
        let Some(mut unparsed) = self.unparsed.take() else { return false };
        shared.unparsed -= unparsed.bytes.capacity();
        let end = self.next;
        if let State::Head(open) = std::mem::take(&mut self.state) {
            unparsed.whole &= unparsed.place + unparsed.bytes.len() as u64 == open.start;
            if unparsed.whole {
                unparsed.bytes.extend_from_slice(&open.request.head);
            }
            shared.pool.release(open);
        }
        let place = unparsed.place + at as u64;
        let mut in_head = false;
        if let Some(request) = current(self.current, pending) {
            request.open = false;
            request.complete = true;
            in_head = place < request.head_end;
            if in_head {
                request.head_end = place;
            }
        }
        self.fallback = None;
        let first = pending.len();
        let bytes = &unparsed.bytes[at..];
        let known = accepted.saturating_sub(place) as usize;
        // Which of them are requests, the number of answers shows. Where the first begins, nothing does.
        (self.tentative, self.reason) = (true, Unexplained::Framing);
        self.unsure |= unparsed.open || !unparsed.whole || !recognition::is_plain_request_line(bytes);
        (self.next, self.last) = (place, false);
        let origin = Origin { pipelined: true, boundary: false, certain: false, ..unparsed.origin };
        self.feed(bytes, &origin, pending, shared);
        let open = usize::from(matches!(&self.state, State::Head(open) if open.start < accepted));
        let found = pending.iter().skip(first).filter(|request| request.start < accepted).count() + open;
        let lines = recognition::count_request_lines(&bytes[..bytes.len().min(known)]);
        self.unsure |= lines != found || in_head && lines > 1;
        if self.unsure {
            pending.iter_mut().skip(first).for_each(|request| request.unsure = true);
            if let State::Head(open) = &mut self.state {
                open.unsure = true;
            }
        }
        if self.next != end {
            self.promote(pending, shared);
            self.lose(shared);
            self.reason = Unexplained::Framing;
            self.next = end;
        }
        shared.counters.reread += 1;
        shared.buffers.recycle(unparsed.bytes);
        true
    }
}
