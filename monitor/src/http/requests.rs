//! The requests of one connection: from its bytes in order to [`Pending`] requests.

mod opening;
mod place;

use std::collections::VecDeque;

use self::opening::Announced;
pub(super) use self::place::Place;

use super::{
    counters::Counters,
    framing::{Body, BodyFields, Chunk, Chunked},
    head::{self, Head},
    limits::Limits,
    pending::{Pending, Pool},
    proxy_header::{Binary, Status, text},
    recognition::{self, Protocol, Recognition},
};
use crate::stream::{reassembly::Origin, sequence::before};

/// A line past the head cap that is longer than this can't be a framing field that servers agree on.
const FRAMING_LINE_MAX: usize = 256;

/// First lines are looked at anew up to this length: past it, only their end can change what they are.
const RECOGNISED_BY: usize = 80;

/// What the parsers of all connections share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    pub(super) pool: Pool,
    /// Bytes held that came before their turn.
    pub(super) buffered: usize,
    /// Counts the calls of `settle`.
    pub(super) cycle: u64,
}

/// The rest of a head that is longer than the cap: only its framing fields and its end matter.
#[derive(Clone, Debug)]
struct Skim {
    line: Vec<u8>,
    overlong: bool,
    fields: BodyFields,
}

#[derive(Debug, Default)]
enum State {
    /// At the connection's first byte, or in a PROXY header of version 2, or in what may become one.
    Opening(Binary),
    /// Between requests.
    #[default]
    Start,
    /// In a head, which is kept until it is whole.
    Head(Box<Pending>),
    /// In a head, past the cap.
    Skim(Box<Skim>),
    /// In a body of known length: this much is left.
    Body(u64),
    Chunked(Chunked),
    /// Somewhere: only a request at the start of a segment that follows an answer is believed.
    Unsynced,
    /// The first bytes, up to this sequence number, are not HTTP/1. Final once TCP has accepted them all.
    Refused(Protocol, u32),
    /// Not HTTP/1, or no longer.
    Opaque,
}

/// The request direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Sequence number of the next byte.
    pub(super) next: u32,
    state: State,
    /// Where the newest request starts.
    current: u32,
    /// A request has been found here before, or may have been before anyone looked.
    seasoned: bool,
    /// Requests found now are guesses until one has been answered.
    pub(super) tentative: bool,
    /// The newest request is the last that the server will read.
    last: bool,
    /// The PROXY header that the connection began with.
    announced: Option<Announced>,
    /// It has been counted.
    told: bool,
}

impl Requests {
    /// At `next`, which is the stream's start, or amid a stream.
    pub(super) fn new(next: u32, amid: bool) -> Requests {
        let state = if amid { State::Unsynced } else { State::Opening(Binary::default()) };
        Requests { next, state, seasoned: amid, ..Requests::default() }
    }

    /// Takes the next bytes.
    pub(super) fn feed(
        &mut self,
        data: &[u8],
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let mut rest = data;
        let mut first = true;
        while !rest.is_empty() {
            let taken = match &mut self.state {
                State::Opaque | State::Refused(..) => rest.len(),
                State::Unsynced if first && origin.boundary && resumes(rest, &shared.limits) => {
                    shared.counters.resyncs += 1;
                    self.state = State::Start;
                    self.tentative = true;
                    0
                }
                State::Unsynced => rest.len(),
                State::Opening(_) => self.open(rest, first, origin, pending, shared),
                State::Start => self.start(rest, first, origin, pending, shared),
                State::Head(_) => self.head(rest, origin, pending, shared),
                State::Skim(_) => self.skim(rest, pending, shared),
                State::Body(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    let done = *left == 0;
                    if let Some(request) = current(self.current, pending) {
                        keep(&mut request.request.body, &rest[..taken], shared.limits.body);
                        shared.pool.charge(request);
                    }
                    self.passed(taken as u64, done, pending);
                    taken
                }
                State::Chunked(chunked) => {
                    let body = current(self.current, pending);
                    let limit = shared.limits.body;
                    let chunk = match body {
                        Some(request) => {
                            let chunk =
                                chunked.decode(rest, |data| keep(&mut request.request.body, data, limit));
                            shared.pool.charge(request);
                            chunk
                        }
                        None => chunked.decode(rest, |_| ()),
                    };
                    let taken = if let Chunk::End(taken) = chunk { taken } else { rest.len() };
                    if chunk == Chunk::Faulty {
                        shared.counters.malformed_requests += 1;
                        self.last = true;
                    }
                    self.passed(taken as u64, chunk != Chunk::More, pending);
                    taken
                }
            };
            self.next = self.next.wrapping_add(taken as u32);
            rest = &rest[taken..];
            first = first && taken == 0;
        }
    }

    /// The receiver has bytes up to `next + bytes` that were not captured.
    pub(super) fn gap(&mut self, bytes: u32, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        let length = u64::from(bytes);
        let mut lost = length;
        match &mut self.state {
            State::Body(left) => {
                let inside = length.min(*left);
                *left -= inside;
                let done = *left == 0;
                shared.counters.skipped_bytes += inside;
                self.passed(inside, done, pending);
                lost -= inside;
            }
            State::Chunked(chunked) => {
                let inside = chunked.pass(length);
                if inside {
                    shared.counters.skipped_bytes += length;
                    self.passed(length, false, pending);
                }
                lost = if inside { 0 } else { length };
            }
            State::Opaque | State::Unsynced | State::Refused(..) => lost = 0,
            State::Opening(_) | State::Start | State::Head(_) | State::Skim(_) => {}
        }
        self.next = self.next.wrapping_add(bytes);
        if lost == 0 {
            return;
        }
        shared.counters.gaps += 1;
        shared.counters.lost_bytes += lost;
        // The server has the head; its line is enough to say what was asked for.
        self.promote(pending, shared);
        if let Some(request) = current(self.current, pending) {
            request.open = false;
            request.complete = true;
        }
        self.lose(shared);
    }

    /// Gives a head of which the request line is there the rank of a request, its fields cut short: the server
    /// has answered it already, or the rest was lost. False if there is none.
    pub(super) fn promote(&mut self, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) -> bool {
        match std::mem::take(&mut self.state) {
            State::Head(request) if request.scan.first_line > 0 => {
                self.truncate(request, pending, shared);
                true
            }
            State::Head(request) => {
                self.state = State::Head(request);
                false
            }
            other => {
                self.state = other;
                false
            }
        }
    }

    /// The connection carries something else from now on.
    pub(super) fn close(&mut self, pool: &mut Pool) {
        if let State::Head(request) = std::mem::replace(&mut self.state, State::Opaque) {
            pool.release(request);
        }
    }

    /// Not HTTP/1, or no longer.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(self.state, State::Opaque)
    }

    /// Between requests, so that a later segment starts with a request.
    pub(super) fn at_start(&self) -> bool {
        match self.state {
            State::Opening(header) => header.is_blank(),
            State::Start => !self.tentative,
            _ => false,
        }
    }

    /// The protocol that is not HTTP/1, once `accepted` shows that TCP took the bytes that say so.
    pub(super) fn refused(&self, accepted: u32) -> Option<Protocol> {
        match self.state {
            State::Refused(protocol, end) if !before(accepted, end) => Some(protocol),
            _ => None,
        }
    }

    /// How much of a body of known length is left.
    pub(super) fn body_left(&self) -> u64 {
        if let State::Body(left) = self.state { left } else { 0 }
    }

    /// At a request's first byte, or at blank lines before it.
    fn start(
        &mut self,
        rest: &[u8],
        first: bool,
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> usize {
        let opens = matches!(std::mem::take(&mut self.state), State::Opening(_));
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            return blank;
        }
        let mut request = shared.pool.acquire();
        request.start = self.next;
        request.head_end = self.next;
        request.origin = *origin;
        // Behind a PROXY header comes the first request, which follows no other.
        request.origin.pipelined =
            (origin.pipelined || !first) && (self.seasoned || self.announced.is_none());
        request.tentative = self.tentative;
        let window = &rest[..rest.len().min(shared.limits.head)];
        request.opens = opens && text::line(window) != Status::Not;
        let whole = if request.opens { None } else { head::strict(window, &mut request.request) };
        match whole {
            Some(head) => {
                self.complete(request, head, pending, shared);
                head.consumed
            }
            None => {
                self.state = State::Head(request);
                0
            }
        }
    }

    /// Inside a head.
    fn head(
        &mut self,
        rest: &[u8],
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> usize {
        let State::Head(mut request) = std::mem::take(&mut self.state) else { return 0 };
        request.origin.trusted &= origin.trusted;
        let limit = shared.limits.head.min(Limits::HEAD_MAX);
        let mut before = request.request.head.len();
        let taken = rest.len().min(limit - before);
        request.request.head.extend_from_slice(&rest[..taken]);
        if request.opens {
            match opening::line(&request.request.head) {
                Status::Partial if request.request.head.len() < limit => {
                    self.wait(request, shared);
                    return taken;
                }
                Status::Complete { consumed, source } => {
                    let start = self.next.wrapping_sub(before as u32);
                    self.announce(source, start.wrapping_add(consumed as u32));
                    if consumed >= before {
                        shared.pool.release(request);
                        return consumed - before;
                    }
                    // What tells it from a request has been taken already: the beginning of one.
                    request.request.head.drain(..consumed);
                    request.start = request.start.wrapping_add(consumed as u32);
                    before -= consumed;
                }
                _ => {}
            }
            request.opens = false;
        }
        let had_line = request.scan.first_line > 0;
        let mut end = request.scan.end(&request.request.head);
        if (!had_line && request.scan.first_line > 0) || request.request.head.len() <= RECOGNISED_BY {
            match recognition::recognise(&request.request.head) {
                Recognition::Not(protocol) => {
                    self.refuse(request, protocol, pending, shared);
                    return taken;
                }
                Recognition::Simple => end = Some(request.scan.first_line),
                Recognition::Request | Recognition::Partial => {}
            }
        }
        let Some(end) = end else {
            if request.request.head.len() < limit {
                self.wait(request, shared);
            } else if request.scan.first_line > 0 || line_is_plausible(&request.request.head) {
                self.truncate(request, pending, shared);
            } else {
                self.refuse(request, Protocol::Other, pending, shared);
            }
            return taken;
        };
        request.request.head.truncate(end);
        let head = match head::strict_in_place(&mut request.request) {
            Some(head) => head,
            None => head::lenient(&mut request.request),
        };
        self.complete(request, head, pending, shared);
        end.saturating_sub(before)
    }

    /// The head goes on.
    fn wait(&mut self, mut request: Box<Pending>, shared: &mut Shared) {
        request.head_end = request.start.wrapping_add(request.request.head.len() as u32);
        shared.pool.charge(&mut request);
        self.state = State::Head(request);
    }

    /// A whole head is there.
    fn complete(
        &mut self,
        mut request: Box<Pending>,
        head: Head,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let length = request.request.head.len() as u32;
        request.start = request.start.wrapping_add(head.skipped as u32);
        request.head_end = request.start.wrapping_add(length);
        request.bytes = length.into();
        shared.counters.malformed_requests += u64::from(head.malformed);
        self.last = head.malformed || request.request.version == Some(super::Version::Http09);
        self.current = request.start;
        self.seasoned = true;
        shared.pool.charge(&mut request);
        let end = request.head_end;
        pending.push_back(request);
        self.frame(&head.fields, end, pending, shared);
    }

    /// The head is longer than the cap, or will not come whole.
    fn truncate(
        &mut self,
        mut request: Box<Pending>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let head = head::lenient(&mut request.request);
        shared.counters.truncated_heads += 1;
        request.request.truncated = true;
        request.open = true;
        let length = request.request.head.len();
        request.head_end = request.start.wrapping_add(length as u32);
        request.bytes = length as u64;
        // The unfinished line goes on past the cap.
        let line = request.request.head.get(request.scan.line..).unwrap_or_default();
        let overlong = line.len() > FRAMING_LINE_MAX;
        let line = line[..line.len().min(FRAMING_LINE_MAX)].to_vec();
        self.last = head.malformed && request.scan.first_line > 0;
        self.state = State::Skim(Box::new(Skim { line, overlong, fields: head.fields }));
        self.current = request.start;
        self.seasoned = true;
        shared.pool.charge(&mut request);
        pending.push_back(request);
    }

    /// Past the cap of a long head.
    fn skim(&mut self, rest: &[u8], pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) -> usize {
        let State::Skim(skim) = &mut self.state else { return 0 };
        let end = memchr::memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |end| end + 1);
        let piece = &rest[..end.unwrap_or(rest.len())];
        skim.overlong |= skim.line.len() + piece.len() > FRAMING_LINE_MAX;
        keep(&mut skim.line, piece, FRAMING_LINE_MAX);
        if let Some(request) = current(self.current, pending) {
            request.bytes += taken as u64;
        }
        if end.is_none() {
            return taken;
        }
        let line = skim.line.strip_suffix(b"\r").unwrap_or(&skim.line);
        if !line.is_empty() {
            if skim.overlong && line.split(|&byte| byte == b':').next().is_some_and(head::decides_framing) {
                skim.fields.doubtful();
            }
            head::framing_line(line, &mut skim.fields);
            skim.line.clear();
            skim.overlong = false;
            return taken;
        }
        let fields = skim.fields;
        let end = self.next.wrapping_add(taken as u32);
        if let Some(request) = current(self.current, pending) {
            request.open = false;
            request.head_end = end;
        }
        self.frame(&fields, end, pending, shared);
        taken
    }

    /// The newest request's head is over: its fields say what follows.
    fn frame(
        &mut self,
        fields: &BodyFields,
        end: u32,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let Some(request) = current(self.current, pending) else {
            return self.lose(shared);
        };
        self.last |= fields.closes(request.request.version != Some(super::Version::Http10));
        match fields.body() {
            Body::Unspecified | Body::Length(0) => {
                request.body_end = Some(end);
                self.passed(0, true, pending);
            }
            Body::Length(length) => {
                // Past half of the sequence space, places can't be compared.
                let known = u32::try_from(length).ok().filter(|&length| length < 1 << 31);
                request.body_end = known.map(|length| end.wrapping_add(length));
                self.state = State::Body(length);
            }
            Body::Chunked => self.state = State::Chunked(Chunked::default()),
            Body::Faulty => {
                shared.counters.malformed_requests += 1;
                self.last = true;
                self.passed(0, true, pending);
            }
        }
    }

    /// Body bytes went by, and the body is over if `done`.
    fn passed(&mut self, bytes: u64, done: bool, pending: &mut VecDeque<Box<Pending>>) {
        if let Some(request) = current(self.current, pending) {
            // The evidence may have been ahead of the bytes.
            request.bytes += if request.complete { 0 } else { bytes };
            request.complete |= done;
            if done && request.body_end.is_none() {
                request.body_end = Some(request.start.wrapping_add(request.bytes as u32));
            }
        }
        if done {
            self.state = if self.last { State::Unsynced } else { State::Start };
        }
    }

    /// What stands where a request should is none.
    fn refuse(
        &mut self,
        request: Box<Pending>,
        protocol: Protocol,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let end = request.start.wrapping_add(request.request.head.len() as u32);
        shared.pool.release(request);
        self.foreign(protocol, end, pending, shared);
    }

    /// The bytes up to `end` are of another protocol, or of none.
    fn foreign(
        &mut self,
        protocol: Protocol,
        end: u32,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        if !self.seasoned {
            self.state = State::Refused(protocol, end);
            return;
        }
        shared.counters.malformed_requests += 1;
        self.disbelieve(pending, shared);
    }

    /// What follows the newest requests is none: if they were found by guessing, they were none either.
    pub(super) fn disbelieve(&mut self, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        let mut guesses = 0;
        let mut complete = false;
        while let Some(request) =
            pending.pop_back_if(|request| request.tentative && !request.called && !request.responded)
        {
            guesses += 1;
            complete = request.complete;
            shared.pool.release(request);
        }
        // A single one stood where a request may, and what shows whether it was one is lost too.
        if guesses == 1 && complete {
            shared.counters.lost_requests += 1;
        } else {
            shared.counters.withdrawn += guesses;
        }
        self.lose(shared);
    }

    /// The place in the stream is lost.
    pub(super) fn lose(&mut self, shared: &mut Shared) {
        shared.counters.desyncs += 1;
        if let State::Head(request) = std::mem::replace(&mut self.state, State::Unsynced) {
            shared.pool.release(request);
        }
        self.seasoned = true;
    }
}

/// The newest request, if it is still waiting.
fn current(start: u32, pending: &mut VecDeque<Box<Pending>>) -> Option<&mut Box<Pending>> {
    pending.back_mut().filter(|request| request.start == start)
}

/// Appends as much of `data` as the limit leaves room for.
fn keep(kept: &mut Vec<u8>, data: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
}

/// Whether a segment starts with a request that can be believed amid a stream: a complete, well-formed head.
fn resumes(data: &[u8], limits: &Limits) -> bool {
    let window = &data[..data.len().min(limits.head)];
    head::strict(window, &mut super::Request::default()).is_some_and(|head| head.skipped == 0)
        || (window.len() == limits.head && recognition::recognise(window) == Recognition::Request)
}

/// Whether a first line that goes on past the cap looks like a request's: it starts with a method, as far as that is
/// there. Servers take targets of any form, and lines of other protocols are shorter.
fn line_is_plausible(line: &[u8]) -> bool {
    let method = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    !method.is_empty() && method.iter().all(|&byte| recognition::is_token(byte))
}
