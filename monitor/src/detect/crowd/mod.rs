//! Rules across clients: what a crowd of callers does to a route that none of them does alone.
//!
//! - `first-touch` (`memory`, `cusum`): objects are being touched that nobody has touched for a week or two.
//! - `block-density` (`blocks`, `walk`, `frontier`): numbers are being touched one after the other.
//! - `route-distinct` (`week`, `distinct`): many more objects are touched in an hour than at this hour of other weeks.
//! - `key-flood` (`cusum`): clients come in numbers that have not been seen on the route.
//!
//! All memory is taken at construction, but for 2 KiB a case (`desk`), of which there are few. Nothing is random, time is
//! what callers say, and the state can be saved and restored at any point without a trace.

mod blocks;
mod case;
mod cusum;
mod desk;
mod distinct;
mod frontier;
mod numbers;
mod rate;
mod route;
mod routes;
mod tally;
mod verdict;
mod walk;
mod week;

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use self::{
    blocks::Blocks,
    case::Event,
    desk::Desk,
    rate::{BUCKET_NS, Moment},
    route::{FRESH, KEYS, Route},
    routes::Routes,
    verdict::Verdict,
};
use super::{Finding, Rule, memory::Memory, mix};
use crate::{state::Names, time::Timestamp};

/// When nothing at all comes for this long, not even ticks, nothing was watched: rates don't fade, and no hour is
/// learned. Shorter pauses, of a restart, change an hour's mean by a sixth at most.
const PAUSE: Duration = Duration::from_secs(600);

/// How often ends are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A route, with its week and an even share of the cases. Tested below.
const ROUTE_BYTES: usize = 2_048;

/// Routes at most, if the budget allows.
const MOST_ROUTES: usize = 1_024;

/// An object of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch<'a> {
    pub(crate) at: Timestamp,
    pub(crate) route: &'a Arc<str>,
    /// Keyed hashes of the route and the object.
    pub(crate) route_hash: u64,
    pub(crate) object: &'a str,
    pub(crate) object_hash: u64,
    /// The number that the object ends with, if it is one.
    pub(crate) number: Option<u64>,
    pub(crate) address: IpAddr,
    /// Of how many touches this one is the sample, in 1/256.
    pub(crate) weight: u32,
}

/// Whether an object had been touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstTouch {
    /// Nobody has touched it within memory.
    pub(crate) first: bool,
    /// The route has been known for long enough for that to mean something.
    pub(crate) mature: bool,
    /// Its number is that of an account that was made lately: see [`Crowd::is_frontier`].
    pub(crate) frontier: bool,
}

/// What a new client is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lens {
    Address,
    Credential,
}

/// What is held and what has been given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Routes with a history.
    pub routes: u64,
    /// Routes that lost it.
    pub route_evictions: u64,
    /// Blocks of numbers that are filling.
    pub blocks: u64,
    /// Blocks that had to be forgotten meanwhile.
    pub block_evictions: u64,
    /// Generations of the memory that were full or old.
    pub generations: u64,
    /// Open findings.
    pub open: u64,
    /// Findings that did not begin, as there are too many.
    pub suppressed: u64,
}

/// The running hour of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Different objects that were touched in it so far, about.
    pub distinct: u64,
    /// What is in order, once a week of it is known.
    pub limit: Option<u32>,
}

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Crowd {
    routes: Routes,
    memory: Memory,
    blocks: Blocks,
    desk: Desk,
    #[serde(with = "crate::time::nanoseconds")]
    now: Timestamp,
    /// The end of the last pause, and the length of all.
    #[serde(with = "crate::time::nanoseconds")]
    watched_since: Timestamp,
    paused: Duration,
    #[serde(with = "crate::time::nanoseconds")]
    next_sweep: Timestamp,
}

impl Crowd {
    /// Half of `budget`, in bytes, is for the memory of objects, a third for blocks, a sixth for routes.
    pub(crate) fn new(budget: usize) -> Crowd {
        let routes = Routes::new((budget / 6 / ROUTE_BYTES).min(MOST_ROUTES));
        Crowd {
            desk: Desk::new(routes.capacity()),
            routes,
            memory: Memory::new(budget / 2),
            blocks: Blocks::new(budget / 3),
            now: Timestamp::default(),
            watched_since: Timestamp::default(),
            paused: Duration::ZERO,
            next_sweep: Timestamp::default(),
        }
    }

    /// Whether it is one of `budget` bytes.
    pub(crate) fn fits(&self, budget: usize) -> bool {
        self.memory.fits(budget / 2)
            && self.blocks.fits(budget / 3)
            && self.routes.capacity() == Routes::new((budget / 6 / ROUTE_BYTES).min(MOST_ROUTES)).capacity()
    }

    /// Takes up one that has been read back, and [fits](Crowd::fits).
    pub(crate) fn restore(&mut self, names: &mut Names) {
        self.routes.iter_mut().for_each(|route| route.name = names.share(&route.name));
    }

    /// Fetches from memory what will be needed of an object.
    pub(crate) fn fetch(&self, route_hash: u64, object_hash: u64, number: Option<u64>) {
        self.memory.fetch(mix::mix(route_hash, object_hash));
        if let Some(number) = number {
            numbers::spots(route_hash, number).into_iter().for_each(|(spot, _)| self.blocks.fetch(spot));
        }
    }

    /// Takes in a touch, and appends what it leads to.
    pub(crate) fn touch(&mut self, touch: &Touch<'_>, out: &mut Vec<Finding>) -> FirstTouch {
        let moment = self.moment(touch.at);
        let at = moment.at;
        let slot = self.route(touch.route, touch.route_hash, moment, out);
        let hash = mix::mix(touch.route_hash, touch.object_hash);
        let known = self.memory.touch(hash, at);
        let Some(route) = self.routes.get_mut(slot) else {
            return FirstTouch { first: !known, mature: false, frontier: false };
        };
        route.touch(touch.weight, known);
        let event = Event { at, object: Some(touch.object), address: touch.address };
        if !known {
            let standing = route.fresh.count(at, touch.weight, &FRESH);
            let verdict = Verdict::of_rate(Rule::FirstTouch, 0, standing, touch.weight);
            self.desk.hear(route, &verdict, &event, out);
        }
        let rises = route.week.touch(hash, at);
        let counting = rises || route.cases.iter().any(|case| case.rule == Rule::RouteDistinct);
        if let Some(limit) = route.week.limit().filter(|_| counting) {
            let verdict = Verdict::of_hour(route, limit);
            self.desk.hear(route, &verdict, &event, out);
        }
        let mature = route.fresh.is_settled();
        let mut frontier = false;
        if let Some(number) = touch.number {
            self.number(slot, number, touch.weight, &event, out);
            frontier = self.routes.get(slot).is_some_and(|route| route.is_frontier(number, self.now));
        }
        FirstTouch { first: !known, mature, frontier }
    }

    /// Takes in a client that has not been seen on the route within memory.
    pub(crate) fn new_key(
        &mut self,
        at: Timestamp,
        route: &Arc<str>,
        route_hash: u64,
        lens: Lens,
        address: IpAddr,
        out: &mut Vec<Finding>,
    ) {
        let moment = self.moment(at);
        let slot = self.route(route, route_hash, moment, out);
        let Some(route) = self.routes.get_mut(slot) else { return };
        let standing = route.keys[lens as usize].count(moment.at, tally::UNIT, &KEYS);
        let verdict = Verdict::of_rate(Rule::KeyFlood, lens as u8, standing, tally::UNIT);
        self.desk.hear(route, &verdict, &Event { at: moment.at, object: None, address }, out);
    }

    /// Whether the number is of an account that was made lately, as far as the route is known.
    pub(crate) fn is_frontier(&self, route_hash: u64, number: u64) -> bool {
        let route = self.routes.find(route_hash).and_then(|slot| self.routes.get(slot));
        route.is_some_and(|route| route.is_frontier(number, self.now))
    }

    /// Lets time pass: ends findings that have become quiet, and hours.
    pub(crate) fn tick(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        let moment = self.moment(now);
        if moment.at < self.next_sweep {
            return;
        }
        let hour = (self.next_sweep - SWEEP).0 / week::HOUR;
        self.next_sweep = moment.at + SWEEP;
        let hour_ends = moment.at.0 / week::HOUR != hour;
        for route in self.routes.iter_mut() {
            if hour_ends || !route.cases.is_empty() {
                route.advance(moment, self.watched_since);
                self.desk.close(route, moment.at, false, out);
            }
        }
    }

    /// Rules that have a finding open on the route.
    pub(crate) fn active(&self, route_hash: u64) -> impl Iterator<Item = Rule> + '_ {
        let route = self.routes.find(route_hash).and_then(|slot| self.routes.get(slot));
        route.into_iter().flat_map(Route::active)
    }

    /// What the running hour has brought on a route; `None` if it is not followed.
    pub(crate) fn hour(&self, route_hash: u64) -> Option<Hour> {
        let route = self.routes.find(route_hash).and_then(|slot| self.routes.get(slot))?;
        Some(Hour { distinct: route.week.distinct.count(), limit: route.week.limit() })
    }

    /// What is held and what has been given up.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            routes: self.routes.len() as u64,
            route_evictions: self.routes.evicted,
            blocks: self.blocks.held,
            block_evictions: self.blocks.evicted,
            generations: self.memory.turned,
            open: self.desk.open,
            suppressed: self.desk.suppressed,
        }
    }

    /// Goes on to `at`, never back.
    fn moment(&mut self, at: Timestamp) -> Moment {
        let at = at.max(self.now);
        let silence = at.since(self.now);
        if silence >= PAUSE {
            self.paused = self.paused.saturating_add(silence);
            self.watched_since = at;
        }
        self.now = at;
        let paused = u64::try_from(self.paused.as_nanos()).unwrap_or(u64::MAX);
        Moment { at, bucket: at.0.saturating_sub(paused) / BUCKET_NS }
    }

    /// The route's slot, up to date.
    fn route(&mut self, name: &Arc<str>, hash: u64, moment: Moment, out: &mut Vec<Finding>) -> u16 {
        let slot = match self.routes.find(hash) {
            Some(slot) => slot,
            None => {
                let serial = self.routes.next_serial();
                let (slot, left) = self.routes.insert(Route::new(hash, Arc::clone(name), serial, moment));
                if let Some(mut left) = left {
                    self.desk.close(&mut left, moment.at, true, out);
                }
                slot
            }
        };
        self.routes.touch(slot, moment.at);
        if let Some(route) = self.routes.get_mut(slot) {
            route.advance(moment, self.watched_since);
        }
        slot
    }
}

#[cfg(test)]
mod tests;
