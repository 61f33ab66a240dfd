//! Which numbers of a route have been touched: blocks of 32, in one table for all routes.
//!
//! The table is set-associative. In a full set, that block gives way which has been idle for the longest, each of its
//! bits counting for it: neither a flood of single touches nor a dense route drives out a block that is just being
//! filled.

use std::hint::black_box;

use rollcall_model::state::table::{self, cell};
use serde::{Deserialize, Serialize};

use super::{
    mix::{mix, place},
    walk,
};

const WAYS: usize = 8;

/// A route's block of numbers. At scale 0 a bit is a number, at scale 1 it is 16 in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) route: u64,
    pub(super) scale: u8,
    pub(super) block: u64,
}

impl Spot {
    /// The spot so many blocks on.
    pub(super) fn beside(self, distance: i64) -> Option<Spot> {
        Some(Spot { block: self.block.checked_add_signed(distance)?, ..self })
    }
}

/// Who a block belongs to: a slot of the table of routes, and which of the routes that it has held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) slot: u16,
    pub(super) serial: u16,
}

/// A block with the order in which it was filled; empty if it has no bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Block {
    tag: u32,
    pub(super) bits: u32,
    /// The first touch of a new number, and the last, in seconds since the epoch.
    pub(super) start: u32,
    pub(super) last: u32,
    /// The slot, and the scale in the upper bit.
    slot: u16,
    serial: u16,
    /// Bits that came with neighbours on one side only, and bits that came close to the one before.
    pub(super) extensions: u8,
    pub(super) steps: u8,
    pub(super) position: u8,
    /// Bits that count towards a finding already.
    pub(super) counted: u8,
}
cell!(Block {
    tag: u32,
    bits: u32,
    start: u32,
    last: u32,
    slot: u16,
    serial: u16,
    extensions: u8,
    steps: u8,
    position: u8,
    counted: u8,
});

const SCALE: u16 = 1 << 15;

/// Whole sets, never none.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sets(#[serde(with = "table")] Vec<Block>);

/// See the [module](self).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Blocks {
    sets: Sets,
    pub(super) held: u64,
    /// Blocks that gave way before their time.
    pub(super) evicted: u64,
}

impl Blocks {
    /// A table in `bytes`.
    pub(super) fn new(bytes: usize) -> Blocks {
        Blocks { sets: Sets(vec![Block::default(); Blocks::capacity(bytes)]), held: 0, evicted: 0 }
    }

    /// Whether it is one of `bytes`.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.sets.0.len() == Blocks::capacity(bytes)
    }

    /// How many blocks there is room for in `bytes`: whole sets.
    pub(super) fn capacity(bytes: usize) -> usize {
        (bytes / size_of::<Block>() / WAYS).max(1) * WAYS
    }

    /// Fetches from memory where the block may be.
    pub(super) fn fetch(&self, spot: Spot) {
        let (start, _) = self.locate(spot);
        black_box(self.sets.0[start].tag);
        black_box(self.sets.0[start + WAYS - 1].tag);
    }

    /// The block, if it is within its window at `now`.
    pub(super) fn find(&self, spot: Spot, now: u32) -> Option<&Block> {
        let (start, tag) = self.locate(spot);
        self.sets.0[start..start + WAYS].iter().find(|block| block.is(tag, spot.scale) && !block.is_over(now))
    }

    /// The block, if it is within its window at `now`.
    pub(super) fn find_mut(&mut self, spot: Spot, now: u32) -> Option<&mut Block> {
        let (start, tag) = self.locate(spot);
        let set = &mut self.sets.0[start..start + WAYS];
        set.iter_mut().find(|block| block.is(tag, spot.scale) && !block.is_over(now))
    }

    /// The block's place; and what has to leave for it, be it another block or its own past.
    pub(super) fn make(&mut self, spot: Spot, owner: Owner, now: u32) -> (&mut Block, Option<Block>) {
        let (start, tag) = self.locate(spot);
        let set = &mut self.sets.0[start..start + WAYS];
        let found = set.iter().position(|block| block.is(tag, spot.scale));
        let way = found.unwrap_or_else(|| {
            let ways = 0..WAYS;
            ways.max_by_key(|&way| set[way].idleness(now)).unwrap_or_default()
        });
        let block = &mut set[way];
        if found.is_some() && !block.is_over(now) {
            return (block, None);
        }
        let left = Some(*block).filter(|block| block.bits != 0);
        self.held += u64::from(left.is_none());
        self.evicted += u64::from(left.is_some_and(|left| !left.is_over(now)));
        *block = Block {
            tag,
            start: now,
            last: now,
            slot: owner.slot | if spot.scale == 0 { 0 } else { SCALE },
            serial: owner.serial,
            ..Block::default()
        };
        (block, left)
    }

    /// Where the block's set begins, and the block's tag.
    fn locate(&self, spot: Spot) -> (usize, u32) {
        let hash = mix(spot.route ^ u64::from(spot.scale), spot.block);
        (place(hash, self.sets.0.len() / WAYS) * WAYS, hash as u32)
    }
}

impl Block {
    fn is(&self, tag: u32, scale: u8) -> bool {
        self.bits != 0 && self.tag == tag && self.scale() == scale
    }

    pub(super) fn scale(&self) -> u8 {
        u8::from(self.slot & SCALE != 0)
    }

    pub(super) fn owner(&self) -> Owner {
        Owner { slot: self.slot & !SCALE, serial: self.serial }
    }

    fn is_over(&self, now: u32) -> bool {
        now.saturating_sub(self.start) > walk::window(self.scale())
    }

    /// The larger, the sooner it gives way.
    fn idleness(&self, now: u32) -> u64 {
        if self.bits == 0 || self.is_over(now) {
            return u64::MAX;
        }
        ((u64::from(now.saturating_sub(self.last)) + 1) << 8) / u64::from(self.bits.count_ones())
    }
}
