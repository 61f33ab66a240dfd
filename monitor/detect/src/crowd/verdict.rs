//! What the rules say about an event on a route.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use super::{cusum::Standing, distinct, estimate::Estimate, rate::BUCKET, week::Week};
use crate::{Rule, readers::Surge};

const DAY: Duration = Duration::from_secs(86_400);

/// What a rule says about an event on a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) rule: Rule,
    /// The number that it is about, of rules that go by numbers.
    pub(super) number: Option<u64>,
    /// Which of its several figures the rule speaks of.
    pub(super) source: u8,
    /// Worth keeping evidence.
    pub(super) near: bool,
    pub(super) over: bool,
    /// The shortest window, and the limit: so much now, and so much more for each second from now on.
    pub(super) window: Duration,
    pub(super) limit: f64,
    pub(super) per_second: f64,
    /// All that counts if the finding begins now, the first of it, and what counts if it has begun already.
    pub(super) total: Estimate,
    pub(super) since: Timestamp,
    pub(super) more: Estimate,
}

impl Verdict {
    /// What a rate says.
    pub(super) fn of_rate(rule: Rule, source: u8, standing: Standing, weight: u32) -> Verdict {
        Verdict {
            rule,
            number: None,
            source,
            near: standing.near,
            over: standing.over,
            window: BUCKET,
            limit: standing.limit,
            per_second: standing.per_second,
            total: standing.run,
            since: standing.since,
            more: Estimate::of(1, weight),
        }
    }

    /// What it says that so many clients have come far today.
    pub(super) fn of_readers(source: u8, Surge { clients, limit }: Surge, now: Timestamp) -> Verdict {
        let limit = f64::from(limit);
        Verdict {
            rule: Rule::ManyReaders,
            number: None,
            source,
            near: clients as f64 > limit / 2.0,
            over: clients as f64 > limit,
            window: DAY,
            limit,
            per_second: 0.0,
            total: Estimate::new(clients, clients, 0.0),
            since: now,
            more: Estimate::new(1, 0, 0.0),
        }
    }

    /// What the running hour says.
    pub(super) fn of_hour(week: &Week, limit: u32) -> Verdict {
        let count = week.distinct.count();
        let variance = (count as f64 * distinct::ERROR).powi(2);
        Verdict {
            rule: Rule::RouteDistinct,
            number: None,
            source: 0,
            near: count > u64::from(limit) / 4 * 3,
            over: count > u64::from(limit),
            window: Duration::from_secs(3_600),
            limit: limit.into(),
            per_second: 0.0,
            total: Estimate::new(week.touches, count, variance),
            since: week.since,
            more: Estimate::new(1, 0, 0.0),
        }
    }
}
