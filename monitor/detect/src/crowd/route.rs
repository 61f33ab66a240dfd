//! What is kept about a route.

use std::{sync::Arc, time::Duration};

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    case::Case,
    cusum::{Cusum, Tuning},
    estimate::UNIT,
    frontier::Frontier,
    rate::{Moment, Rate},
    walk::Background,
    week::Week,
};
use crate::{Finding, Phase, Rule};

/// First touches. An eighth to a quarter of a thousand beyond twice the usual, and one a second, make an attacker of ten a second known
/// in a quarter to half a minute, and let a page of a hundred forgotten accounts pass.
pub(super) const FRESH: Tuning = Tuning { factor: 2.0, allowance: 10.0, thresholds: [125.0, 250.0] };

/// New clients. They come by thousands when a link is passed around; a flood is worth its name when it goes on.
pub(super) const KEYS: Tuning = Tuning { factor: 3.0, allowance: 50.0, thresholds: [1_000.0, 2_000.0] };

/// Objects that are asked for and not got, though nobody has touched them: guesses. As few as first touches, since no page is about
/// accounts that are not there.
pub(super) const MISSES: Tuning = Tuning { factor: 2.0, allowance: 10.0, thresholds: [125.0, 250.0] };

/// How long a route must be known, and by how many touches, before its rates can have settled.
const PROBATION: Duration = Duration::from_secs(3_600);
const PROBATION_TOUCHES: u64 = 1_000;

/// A finding keeps a rate from being learned for this long. What goes on for a whole day has been reported, and is what is usual
/// from then on; else a change of habits would be an attack for good.
const STANDSTILL: Duration = Duration::from_secs(86_400);

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) hash: u64,
    pub(super) name: Arc<str>,
    /// Which of the routes in its slot it is.
    pub(super) serial: u16,
    first: Timestamp,
    touches: u64,
    first_touches: u64,
    /// Touches, those of unknown objects among them, and new clients by lens.
    traffic: Rate,
    pub(super) fresh: Cusum,
    pub(super) misses: Cusum,
    pub(super) keys: [Cusum; 2],
    pub(super) week: Week,
    pub(super) frontier: Frontier,
    pub(super) backgrounds: [Background; 2],
    pub(super) cases: Vec<Case>,
}

impl Route {
    pub(super) fn new(hash: u64, name: Arc<str>, serial: u16, moment: Moment) -> Route {
        Route {
            hash,
            name,
            serial,
            first: moment.at,
            touches: 0,
            first_touches: 0,
            traffic: Rate::new(moment.bucket),
            fresh: Cusum::new(moment),
            misses: Cusum::new(moment),
            keys: [Cusum::new(moment), Cusum::new(moment)],
            week: Week::new(moment.at),
            frontier: Frontier::default(),
            backgrounds: Default::default(),
            cases: Vec::new(),
        }
    }

    /// Counts a touch, of an object that was known or not.
    pub(super) fn touch(&mut self, weight: u32, known: bool) {
        self.touches += 1;
        self.first_touches += u64::from(!known);
        self.traffic.add(f64::from(weight) / f64::from(UNIT));
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, moment: Moment, watched_since: Timestamp) {
        self.traffic.advance(moment.bucket, f64::INFINITY, true);
        let learn = self.learns(Rule::FirstTouch, moment.at);
        self.fresh.advance(moment, &FRESH, learn);
        let learn = self.learns(Rule::MissProbing, moment.at);
        self.misses.advance(moment, &MISSES, learn);
        let learn = self.learns(Rule::KeyFlood, moment.at);
        self.keys.iter_mut().for_each(|keys| keys.advance(moment, &KEYS, learn));
        self.week.advance(moment.at, self.first, watched_since);
        let known = moment.at.since(self.first) >= PROBATION && self.touches >= PROBATION_TOUCHES;
        if known {
            // At first, all is new. Once less than half of an hour's touches are, the rest is what keeps coming; a
            // rate that still falls errs to the safe side.
            let traffic = self.traffic.mean();
            let rates = [&mut self.fresh, &mut self.misses].into_iter().chain(&mut self.keys);
            rates.filter(|rate| 2.0 * rate.rate.mean() < traffic).for_each(Cusum::settle);
        }
    }

    /// Whether it is one of the routes that are really used.
    pub(super) fn is_established(&self, now: Timestamp) -> bool {
        now.since(self.first) >= PROBATION && self.touches >= PROBATION_TOUCHES
    }

    /// Whether enough objects are known to say which are the newest.
    pub(super) fn has_frontier(&self, now: Timestamp) -> bool {
        now.since(self.first) >= PROBATION && self.first_touches >= PROBATION_TOUCHES
    }

    /// Whether the number is of an account that was made lately.
    pub(super) fn is_frontier(&self, number: u64, now: Timestamp) -> bool {
        self.has_frontier(now) && self.frontier.has(number)
    }

    /// Rules that have a finding open.
    pub(super) fn active(&self) -> impl Iterator<Item = Rule> + '_ {
        self.cases.iter().filter(|case| case.begun).map(|case| case.rule)
    }

    /// Appends the finding of one of its cases.
    pub(super) fn report(&self, index: usize, phase: Phase, at: Timestamp, out: &mut Vec<Finding>) {
        let Some(case) = self.cases.get(index) else { return };
        let mut signals: Vec<Rule> = self.active().filter(|&rule| rule != case.rule).collect();
        signals.sort_unstable();
        out.push(case.finding(phase, at, &self.name, signals));
    }

    fn learns(&self, rule: Rule, now: Timestamp) -> bool {
        let open = self.cases.iter().find(|case| case.begun && case.rule == rule);
        open.is_none_or(|case| now.since(case.first_seen) >= STANDSTILL)
    }
}
