//! Calls whose exchanges are under way: what they were attributed to, until they are complete.

use std::collections::BTreeMap;

use hashbrown::{HashTable, hash_table::Entry};
use rollcall_attribute::{
    observation::{Observation, Stage},
    route::RouteId,
};
use rollcall_http::exchange::ExchangeId;
use rollcall_model::hash::HashKey;

/// Memory of the calls that are held. What waits in HTTP takes twice that at most, and a call some four hundred bytes here; but
/// what a client writes into one can name more than it takes there.
const MEMORY: usize = 32 << 20;

/// Observations that are kept to be filled again.
const SPARE: usize = 1_024;

/// The largest of them.
const SPARE_MEMORY: usize = size_of::<Observation>() + 2_048;

/// A call, and its route. In a box, so that it is never copied.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) observation: Box<Observation>,
    pub(super) route: RouteId,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HeldCalls {
    key: HashKey,
    calls: HashTable<(u64, Held)>,
    memory: usize,
    spare: Vec<Held>,
}

impl Held {
    /// Whether its exchange is not complete yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.observation.exchange.is_some() && self.observation.stage == Stage::Called
    }

    fn memory(&self) -> usize {
        size_of::<(u64, Held)>() + self.observation.memory()
    }
}

impl HeldCalls {
    pub(super) fn new(key: HashKey) -> HeldCalls {
        HeldCalls { key, calls: HashTable::new(), memory: 0, spare: Vec::new() }
    }

    /// One to be filled anew, if there is one.
    pub(super) fn spare(&mut self) -> Option<Held> {
        self.spare.pop()
    }

    /// Holds a call if it is under way and there is room; its buffers are used again if not.
    pub(super) fn put(&mut self, held: Held) {
        let memory = held.memory();
        let Some(id) = held.observation.exchange.filter(|_| held.is_under_way()) else {
            return self.reuse(held);
        };
        if self.memory + memory > MEMORY {
            return self.reuse(held);
        }
        let hash = self.key.hash(&id.to_bytes());
        self.memory += memory;
        let same = |(_, held): &(u64, Held)| held.observation.exchange == Some(id);
        match self.calls.entry(hash, same, |(hash, _)| *hash) {
            Entry::Vacant(entry) => _ = entry.insert((hash, held)),
            Entry::Occupied(mut entry) => {
                let (_, before) = std::mem::replace(entry.get_mut(), (hash, held));
                self.memory -= before.memory();
                self.reuse(before);
            }
        }
    }

    /// The call of an exchange, which is held no longer.
    pub(super) fn take(&mut self, id: &ExchangeId) -> Option<Held> {
        let hash = self.key.hash(&id.to_bytes());
        let found = self.calls.find_entry(hash, |(_, held)| held.observation.exchange == Some(*id));
        let ((_, held), _) = found.ok()?.remove();
        self.memory -= held.memory();
        Some(held)
    }

    /// Takes note of routes that have become part of others, in that order.
    pub(super) fn follow(&mut self, merged: impl DoubleEndedIterator<Item = (RouteId, RouteId)>) {
        let mut now = BTreeMap::new();
        for (route, other) in merged.rev() {
            let other = now.get(&other).copied().unwrap_or(other);
            now.insert(route, other);
        }
        if now.is_empty() {
            return;
        }
        for held in self.calls.iter_mut().map(|(_, held)| held) {
            if let Some(&other) = now.get(&held.route) {
                held.route = other;
            }
        }
    }

    /// Memory of the calls that are held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    fn reuse(&mut self, mut held: Held) {
        if self.spare.len() < SPARE && held.observation.memory() <= SPARE_MEMORY {
            held.observation.exchange = None;
            self.spare.push(held);
        }
    }
}
