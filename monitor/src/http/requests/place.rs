//! Places in the request stream to go back to when TCP drops what was taken.

use std::collections::VecDeque;

use super::{Announced, Requests, Shared, State, Tail, current};
use crate::{
    http::pending::{Pending, Pool},
    stream::sequence::{after, before, latest},
};

/// Where the parser stood before bytes that TCP may drop.
#[derive(Debug, Default)]
pub(in crate::http) struct Place {
    seq: u32,
    /// A head is a copy: bytes that turn out not to be its rest end it.
    state: State,
    current: u32,
    last: bool,
    tentative: bool,
    tail: Tail,
    unsure: bool,
    announced: Option<Announced>,
    bytes: u64,
    body: usize,
    head_end: u32,
    body_end: Option<u32>,
}

impl Place {
    /// It is not needed any more.
    pub(super) fn discard(&mut self, pool: &mut Pool) {
        if let State::Head(request) = std::mem::take(&mut self.state) {
            pool.release(request);
        }
    }
}

impl Requests {
    /// Where the parser stands.
    pub(in crate::http) fn place(&self, pending: &VecDeque<Box<Pending>>, pool: &mut Pool) -> Place {
        let state = match &self.state {
            State::Head(request) => {
                let mut copy = pool.acquire();
                copy.request.head.extend_from_slice(&request.request.head);
                copy.scan = request.scan;
                copy.start = request.start;
                copy.head_end = request.head_end;
                copy.origin = request.origin;
                copy.tentative = request.tentative;
                copy.unsure = request.unsure;
                copy.why = request.why;
                copy.odd = request.odd;
                copy.place = request.place;
                copy.seam = request.seam;
                copy.opens = request.opens;
                pool.charge(&mut copy);
                State::Head(copy)
            }
            State::Opening(header) => State::Opening(*header),
            State::Start => State::Start,
            State::Skim(skim) => State::Skim(skim.clone()),
            State::Body(left) => State::Body(*left),
            State::Chunked(chunked) => State::Chunked(*chunked),
            State::Unsynced => State::Unsynced,
            State::Refused(end) => State::Refused(*end),
            State::Opaque => State::Opaque,
        };
        let request = pending.back().filter(|request| request.start == self.current);
        Place {
            seq: self.next,
            state,
            current: self.current,
            last: self.last,
            tentative: self.tentative,
            tail: self.tail,
            unsure: self.unsure,
            announced: self.announced,
            bytes: request.map_or(0, |request| request.bytes),
            body: request.map_or(0, |request| request.request.body.len()),
            head_end: request.map_or(0, |request| request.head_end),
            body_end: request.and_then(|request| request.body_end),
        }
    }

    /// Whether `data`, at `seq`, differs from the heads taken before.
    pub(in crate::http) fn differs(&self, seq: u32, data: &[u8], pending: &VecDeque<Box<Pending>>) -> bool {
        let open = if let State::Head(request) = &self.state { Some(request) } else { None };
        pending.iter().chain(open).any(|request| {
            let (start, head) = (request.start, &request.request.head);
            let low = latest(seq, start);
            let ours = head.get(low.wrapping_sub(start) as usize..).unwrap_or_default();
            let theirs = data.get(low.wrapping_sub(seq) as usize..).unwrap_or_default();
            ours.iter().zip(theirs).any(|(ours, theirs)| ours != theirs)
        })
    }

    /// Takes back what was taken since then: TCP gets other bytes there.
    pub(in crate::http) fn rewind(
        &mut self,
        place: Place,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) {
        let from = match &place.state {
            State::Head(request) => request.start,
            State::Opening(header) => place.seq.wrapping_sub(header.seen()),
            _ => place.seq,
        };
        (self.next, self.current, self.last) = (place.seq, place.current, place.last);
        (self.tentative, self.unsure, self.tail) = (place.tentative, place.unsure, place.tail);
        self.drop_unparsed(shared);
        self.fallback = self.fallback.take().filter(|fallback| !after(fallback.seq, place.seq));
        self.announced = place.announced;
        if let State::Head(request) = std::mem::replace(&mut self.state, place.state) {
            shared.pool.release(request);
        }
        while let Some(request) =
            pending.pop_back_if(|request| !before(request.start, from) && !request.called)
        {
            shared.counters.withdrawn += 1;
            shared.pool.release(request);
        }
        let amid = matches!(self.state, State::Skim(_) | State::Body(_) | State::Chunked(_));
        if let Some(request) = current(self.current, pending).filter(|_| amid) {
            request.bytes = place.bytes;
            request.request.body.truncate(place.body);
            request.head_end = place.head_end;
            request.body_end = place.body_end;
            request.complete = false;
            request.open = matches!(self.state, State::Skim(_));
        }
    }
}
