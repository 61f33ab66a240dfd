//! What a rule has against a route: evidence from when it comes near the limit, and the finding once it has begun.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Call, estimate::Estimate, verdict::Verdict};
use crate::{
    Figures, Finding, Phase, Rule,
    shown::{Addresses, Samples},
};

/// A rate is quiet when it has been usual for this long, as for [`crate::Detector`].
const QUIET: Duration = Duration::from_secs(300);

/// An hour's count is quiet after an hour, as each starts from nothing; a walk after so many times what usually lies between two of its
/// steps, and after an hour at most.
const LONG_QUIET: Duration = Duration::from_secs(3_600);
const PAUSES: u32 = 16;

/// Numbers so far from those of a case are another's.
const REACH: u64 = 4_096;

/// Addresses that are few.
const FEW: usize = 8;

/// The event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) at: Timestamp,
    pub(super) object: Option<&'a str>,
    pub(super) address: IpAddr,
    /// See [`Call`].
    pub(super) is_walked: bool,
    pub(super) is_learning: bool,
}

impl<'a> Event<'a> {
    /// A call, or an object of it, as it counts at `at`.
    pub(super) fn of(call: &Call<'_>, at: Timestamp, object: Option<&'a str>) -> Event<'a> {
        let &Call { address, is_walked, is_learning, .. } = call;
        Event { at, object, address, is_walked, is_learning }
    }
}

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) rule: Rule,
    source: u8,
    pub(super) begun: bool,
    estimate: Estimate,
    window: Duration,
    /// The limit when it began, and what each second has added since.
    limit: f64,
    per_second: f64,
    began: Timestamp,
    /// The number of objects at which it has grown.
    next: u64,
    pub(super) first_seen: Timestamp,
    last_seen: Timestamp,
    last_over: Timestamp,
    /// Time between what spoke for it, about.
    pause: Duration,
    /// The numbers that it is about, if it is about numbers, and what tells it from others of its rule.
    span: Option<(u64, u64)>,
    pub(super) part: u32,
    addresses: Addresses,
    samples: Samples,
}

impl Case {
    /// A case that has not begun.
    pub(super) fn new(rule: Rule, part: u32, at: Timestamp) -> Case {
        Case {
            rule,
            source: 0,
            begun: false,
            estimate: Estimate::default(),
            window: Duration::ZERO,
            limit: 0.0,
            per_second: 0.0,
            began: at,
            next: 0,
            first_seen: at,
            last_seen: at,
            last_over: at,
            pause: Duration::ZERO,
            span: None,
            part,
            addresses: Addresses::default(),
            samples: Samples::default(),
        }
    }

    /// Whether it is about what the verdict is about: numbers that are not far from its own.
    pub(super) fn is_about(&self, verdict: &Verdict) -> bool {
        let is_near = |(low, high): (u64, u64), number: u64| {
            (low.saturating_sub(REACH)..=high.saturating_add(REACH)).contains(&number)
        };
        self.rule == verdict.rule
            && self.span.zip(verdict.number).is_none_or(|(span, number)| is_near(span, number))
    }

    /// Takes in an event, and returns what has happened by it.
    pub(super) fn take(&mut self, verdict: &Verdict, event: &Event<'_>) -> Option<Phase> {
        if !self.begun && !verdict.near {
            return None;
        }
        if let Some(number) = verdict.number {
            let (low, high) = self.span.unwrap_or((number, number));
            self.span = Some((low.min(number), high.max(number)));
        }
        self.note(event);
        // What is walked through on a route that is not known yet is a matter for its clients, unless these are many.
        let is_few = event.is_learning && self.rule == Rule::BlockDensity && self.addresses.len() < FEW;
        let is_over = verdict.over && !is_few;
        if is_over {
            let pause = event.at.since(self.last_over);
            self.pause = if self.begun { (self.pause * 7 + pause) / 8 } else { self.pause.max(pause) };
            self.last_over = event.at;
        }
        if !self.begun {
            if !is_over {
                return None;
            }
            (self.begun, self.began) = (true, event.at);
            (self.source, self.estimate, self.window) = (verdict.source, verdict.total, verdict.window);
            (self.limit, self.per_second, self.first_seen) =
                (verdict.limit, verdict.per_second, verdict.since);
            self.next = u64::from(self.limit()) * 2;
            return Some(Phase::Begins);
        }
        if verdict.source != self.source {
            return None;
        }
        self.estimate.merge(verdict.more);
        self.estimate.raise(verdict.total);
        if self.estimate.count() < self.next {
            return None;
        }
        while self.next <= self.estimate.count() {
            self.next = self.next.saturating_mul(2).max(1);
            if self.next == u64::MAX {
                break;
            }
        }
        Some(Phase::Grows)
    }

    /// Whether it is over, at `now`.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        let quiet = match self.rule {
            Rule::RouteDistinct | Rule::ManyReaders => LONG_QUIET,
            Rule::BlockDensity => (self.pause * PAUSES).clamp(QUIET, LONG_QUIET),
            _ => QUIET,
        };
        now.since(if self.begun { self.last_over } else { self.last_seen }) >= quiet
    }

    pub(super) fn finding(
        &self,
        phase: Phase,
        at: Timestamp,
        route: &Arc<str>,
        signals: Vec<Rule>,
    ) -> Finding {
        Finding {
            phase,
            rule: self.rule,
            at,
            client: None,
            route: Arc::clone(route),
            window: self.window(),
            figures: Figures {
                limit: self.limit(),
                distinct: self.estimate.count(),
                distinct_error: self.estimate.error(),
                requests: self.estimate.seen,
                bytes: 0,
                first_seen: self.first_seen,
                last_seen: self.last_seen,
                addresses: self.addresses.list(),
                usual: None,
                learning: false,
            },
            sample_objects: self.samples.list(),
            signals,
            is_far: false,
            part: self.part,
            loss: 0.0,
        }
    }

    /// The window in which that many objects were: an hour's count starts anew each hour, the others go on.
    fn window(&self) -> Duration {
        match self.rule {
            Rule::RouteDistinct => self.window,
            _ => {
                let age = self.last_seen.since(self.first_seen);
                self.window.max(Duration::from_secs(age.as_secs() + u64::from(age.subsec_nanos() > 0)))
            }
        }
    }

    /// The limit for that window.
    fn limit(&self) -> u32 {
        (self.limit + self.per_second * self.last_seen.since(self.began).as_secs_f64()) as u32
    }

    fn note(&mut self, event: &Event<'_>) {
        self.last_seen = event.at;
        self.addresses.push(event.address);
        if let Some(object) = event.object {
            self.samples.push(object);
        }
    }
}
