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
use super::{Finding, Policy, clock::Clock};
pub(super) use crate::client::MOST_KEYS;
use crate::{
    client::ClientKey,
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
    #[serde(with = "crate::time::nanoseconds")]
    next_sweep: Timestamp,
    #[serde(with = "crate::time::nanoseconds")]
    next_clearing: Timestamp,
}

/// One object of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    /// When, by the source's clock and by the detector's.
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
    pub(super) route: &'a Arc<str>,
    pub(super) route_hash: u64,
    pub(super) object: &'a str,
    pub(super) object_hash: u64,
    /// The number in it, if it says something about the order in which objects are touched.
    pub(super) number: Option<u64>,
    pub(super) address: IpAddr,
    /// Who the call proved to come from.
    pub(super) identity: Option<u64>,
    /// Nobody has touched the object in a long time.
    pub(super) is_first: bool,
    /// The answer looks as if there were no such object.
    pub(super) is_empty: bool,
    /// The call's first object.
    pub(super) begins_call: bool,
    pub(super) sampling: f64,
}

/// What the rules go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    pub(super) clock: &'a Clock,
    /// Bytes of answers about new objects that a client may take from a route within an hour.
    pub(super) bytes_limit: u64,
}

/// A key's place on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The client key was not seen on the route before.
    pub(super) is_new: bool,
    /// It had a place in the tables before this.
    had_place: bool,
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

    /// Takes in an object that a client touched.
    pub(super) fn touch(
        &mut self,
        (client, hash): (&ClientKey, u64),
        touch: &Touch<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> Seen {
        let (number, seen) = self.place(hash, client, touch, touch.object_hash, context, out);
        let Some(number) = number else { return seen };
        let lengths = context.policy.windows();
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.slide(windows, &mut self.objects, touch.now, lengths);
        if let Some(evidence) = &mut pair.evidence
            && !evidence.levels.at_rest()
        {
            let held = judge::held(windows, pair.missed, touch.now, lengths);
            evidence.levels.sink(context.policy.row(pair.profile), &held[..windows.len()]);
        }
        if touch.begins_call {
            pair.calls = pair.calls.wrapping_add(1);
        }
        if !touch.is_empty {
            pair.misses.hit();
        }
        if self.objects.is_full() && self.objects.find(number, touch.object_hash).is_none() {
            self.make_room_for_object(number, touch.now, context, out);
        }
        let (pair, windows) = self.pairs.with_windows(number);
        let node = Node {
            hash: touch.object_hash,
            at: touch.now,
            older: NONE,
            newer: NONE,
            pair: number,
            weight: weight(touch.sampling),
            call: pair.calls,
            is_fresh: true,
        };
        let new = pair.track.touch(windows, &mut self.objects, node, lengths);
        if new != 0 && touch.is_empty {
            pair.misses.miss();
        }
        // The first one got it its place, and is known for that.
        if new != 0
            && pair.missed.objects > 0
            && pair.track.len() > 1
            && self.admission.knows(hash, touch.object_hash)
        {
            // One of those that were missed is here now.
            pair.missed.objects -= 1;
        }
        if pair.track.len() > room::OBJECTS_PER_PAIR {
            pair.track.thin(windows, &mut self.objects);
            self.counters.thinned += 1;
        }
        self.pairs.touch(number, touch.now);
        if new != 0 {
            self.judge_touch(number, new, node.weight.div_ceil(UNIT), touch, context, out);
            if touch.is_empty {
                self.judge_misses(number, touch, context, out);
            }
        }
        seen
    }

    /// Takes in an object that a client asked for and did not get.
    pub(super) fn miss(
        &mut self,
        (client, hash): (&ClientKey, u64),
        touch: &Touch<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> Seen {
        let object = touch.object_hash ^ MISSED;
        let (number, seen) = self.place(hash, client, touch, object, context, out);
        let Some(number) = number else { return seen };
        // Who gets a place is counted by that already.
        if seen.had_place && !self.admission.is_new(hash, object, touch.now) {
            return seen;
        }
        self.pairs.pair_mut(number).misses.miss();
        self.pairs.touch(number, touch.now);
        self.judge_misses(number, touch, context, out);
        seen
    }

    /// Takes in the size of the answer to a call that touched an object.
    pub(super) fn answered(
        &mut self,
        (client, hash): (&ClientKey, u64),
        touch: &Touch<'_>,
        bytes: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let Some(number) = self.pairs.find(hash, client, touch.route) else { return };
        let Some(node) = self.objects.find(number, touch.object_hash) else { return };
        if std::mem::take(&mut self.objects.node_mut(node).is_fresh) {
            let total = self.pairs.pair_mut(number).volume.add(bytes, touch.now);
            if total > context.bytes_limit {
                self.judge_volume(number, total, touch, context, out);
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

    /// The pair's place, if it has one or is busy enough to get one, and whether the key is new on the route. `object`
    /// is the hash under which what the call asked for counts.
    fn place(
        &mut self,
        hash: u64,
        client: &ClientKey,
        touch: &Touch<'_>,
        object: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> (Option<u32>, Seen) {
        if let Some(number) = self.pairs.find(hash, client, touch.route) {
            return (Some(number), Seen { is_new: false, had_place: true });
        }
        let standing = self.admission.count(hash, object, touch.now);
        let seen = Seen { is_new: standing.is_new, had_place: false };
        if standing.objects < self.threshold()
            || !self.make_room_for_pair(standing.objects, touch.now, context, out)
        {
            self.counters.not_admitted += 1;
            return (None, seen);
        }
        let profile = context.policy.profile(client, touch.route);
        let identity = (hash, *client, Arc::clone(touch.route));
        let missed = Missed { objects: standing.objects - 1, since: self.admission.since() };
        (Some(self.pairs.insert(identity, profile, missed, touch.now)), seen)
    }
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
