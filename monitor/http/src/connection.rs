//! One connection of HTTP/1: its requests, and the answers that are paired with them.

mod answers;
mod reporting;

use std::collections::VecDeque;

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    Protocol, Segment,
    protocol::{Beginning, Link, Piece, Standing},
    reassembly::Origin,
};

use super::{
    connections::{Context, Unseen},
    counters::Unexplained,
    pending::Pending,
    requests::Requests,
    responses::Responses,
};

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    requests: Requests,
    responses: Responses,
    pending: VecDeque<Box<Pending>>,
    /// The place up to which the source was told to skip.
    skipping: Option<u64>,
    /// The source was asked for whole responses.
    whole: bool,
    /// A CONNECT was granted, and the server has not shown yet whether it meant it.
    tunnel: bool,
}

impl Standing for Connection {
    fn new(beginning: Beginning) -> Connection {
        let amid = match beginning {
            Beginning::Start => None,
            Beginning::Joined => Some(Unexplained::Joined),
            Beginning::Lost => Some(Unexplained::Lost),
        };
        Connection {
            requests: Requests::new(amid),
            responses: Responses::default(),
            pending: VecDeque::new(),
            skipping: None,
            whole: false,
            tunnel: false,
        }
    }

    fn differs(&self, place: u64, data: &[u8]) -> bool {
        self.requests.differs(place, data, &self.pending)
    }

    fn is_waiting(&self) -> bool {
        self.responses.is_amid() || self.pending.iter().any(|request| !request.responded)
    }

    fn is_answered(&self) -> bool {
        self.pending.iter().all(|request| request.answered)
    }

    fn is_forgettable(&self) -> bool {
        // What a PROXY header said would be forgotten, and another one believed.
        self.requests.at_start() && !self.requests.is_announced() && self.pending.is_empty()
    }

    fn is_amid(&self) -> bool {
        !self.is_opaque() && !self.requests.at_start()
    }

    fn is_opaque(&self) -> bool {
        self.requests.is_opaque()
    }
}

impl Protocol<Context<'_>> for Connection {
    fn request(&mut self, place: u64, data: &[u8], origin: &Origin, context: &mut Context<'_>) {
        self.requests.next = place;
        self.requests.feed(data, origin, &mut self.pending, context.shared);
    }

    fn request_gap(&mut self, place: u64, bytes: u64, context: &mut Context<'_>) {
        self.requests.next = place;
        self.requests.gap(bytes, &mut self.pending, context.shared);
    }

    fn response(&mut self, piece: Piece<'_>, link: &Link, context: &mut Context<'_>) {
        self.answer(piece, link, context);
    }

    fn response_gap(&mut self, place: u64, bytes: u64, context: &mut Context<'_>) {
        self.responses.gap(place, bytes, &mut self.pending, context.shared);
    }

    fn orphan(segment: &Segment<'_>, context: &mut Context<'_>) {
        let counters = &mut context.shared.counters;
        counters.unpaired_responses += u64::from(segment.length > 0);
        if !segment.data.starts_with(b"HTTP/1.") {
            return;
        }
        let why = if segment.joined { Unexplained::Joined } else { Unexplained::Lost };
        counters.unexplained[why as usize] += 1;
        context.sink.unseen(&Unseen { endpoints: segment.endpoints, at: segment.at, status: None, why });
    }

    fn advise(&mut self, link: &Link, context: &mut Context<'_>) {
        self.advise(link, context);
    }

    fn flush(&mut self, link: &Link, context: &mut Context<'_>) {
        self.flush(link, context);
    }

    fn overdue(&mut self, now: Timestamp, context: &Context<'_>) {
        let deadline = context.shared.limits.deadline;
        for request in &mut self.pending {
            // As long as its body comes, nobody knows what it asks for, nor can it have been answered in full.
            request.due |= request.complete && request.origin.at + deadline <= now;
        }
    }

    fn deadline(&self, context: &Context<'_>) -> Option<Timestamp> {
        let waiting = self.pending.iter().find(|request| !request.due && request.complete);
        waiting.map(|request| request.origin.at + context.shared.limits.deadline)
    }

    fn believe(&mut self, _: &mut Context<'_>) {
        self.requests.believe_guess(false);
        self.pending.iter_mut().for_each(|request| request.tentative = false);
    }

    fn passes(&self, place: u64, context: &Context<'_>) -> bool {
        let amid_body = place.saturating_sub(self.requests.next) <= self.requests.body_left();
        amid_body && self.requests.passes_body(&self.pending, context.shared)
    }

    fn finish(&mut self, link: &Link, context: &mut Context<'_>) {
        while let Some(request) = self.pending.pop_front() {
            self.report(request, link, context);
        }
    }

    fn dismiss(&mut self, context: &mut Context<'_>) {
        let shared = &mut *context.shared;
        if !self.is_opaque() {
            let dismissed = self.pending.len() + usize::from(self.requests.is_amid_head());
            shared.counters.unconfirmed += dismissed as u64;
        }
        self.pending.drain(..).for_each(|request| shared.pool.release(request));
        self.requests.close(shared);
    }
}
