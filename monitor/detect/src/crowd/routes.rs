//! The routes: a bounded slab, indexed, in two lists by last use.
//!
//! Routes that are new wait in a list of their own, which may take a quarter of the places from those that have been used for
//! an hour. So a flood of made-up routes drives out others of its kind.

use hashbrown::HashTable;
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{blocks::Owner, route::Route};

/// No slot.
const NONE: u16 = u16::MAX;

/// A route with its place in a list.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    route: Route,
    established: bool,
    /// Grows with each use: lists are restored from it.
    used: u64,
    #[serde(skip)]
    older: u16,
    #[serde(skip)]
    newer: u16,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u16,
    newest: u16,
    len: usize,
}

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub(super) struct Routes {
    slots: Vec<Slot>,
    capacity: u16,
    uses: u64,
    serial: u16,
    pub(super) evicted: u64,
    #[serde(skip)]
    index: HashTable<u16>,
    #[serde(skip)]
    lists: [List; 2],
}

#[derive(Deserialize)]
struct Saved {
    slots: Vec<Slot>,
    capacity: u16,
    uses: u64,
    serial: u16,
    evicted: u64,
}

impl Routes {
    /// Room for so many routes; from 4 to 4,096.
    pub(super) fn new(capacity: usize) -> Routes {
        Routes {
            slots: Vec::new(),
            capacity: capacity.clamp(4, 4_096) as u16,
            uses: 0,
            serial: 0,
            evicted: 0,
            index: HashTable::new(),
            lists: [List { oldest: NONE, newest: NONE, len: 0 }; 2],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.into()
    }

    pub(super) fn find(&self, hash: u64) -> Option<u16> {
        self.index.find(hash, |&slot| self.slots[usize::from(slot)].route.hash == hash).copied()
    }

    pub(super) fn get(&self, slot: u16) -> Option<&Route> {
        self.slots.get(usize::from(slot)).map(|slot| &slot.route)
    }

    pub(super) fn get_mut(&mut self, slot: u16) -> Option<&mut Route> {
        self.slots.get_mut(usize::from(slot)).map(|slot| &mut slot.route)
    }

    /// The route that a block belongs to, unless it is gone.
    pub(super) fn owner_mut(&mut self, owner: Owner) -> Option<&mut Route> {
        self.get_mut(owner.slot).filter(|route| route.serial == owner.serial)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Route> {
        self.slots.iter_mut().map(|slot| &mut slot.route)
    }

    /// The serial of the next route.
    pub(super) fn next_serial(&mut self) -> u16 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Adds a route; returns its slot and the route that had to leave.
    pub(super) fn insert(&mut self, route: Route) -> (u16, Option<Route>) {
        let hash = route.hash;
        let entry = Slot { route, established: false, used: 0, older: NONE, newer: NONE };
        let (slot, left) = if self.slots.len() < usize::from(self.capacity) {
            self.slots.push(entry);
            ((self.slots.len() - 1) as u16, None)
        } else {
            let slot = self.victim();
            self.unlink(slot);
            let old = std::mem::replace(&mut self.slots[usize::from(slot)], entry);
            if let Ok(entry) = self.index.find_entry(old.route.hash, |&other| other == slot) {
                entry.remove();
            }
            self.evicted += 1;
            (slot, Some(old.route))
        };
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| slots[usize::from(slot)].route.hash);
        self.link(slot);
        (slot, left)
    }

    /// Takes note of a use.
    pub(super) fn touch(&mut self, slot: u16, now: Timestamp) {
        self.unlink(slot);
        let entry = &mut self.slots[usize::from(slot)];
        entry.established = entry.established || entry.route.is_established(now);
        self.link(slot);
    }

    /// The route that gives way.
    fn victim(&self) -> u16 {
        let [new, established] = self.lists;
        let crowded = new.len >= usize::from(self.capacity) / 4 || established.len == 0;
        if crowded { new.oldest } else { established.oldest }
    }

    /// To the newer end of its list.
    fn link(&mut self, slot: u16) {
        self.uses += 1;
        let entry = &mut self.slots[usize::from(slot)];
        let list = &mut self.lists[usize::from(entry.established)];
        entry.used = self.uses;
        (entry.older, entry.newer) = (list.newest, NONE);
        list.len += 1;
        let older = std::mem::replace(&mut list.newest, slot);
        match self.slots.get_mut(usize::from(older)) {
            Some(older) => older.newer = slot,
            None => list.oldest = slot,
        }
    }

    fn unlink(&mut self, slot: u16) {
        let entry = &self.slots[usize::from(slot)];
        let (older, newer) = (entry.older, entry.newer);
        let list = &mut self.lists[usize::from(entry.established)];
        list.len -= 1;
        match self.slots.get_mut(usize::from(older)) {
            Some(older) => older.newer = newer,
            None => list.oldest = newer,
        }
        match self.slots.get_mut(usize::from(newer)) {
            Some(newer) => newer.older = older,
            None => list.newest = older,
        }
    }
}

impl TryFrom<Saved> for Routes {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Routes, Self::Error> {
        let mut routes = Routes::new(saved.capacity.into());
        if saved.slots.len() > routes.capacity() || routes.capacity != saved.capacity {
            return Err("more routes than there is room for");
        }
        routes.slots = saved.slots;
        let mut order: Vec<u16> = (0..routes.slots.len() as u16).collect();
        order.sort_by_key(|&slot| routes.slots[usize::from(slot)].used);
        for slot in order {
            let hash = routes.slots[usize::from(slot)].route.hash;
            let used = routes.slots[usize::from(slot)].used;
            let slots = &routes.slots;
            routes.index.insert_unique(hash, slot, |&slot| slots[usize::from(slot)].route.hash);
            routes.link(slot);
            routes.slots[usize::from(slot)].used = used;
        }
        (routes.uses, routes.serial, routes.evicted) = (saved.uses, saved.serial, saved.evicted);
        Ok(routes)
    }
}
