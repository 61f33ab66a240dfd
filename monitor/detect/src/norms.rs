//! Norms: how many objects clients usually touch on a route, and which limits follow from that.
//!
//! Of each route it is learned how far its clients come within a day: for each window, how many of them touched 1, 2, 3, 4,
//! 6, 8 … different objects at most. Clients are counted, not calls, each once a day, by address and by credential apart. Those
//! that have been seen on an earlier day are counted apart from all, and limits follow from them; but whether most touch their own
//! follows from either, and until the route is 44 hours old what the most came to from all. Once a route is known, whoever has a
//! finding open is left out. Yesterday counts three quarters of today, and so on.
//!
//! - Where most clients touch one or two objects a day, their own, or look at a few pages of a list, the limits are twice what the most of them came to: never
//!   above the usual limits, nor below a few objects.
//! - Where many come to more than half of a limit, it is twice what they come to, however slowly it gets there: half as much again
//!   each day, and never more than twenty times the usual one.
//! - Until it is known what is usual (20 hours, and 30 clients of earlier days) the limits are the usual ones. Three clients
//!   that pass one are told. If others do so too, it is what one does there: that is a question to the operator and no
//!   further alert, but about those that pass ten times a limit and go twice as far as those that were told.
//!
//! An operator who sets limits has said what is in order: there are no others then.

use std::time::Duration;

use hashbrown::HashTable;
use rollcall_attribute::route::LimitsBy;
use rollcall_model::{
    state::{Inconsistent, check},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    client::Reach,
    crowd::Lens,
    finding::Usual,
    limit::MAX_LIMITS,
    memory::Memory,
    mix::mix,
    owners::{self, Owners},
    policy::{NONE, Row},
    readers::{Readers, Surge},
};

/// Numbers of objects that are told apart: 1, 2, 3, 4, 6, 8 … 4,096.
pub(super) const LEVELS: usize = 24;

/// A route is known after so long, and so many clients of earlier days.
pub(super) const KNOWN_AFTER: Duration = Duration::from_secs(20 * 3_600);
const KNOWN_CLIENTS: f32 = 30.0;

/// For so long, the most that any client came to is that of all, and not of those of earlier days.
const YOUNG: Duration = Duration::from_secs(44 * 3_600);

/// Many clients are so many, and this share of all.
const MANY: f32 = 8.0;
const MANY_SHARE: f32 = 0.02;

/// A limit is as many times what clients come to.
const MARGIN: u32 = 2;

/// No limit is raised beyond so many times the usual one, nor in one day by more than half of it.
const HIGHEST: u32 = 20;

/// Most clients touch their own: at most so many objects within the longest window.
const OWN: u32 = 2;
/// And nearly all, so many times as many.
const OWN_NEARLY_ALL: u32 = 3;
/// Of pages of a list, at which everybody looks.
const OWN_PAGES: u32 = 4;

/// One that touches so many on a day is not one of them, though limits may leave room for it: somebody who works there, or who
/// wants to pass for that.
const ALL: u32 = 64;

/// No limit is lowered below so many objects, and a fortieth of the usual limit.
const LOWEST: u32 = 8;
const LOWEST_PART: u32 = 40;
/// Nor, of pages of a list, each of which has many, below so many.
const LOWEST_PAGES: u32 = 4;

/// Clients that are told before it is a question to the operator.
const TOLD: usize = 3;
/// Who passes as many times the limit is told all the same, if that is twice what was told.
const FAR: f32 = 10.0;

/// A walk leaves no doubt beyond as many times the limit.
const FAR_WALK: u64 = 4;

/// Others by which it is told that somebody goes far beyond them.
const OTHERS: f32 = 8.0;

/// What is left of yesterday; and so much is left of one client after eight days, whom limits still go by.
const LEFT: f32 = 0.75;
const ONE: f32 = 0.1;

/// Limits are looked at so often.
const EACH: Duration = Duration::from_secs(600);

const DAY: u64 = 86_400_000_000_000;

/// Days within which a client is known again.
const DAYS: u32 = 7;

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Norms {
    windows: usize,
    /// The limits that are in force where nothing is known.
    usual: Row,
    most: usize,
    uses: u64,
    routes: Vec<Route>,
    #[serde(skip)]
    index: HashTable<u32>,
    clients: Clients,
}

/// On which days clients were seen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Clients {
    memory: Memory,
    day: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Route {
    hash: u64,
    first: Timestamp,
    /// Grows with each use.
    used: u64,
    day: u32,
    next: Timestamp,
    owners: Owners,
    /// By address, and by credential.
    lenses: [Norm; 2],
}

/// What is usual on a route, through one lens.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Norm {
    /// For each window, how many clients came to each level: all, and those of earlier days.
    all: Vec<[f32; LEVELS]>,
    old: Vec<[f32; LEVELS]>,
    /// The limits in force, and those at the beginning of the day.
    limits: Row,
    before: Row,
    /// What limits are on their way to.
    target: Row,
    /// Twice what the most of the clients came to.
    most: Row,
    /// Clients, and those that came for pages of a list.
    pages: [f32; 2],
    is_known: bool,
    /// Most clients touch one or two objects, their own.
    is_own: bool,
    /// A limit was raised today, beyond the usual one.
    is_raised: bool,
    /// Clients that walked, one number after the other: all, and those of earlier days.
    walks: [f32; 2],
    told: Vec<Told>,
    readers: Readers,
}

/// What it says of a route how far a client has come on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// How many have come as far today.
    pub(super) surge: Option<Surge>,
    /// Nearly all touch their own there, and this one far more: a question to the operator.
    pub(super) is_question: bool,
}

/// A client that was told before the route was known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    pair: u64,
    /// How many times its limit it came to.
    times: f32,
}

impl Norms {
    /// No route yet, in `bytes`, for so many windows, where everybody's limits are `usual`.
    pub(super) fn new(bytes: usize, windows: usize, usual: &Row) -> Norms {
        Norms {
            windows,
            usual: *usual,
            most: Norms::most(bytes, windows),
            uses: 0,
            routes: Vec::new(),
            index: HashTable::new(),
            clients: Clients { memory: Memory::new(bytes / 2), day: 0 },
        }
    }

    /// Whether it is one of `bytes`, for so many windows.
    pub(super) fn fits(&self, bytes: usize, windows: usize) -> bool {
        let has_room = self.most == Norms::most(bytes, windows) && self.clients.memory.fits(bytes / 2);
        self.windows == windows && has_room
    }

    /// Routes in half of `bytes`.
    fn most(bytes: usize, windows: usize) -> usize {
        let each = size_of::<Route>() + 4 * windows * size_of::<[f32; LEVELS]>() + owners::BYTES + 16;
        (bytes / 2 / each).clamp(4, 1_024)
    }

    /// Makes what was read back fit for use, where everybody's limits are `usual`.
    pub(super) fn restore(&mut self, usual: &Row) -> Result<(), Inconsistent> {
        check(self.routes.len() <= self.most, "there are too many norms")?;
        for route in &mut self.routes {
            check(route.owners.is_sound(), "objects are followed that can't be")?;
            for norm in &mut route.lenses {
                let fits = [&norm.all, &norm.old].iter().all(|counts| counts.len() == self.windows);
                check(fits && norm.told.len() <= TOLD, "a norm is not one of its windows")?;
                let are_counts =
                    |counts: &Vec<[f32; LEVELS]>| counts.iter().flatten().all(|count| *count >= 0.0);
                let are_counted = are_counts(&norm.all)
                    && are_counts(&norm.old)
                    && norm.walks.iter().chain(&norm.pages).all(|count| *count >= 0.0);
                check(are_counted, "a norm counts less than nothing")?;
                if self.usual != *usual {
                    (norm.limits, norm.before, norm.target) = (*usual, *usual, *usual);
                }
            }
        }
        self.usual = *usual;
        let routes = &self.routes;
        self.index = HashTable::with_capacity(routes.len());
        for (number, route) in (0_u32..).zip(routes) {
            self.index.insert_unique(route.hash, number, |&number| routes[number as usize].hash);
        }
        Ok(())
    }

    /// The number of the route with this hash, brought up to `now`.
    pub(super) fn route(&mut self, hash: u64, now: Timestamp) -> usize {
        let found = self.index.find(hash, |&number| self.routes[number as usize].hash == hash);
        let number = match found {
            Some(&number) => number as usize,
            None => self.add(hash, now),
        };
        let (windows, usual) = (self.windows, &self.usual);
        let day = day(now);
        self.clients.day = self.clients.day.max(day);
        self.uses += 1;
        let route = &mut self.routes[number];
        route.used = self.uses;
        if route.day < day {
            let age = now.since(route.first);
            for norm in &mut route.lenses {
                norm.pass(day - route.day, age);
            }
            route.owners.pass(day - route.day);
            route.day = day;
        }
        if route.next <= now {
            route.next = now + EACH;
            let is_old = now.since(route.first) >= KNOWN_AFTER;
            let is_young = now.since(route.first) < YOUNG;
            let is_shared = route.owners.is_shared();
            route.lenses.iter_mut().for_each(|norm| norm.learn(windows, usual, is_old, is_young, is_shared));
        }
        number
    }

    /// Whether limits of a route have been raised today beyond the usual ones, by what many do there.
    pub(super) fn is_raised(&self, route: usize) -> bool {
        self.routes[route].lenses.iter().any(|norm| norm.is_raised)
    }

    /// Somebody touches an object.
    pub(super) fn touch(&mut self, route: usize, object: u64, person: u64, now: Timestamp) {
        self.routes[route].owners.touch(object, person as u32, now);
    }

    /// What is usual on a route.
    pub(super) fn of(&self, route: usize, lens: Lens) -> &Norm {
        &self.routes[route].lenses[lens as usize]
    }

    /// What is usual on the route with this hash, by address and by credential, if that is followed.
    pub(super) fn find(&self, hash: u64) -> Option<&[Norm; 2]> {
        let number = self.index.find(hash, |&number| self.routes[number as usize].hash == hash)?;
        Some(&self.routes[*number as usize].lenses)
    }

    /// On which days clients were seen.
    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Takes in how far a client came by a call, and returns what that says of the route. `client` is the hash of its key.
    pub(super) fn reach(
        &mut self,
        route: usize,
        lens: Lens,
        client: u64,
        reach: &Reach,
        now: Timestamp,
    ) -> Reached {
        if reach.is_first {
            let today = self.clients.on(client, self.clients.day);
            self.clients.memory.touch(today, now);
        }
        let Norm { all, old, walks, pages, readers, is_known, is_own, .. } =
            &mut self.routes[route].lenses[lens as usize];
        if reach.is_first {
            pages[0] += 1.0;
            pages[1] += f32::from(u8::from(reach.is_page));
        }
        if reach.walks {
            walks[0] += 1.0;
            walks[1] += f32::from(u8::from(reach.is_old));
        }
        for (window, (&from, &to)) in reach.before.iter().zip(&reach.after).enumerate().take(self.windows) {
            for level in usize::from(from)..usize::from(to) {
                all[window][level] += 1.0;
                if reach.is_old {
                    old[window][level] += 1.0;
                }
            }
        }
        let surge = readers.come(reach.today[0], reach.today[1]).filter(|_| *is_known);
        let is_far = usize::from(reach.today[1]).checked_sub(1).is_some_and(|level| threshold(level) >= ALL);
        Reached { surge, is_question: is_far && *is_known && *is_own }
    }

    /// A client was told that came to so many times its limit.
    pub(super) fn tell(&mut self, route: usize, lens: Lens, pair: u64, times: f32) {
        let norm = &mut self.routes[route].lenses[lens as usize];
        if !norm.is_learning() {
            return;
        }
        let mine = norm.told.iter().position(|told| told.pair == pair);
        if mine.is_none() && norm.told.len() < TOLD {
            return norm.told.push(Told { pair, times });
        }
        // Of one too many, what the first came to counts: from then on it takes twice as much.
        if let Some(told) = norm.told.get_mut(mine.unwrap_or(0)) {
            told.times = told.times.max(times);
        }
    }

    /// Adds a route, in place of the one that has been quiet longest of those with the fewest clients if there is no room.
    fn add(&mut self, hash: u64, now: Timestamp) -> usize {
        let norm = || Norm::new(self.windows, &self.usual);
        let route = Route {
            hash,
            first: now,
            used: self.uses,
            day: day(now),
            next: now + EACH,
            owners: Owners::default(),
            lenses: [norm(), norm()],
        };
        let number = if self.routes.len() < self.most {
            self.routes.push(route);
            self.routes.len() - 1
        } else {
            let least = |route: &Route| {
                let clients: f32 = route.lenses.iter().map(Norm::clients).sum();
                (clients as u64, route.used)
            };
            let number =
                (0..self.routes.len()).min_by_key(|&number| least(&self.routes[number])).unwrap_or(0);
            let before = std::mem::replace(&mut self.routes[number], route);
            if let Ok(entry) = self.index.find_entry(before.hash, |&other| other as usize == number) {
                entry.remove();
            }
            number
        };
        let routes = &self.routes;
        self.index.insert_unique(hash, number as u32, |&number| routes[number as usize].hash);
        number
    }
}

impl Clients {
    /// The day, by its number.
    pub(super) fn day(&self) -> u32 {
        self.day
    }

    /// Whether a client was seen on one of the days before.
    pub(super) fn knows(&self, client: u64) -> bool {
        (1..=DAYS).any(|ago| self.memory.knows(self.on(client, self.day.wrapping_sub(ago))))
    }

    fn on(&self, client: u64, day: u32) -> u64 {
        mix(client, u64::from(day).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl Norm {
    fn new(windows: usize, usual: &Row) -> Norm {
        let none = vec![[0.0; LEVELS]; windows];
        Norm {
            all: none.clone(),
            old: none,
            limits: *usual,
            before: *usual,
            target: *usual,
            most: [NONE; MAX_LIMITS],
            pages: [0.0; 2],
            is_known: false,
            is_own: false,
            is_raised: false,
            walks: [0.0; 2],
            told: Vec::new(),
            readers: Readers::default(),
        }
    }

    /// The limits in force for everybody.
    pub(super) fn limits(&self) -> &Row {
        &self.limits
    }

    /// What all clients behind one address may touch, however many they are: twice what those behind any did; `None` as long as
    /// that is not known.
    pub(super) fn most(&self, window: usize) -> Option<u32> {
        self.is_known.then(|| self.most[window])
    }

    /// Whether its objects are pages of a list.
    fn is_paged(&self) -> bool {
        self.pages[1] * 2.0 > self.pages[0]
    }

    /// Clients of earlier days, about.
    pub(super) fn clients(&self) -> f32 {
        self.old.first().map_or(0.0, |counts| counts[0])
    }

    /// Whether it is not known yet what is usual within a window, or its limit is still on its way there.
    pub(super) fn learns(&self, window: usize) -> bool {
        !self.is_known || self.limits[window] < self.target[window]
    }

    /// Whether that is so of any.
    pub(super) fn is_learning(&self) -> bool {
        (0..self.old.len()).any(|window| self.learns(window))
    }

    /// Whether it is not told that a client came to so many times its limit: others do so too, or it was told before that this
    /// one does.
    pub(super) fn is_usual(&self, pair: u64, window: usize, times: f32) -> bool {
        let mine = self.told.iter().find(|told| told.pair == pair);
        if !self.learns(window) {
            // Where nobody reads only their own, who was told then and does the same now is no news.
            return !self.is_own && times < FAR && mine.is_some_and(|told| times <= 2.0 * told.times);
        }
        match mine {
            Some(told) => times <= 2.0 * told.times.max(1.0),
            None => {
                let most = self.told.iter().map(|told| told.times).fold(FAR / 2.0, f32::max);
                let many = (MARGIN * many(&self.all[window])) as f32 / self.limits[window] as f32;
                self.told.len() >= TOLD && times <= 2.0 * most || times <= many.min(MARGIN as f32)
            }
        }
    }

    /// Whether that is a question to the operator: others than those that were told do so.
    pub(super) fn is_question(&self, pair: u64, window: usize) -> bool {
        self.learns(window) && self.told.iter().all(|told| told.pair != pair)
    }

    /// Whether clients walk on the route, as through a list that they are shown, so that walking says nothing about one.
    pub(super) fn is_walked(&self) -> bool {
        let [all, old] = self.walks;
        if self.is_known { old >= MANY.max(MANY_SHARE * self.clients()) } else { all > TOLD as f32 }
    }

    /// Whether so many objects, walked through, leave no doubt on a route that is not known yet.
    pub(super) fn is_far_walk(&self, distinct: u64, limit: u32) -> bool {
        !self.is_walked() && distinct > FAR_WALK * u64::from(limit)
    }

    /// Whether a client that touched so many objects goes far beyond all others.
    pub(super) fn is_far_beyond(&self, window: usize, distinct: u64) -> bool {
        let Some(counts) = self.all.get(window) else { return false };
        counts[0] >= OTHERS && distinct as f32 >= FAR * quantile(counts, 0.9) as f32
    }

    /// What is usual within a window, if there are clients by which to tell.
    pub(super) fn usual(&self, window: usize) -> Option<Usual> {
        self.usual_beside(window, 0)
    }

    /// The same of all but one who has come to so many objects.
    pub(super) fn usual_beside(&self, window: usize, own: u64) -> Option<Usual> {
        let without = |counts: &[f32; LEVELS]| {
            let mut others = *counts;
            others.iter_mut().take(level(own).into()).for_each(|count| *count = (*count - 1.0).max(0.0));
            others
        };
        let (old, all) = (without(self.old.get(window)?), without(self.all.get(window)?));
        let counts = if old[0] >= OTHERS { old } else { all };
        (counts[0] >= OTHERS).then(|| Usual { p50: quantile(&counts, 0.5), p99: quantile(&counts, 0.99) })
    }

    /// By what the limits are told.
    pub(super) fn by(&self, usual: &Row) -> LimitsBy {
        if self.is_learning() {
            return LimitsBy::Learning;
        }
        let is_more = self.limits.iter().zip(usual).any(|(limit, usual)| limit > usual);
        match (self.is_own, is_more) {
            (_, true) => LimitsBy::Many,
            (true, false) => LimitsBy::Own,
            (false, false) => LimitsBy::Usual,
        }
    }

    /// So many days have gone by.
    fn pass(&mut self, days: u32, age: Duration) {
        self.readers.pass(days, age);
        let left = LEFT.powi(days.min(60) as i32);
        let counts = self.all.iter_mut().chain(&mut self.old).flatten();
        counts.chain(&mut self.walks).chain(&mut self.pages).for_each(|count| *count *= left);
        self.before = self.limits;
    }

    /// Sets the limits by what has been learned, where everybody's are `usual`.
    fn learn(&mut self, windows: usize, usual: &Row, is_old: bool, is_young: bool, is_shared: bool) {
        self.is_known = is_old && self.clients() >= KNOWN_CLIENTS;
        self.target = *usual;
        self.is_raised = false;
        if !self.is_known {
            self.limits = *usual;
            return;
        }
        // Whose credentials are new each day are nobody of earlier days, and still most of those who call.
        let few = if self.is_paged() { OWN_PAGES } else { OWN };
        let is_own = |counts: &[f32; LEVELS]| {
            quantile(counts, 0.5) <= few && quantile(counts, 0.9) <= few * OWN_NEARLY_ALL
        };
        self.is_own = (!is_shared || self.is_paged())
            && (is_own(&self.old[windows - 1]) || is_own(&self.all[windows - 1]));
        for window in 0..windows.min(MAX_LIMITS) {
            let (counts, usual) = (&self.old[window], usual[window]);
            if usual == NONE {
                self.limits[window] = NONE;
                continue;
            }
            let many = many(counts);
            // Clients of earlier days have not been seen for a whole day yet.
            let seen = if is_young { &self.all[window] } else { counts };
            let most = come_to(seen, ONE).map_or(0, |level| threshold(level + 1) - 1);
            self.most[window] = MARGIN * most;
            let target = if MARGIN * many > usual {
                (MARGIN * many).min(usual.saturating_mul(HIGHEST))
            } else if self.is_own {
                let lowest = if self.is_paged() { LOWEST_PAGES } else { LOWEST + usual / LOWEST_PART };
                (MARGIN * most).clamp(lowest.min(usual), usual)
            } else {
                usual
            };
            let before = self.before[window].min(usual.saturating_mul(HIGHEST));
            self.target[window] = target;
            self.limits[window] = target.min((before + before / 2).max(usual.min(target)));
            self.is_raised |= self.limits[window] > self.before[window].max(usual);
        }
    }
}

/// The number of the day.
fn day(now: Timestamp) -> u32 {
    (now.0 / DAY) as u32
}

/// The level, and one, of so many objects; 0 of none.
pub(super) fn level(objects: u64) -> u8 {
    let level = match objects {
        0 => return 0,
        1 => 0,
        more => {
            let bits = more.ilog2();
            2 * bits - 1 + u32::from(more >= 3 << (bits - 1))
        }
    };
    level.min(LEVELS as u32 - 1) as u8 + 1
}

/// The fewest objects of a level.
pub(super) fn threshold(level: usize) -> u32 {
    match level {
        0 => 1,
        odd if odd % 2 == 1 => 1 << odd.div_ceil(2),
        even => 3 << (even / 2 - 1),
    }
}

/// How many objects many clients come to.
fn many(counts: &[f32; LEVELS]) -> u32 {
    come_to(counts, MANY.max(MANY_SHARE * counts[0])).map_or(0, threshold)
}

/// The highest level that at least so many clients came to.
fn come_to(counts: &[f32; LEVELS], clients: f32) -> Option<usize> {
    counts.iter().rposition(|&count| count >= clients && count > 0.0)
}

/// What a share of clients does not go beyond.
pub(super) fn quantile(counts: &[f32; LEVELS], share: f32) -> u32 {
    let beyond = (1.0 - share) * counts[0];
    let level = counts.iter().rposition(|&count| count > beyond).unwrap_or(0);
    threshold(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_thresholds_agree() {
        let mut before = 0;
        for level in 0..LEVELS {
            assert!(threshold(level) > before);
            before = threshold(level);
            assert_eq!(usize::from(super::level(before.into())), level + 1);
            assert_eq!(usize::from(super::level(u64::from(before) - 1)), level);
        }
        assert_eq!(usize::from(level(u64::MAX)), LEVELS);
    }

    #[test]
    fn what_is_usual_is_what_others_do() {
        let mut norm = Norm::new(1, &[20; MAX_LIMITS]);
        for clients in [8, 1] {
            let most = if clients == 8 { 1 } else { 64 };
            let levels = usize::from(level(most));
            norm.all[0].iter_mut().take(levels).for_each(|count| *count += clients as f32);
        }
        assert_eq!(norm.usual(0), Some(Usual { p50: 1, p99: 64 }));
        assert_eq!(norm.usual_beside(0, 64), Some(Usual { p50: 1, p99: 1 }));
    }
}
