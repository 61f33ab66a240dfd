//! The requests of one connection: from its bytes in order to [`Pending`] requests.

mod guess;
mod opening;
mod tail;

use std::collections::VecDeque;

use rollcall_model::token::is_token;
use rollcall_stream::{buffers, reassembly::Origin};

use self::{
    guess::{Fallback, Unparsed},
    opening::Announced,
    tail::Tail,
};
use super::{
    counters::{HttpCounters, Unexplained},
    framing::{Body, BodyFields, Chunk, Chunked},
    head::{self, Head},
    limits::Limits,
    pending::{Pending, Pool},
    proxy_header::{Binary, Status, text},
    recognition::{self, Protocol, Recognition},
};

/// A line past the head cap that is longer than this can't be a framing field that servers agree on.
const FRAMING_LINE_MAX: usize = 256;

/// First lines are looked at anew up to this length: past it, only their end can change what they are.
const RECOGNISED_BY: usize = 80;

/// What is kept of heads and bodies that come while more than half of the memory for requests is in use: what is there must
/// do for everybody.
const KEPT_IN_NEED: usize = 4096;

/// What the parsers of all connections share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) counters: HttpCounters,
    pub(super) pool: Pool,
    pub(super) tls: rollcall_tls::Shared,
    pub(super) buffers: buffers::Pool,
    /// Bytes held that may yet be read otherwise.
    pub(super) unparsed: usize,
}

impl Shared {
    /// The head cap in force.
    fn head_cap(&self) -> usize {
        self.cap(self.limits.head.min(Limits::HEAD_MAX))
    }

    /// The body cap in force.
    pub(super) fn body_cap(&self) -> usize {
        self.cap(self.limits.body)
    }

    fn cap(&self, cap: usize) -> usize {
        if self.pool.charged() > self.limits.pending / 2 { cap.min(KEPT_IN_NEED) } else { cap }
    }
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
    /// Somewhere, until a request shows.
    Unsynced,
    /// The first bytes are TLS.
    Refused,
    /// Another protocol, until a request shows.
    Opaque,
}

/// The request direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// The place of the next byte.
    pub(super) next: u64,
    state: State,
    /// Where the newest request starts.
    current: u64,
    /// A request has been found here before, or may have been before anyone looked.
    seasoned: bool,
    /// Requests found now are guesses until one has been answered.
    pub(super) tentative: bool,
    /// Servers differ in what follows the newest request, if they read on at all.
    last: bool,
    /// Why requests may go unseen here.
    pub(super) reason: Unexplained,
    /// What to go back to when the guess is wrong.
    fallback: Option<Box<Fallback>>,
    /// What a server may have read otherwise.
    unparsed: Option<Box<Unparsed>>,
    /// What servers may hold of the bytes since the last request that is certain.
    tail: Tail,
    /// They may hold some, so that what was found by guessing may be the rest of it.
    unsure: bool,
    /// The PROXY header that the connection began with.
    announced: Option<Announced>,
    /// It has been counted.
    is_counted: bool,
}

impl Requests {
    /// At the stream's start, or amid a stream for this reason.
    pub(super) fn new(amid: Option<Unexplained>) -> Requests {
        let state = if amid.is_some() { State::Unsynced } else { State::Opening(Binary::default()) };
        let reason = amid.unwrap_or_default();
        Requests { state, seasoned: amid.is_some(), reason, ..Requests::default() }
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
        if self.fallback.is_some() && recognition::may_be_request(data) {
            self.reconsider(origin, pending, shared);
        }
        if origin.boundary {
            self.guess(data, origin, pending, shared);
        }
        while !rest.is_empty() {
            let is_unparsed = self.is_unparsed();
            let is_open = self.tail.goes_on_in(rest);
            let is_behind_head = matches!(self.state, State::Skim(_) | State::Body(_) | State::Chunked(_));
            let found = pending.len();
            let taken = match &mut self.state {
                State::Opaque | State::Unsynced | State::Refused => {
                    // What a source comes amid, or what is lost, is not for the client to choose.
                    if !matches!(self.reason, Unexplained::Joined | Unexplained::Lost) {
                        self.tail.pass(rest);
                    }
                    rest.len()
                }
                State::Opening(_) => self.open(rest, first, origin, pending, shared),
                State::Start => self.start(rest, first, origin, pending, shared),
                State::Head(_) => self.head(rest, first, origin, pending, shared),
                State::Skim(_) => self.skim(rest, pending, shared),
                State::Body(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    let done = *left == 0;
                    let limit = shared.body_cap();
                    if let Some(request) = current(self.current, pending) {
                        keep(&mut request.request.body, &rest[..taken], limit);
                        shared.pool.charge(request);
                    }
                    self.passed(taken as u64, done, pending);
                    taken
                }
                State::Chunked(chunked) => {
                    let body = current(self.current, pending);
                    let limit = shared.body_cap();
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
                    }
                    self.last |= chunk == Chunk::Faulty || chunked.is_odd();
                    self.passed(taken as u64, chunk != Chunk::More, pending);
                    taken
                }
            };
            if is_unparsed && taken > 0 {
                self.keep_unparsed(&rest[..taken], is_open, origin, shared);
            }
            self.next += taken as u64;
            rest = &rest[taken..];
            // Blank lines in front of a request make it no second one.
            let is_blank = matches!(self.state, State::Start) && !is_behind_head && pending.len() == found;
            first = first && (taken == 0 || is_blank);
        }
    }

    /// The receiver has bytes up to `next + bytes` that were not captured.
    pub(super) fn gap(&mut self, bytes: u64, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        let mut lost = bytes;
        self.drop_unparsed(shared);
        match &mut self.state {
            State::Body(left) => {
                let inside = bytes.min(*left);
                *left -= inside;
                let done = *left == 0;
                shared.counters.skipped_bytes += inside;
                self.passed(inside, done, pending);
                lost -= inside;
                self.tail = Tail::UNKNOWN;
            }
            State::Chunked(chunked) => {
                self.tail = Tail::UNKNOWN;
                let inside = chunked.pass(bytes);
                if inside {
                    shared.counters.skipped_bytes += bytes;
                    self.passed(bytes, false, pending);
                }
                lost = if inside { 0 } else { bytes };
            }
            State::Opaque | State::Unsynced | State::Refused => lost = 0,
            State::Opening(_) | State::Start | State::Head(_) | State::Skim(_) => {}
        }
        self.next += bytes;
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

    /// Gives an unfinished head the rank of a request, its fields cut short, if its line is there: the rest was lost, or will be
    /// read otherwise.
    pub(super) fn promote(&mut self, pending: &mut VecDeque<Box<Pending>>, shared: &mut Shared) {
        self.promote_if(|request| request.scan.first_line > 0, pending, shared);
    }

    /// The same for a head that the server answers now, with which it had received all bytes up to `ack`. Without a whole
    /// line, the answer has to show that it is a request.
    pub(super) fn promote_answered(
        &mut self,
        ack: Option<u64>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let tentative = self.tentative;
        let had_come = |start| ack.is_none_or(|ack| start < ack);
        self.promote_if(
            |request| {
                let has_line = request.scan.first_line > 0;
                let is_request = had_come(request.start) && (has_line || !tentative);
                request.odd |= is_request && !has_line;
                is_request
            },
            pending,
            shared,
        );
    }

    fn promote_if(
        &mut self,
        is_request: impl FnOnce(&mut Pending) -> bool,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let State::Head(request) = &mut self.state else { return };
        if is_request(request)
            && let State::Head(request) = std::mem::take(&mut self.state)
        {
            self.truncate(request, pending, shared);
        }
    }

    /// The connection carries something else from now on.
    pub(super) fn close(&mut self, shared: &mut Shared) {
        if let Some(unparsed) = &self.unparsed {
            unparsed.pass(&mut self.tail);
        }
        self.drop_unparsed(shared);
        self.fallback = None;
        self.tentative = false;
        self.reason = Unexplained::OtherProtocol;
        if let State::Head(request) = std::mem::replace(&mut self.state, State::Opaque) {
            self.tail.pass(&request.request.head);
            shared.pool.release(request);
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

    /// The connection began with TLS.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    /// In a request's head, of which the first line has come.
    pub(super) fn is_amid_head(&self) -> bool {
        matches!(&self.state, State::Head(request) if request.scan.first_line > 0)
    }

    /// How much of a body of known length is left.
    pub(super) fn body_left(&self) -> u64 {
        if let State::Body(left) = self.state { left } else { 0 }
    }

    /// Nothing more of the body under way is wanted.
    pub(super) fn passes_body(&self, pending: &VecDeque<Box<Pending>>, shared: &Shared) -> bool {
        let request = pending.back().filter(|request| request.start == self.current);
        request.is_some_and(|request| {
            request.request.body.len() >= shared.body_cap() && request.bytes > guess::LOOKED_AT
        })
    }

    /// Whether `data`, at `place`, differs from the heads taken before.
    pub(super) fn differs(&self, place: u64, data: &[u8], pending: &VecDeque<Box<Pending>>) -> bool {
        let open = if let State::Head(request) = &self.state { Some(request) } else { None };
        pending.iter().chain(open).any(|request| {
            let (start, head) = (request.start, &request.request.head);
            let low = place.max(start);
            let ours = head.get(low.saturating_sub(start) as usize..).unwrap_or_default();
            let theirs = data.get(low.saturating_sub(place) as usize..).unwrap_or_default();
            ours.iter().zip(theirs).any(|(ours, theirs)| ours != theirs)
        })
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
        self.reconsider(origin, pending, shared);
        let mut request = shared.pool.acquire();
        request.start = self.next;
        request.head_end = self.next;
        request.origin = *origin;
        // Behind a PROXY header comes the first request, which follows no other.
        request.origin.pipelined =
            (origin.pipelined || !first) && (self.seasoned || self.announced.is_none());
        request.place = origin.sent.filter(|_| !request.origin.pipelined && origin.boundary);
        request.tentative = self.tentative;
        request.unsure = self.tentative && self.unsure;
        request.why = self.reason;
        let window = &rest[..rest.len().min(shared.head_cap())];
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
        first: bool,
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> usize {
        let State::Head(mut request) = std::mem::take(&mut self.state) else { return 0 };
        request.origin.trusted &= origin.trusted;
        let mut before = request.request.head.len();
        let limit = shared.head_cap().max(before);
        let taken = rest.len().min(limit - before);
        if first && origin.boundary && before > 0 {
            request.seam = before;
        }
        request.request.head.extend_from_slice(&rest[..taken]);
        if request.scan.first_line == 0
            && let Some(line) = recognition::blank_line(&request.request.head).filter(|&line| line > before)
        {
            // Empty to some servers; others answer it like any that is no request's.
            shared.pool.release(request);
            return line - before;
        }
        if request.opens {
            match opening::line(&request.request.head) {
                Status::Partial if request.request.head.len() < limit => {
                    self.wait(request, shared);
                    return taken;
                }
                Status::Complete { consumed, source } => {
                    self.announce(source);
                    if consumed >= before {
                        shared.pool.release(request);
                        return consumed - before;
                    }
                    // What tells it from a request has been taken already: the beginning of one.
                    request.request.head.drain(..consumed);
                    request.start += consumed as u64;
                    before -= consumed;
                }
                _ => {}
            }
            request.opens = false;
        }
        let had_line = request.scan.first_line > 0;
        let mut end = request.scan.end(&request.request.head);
        if (!had_line && request.scan.first_line > 0) || request.request.head.len() <= RECOGNISED_BY {
            let is_strict = self.fallback.as_ref().is_some_and(|fallback| fallback.strict);
            if is_strict && !recognition::may_be_request(&request.request.head) {
                self.fall_back(request, taken, origin, pending, shared);
                return taken;
            }
            match recognition::recognise(&request.request.head) {
                Recognition::Not(Protocol::Tls) if !self.seasoned => {
                    shared.pool.release(request);
                    self.state = State::Refused;
                    return taken;
                }
                // What it was to the server, the answer tells.
                Recognition::Not(_) => request.odd = true,
                Recognition::Simple => {
                    request.odd = false;
                    end = Some(request.scan.first_line);
                }
                Recognition::Request => request.odd = false,
                Recognition::Partial => {}
            }
        }
        let Some(end) = end else {
            if request.request.head.len() < limit {
                self.wait(request, shared);
            } else {
                request.odd |= request.scan.first_line == 0 && !line_is_plausible(&request.request.head);
                self.truncate(request, pending, shared);
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
        request.head_end = request.start + request.request.head.len() as u64;
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
        request.start += head.skipped as u64;
        request.head_end = request.start + length as u64;
        request.bytes = length.into();
        shared.counters.malformed_requests += u64::from(head.malformed);
        self.last = head.malformed || request.request.version == Some(super::Version::Http09);
        let end = request.head_end;
        self.found(request, head.blank_line, pending, shared);
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
        request.head_end = request.start + length as u64;
        request.bytes = length as u64;
        // The unfinished line goes on past the cap.
        let line = request.request.head.get(request.scan.line..).unwrap_or_default();
        let overlong = line.len() > FRAMING_LINE_MAX;
        let line = line[..line.len().min(FRAMING_LINE_MAX)].to_vec();
        self.last = head.malformed && request.scan.first_line > 0;
        self.state = State::Skim(Box::new(Skim { line, overlong, fields: head.fields }));
        self.found(request, head.blank_line, pending, shared);
    }

    /// There is a request, as far as its head goes.
    fn found(
        &mut self,
        mut request: Box<Pending>,
        blank_line: Option<usize>,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        self.current = request.start;
        self.seasoned = true;
        self.drop_unparsed(shared);
        self.tail = Tail::default();
        self.suspect(&request, blank_line, shared);
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
        let end = self.next + taken as u64;
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
        end: u64,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let Some(request) = current(self.current, pending) else {
            return self.lose(shared);
        };
        self.last |= fields.closes(request.request.version != Some(super::Version::Http10));
        match fields.body(request.request.version) {
            Body::Unspecified | Body::Length(0) => {
                request.body_end = Some(end);
                self.passed(0, true, pending);
            }
            Body::Length(length) => {
                request.body_end = end.checked_add(length);
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
                request.body_end = Some(request.start + request.bytes);
            }
        }
        if done && self.last {
            self.state = State::Unsynced;
            self.reason = Unexplained::Framing;
        } else if done {
            self.state = State::Start;
        }
    }

    /// The place in the stream is lost.
    pub(super) fn lose(&mut self, shared: &mut Shared) {
        shared.counters.desyncs += 1;
        self.reason = Unexplained::Lost;
        self.drop_unparsed(shared);
        self.fallback = None;
        if let State::Head(request) = std::mem::replace(&mut self.state, State::Unsynced) {
            shared.counters.lost_requests += u64::from(!self.tentative);
            shared.pool.release(request);
        }
        self.seasoned = true;
    }
}

/// The newest request, if it is still waiting.
fn current(start: u64, pending: &mut VecDeque<Box<Pending>>) -> Option<&mut Box<Pending>> {
    pending.back_mut().filter(|request| request.start == start)
}

/// Appends as much of `data` as the limit leaves room for.
fn keep(kept: &mut Vec<u8>, data: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
}

/// Whether a first line that goes on past the cap looks like a request's: it starts with a method, as far as that is
/// there. Servers take targets of any form, and lines of other protocols are shorter.
fn line_is_plausible(line: &[u8]) -> bool {
    let method = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    !method.is_empty() && method.iter().all(|&byte| is_token(byte))
}
