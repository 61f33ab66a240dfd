//! A connection that may carry TLS, in front of the protocol that it carries then or in clear.

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    Segment,
    protocol::{Beginning, Link, Piece, Protocol, Standing},
    reassembly::Origin,
};

use super::{
    Carried, Context, announcement,
    record::{APPLICATION_DATA, HANDSHAKE, Header},
    session::Session,
    shared::Unread,
};

/// What is known of it.
#[derive(Debug)]
enum State {
    /// Nothing has come.
    Untouched,
    /// Nothing has come, and what went before was not seen.
    Amid,
    /// It may have begun with a header of the PROXY protocol, and nothing else.
    Announced,
    /// It speaks in clear, or nothing of it can be read.
    Clear,
    Tls(Box<Session>),
}

/// A connection whose protocol is `P`, in TLS or in clear. In clear, and as long as no secrets are to be expected, the protocol gets
/// what it would get without this.
#[derive(Debug)]
pub struct Connection<P> {
    inner: P,
    state: State,
}

impl<P: Standing> Standing for Connection<P> {
    fn new(beginning: Beginning) -> Self {
        // Amid a connection nobody knows what was agreed on.
        let state = if beginning == Beginning::Start { State::Untouched } else { State::Amid };
        Connection { inner: P::new(beginning), state }
    }

    fn differs(&self, place: u64, data: &[u8]) -> bool {
        // Of ciphertext nothing is kept: bytes that differ open nothing.
        self.session().is_none() && self.inner.differs(place, data)
    }

    fn is_waiting(&self) -> bool {
        self.inner.is_waiting() || self.session().is_some_and(Session::is_waiting)
    }

    fn is_answered(&self) -> bool {
        self.inner.is_answered()
    }

    fn is_forgettable(&self) -> bool {
        self.session().is_none() && self.inner.is_forgettable()
    }

    fn is_kept(&self) -> bool {
        self.inner.is_kept() || self.session().is_some_and(Session::is_read)
    }

    fn is_amid(&self) -> bool {
        self.inner.is_amid()
    }

    fn is_opaque(&self) -> bool {
        self.inner.is_opaque()
    }
}

impl<P> Connection<P> {
    fn session(&self) -> Option<&Session> {
        if let State::Tls(session) = &self.state { Some(session) } else { None }
    }
}

impl<P: Carried, C: Context> Protocol<C> for Connection<P>
where
    P: Protocol<C>,
{
    fn request(&mut self, place: u64, data: &[u8], origin: &Origin, context: &mut C) {
        if matches!(self.state, State::Untouched | State::Announced) && !data.is_empty() {
            let is_first = matches!(self.state, State::Untouched);
            self.state = match data[0] {
                _ if !context.tls().is_expected() => State::Clear,
                HANDSHAKE if is_first || self.inner.is_announced() => {
                    context.tls().counters.connections += 1;
                    State::Tls(Box::new(Session::new(place, origin)))
                }
                _ if is_first && announcement::may_begin(data) => State::Announced,
                // The header may not be over.
                _ if !is_first && !self.inner.is_announced() => State::Announced,
                _ => State::Clear,
            };
            if is_first
                && matches!(self.state, State::Announced)
                && let Some(end) = announcement::length(data).filter(|&end| data.get(end) == Some(&HANDSHAKE))
            {
                self.inner.request(place, &data[..end], origin, context);
                return self.request(place + end as u64, &data[end..], origin, context);
            }
        }
        if matches!(self.state, State::Amid) {
            self.state = State::Clear;
            let header = data.first_chunk().and_then(|&bytes| Header::read(bytes));
            if context.tls().is_expected() && header.is_some_and(|header| header.kind == APPLICATION_DATA) {
                context.tls().counters.connections += 1;
                context.tls().unread(Unread::Joined);
            }
        }
        let State::Tls(session) = &mut self.state else {
            return self.inner.request(place, data, origin, context);
        };
        session.request(place, data, origin, &mut self.inner, context);
        if self.gives_up(place, context) {
            // It may go on in clear.
            self.inner.request(place, data, origin, context);
        }
    }

    fn request_gap(&mut self, place: u64, bytes: u64, context: &mut C) {
        match &mut self.state {
            State::Tls(session) => {
                session.request_gap(bytes, &mut self.inner, context);
                if self.gives_up(u64::MAX, context) {
                    self.inner.request_gap(place, bytes, context);
                }
            }
            state => {
                *state = State::Clear;
                self.inner.request_gap(place, bytes, context);
            }
        }
    }

    fn response(&mut self, piece: Piece<'_>, link: &Link, context: &mut C) {
        match &mut self.state {
            State::Tls(session) => {
                session.response(piece, link, &mut self.inner, context);
                if self.gives_up(u64::MAX, context) {
                    self.inner.response(piece, link, context);
                }
            }
            _ => self.inner.response(piece, link, context),
        }
    }

    fn response_gap(&mut self, place: u64, bytes: u64, context: &mut C) {
        match &mut self.state {
            State::Tls(session) => {
                session.response_gap(bytes, &mut self.inner, context);
                if self.gives_up(u64::MAX, context) {
                    self.inner.response_gap(place, bytes, context);
                }
            }
            _ => self.inner.response_gap(place, bytes, context),
        }
    }

    fn orphan(segment: &Segment<'_>, context: &mut C) {
        P::orphan(segment, context);
    }

    fn advise(&mut self, link: &Link, context: &mut C) {
        match self.session().map(|session| session.link(link)) {
            Some(link) => self.inner.advise(&link, context),
            None => self.inner.advise(link, context),
        }
    }

    fn flush(&mut self, link: &Link, context: &mut C) {
        if let State::Tls(session) = &mut self.state {
            session.look(link, &mut self.inner, context);
            self.gives_up(u64::MAX, context);
        }
        match self.session().map(|session| session.link(link)) {
            Some(link) => self.inner.flush(&link, context),
            None => self.inner.flush(link, context),
        }
    }

    fn overdue(&mut self, now: Timestamp, context: &C) {
        if let State::Tls(session) = &mut self.state {
            session.overdue(now);
        }
        self.inner.overdue(now, context);
    }

    fn deadline(&self, context: &C) -> Option<Timestamp> {
        let inner = self.inner.deadline(context);
        match self.session().and_then(Session::deadline) {
            None => inner,
            Some(look) => Some(inner.map_or(look, |inner| inner.min(look))),
        }
    }

    fn believe(&mut self, context: &mut C) {
        self.inner.believe(context);
    }

    fn passes(&self, place: u64, context: &C) -> bool {
        self.session().is_none() && self.inner.passes(place, context)
    }

    fn finish(&mut self, link: &Link, context: &mut C) {
        if let State::Tls(session) = &mut self.state {
            session.finish(link, &mut self.inner, context);
            if session.hopeless.is_none() && !session.is_read() {
                session.hopeless = Some(Unread::NoSecret);
            }
            self.gives_up(u64::MAX, context);
            self.inner.flush(&self.seen(link), context);
        }
        self.inner.finish(&self.seen(link), context);
    }

    fn dismiss(&mut self, context: &mut C) {
        if let State::Tls(session) = &mut self.state {
            session.release(context.tls());
        }
        self.inner.dismiss(context);
    }
}

impl<P> Connection<P> {
    /// What TCP knows, as the protocol sees it.
    fn seen(&self, link: &Link) -> Link {
        self.session().map_or(*link, |session| session.link(link))
    }
}

impl<P: Carried> Connection<P> {
    /// Whether it turns out only now that nothing can be read. The protocol then gets to see what it began with before `place`, as if it had seen
    /// it all along.
    fn gives_up<C: Context>(&mut self, place: u64, context: &mut C) -> bool
    where
        P: Protocol<C>,
    {
        let State::Tls(session) = &mut self.state else { return false };
        let Some(why) = session.hopeless else { return false };
        let shared = context.tls();
        shared.unread(why);
        session.release(shared);
        let (first, origin) = session.first;
        let (begun, link) = (std::mem::take(&mut session.begun), session.link);
        self.state = State::Clear;
        let before = usize::try_from(place.saturating_sub(first)).unwrap_or(usize::MAX).min(begun.len());
        if before > 0 {
            self.inner.request(first, &begun[..before], &origin, context);
            if let Some(link) = link {
                self.inner.flush(&link, context);
            }
        }
        true
    }
}
