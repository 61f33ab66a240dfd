//! One connection of HTTP/1: its requests, and the answers that are paired with them.

use std::collections::VecDeque;

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    Directive, Protocol, Segment,
    protocol::{Beginning, Link, Piece, Standing},
    reassembly::Origin,
};

use super::{
    counters::Unexplained,
    head::could_be_response,
    pending::Pending,
    requests::{Requests, Shared},
    responses::{Effect, Responses},
    sink::{Context, Unseen},
};

/// A body of which less is left is captured rather than skipped: advice costs more than it saves.
const SKIP_MIN: u64 = 16 * 1024;

/// The farthest that a skip reaches: well inside half of the sequence space. A longer body gets more advice later.
const SKIP_MAX: u64 = 1 << 30;

/// Room for waiting requests that an idle connection keeps.
const PENDING_KEPT: usize = 16;

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

    fn is_kept(&self) -> bool {
        false
    }

    fn is_amid(&self) -> bool {
        !self.is_opaque() && !self.requests.at_start()
    }

    fn is_opaque(&self) -> bool {
        self.requests.is_opaque()
    }
}

impl rollcall_tls::Carried for Connection {
    fn may_begin_answer(start: &[u8]) -> bool {
        could_be_response(start)
    }

    fn is_announced(&self) -> bool {
        self.requests.is_announced() && self.requests.at_start() && self.pending.is_empty()
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

impl Connection {
    /// Response bytes in order.
    fn answer(&mut self, piece: Piece<'_>, link: &Link, context: &mut Context<'_>) {
        self.promote(&piece, context.shared);
        if self.tunnel && self.responses.is_lost() && !could_be_response(piece.data) {
            self.tunnel = false;
            context.sink.directive(link.id, Directive::Ignore);
        }
        self.take_answers(piece, link, context);
        if self.pending.len() > 1 || self.pending.front().is_some_and(|request| request.answered) {
            self.flush(link, context);
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
    fn take_answers(&mut self, mut piece: Piece<'_>, link: &Link, context: &mut Context<'_>) {
        while piece.length > 0 {
            self.responses.may_be_hidden = self.requests.may_hide();
            let (taken, effect) = self.responses.feed(piece, &mut self.pending, context.shared);
            if std::mem::take(&mut self.responses.proves_guess) {
                let is_unsure = self.pending.iter().any(|request| request.unsure);
                self.requests.believe_guess(is_unsure);
            }
            if let Some(status) = self.responses.proves_nothing.take() {
                self.unexplained(Unexplained::Framing, status, piece.at, link, context);
            }
            piece.length -= taken;
            piece.place += u64::from(taken);
            piece.data = piece.data.get(taken as usize..).unwrap_or_default();
            match effect {
                None => {}
                Some(Effect::Unpaired) => {
                    let accepted = piece.ack.unwrap_or(link.accepted);
                    // It may be to bytes that have not been handed in yet; and an interim one shows nothing.
                    let is_settled = accepted <= self.requests.next && piece.data.get(9) != Some(&b'1');
                    if is_settled && self.requests.explain(accepted, &mut self.pending, context.shared) {
                        self.promote(&piece, context.shared);
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
                        self.unexplained(self.requests.reason, status, piece.at, link, context);
                    }
                }
                Some(Effect::Foreign) => {
                    self.count_protocol(context.shared);
                    self.opaque(link, context);
                }
                Some(Effect::Closes) => self.unserved(),
                Some(Effect::Upgraded { http2 }) => {
                    context.shared.counters.upgraded += 1;
                    if http2 {
                        context.shared.counters.http2 += 1;
                        self.unexplained(Unexplained::UpgradedToHttp2, Some(101), piece.at, link, context);
                    }
                    self.elsewhere(context.shared);
                    context.sink.directive(link.id, Directive::Ignore);
                }
                Some(Effect::Tunnel) => {
                    context.shared.counters.tunnels += 1;
                    self.elsewhere(context.shared);
                    self.tunnel = true;
                }
            }
        }
    }

    /// An answer was given to a request that nobody saw.
    fn unexplained(
        &mut self,
        why: Unexplained,
        status: Option<u16>,
        at: Timestamp,
        link: &Link,
        context: &mut Context<'_>,
    ) {
        context.shared.counters.unexplained[why as usize] += 1;
        // One request may have been under way when the source came.
        if why == Unexplained::Joined {
            self.requests.reason = Unexplained::Unknown;
        }
        context.sink.unseen(&Unseen { endpoints: link.endpoints, at, status, why });
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

    /// What follows may be of another protocol: requests that came behind count once they are answered.
    fn elsewhere(&mut self, shared: &mut Shared) {
        for request in self.pending.iter_mut().filter(|request| !request.answered && !request.called) {
            (request.tentative, request.confirmed) = (true, false);
            request.why = Unexplained::OtherProtocol;
        }
        self.requests.close(shared);
    }

    /// The server means to read no further than the request that it answers now: those behind count once they are answered.
    fn unserved(&mut self) {
        for request in self.pending.iter_mut().filter(|request| request.waits() && !request.called) {
            (request.unserved, request.confirmed) = (true, false);
        }
    }

    /// Confirms, reports and advises, as far as the evidence goes.
    fn flush(&mut self, link: &Link, context: &mut Context<'_>) {
        context.shared.counters.proxied += u64::from(self.requests.announces());
        if self.requests.is_refused() {
            context.shared.counters.tls += 1;
            self.opaque(link, context);
        }
        if !self.pending.is_empty() || context.shared.pool.charged() > context.shared.limits.pending {
            self.flush_pending(link, context);
        }
        self.advise(link, context);
    }

    /// Tells the kernel what is worth capturing.
    fn advise(&mut self, link: &Link, context: &mut Context<'_>) {
        let pipelines =
            self.pending.len() > 1 && self.pending.back().is_some_and(|request| request.origin.pipelined);
        if !self.whole && (pipelines || self.requests.may_hide()) {
            self.whole = true;
            context.sink.directive(link.id, Directive::WholeResponses);
        }
        if link.is_wire {
            self.skip(link, context);
        }
    }

    /// Confirms and reports what there is, and makes room.
    fn flush_pending(&mut self, link: &Link, context: &mut Context<'_>) {
        self.confirm(link);
        if let Some(endpoints) = link.endpoints {
            let proxied_for = self.requests.proxied_for();
            let mut called = 0;
            let first = self.pending.partition_point(|request| request.called);
            for request in self.pending.iter_mut().skip(first) {
                if !request.due || !request.confirmed {
                    break;
                }
                request.called = true;
                called += 1;
                context.sink.call(&request.exchange(link.id, endpoints, proxied_for));
            }
            context.shared.counters.exchanges += called;
        }
        let is_over = |request: &Pending| request.answered && request.complete && !request.tentative;
        while self.pending.front().is_some_and(|request| is_over(request)) {
            let Some(request) = self.pending.pop_front() else { break };
            let held_up = !request.confirmed;
            self.report(request, link, context);
            if held_up {
                self.confirm(link);
            }
        }
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
        let full = self.pending.len() > context.shared.limits.pipelined
            || context.shared.pool.charged() > context.shared.limits.pending;
        if full {
            self.shed(link, context);
        }
    }

    /// Marks the requests of which nothing is uncertain any more.
    fn confirm(&mut self, link: &Link) {
        let confirmed = self.pending.partition_point(|request| request.confirmed);
        for request in self.pending.iter_mut().skip(confirmed) {
            let has_head = !request.open || request.responded || request.complete;
            if !has_head || request.needs_answer() {
                break;
            }
            request.confirmed = true;
        }
        if let Some(request) = self.pending.back_mut()
            && let Some(end) = request.body_end.filter(|&end| !request.complete && end <= link.accepted)
        {
            request.complete = true;
            request.bytes = end.saturating_sub(request.start);
        }
    }

    fn skip(&mut self, link: &Link, context: &mut Context<'_>) {
        let left = self.requests.body_left();
        let is_kept = |request: &Pending| request.request.body.len() >= context.shared.body_cap();
        if left < SKIP_MIN || !self.pending.back().is_none_or(|request| request.confirmed && is_kept(request))
        {
            return;
        }
        let next = self.requests.next;
        if self.skipping.is_none_or(|upto| upto <= next) {
            let upto = next + left.min(SKIP_MAX);
            self.skipping = Some(upto);
            // The low half of a place is its sequence number.
            context.sink.directive(link.id, Directive::SkipTo(upto as u32));
        }
    }

    /// Too much waits: what is oldest is reported as it is, or given up.
    fn shed(&mut self, link: &Link, context: &mut Context<'_>) {
        if self.pending.is_empty() && context.shared.pool.charged() > context.shared.limits.pending {
            if !self.requests.at_start() && !self.is_opaque() {
                context.shared.counters.pending_overflows += 1;
                self.requests.lose(context.shared);
            }
            return;
        }
        while self.pending.len() > context.shared.limits.pipelined
            || (!self.pending.is_empty() && context.shared.pool.charged() > context.shared.limits.pending)
        {
            let Some(request) = self.pending.pop_front() else { break };
            context.shared.counters.pending_overflows += 1;
            self.report(request, link, context);
        }
    }

    /// The request's exchange is as complete as it gets.
    fn report(&mut self, mut request: Box<Pending>, link: &Link, context: &mut Context<'_>) {
        match link.endpoints {
            Some(endpoints) if request.confirmed => {
                let exchange = request.exchange(link.id, endpoints, self.requests.proxied_for());
                if !request.called {
                    context.shared.counters.exchanges += 1;
                    context.sink.call(&exchange);
                }
                context.sink.exchange(&exchange);
            }
            _ if request.unserved => context.shared.counters.unserved += 1,
            // An answer to less than was taken for the request, or to another.
            _ if request.responded => {
                context.shared.counters.withdrawn += 1;
                let at = request.first_byte_at.unwrap_or(link.seen);
                self.unexplained(request.why, request.status, at, link, context);
            }
            _ if request.tentative && request.complete => context.shared.counters.lost_requests += 1,
            _ => context.shared.counters.unconfirmed += 1,
        }
        request.called = true;
        context.shared.pool.release(request);
    }

    /// From here on the connection carries something else, until a request or an answer shows.
    fn opaque(&mut self, link: &Link, context: &mut Context<'_>) {
        while let Some(request) = self.pending.pop_front() {
            if request.called || request.answered {
                let mut request = request;
                request.confirmed |= !request.needs_answer();
                self.report(request, link, context);
            } else {
                context.shared.counters.withdrawn += 1;
                context.shared.pool.release(request);
            }
        }
        self.requests.close(context.shared);
        self.responses.close();
        context.sink.directive(link.id, Directive::Ignore);
    }
}
