//! What is reported of a connection's requests, and when.

use std::collections::VecDeque;

use super::{Closing, Connection};
use crate::{
    http::{
        connections::{Directive, Sink},
        pending::Pending,
        requests::Shared,
    },
    stream::sequence::{after, before},
    time::Timestamp,
};

/// A body of which less is left is captured rather than skipped: advice costs more than it saves.
const SKIP_MIN: u64 = 16 * 1024;

/// The farthest that a skip reaches: well inside half of the sequence space. A longer body gets more advice later.
const SKIP_MAX: u64 = 1 << 30;

/// Room for waiting requests that an idle connection keeps.
const PENDING_KEPT: usize = 16;

impl Connection {
    /// A deadline has passed: confirmed requests without response are handed on. The next deadline, if any.
    pub(in crate::http) fn overdue(
        &mut self,
        now: Timestamp,
        shared: &mut Shared,
        sink: &mut dyn Sink,
    ) -> Option<Timestamp> {
        let deadline = shared.limits.deadline;
        for request in &mut self.pending {
            // As long as its body comes, nobody knows what it asks for, nor can it have been answered in full.
            request.due |= request.complete && request.origin.at + deadline <= now;
        }
        if matches!(self.closing, Closing::Half(_)) && self.seen + shared.limits.linger <= now {
            self.closing = Closing::Full(0);
        }
        self.flush(shared, sink);
        self.deadline(shared)
    }

    /// When [`Connection::overdue`] is next needed: the first request that waits for its response, or an answer
    /// that is still under way after the client's end.
    pub(in crate::http) fn deadline(&self, shared: &Shared) -> Option<Timestamp> {
        let waiting = self.pending.iter().find(|request| !request.due && request.complete);
        let deadline = waiting.map(|request| request.origin.at + shared.limits.deadline);
        let linger = matches!(self.closing, Closing::Half(_)).then_some(self.seen + shared.limits.linger);
        deadline.into_iter().chain(linger).min()
    }

    /// Confirms, reports and advises, as far as the evidence goes.
    pub(super) fn flush(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        shared.counters.proxied += u64::from(self.requests.announces(self.accepted));
        if self.requests.refused(self.accepted) {
            shared.counters.tls += 1;
            self.opaque(shared, sink);
        }
        if !self.pending.is_empty() || shared.pool.charged() > shared.limits.pending {
            self.flush_pending(shared, sink);
        }
        let pipelines =
            self.pending.len() > 1 && self.pending.back().is_some_and(|request| request.origin.pipelined);
        if !self.whole && (pipelines || self.requests.may_hide()) {
            self.whole = true;
            sink.directive(self.id, Directive::WholeResponses);
        }
        self.skip(shared, sink);
    }

    /// Confirms and reports what there is, and makes room.
    fn flush_pending(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        self.confirm();
        if let Some(endpoints) = self.endpoints {
            let proxied_for = self.requests.proxied_for();
            let mut called = 0;
            let first = self.pending.partition_point(|request| request.called);
            for request in self.pending.iter_mut().skip(first) {
                if !request.due || !request.confirmed {
                    break;
                }
                request.called = true;
                called += 1;
                sink.call(&request.exchange(self.id, endpoints, proxied_for));
            }
            shared.counters.exchanges += called;
        }
        let is_over = |request: &Pending| request.answered && request.complete && !request.tentative;
        while self.pending.front().is_some_and(|request| is_over(request)) {
            let Some(request) = self.pending.pop_front() else { break };
            let held_up = !request.confirmed;
            self.report(request, shared, sink);
            if held_up {
                self.confirm();
            }
        }
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
        let full =
            self.pending.len() > shared.limits.pipelined || shared.pool.charged() > shared.limits.pending;
        if full {
            self.shed(shared, sink);
        }
    }

    /// Marks the requests whose heads were accepted.
    pub(super) fn confirm(&mut self) {
        let confirmed = self.pending.partition_point(|request| request.confirmed);
        for request in self.pending.iter_mut().skip(confirmed) {
            let line = request.start.wrapping_add(request.request.target.end.into());
            let accepted = if request.responded || request.complete && request.open {
                !before(self.accepted, line)
            } else {
                !request.open && !after(request.head_end, self.accepted)
            };
            if !accepted || request.needs_answer() {
                break;
            }
            request.confirmed = true;
        }
        if let Some(request) = self.pending.back_mut()
            && let Some(end) = request.body_end.filter(|&end| !request.complete && !after(end, self.accepted))
        {
            request.complete = true;
            request.bytes = end.wrapping_sub(request.start).into();
        }
    }

    /// Tells the kernel which bytes are not worth capturing.
    pub(super) fn skip(&mut self, shared: &Shared, sink: &mut dyn Sink) {
        let left = self.requests.body_left();
        let is_kept = |request: &Pending| request.request.body.len() >= shared.body_cap();
        if left < SKIP_MIN || !self.pending.back().is_none_or(|request| request.confirmed && is_kept(request))
        {
            return;
        }
        let next = self.requests.next;
        if self.skipping.is_none_or(|upto| !after(upto, next)) {
            let upto = next.wrapping_add(left.min(SKIP_MAX) as u32);
            self.skipping = Some(upto);
            sink.directive(self.id, Directive::SkipTo(upto));
        }
    }

    /// Too much waits: what is oldest is reported as it is, or given up.
    pub(super) fn shed(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        if self.pending.is_empty() && shared.pool.charged() > shared.limits.pending {
            if !self.requests.at_start() && !self.is_opaque() {
                shared.counters.pending_overflows += 1;
                self.requests.lose(shared);
            }
            return;
        }
        while self.pending.len() > shared.limits.pipelined
            || (!self.pending.is_empty() && shared.pool.charged() > shared.limits.pending)
        {
            let Some(mut request) = self.pending.pop_front() else { break };
            shared.counters.pending_overflows += 1;
            // With no other direction, nothing will ever confirm it.
            request.confirmed |= !self.live && !self.heard;
            self.report(request, shared, sink);
        }
    }

    /// The request's exchange is as complete as it gets.
    pub(super) fn report(&mut self, mut request: Box<Pending>, shared: &mut Shared, sink: &mut dyn Sink) {
        match self.endpoints {
            Some(endpoints) if request.confirmed => {
                let exchange = request.exchange(self.id, endpoints, self.requests.proxied_for());
                if !request.called {
                    shared.counters.exchanges += 1;
                    sink.call(&exchange);
                }
                sink.exchange(&exchange);
            }
            _ if request.unserved => shared.counters.unserved += 1,
            // An answer to less than was taken for the request, or to another.
            _ if request.responded => {
                shared.counters.withdrawn += 1;
                let at = request.first_byte_at.unwrap_or(self.seen);
                self.unexplained(request.why, request.status, at, shared, sink);
            }
            _ if request.tentative && request.complete => shared.counters.lost_requests += 1,
            _ => shared.counters.unconfirmed += 1,
        }
        request.called = true;
        shared.pool.release(request);
    }

    /// From here on the connection carries something else, until a request or an answer shows.
    pub(super) fn opaque(&mut self, shared: &mut Shared, sink: &mut dyn Sink) {
        while let Some(request) = self.pending.pop_front() {
            if request.called || request.answered {
                let mut request = request;
                request.confirmed |= !request.needs_answer();
                self.report(request, shared, sink);
            } else {
                shared.counters.withdrawn += 1;
                shared.pool.release(request);
            }
        }
        self.free(shared);
        self.requests.close(shared);
        self.responses.close();
        sink.directive(self.id, Directive::Ignore);
    }
}
