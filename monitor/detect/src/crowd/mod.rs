//! Rules across clients: what a crowd of callers does to a route that none of them does alone.
//!
//! - `first-touch` (`memory`, `cusum`): objects are being touched that nobody has touched for a week or two.
//! - `miss-probing` (`cusum`): objects are being asked for that nobody has touched, and that are not there.
//! - `block-density` (`blocks`, `walk`, `frontier`): numbers are being touched one after the other.
//! - `route-distinct` (`week`, `distinct`): many more objects are touched in an hour than at this hour of other weeks.
//! - `many-readers` (`readers` beside this): more clients than usual touch many objects.
//! - `key-flood` (`cusum`): clients come in numbers that have not been seen on the route.
//!
//! All memory is taken at construction, but for 2 KiB a case (`cases`), of which there are few. Nothing is random, time is
//! what callers say, and the state can be saved and restored at any point without a trace.

mod blocks;
mod case;
mod cases;
mod cusum;
mod distinct;
mod estimate;
mod frontier;
mod rate;
mod route;
mod routes;
mod verdict;
mod walk;
mod week;

use std::{net::IpAddr, sync::Arc, time::Duration};

use rollcall_attribute::object::Objects;
use rollcall_model::{state::Names, time::Timestamp};
use serde::{Deserialize, Serialize};

use self::{
    blocks::{Blocks, Owner, Spot},
    case::Event,
    cases::Cases,
    estimate::Estimate,
    rate::{BUCKET_NS, Moment},
    route::{FRESH, KEYS, MISSES, Route},
    routes::Routes,
    verdict::Verdict,
};
use super::{
    Finding, Rule,
    memory::Memory,
    mix,
    named::{Choice, Named},
    readers::Surge,
};

/// When nothing at all comes for this long, not even ticks, nothing was watched: rates don't fade, and no hour is
/// learned. Shorter pauses, of a restart, change an hour's mean by a sixth at most.
const PAUSE: Duration = Duration::from_secs(600);

/// How often ends are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// A route, with its week and an even share of the cases. Tested below.
const ROUTE_BYTES: usize = 2_304;

/// Objects that were missed of late, by which it is told that one is asked for again.
const MISSED: usize = 1_024;

/// Routes at most, if the budget allows.
const MOST_ROUTES: usize = 1_024;

/// A call, as what looks at everybody sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub at: Timestamp,
    pub route: &'a Arc<str>,
    /// The route's keyed hash.
    pub route_hash: u64,
    pub address: IpAddr,
    /// Clients walk on the route: numbers that follow each other say nothing.
    pub is_walked: bool,
    /// What is usual on the route is not known yet.
    pub is_learning: bool,
}

/// What a new client is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lens {
    Address,
    Credential,
}

/// What is held and what has been given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrowdCounters {
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
pub struct Crowd {
    routes: Routes,
    memory: Memory,
    blocks: Blocks,
    cases: Cases,
    /// Hashes of objects that were missed of late, each in its place.
    missed: Vec<u64>,
    now: Timestamp,
    /// The end of the last pause, and the length of all.
    watched_since: Timestamp,
    paused: Duration,
    next_sweep: Timestamp,
}

impl Crowd {
    /// Half of `budget`, in bytes, is for the memory of objects, a third for blocks, a sixth for routes.
    pub fn new(budget: usize) -> Crowd {
        let routes = Routes::new((budget / 6 / ROUTE_BYTES).min(MOST_ROUTES));
        Crowd {
            cases: Cases::new(routes.capacity()),
            routes,
            memory: Memory::new(budget / 2),
            blocks: Blocks::new(budget / 3),
            missed: vec![0; MISSED],
            now: Timestamp::default(),
            watched_since: Timestamp::default(),
            paused: Duration::ZERO,
            next_sweep: Timestamp::default(),
        }
    }

    /// Whether it is one of `budget` bytes.
    pub fn fits(&self, budget: usize) -> bool {
        self.memory.fits(budget / 2)
            && self.missed.len() == MISSED
            && self.blocks.fits(budget / 3)
            && self.routes.capacity() == Routes::new((budget / 6 / ROUTE_BYTES).min(MOST_ROUTES)).capacity()
    }

    /// Takes up one that has been read back, and [fits](Crowd::fits).
    pub fn restore(&mut self, names: &mut Names) {
        self.routes.iter_mut().for_each(|route| route.name = names.share(&route.name));
    }

    /// Takes in a call that touched objects, and appends what it leads to. Notes of each object that was chosen whether it is
    /// the first touch of it that is known of, on a route that has been known for long enough for that to mean something; and
    /// takes the numbers of accounts that were made lately for nothing: they are made in order, and looked at in order.
    pub fn touch(&mut self, call: &Call<'_>, objects: &Objects, choice: &mut Choice, out: &mut Vec<Finding>) {
        let Choice { named, hashes, .. } = choice;
        for named in &*named {
            self.fetch(call.route_hash, named);
        }
        let moment = self.moment(call.at);
        let slot = self.route(call.route, call.route_hash, moment, out);
        for named in named.iter_mut() {
            let object = objects.get(named.at as usize);
            let event = Event::of(call, moment.at, object);
            self.object(slot, call.route_hash, named, &event, out);
        }
        let Some(route) = self.routes.get_mut(slot) else { return };
        // These are counted without a look at each, however many there are.
        let mut rises = false;
        for &hash in hashes.iter() {
            rises |= route.week.touch(hash, moment.at);
        }
        let counting = rises || route.cases.iter().any(|case| case.rule == Rule::RouteDistinct);
        if let Some(limit) = route.week.limit().filter(|_| counting) {
            let verdict = Verdict::of_hour(&route.week, limit);
            let object = named.last().and_then(|named| objects.get(named.at as usize));
            let event = Event::of(call, moment.at, object);
            self.cases.take(route, &verdict, &event, out);
        }
    }

    /// Takes in a call that asked for objects and did not get them, and appends what it leads to.
    pub fn miss(&mut self, call: &Call<'_>, objects: &Objects, choice: &mut Choice, out: &mut Vec<Finding>) {
        self.look(call.route_hash, &mut choice.named);
        let moment = self.moment(call.at);
        let Some(slot) = self.routes.find(call.route_hash) else { return };
        for named in &choice.named {
            let hash = mix::mix(call.route_hash, named.hash);
            let recent = &mut self.missed[hash as usize % MISSED];
            // Whoever asks again does not guess.
            if std::mem::replace(recent, hash) == hash || self.memory.knows(hash) {
                continue;
            }
            let Some(route) = self.routes.get_mut(slot) else { return };
            route.advance(moment, self.watched_since);
            let standing = route.misses.count(moment.at, named.weight, &MISSES);
            let verdict = Verdict::of_rate(Rule::MissProbing, 0, standing, named.weight);
            let event = Event::of(call, moment.at, objects.get(named.at as usize));
            self.cases.take(route, &verdict, &event, out);
        }
    }

    /// Looks at the objects of a call that does not count here: takes the numbers of accounts that were made lately for nothing.
    pub fn look(&self, route_hash: u64, named: &mut [Named]) {
        let Some(route) = self.routes.find(route_hash).and_then(|slot| self.routes.get(slot)) else { return };
        for named in named {
            named.number = named.number.filter(|&number| !route.is_frontier(number, self.now));
        }
    }

    /// Takes in a client that has not been seen on the route within memory.
    pub fn new_key(&mut self, call: &Call<'_>, lens: Lens, out: &mut Vec<Finding>) {
        let moment = self.moment(call.at);
        let slot = self.route(call.route, call.route_hash, moment, out);
        let Some(route) = self.routes.get_mut(slot) else { return };
        let standing = route.keys[lens as usize].count(moment.at, estimate::UNIT, &KEYS);
        let verdict = Verdict::of_rate(Rule::KeyFlood, lens as u8, standing, estimate::UNIT);
        let event = Event::of(call, moment.at, None);
        self.cases.take(route, &verdict, &event, out);
    }

    /// Takes in how many clients have come as far today as the one that made the call.
    pub(super) fn readers(&mut self, call: &Call<'_>, lens: Lens, surge: Surge, out: &mut Vec<Finding>) {
        let moment = self.moment(call.at);
        let slot = self.route(call.route, call.route_hash, moment, out);
        let Some(route) = self.routes.get_mut(slot) else { return };
        let verdict = Verdict::of_readers(lens as u8, surge, moment.at);
        let event = Event::of(call, moment.at, None);
        self.cases.take(route, &verdict, &event, out);
    }

    /// Lets time pass: ends findings that have become quiet, and hours.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
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
                self.cases.close(route, moment.at, false, out);
            }
        }
    }

    /// What the running hour has brought on a route; `None` if it is not followed.
    pub fn hour(&self, route_hash: u64) -> Option<Hour> {
        let route = self.routes.find(route_hash).and_then(|slot| self.routes.get(slot))?;
        Some(Hour { distinct: route.week.distinct.count(), limit: route.week.limit() })
    }

    /// What is held and what has been given up.
    pub fn counters(&self) -> CrowdCounters {
        CrowdCounters {
            routes: self.routes.len() as u64,
            route_evictions: self.routes.evicted,
            blocks: self.blocks.held,
            block_evictions: self.blocks.evicted,
            generations: self.memory.turned,
            open: self.cases.open,
            suppressed: self.cases.suppressed,
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

    /// Fetches from memory what will be needed of an object: these tables are larger than any cache.
    fn fetch(&self, route_hash: u64, named: &Named) {
        self.memory.fetch(mix::mix(route_hash, named.hash));
        if let Some(number) = named.number {
            blocks::spots(route_hash, number).into_iter().for_each(|(spot, _)| self.blocks.fetch(spot));
        }
    }

    /// Takes in one object.
    fn object(
        &mut self,
        slot: u16,
        route_hash: u64,
        named: &mut Named,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) {
        let known = self.memory.touch(mix::mix(route_hash, named.hash), event.at);
        let Some(route) = self.routes.get_mut(slot) else { return };
        route.touch(named.weight, known);
        if !known {
            let standing = route.fresh.count(event.at, named.weight, &FRESH);
            let verdict = Verdict::of_rate(Rule::FirstTouch, 0, standing, named.weight);
            self.cases.take(route, &verdict, event, out);
        }
        named.is_first = !known && route.fresh.is_settled();
        if let Some(number) = named.number {
            named.is_walked = self.number(slot, number, named.weight, event, out);
            let is_frontier =
                |slot| self.routes.get(slot).is_some_and(|route| route.is_frontier(number, self.now));
            named.number = Some(number).filter(|_| !is_frontier(slot));
        }
    }

    /// A number: where it stands, and what its neighbours say.
    /// Whether it is a part of what is being walked through.
    fn number(
        &mut self,
        slot: u16,
        number: u64,
        weight: u32,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let Some(route) = self.routes.get_mut(slot) else { return false };
        let walked = route.active().any(|rule| rule == Rule::BlockDensity);
        let new = route.frontier.touch(number, event.at, walked);
        if new && route.has_frontier(event.at) {
            return false;
        }
        let mut joins = false;
        let (route_hash, owner) = (route.hash, Owner { slot, serial: route.serial });
        let now = u32::try_from(event.at.0 / 1_000_000_000).unwrap_or(u32::MAX);
        for (spot, bit) in blocks::spots(route_hash, number) {
            joins |= self.bit(slot, number, spot, bit, owner, weight, now, event, out);
        }
        joins
    }

    #[expect(clippy::too_many_arguments, reason = "all of it describes one bit of one event")]
    fn bit(
        &mut self,
        slot: u16,
        number: u64,
        spot: Spot,
        bit: u32,
        owner: Owner,
        weight: u32,
        now: u32,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        if self.blocks.find(spot, now).is_some_and(|block| block.bits & (1 << bit) != 0) {
            return false;
        }
        let (block, left) = self.blocks.make(spot, owner, now);
        let before = *block;
        block.set(bit, now);
        let after = *block;
        if let Some(left) = left
            && let Some(route) = self.routes.owner_mut(left.owner())
        {
            route.backgrounds[usize::from(left.scale())].remove(&left);
        }
        // The block may have been made by a route that was in this slot before, or was forgotten and has come back.
        if before.bits != 0
            && let Some(route) = self.routes.owner_mut(before.owner())
        {
            route.backgrounds[usize::from(spot.scale)].remove(&before);
        }
        if let Some(route) = self.routes.owner_mut(after.owner()) {
            route.backgrounds[usize::from(spot.scale)].add(&after);
        }
        let Some(route) = self.routes.get_mut(slot) else { return false };
        let walk = walk::judge(&self.blocks, spot, &route.backgrounds[usize::from(spot.scale)], now);
        if walk.more == 0 || event.is_walked {
            return false;
        }
        let verdict = Verdict {
            rule: Rule::BlockDensity,
            number: Some(number),
            source: spot.scale,
            near: walk.near,
            over: walk.over,
            window: Duration::from_secs(blocks::window(spot.scale).into()),
            limit: walk::ENOUGH.into(),
            per_second: 0.0,
            total: Estimate::of(walk.around, weight),
            since: Timestamp(u64::from(walk.since) * 1_000_000_000),
            more: Estimate::of(walk.more, weight),
        };
        let begins = self.cases.take(route, &verdict, event, out);
        let is_open = begins || route.active().any(|rule| rule == Rule::BlockDensity);
        if is_open {
            walk::count(&mut self.blocks, spot, begins, now);
        }
        is_open
    }

    /// The route's slot, up to date.
    fn route(&mut self, name: &Arc<str>, hash: u64, moment: Moment, out: &mut Vec<Finding>) -> u16 {
        let slot = match self.routes.find(hash) {
            Some(slot) => slot,
            None => {
                let serial = self.routes.next_serial();
                let (slot, left) = self.routes.insert(Route::new(hash, Arc::clone(name), serial, moment));
                if let Some(mut left) = left {
                    self.cases.close(&mut left, moment.at, true, out);
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
