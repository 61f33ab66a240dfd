//! Pairs of a client key and a route: a bounded slab, indexed, in lists by how much they have touched.

use std::{sync::Arc, time::Duration};

use hashbrown::HashTable;
use rollcall_attribute::client::ClientKey;
use rollcall_model::{
    state::{Inconsistent, Names, check, table},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    evidence::Evidence,
    objects::{NONE, Objects},
    track::{Track, Window},
};
use crate::{
    limit::MAX_LIMITS,
    norms::LEVELS,
    policy::{Policy, Profile},
};

/// Classes of quiet pairs: those with 1 object, with 2 and 3, with 4 to 7 …, with 128 and more.
pub(super) const CLASSES: u8 = 8;

/// The classes of pairs with an open finding: with few objects kept, and with so many that some can be spared.
pub(super) const OPEN: u8 = CLASSES;
pub(super) const OPEN_LARGE: u8 = CLASSES + 1;

/// Objects that are kept of a pair about which something is known already, at least.
pub(super) const FEWEST: u32 = 64;

/// How far a pair's place in its list may be off.
const PATIENCE: Duration = Duration::from_secs(30);

/// All classes.
const ALL: usize = CLASSES as usize + 2;

/// Objects that a pair had touched before it got its place, about: they count for windows that reach back to when the
/// sketches began to count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Missed {
    pub(super) objects: u8,
    pub(super) since: Timestamp,
}

/// A client on a route. What each touch needs stands at the front, in two cache lines.
#[derive(Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub(super) struct Pair {
    pub(super) hash: u64,
    pub(super) route: Arc<str>,
    pub(super) client: ClientKey,
    /// The list that it is in.
    pub(super) class: u8,
    /// What applied to it when that revision of the policy was in force. While a call of it is judged, it is what applies now.
    pub(super) profile: Profile,
    #[serde(skip)]
    revision: u16,
    older: u32,
    newer: u32,
    pub(super) track: Track,
    /// Calls that counted, and wrap around.
    pub(super) calls: u32,
    /// The last touch, and when it was put into its place in the list: not before that is off by a while.
    pub(super) last: Timestamp,
    placed: Timestamp,
    pub(super) misses: super::misses::Misses,
    /// Kept once the pair comes near a limit.
    pub(super) evidence: Option<Box<Evidence>>,
    pub(super) missed: Missed,
    pub(super) volume: super::volume::Volume,
    pub(super) today: Today,
}

/// How far a pair has come on a day: see [`Reach`](super::Reach).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Today {
    pub(super) day: u32,
    pub(super) reached: [u8; MAX_LIMITS],
    /// Objects that were new to it within the longest window.
    pub(super) fresh: u16,
    pub(super) is_old: bool,
    /// It walked, and that has been counted.
    pub(super) walks: bool,
}

/// The slab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pairs {
    slots: Vec<Option<Pair>>,
    /// The windows of each slot's track, one after the other.
    #[serde(with = "table")]
    windows: Vec<Window>,
    lengths: usize,
    free: Vec<u32>,
    #[serde(skip)]
    index: HashTable<u32>,
    lists: [List; ALL],
    capacity: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct List {
    oldest: u32,
    newest: u32,
}

impl Pair {
    /// What applies to it now, whether it is up to date or not.
    pub(super) fn profile(&self, policy: &Policy) -> Profile {
        let is_current = self.revision == policy.revision();
        if is_current { self.profile } else { policy.profile(&self.client, &self.route) }
    }

    /// Looks up which limits apply to it, if something else is allowed than when that was done last. Whether it was done now.
    pub(super) fn bring_up_to_date(&mut self, policy: &Policy) -> bool {
        let is_current = self.revision == policy.revision();
        if !is_current {
            (self.profile, self.revision) = (policy.profile(&self.client, &self.route), policy.revision());
        }
        !is_current
    }

    /// Objects that it has touched, or missed, about.
    pub(super) fn known(&self) -> u32 {
        self.track.len() + self.misses.count() + u32::from(self.missed.objects)
    }

    /// Whether a finding about it is open.
    pub(super) fn is_open(&self) -> bool {
        self.class >= OPEN
    }

    fn open_class(&self) -> u8 {
        if self.track.len() >= FEWEST { OPEN_LARGE } else { OPEN }
    }

    fn quiet_class(&self) -> u8 {
        class(self.known())
    }
}

impl Pairs {
    /// Bytes of each pair, with its windows and its place in the index.
    pub(super) fn bytes_each(lengths: usize) -> usize {
        size_of::<Option<Pair>>() + lengths * size_of::<Window>() + size_of::<u32>() + 12
    }

    pub(super) fn new(capacity: usize, lengths: usize) -> Pairs {
        let capacity = capacity.clamp(1, NONE as usize);
        Pairs {
            slots: Vec::with_capacity(capacity),
            windows: Vec::with_capacity(capacity * lengths),
            lengths,
            free: Vec::with_capacity(capacity),
            index: HashTable::with_capacity(capacity),
            lists: [List { oldest: NONE, newest: NONE }; ALL],
            capacity,
        }
    }

    /// Makes the index anew, once the rest has been read back. `unclaimed` tells which `objects` are in use.
    pub(super) fn restore(
        &mut self,
        capacity: usize,
        policy: &Policy,
        objects: &Objects,
        mut unclaimed: Vec<bool>,
        names: &mut Names,
    ) -> Result<(), Inconsistent> {
        let lengths = policy.windows().len();
        let slots = self.slots.len();
        let known = |number: u32| number == NONE || (number as usize) < slots;
        let fits = self.capacity == capacity
            && self.lengths == lengths
            && slots <= capacity
            && self.windows.len() == slots * lengths
            && self.free.len() <= slots
            && self.free.iter().all(|&number| matches!(self.slots.get(number as usize), Some(None)))
            && self.lists.iter().all(|list| {
                [list.oldest, list.newest].into_iter().all(|number| {
                    number == NONE || self.slots.get(number as usize).is_some_and(Option::is_some)
                })
            })
            && self.slots.iter().flatten().all(|pair| {
                known(pair.older)
                    && known(pair.newer)
                    && pair.class <= OPEN_LARGE
                    && pair.today.reached.iter().all(|&level| usize::from(level) <= LEVELS)
                    && pair.evidence.as_deref().is_none_or(|evidence| evidence.fits(lengths))
            });
        check(fits, "pairs of clients and routes contradict each other")?;
        let mut numbered = self.slots.iter().zip(0_u32..).zip(self.windows.chunks_exact(lengths.max(1)));
        let are_sound = numbered.all(|((pair, number), windows)| {
            pair.as_ref().is_none_or(|pair| pair.track.is_sound(number, windows, objects, &mut unclaimed))
        });
        check(are_sound && !unclaimed.contains(&true), "objects of clients contradict their order")?;
        self.slots.reserve_exact(capacity - slots);
        self.windows.reserve_exact((capacity - slots) * lengths);
        self.index = HashTable::with_capacity(capacity);
        for pair in self.slots.iter_mut().flatten() {
            // Limits may have changed.
            (pair.profile, pair.revision) = (policy.profile(&pair.client, &pair.route), policy.revision());
            pair.route = names.share(&pair.route);
        }
        let slots = &self.slots;
        let hash = |&number: &u32| slots[number as usize].as_ref().map_or(0, |pair| pair.hash);
        for (number, pair) in slots.iter().enumerate() {
            if let Some(pair) = pair {
                self.index.insert_unique(pair.hash, number as u32, hash);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// The pair with this number.
    pub(super) fn pair(&self, number: u32) -> &Pair {
        self.slots[number as usize].as_ref().expect("numbers handed out name pairs until they are removed")
    }

    /// The pair with this number.
    pub(super) fn pair_mut(&mut self, number: u32) -> &mut Pair {
        self.slots[number as usize].as_mut().expect("numbers handed out name pairs until they are removed")
    }

    /// The pair with this number, and the windows of its track.
    pub(super) fn with_windows(&mut self, number: u32) -> (&mut Pair, &mut [Window]) {
        let windows = &mut self.windows[number as usize * self.lengths..][..self.lengths];
        let pair = self.slots[number as usize].as_mut();
        (pair.expect("numbers handed out name pairs until they are removed"), windows)
    }

    /// The same, if there is such a pair.
    pub(super) fn get_with_windows(&mut self, number: u32) -> Option<(&mut Pair, &mut [Window])> {
        self.slots.get(number as usize)?.as_ref()?;
        Some(self.with_windows(number))
    }

    /// The windows of a pair's track.
    pub(super) fn windows(&self, number: u32) -> &[Window] {
        &self.windows[number as usize * self.lengths..][..self.lengths]
    }

    pub(super) fn find(&self, hash: u64, client: &ClientKey, route: &Arc<str>) -> Option<u32> {
        let same = |&number: &u32| {
            let pair = self.pair(number);
            pair.hash == hash
                && pair.client == *client
                && (Arc::ptr_eq(&pair.route, route) || pair.route == *route)
        };
        self.index.find(hash, same).copied()
    }

    /// Adds a quiet pair, of which objects were `missed`. The caller has made sure that there is room and that
    /// it is new.
    pub(super) fn insert(
        &mut self,
        (hash, client, route): (u64, ClientKey, Arc<str>),
        policy: &Policy,
        missed: Missed,
        now: Timestamp,
    ) -> u32 {
        let profile = policy.profile(&client, &route);
        let pair = Pair {
            client,
            route,
            hash,
            class: class(missed.objects.into()),
            missed,
            profile,
            revision: policy.revision(),
            older: NONE,
            newer: NONE,
            last: now,
            placed: now,
            track: Track::default(),
            calls: 0,
            misses: Default::default(),
            volume: Default::default(),
            today: Today::default(),
            evidence: None,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = Some(pair);
                self.windows[number as usize * self.lengths..][..self.lengths].fill(Window::EMPTY);
                number
            }
            None => {
                self.slots.push(Some(pair));
                self.windows.extend(std::iter::repeat_n(Window::EMPTY, self.lengths));
                u32::try_from(self.slots.len() - 1).expect("the capacity is below NONE")
            }
        };
        let slots = &self.slots;
        self.index
            .insert_unique(hash, number, |&number| slots[number as usize].as_ref().map_or(0, |p| p.hash));
        self.append(number);
        number
    }

    /// Takes a pair out. The caller has forgotten its objects.
    pub(super) fn remove(&mut self, number: u32) -> Option<Pair> {
        let hash = self.pair(number).hash;
        self.unlink(number);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == number) {
            entry.remove();
        }
        self.free.push(number);
        self.slots[number as usize].take()
    }

    /// Notes that the pair is active at `now`, in the class that it has grown into.
    pub(super) fn touch(&mut self, number: u32, now: Timestamp) {
        let pair = self.pair_mut(number);
        pair.last = now;
        let class = if pair.is_open() { pair.open_class() } else { pair.quiet_class() };
        // To put a pair into its place touches its neighbours, which lie anywhere.
        if pair.class != class || now.since(pair.placed) >= PATIENCE {
            pair.placed = now;
            self.move_to(number, class);
        }
    }

    /// Puts a pair with an open finding among those.
    pub(super) fn set_open(&mut self, number: u32) {
        let class = self.pair(number).open_class();
        self.move_to(number, class);
    }

    /// Puts a pair without an open finding back among the quiet ones.
    pub(super) fn set_quiet(&mut self, number: u32) {
        let class = self.pair(number).quiet_class();
        self.move_to(number, class);
    }

    /// Moves the pair to a list, as its most recently active.
    fn move_to(&mut self, number: u32, class: u8) {
        self.unlink(number);
        self.pair_mut(number).class = class;
        self.append(number);
    }

    /// The least recently active pair of a class.
    pub(super) fn oldest(&self, class: u8) -> Option<u32> {
        Some(self.lists[usize::from(class)].oldest).filter(|&number| number != NONE)
    }

    /// The most recently active pair of a class.
    pub(super) fn newest(&self, class: u8) -> Option<u32> {
        Some(self.lists[usize::from(class)].newest).filter(|&number| number != NONE)
    }

    /// The pair that was active last before `number`, in the same list.
    pub(super) fn previous(&self, number: u32) -> Option<u32> {
        Some(self.pair(number).older).filter(|&number| number != NONE)
    }

    /// The pair that was active next after `number`, in the same list.
    pub(super) fn next(&self, number: u32) -> Option<u32> {
        Some(self.pair(number).newer).filter(|&number| number != NONE)
    }

    fn append(&mut self, number: u32) {
        let class = usize::from(self.pair(number).class);
        let newest = self.lists[class].newest;
        let pair = self.pair_mut(number);
        pair.older = newest;
        pair.newer = NONE;
        match newest {
            NONE => self.lists[class].oldest = number,
            newest => self.pair_mut(newest).newer = number,
        }
        self.lists[class].newest = number;
    }

    fn unlink(&mut self, number: u32) {
        let Pair { class, older, newer, .. } = *self.pair(number);
        match older {
            NONE => self.lists[usize::from(class)].oldest = newer,
            older => self.pair_mut(older).newer = newer,
        }
        match newer {
            NONE => self.lists[usize::from(class)].newest = older,
            newer => self.pair_mut(newer).older = older,
        }
    }
}

/// The class of a quiet pair that has touched so many objects.
pub(super) fn class(objects: u32) -> u8 {
    (objects.max(1).ilog2() as u8).min(CLASSES - 1)
}
