//! Pairs of a client key and a route: a bounded slab, indexed, in two lists by last activity.

use std::sync::Arc;

use hashbrown::HashTable;

use super::{evidence::Evidence, levels::Levels, objects::NONE, track::Track};
use crate::{client::ClientKey, time::Timestamp};

/// Which list a pair is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is the matter; may be forgotten.
    Quiet,
    /// A finding about it is open.
    Open,
}

/// A client on a route.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) client: ClientKey,
    pub(super) route: Arc<str>,
    hash: u64,
    pub(super) standing: Standing,
    older: u32,
    newer: u32,
    /// The last touch.
    pub(super) last: Timestamp,
    pub(super) track: Track,
    /// Calls that counted, and wrap around.
    pub(super) calls: u32,
    pub(super) levels: Levels,
    /// Kept once the pair comes near a limit.
    pub(super) evidence: Option<Box<Evidence>>,
}

/// The slab.
#[derive(Debug)]
pub(super) struct Pairs {
    slots: Vec<Option<Pair>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    lists: [List; 2],
    capacity: usize,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

impl Pairs {
    pub(super) fn new(capacity: usize) -> Pairs {
        Pairs {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            lists: [List { oldest: NONE, newest: NONE }; 2],
            capacity: capacity.clamp(1, NONE as usize),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
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

    pub(super) fn find(&self, hash: u64, client: &ClientKey, route: &Arc<str>) -> Option<u32> {
        let same = |&number: &u32| {
            let pair = self.pair(number);
            pair.hash == hash
                && pair.client == *client
                && (Arc::ptr_eq(&pair.route, route) || pair.route == *route)
        };
        self.index.find(hash, same).copied()
    }

    /// Adds a quiet pair. The caller has made sure that there is room and that it is new.
    pub(super) fn insert(&mut self, hash: u64, client: ClientKey, route: Arc<str>, now: Timestamp) -> u32 {
        let pair = Pair {
            client,
            route,
            hash,
            standing: Standing::Quiet,
            older: NONE,
            newer: NONE,
            last: now,
            track: Track::new(),
            calls: 0,
            levels: Levels::default(),
            evidence: None,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = Some(pair);
                number
            }
            None => {
                self.slots.push(Some(pair));
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

    /// Notes that the pair is active at `now`.
    pub(super) fn touch(&mut self, number: u32, now: Timestamp) {
        self.pair_mut(number).last = now;
        if self.pair(number).newer != NONE {
            self.unlink(number);
            self.append(number);
        }
    }

    /// Moves the pair to another list, as its most recently active.
    pub(super) fn stand(&mut self, number: u32, standing: Standing) {
        self.unlink(number);
        self.pair_mut(number).standing = standing;
        self.append(number);
    }

    /// The least recently active pair of a list.
    pub(super) fn oldest(&self, standing: Standing) -> Option<u32> {
        Some(self.lists[standing as usize].oldest).filter(|&number| number != NONE)
    }

    /// The pair that was active next after `number`, in the same list.
    pub(super) fn next(&self, number: u32) -> Option<u32> {
        Some(self.pair(number).newer).filter(|&number| number != NONE)
    }

    /// A list, least recently active first.
    pub(super) fn list(&self, standing: Standing) -> impl Iterator<Item = u32> {
        std::iter::successors(self.oldest(standing), |&number| self.next(number))
    }

    fn append(&mut self, number: u32) {
        let standing = self.pair(number).standing;
        let newest = self.lists[standing as usize].newest;
        let pair = self.pair_mut(number);
        pair.older = newest;
        pair.newer = NONE;
        match newest {
            NONE => self.lists[standing as usize].oldest = number,
            newest => self.pair_mut(newest).newer = number,
        }
        self.lists[standing as usize].newest = number;
    }

    fn unlink(&mut self, number: u32) {
        let Pair { standing, older, newer, .. } = *self.pair(number);
        match older {
            NONE => self.lists[standing as usize].oldest = newer,
            older => self.pair_mut(older).newer = newer,
        }
        match newer {
            NONE => self.lists[standing as usize].newest = older,
            newer => self.pair_mut(newer).older = older,
        }
    }
}
