//! How far what is allowed is made use of.

use std::collections::{BTreeMap, btree_map::Entry};

use rollcall_model::time::Timestamp;

use super::AllowanceId;

/// How far one who has an allowance has come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The most objects that one of those who have it touched on a route within its window.
    pub most: u64,
    /// The latest call by it.
    pub at: Timestamp,
}

/// The uses of allowances that somebody has said, until somebody takes them: one of each at most.
#[derive(Clone, Debug, Default)]
pub struct Uses(BTreeMap<AllowanceId, Use>);

impl Uses {
    /// Takes in that `most` objects were touched by then.
    pub(super) fn note(&mut self, id: AllowanceId, most: u64, at: Timestamp) {
        if id.was_said() {
            self.add(id, Use { most, at });
        }
    }

    /// Takes in others.
    pub fn merge(&mut self, others: Uses) {
        others.0.into_iter().for_each(|(id, one)| self.add(id, one));
    }

    /// Leaves out those that are not among `allowed`.
    pub fn retain(&mut self, is_allowed: impl Fn(AllowanceId) -> bool) {
        self.0.retain(|&id, _| is_allowed(id));
    }

    /// Each with what it is a use of.
    pub fn iter(&self) -> impl Iterator<Item = (AllowanceId, Use)> {
        self.0.iter().map(|(&id, &one)| (id, one))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in one.
    pub fn add(&mut self, id: AllowanceId, one: Use) {
        match self.0.entry(id) {
            Entry::Vacant(entry) => drop(entry.insert(one)),
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                (known.most, known.at) = (known.most.max(one.most), known.at.max(one.at));
            }
        }
    }
}
