//! What is reported of a connection's requests, and when.

use std::collections::VecDeque;

use rollcall_stream::{
    Directive,
    protocol::{Link, Standing as _},
};

use super::Connection;
use crate::{connections::Context, pending::Pending};

/// A body of which less is left is captured rather than skipped: advice costs more than it saves.
const SKIP_MIN: u64 = 16 * 1024;

/// The farthest that a skip reaches: well inside half of the sequence space. A longer body gets more advice later.
const SKIP_MAX: u64 = 1 << 30;

/// Room for waiting requests that an idle connection keeps.
const PENDING_KEPT: usize = 16;

impl Connection {
    /// Confirms, reports and advises, as far as the evidence goes.
    pub(super) fn flush(&mut self, link: &Link, context: &mut Context<'_>) {
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
    pub(super) fn advise(&mut self, link: &Link, context: &mut Context<'_>) {
        let pipelines =
            self.pending.len() > 1 && self.pending.back().is_some_and(|request| request.origin.pipelined);
        if !self.whole && (pipelines || self.requests.may_hide()) {
            self.whole = true;
            context.sink.directive(link.id, Directive::WholeResponses);
        }
        self.skip(link, context);
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
    pub(super) fn shed(&mut self, link: &Link, context: &mut Context<'_>) {
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
    pub(super) fn report(&mut self, mut request: Box<Pending>, link: &Link, context: &mut Context<'_>) {
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
    pub(super) fn opaque(&mut self, link: &Link, context: &mut Context<'_>) {
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
