//! The objects of all pairs, in one bounded slab with one index.

use std::hint::black_box;

use hashbrown::HashTable;
use rollcall_model::{
    state::{
        Inconsistent, check,
        table::{self, cell},
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Weights are fixed-point numbers with this unit, so that sums stay exact however long they are kept.
pub(crate) const UNIT: u32 = 256;

/// One object of one pair, in the pair's list by last touch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The object's keyed hash. Objects are told apart by it alone: among 1,000,000 of them, two are taken for
    /// one with a probability of 3e-8.
    pub(super) hash: u64,
    /// The last touch.
    pub(super) at: Timestamp,
    pub(super) older: u32,
    pub(super) newer: u32,
    pub(super) pair: u32,
    /// Of how many objects this one is the sample: 1 / sampling rate, in [`UNIT`]s.
    pub(super) weight: u32,
    /// The number of the pair's call that touched it last.
    pub(super) call: u32,
    /// The size of the answer has not been taken in yet.
    pub(super) is_fresh: bool,
}
cell!(Node {
    hash: u64,
    at: Timestamp,
    older: u32,
    newer: u32,
    pair: u32,
    weight: u32,
    call: u32,
    is_fresh: bool
});

/// The slab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Objects {
    #[serde(with = "table")]
    nodes: Vec<Node>,
    #[serde(skip)]
    index: HashTable<u32>,
    /// Free nodes, linked by `newer`.
    free: u32,
    capacity: usize,
}

impl Objects {
    /// Bytes of each object, with its place in the index: up to 16/7 of the 5 bytes that one takes there.
    pub(super) const BYTES_EACH: usize = size_of::<Node>() + 12;

    pub(super) fn new(capacity: usize) -> Objects {
        // Node numbers must stay below NONE.
        let capacity = capacity.clamp(1, NONE as usize);
        Objects {
            nodes: Vec::with_capacity(capacity),
            index: HashTable::with_capacity(capacity),
            free: NONE,
            capacity,
        }
    }

    /// Makes the index anew, once the rest has been read back. Tells which nodes are in use.
    pub(super) fn restore(&mut self, capacity: usize) -> Result<Vec<bool>, Inconsistent> {
        const WHY: &str = "objects of clients contradict each other";
        let count = self.nodes.len();
        check(self.capacity == capacity && count <= capacity, WHY)?;
        let mut used = vec![true; count];
        let mut next = self.free;
        while next != NONE {
            check(used.get_mut(next as usize).is_some_and(std::mem::take), WHY)?;
            next = self.nodes[next as usize].newer;
        }
        self.nodes.reserve_exact(capacity - count);
        self.index = HashTable::with_capacity(capacity);
        let nodes = &self.nodes;
        let hash = |&number: &u32| nodes[number as usize].spread();
        for (number, node) in nodes.iter().enumerate().filter(|(number, _)| used[*number]) {
            self.index.insert_unique(node.spread(), number as u32, hash);
        }
        Ok(used)
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    pub(super) fn node_mut(&mut self, number: u32) -> &mut Node {
        &mut self.nodes[number as usize]
    }

    pub(super) fn find(&self, pair: u32, hash: u64) -> Option<u32> {
        let same = |&number: &u32| {
            let node = self.node(number);
            node.hash == hash && node.pair == pair
        };
        self.index.find(spread(pair, hash), same).copied()
    }

    /// Fetches from memory what will be needed of a pair's object. The index is larger than any cache: to wait once for several
    /// of its places is a fraction of waiting for each.
    pub(super) fn fetch(&self, pair: u32, hash: u64) {
        black_box(self.index.find(spread(pair, hash), |_| false));
    }

    /// Adds a node that is in no list yet. The caller has made sure that there is room and that it is new.
    pub(super) fn insert(&mut self, node: Node) -> u32 {
        let number = if self.free == NONE {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("the capacity is below NONE")
        } else {
            let number = self.free;
            self.free = self.node(number).newer;
            *self.node_mut(number) = node;
            number
        };
        let nodes = &self.nodes;
        self.index.insert_unique(node.spread(), number, |&number| nodes[number as usize].spread());
        number
    }

    /// Takes a node out that is in no list any more.
    pub(super) fn remove(&mut self, number: u32) {
        let node = *self.node(number);
        if let Ok(entry) = self.index.find_entry(node.spread(), |&other| other == number) {
            entry.remove();
        }
        self.node_mut(number).newer = self.free;
        self.free = number;
    }
}

impl Node {
    fn spread(&self) -> u64 {
        spread(self.pair, self.hash)
    }
}

/// The index's hash. The object's is keyed already; an odd multiple of the pair's number keeps apart the same
/// object of several pairs.
fn spread(pair: u32, hash: u64) -> u64 {
    hash ^ u64::from(pair).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
