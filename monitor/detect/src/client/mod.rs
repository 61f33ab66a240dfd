//! The rules about one client: what it touches on a route, over all windows at once.
//!
//! For each pair of a client key and a route that has got a place ([`admission`]) the distinct objects of the longest
//! window are kept in order of their last touch ([`objects`], [`track`]), and each window's place in that order, so that
//! all windows slide exactly, in constant amortised time for each observation. A pair with very many objects goes on as a
//! sample of them. What comes near a limit is watched more closely ([`evidence`]).
//!
//! All tables have their size from the start. When one is full, the pairs that have touched least give way first
//! ([`room`]), so that it takes a flood of clients as busy as a walker to push the walker out.

mod admission;
mod busiest;
mod evidence;
mod judge;
mod levels;
mod life;
mod misses;
mod objects;
mod pairs;
mod room;
mod sequence;
mod track;
mod volume;
mod watch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub(super) use self::evidence::{number, sample};
pub(super) use self::objects::UNIT;
pub(super) use self::room::Sizes;
use self::{
    admission::Admission,
    objects::{NONE, Node, Objects},
    pairs::{Missed, Pairs},
    watch::Watch,
};
pub use self::{busiest::Busy, room::Counters};
use super::{Finding, Policy, clock::Clock, limit::MAX_LIMITS, named::Named};
pub(super) use rollcall_attribute::client::MOST_KEYS;
use rollcall_attribute::{client::ClientKey, object};
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names},
    time::Timestamp,
};

/// Keeps the objects that were missed apart from those that were touched.
const MISSED: u64 = 0x6d69_7373_6564_2121;

/// Counts for one family of client keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tally {
    #[serde(skip, default = "no_key")]
    key: HashKey,
    sizes: Sizes,
    windows: Vec<Duration>,
    /// Whether a key may stand for many people.
    many_people: bool,
    admission: Admission,
    pairs: Pairs,
    objects: Objects,
    watch: Watch,
    counters: Counters,
    next_sweep: Timestamp,
    next_clearing: Timestamp,
}

/// One call with objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// When, by the source's clock and by the detector's.
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
    pub(super) route: &'a Arc<str>,
    pub(super) objects: &'a object::Objects,
    /// Those of them that count: [`MOST`](super::named::MOST) at most.
    pub(super) named: &'a [Named],
    pub(super) address: IpAddr,
    /// Who the call proved to come from.
    pub(super) identity: Option<u64>,
    /// The answer looks as if there were no such object.
    pub(super) is_empty: bool,
}

/// What of a call is new to a pair.
#[derive(Clone, Copy, Debug, Default)]
struct Fresh {
    /// The objects that are new to any window, by their places among those that count.
    objects: u128,
    /// How many are new to each window, in objects.
    windows: [u32; MAX_LIMITS],
}
const _: () = assert!(super::named::MOST <= u128::BITS as usize);

impl Fresh {
    /// Takes in an object that is new to the windows in the set `new`.
    fn add(&mut self, nth: usize, new: u8, weight: u32) {
        self.objects |= 1 << nth;
        for (window, count) in self.windows.iter_mut().enumerate() {
            if new & 1 << window != 0 {
                *count = count.saturating_add(weight.div_ceil(UNIT));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// The objects, in the order of the call.
    fn of<'a>(&self, named: &'a [Named]) -> impl Iterator<Item = &'a Named> {
        let objects = self.objects;
        named.iter().enumerate().filter(move |(nth, _)| objects & 1 << nth != 0).map(|(_, named)| named)
    }
}

/// What the rules go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    pub(super) clock: &'a Clock,
    /// Bytes of answers about new objects that a client may take from a route within an hour.
    pub(super) bytes_limit: u64,
}

impl Tally {
    /// Tables of the given sizes, for the windows of `policy`.
    pub(super) fn new(sizes: Sizes, policy: &Policy, many_people: bool, key: HashKey) -> Tally {
        let windows = policy.windows().to_vec();
        Tally {
            key,
            sizes,
            many_people,
            admission: Admission::new(sizes.sketch),
            pairs: Pairs::new(sizes.pairs, windows.len()),
            objects: Objects::new(sizes.objects),
            windows,
            watch: Watch::default(),
            counters: Counters::default(),
            next_sweep: Timestamp::default(),
            next_clearing: Timestamp::default(),
        }
    }

    /// Whether it is a tally of these sizes, for these windows.
    pub(super) fn fits(&self, sizes: Sizes, policy: &Policy, many_people: bool) -> bool {
        self.sizes == sizes
            && self.windows == policy.windows()
            && self.many_people == many_people
            && self.admission.fits(sizes.sketch)
    }

    /// Makes a tally that was read back, and [fits](Tally::fits), fit for use.
    ///
    /// # Errors
    ///
    /// If it is not one that a tally comes to.
    pub(super) fn restore(
        &mut self,
        policy: &Policy,
        key: HashKey,
        names: &mut Names,
    ) -> Result<(), Inconsistent> {
        self.key = key;
        let used = self.objects.restore(self.sizes.objects)?;
        self.pairs.restore(self.sizes.pairs, policy, &self.objects, used, names)
    }

    /// Fetches from memory what will be needed of a pair by its hash.
    pub(super) fn fetch(&self, hash: u64) {
        self.admission.fetch(hash);
    }

    /// Takes in a call of a client that touched objects. Returns whether the key is new on the route.
    pub(super) fn touch(
        &mut self,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let mut place = Place::default();
        let mut without = 0;
        while let Some(named) = call.named.get(without)
            && self.place(&mut place, (client, hash), call, named.hash, context, out).is_none()
        {
            without += 1;
        }
        let Some(number) = place.number else { return place.is_new };
        let lengths = context.policy.windows();
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.slide(windows, &mut self.objects, call.now, lengths);
        if let Some(evidence) = &mut pair.evidence
            && !evidence.levels.at_rest()
        {
            let held = judge::held(windows, pair.missed, call.now, lengths);
            evidence.levels.sink(context.policy.row(pair.profile), &held[..windows.len()]);
        }
        pair.calls = pair.calls.wrapping_add(1);
        if call.named.len() > 1 {
            call.named.iter().for_each(|named| self.objects.fetch(number, named.hash));
        }
        let mut fresh = Fresh::default();
        for (nth, named) in call.named.iter().enumerate().skip(without) {
            let new = self.object(number, hash, named, call, context, out);
            if new != 0 {
                fresh.add(nth, new, named.weight);
            }
        }
        self.pairs.touch(number, call.now);
        if !fresh.is_empty() {
            self.judge_touch(number, &fresh, call, context, out);
            if call.is_empty {
                self.judge_misses(number, &fresh, call, context, out);
            }
        }
        place.is_new
    }

    /// A pair touched an object. Returns the windows that it is new to, as a set of bits.
    fn object(
        &mut self,
        number: u32,
        hash: u64,
        named: &Named,
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> u8 {
        if self.objects.is_full() && self.objects.find(number, named.hash).is_none() {
            self.make_room_for_object(number, call.now, context, out);
        }
        let (pair, windows) = self.pairs.with_windows(number);
        let node = Node {
            hash: named.hash,
            at: call.now,
            older: NONE,
            newer: NONE,
            pair: number,
            weight: named.weight,
            call: pair.calls,
            is_fresh: true,
        };
        let new = pair.track.touch(windows, &mut self.objects, node, context.policy.windows());
        if !call.is_empty {
            pair.misses.hit();
        } else if new != 0 {
            pair.misses.miss(named.weight);
        }
        // The first one got it its place, and is known for that.
        if new != 0
            && pair.missed.objects > 0
            && pair.track.len() > 1
            && self.admission.knows(hash, named.hash)
        {
            // One of those that were missed is here now.
            pair.missed.objects -= 1;
        }
        if pair.track.len() > room::OBJECTS_PER_PAIR {
            pair.track.thin(windows, &mut self.objects);
            self.counters.thinned += 1;
        }
        new
    }

    /// Takes in a call of a client that asked for objects and did not get them. Returns whether the key is new on the route.
    pub(super) fn miss(
        &mut self,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let mut place = Place::default();
        let mut fresh = Fresh::default();
        for (nth, named) in call.named.iter().enumerate() {
            let object = named.hash ^ MISSED;
            let had_place = place.number.is_some();
            let Some(number) = self.place(&mut place, (client, hash), call, object, context, out) else {
                continue;
            };
            // Who gets a place is counted by that already.
            if (had_place || place.is_known) && !self.admission.is_new(hash, object, call.now) {
                continue;
            }
            self.pairs.pair_mut(number).misses.miss(named.weight);
            fresh.add(nth, 1, named.weight);
        }
        if let Some(number) = place.number.filter(|_| !fresh.is_empty()) {
            self.pairs.touch(number, call.now);
            self.judge_misses(number, &fresh, call, context, out);
        }
        place.is_new
    }

    /// Takes in the size of the answer to a call that touched an object.
    pub(super) fn answered(
        &mut self,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        bytes: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let Some(number) = self.pairs.find(hash, client, call.route) else { return };
        let Some(named) = call.named.first() else { return };
        let Some(node) = self.objects.find(number, named.hash) else { return };
        if std::mem::take(&mut self.objects.node_mut(node).is_fresh) {
            let total = self.pairs.pair_mut(number).volume.add(bytes, call.now);
            if total > context.bytes_limit {
                self.judge_volume(number, total, call, context, out);
            }
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + life::SWEEP;
        self.sweep(now, context, out);
        if now >= self.next_clearing {
            self.admission.clear(now);
            self.next_clearing = now + context.policy.longest();
        }
    }

    /// What has been counted.
    pub(super) fn counters(&self) -> Counters {
        Counters {
            pairs: self.pairs.len() as u64,
            objects: self.objects.len() as u64,
            sketches_cleared: self.admission.overflows(),
            admission: self.threshold().into(),
            ..self.counters
        }
    }

    /// Objects that a pair must have touched to get a place now: the scarcer of both tables decides.
    fn threshold(&self) -> u8 {
        Admission::threshold(self.pairs.len(), self.pairs.capacity())
            .max(Admission::threshold(self.objects.len(), self.objects.capacity()))
    }

    /// Looks for the pair's place, unless it has been found: if it has one, or is busy enough to get one. `object` is the hash
    /// under which what the call asked for counts.
    fn place(
        &mut self,
        place: &mut Place,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        object: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> Option<u32> {
        if place.number.is_some() {
            return place.number;
        }
        if !place.is_looked_for {
            place.number = self.pairs.find(hash, client, call.route);
            place.is_known = place.number.is_some();
            if place.is_known {
                return place.number;
            }
        }
        let standing = self.admission.count(hash, object, call.now);
        place.is_new |= standing.is_new && !place.is_looked_for;
        place.is_looked_for = true;
        if standing.objects < self.threshold()
            || !self.make_room_for_pair(standing.objects, call.now, context, out)
        {
            self.counters.not_admitted += 1;
            return None;
        }
        let profile = context.policy.profile(client, call.route);
        let identity = (hash, *client, Arc::clone(call.route));
        let missed = Missed { objects: standing.objects - 1, since: self.admission.since() };
        place.number = Some(self.pairs.insert(identity, profile, missed, call.now));
        place.number
    }
}

/// A key's place on a route, as far as a call has looked for it.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    number: Option<u32>,
    /// It had one before the call.
    is_known: bool,
    /// The key was not seen on the route before.
    is_new: bool,
    /// That it has none is known.
    is_looked_for: bool,
}

/// The hash of a pair. Both hashes are keyed; the rotation keeps a route and a client apart that hash alike.
pub(super) fn pair_hash(client_hash: u64, route_hash: u64) -> u64 {
    client_hash ^ route_hash.rotate_left(17)
}

/// Of how many objects one is the sample at the rate `sampling`, in [`UNIT`]s.
pub(super) fn weight(sampling: f64) -> u32 {
    if sampling > 0.0 && sampling < 1.0 { (f64::from(UNIT) / sampling).min(1e9) as u32 } else { UNIT }
}

fn no_key() -> HashKey {
    HashKey::new([0; 16])
}
