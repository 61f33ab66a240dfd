//! Which numbers of a route have been touched: blocks of 32, in one table for all routes.
//!
//! The table is set-associative. In a full set, that block gives way which has been idle for the longest, each of its
//! bits counting for it: neither a flood of single touches nor a dense route drives out a block that is just being
//! filled.

use std::hint::black_box;

use rollcall_model::state::table::{self, cell};
use serde::{Deserialize, Serialize};

use super::mix::{mix, place};

const WAYS: usize = 8;

/// Bits of a filled block.
const FILLED: u32 = 24;

/// Bits of a block that can be said to be in order, or not.
const ORDERLY: u32 = 8;

/// Bits this close are neighbours.
const NEIGHBOURS: u32 = 4;

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

/// How long a block takes to be filled at most, in seconds. Sixteen numbers in a row are soon touched by chance in a day.
pub(super) fn window(scale: u8) -> u32 {
    if scale == 0 { 86_400 } else { 3_600 }
}

/// The numbers in a bit of a block are 2 to the power of this.
fn shift(scale: u8) -> u32 {
    if scale == 0 { 0 } else { 4 }
}

/// Where a number stands on each scale: its block, and its bit there.
pub(super) fn spots(route: u64, number: u64) -> [(Spot, u32); 2] {
    [0, 1].map(|scale| {
        let bit = number >> shift(scale);
        (Spot { route, scale, block: bit / 32 }, (bit % 32) as u32)
    })
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
    /// Sets a bit that is not set.
    pub(super) fn set(&mut self, bit: u32, now: u32) {
        let neighbours = (1_u64 << NEIGHBOURS) - 1;
        let above = (u64::from(self.bits) >> (bit + 1)) & neighbours != 0;
        let below = ((u64::from(self.bits) << NEIGHBOURS) >> bit) & neighbours != 0;
        let first = self.bits == 0;
        self.extensions += u8::from(first || above != below);
        self.steps += u8::from(first || bit.abs_diff(u32::from(self.position)) <= NEIGHBOURS);
        self.position = bit as u8;
        self.bits |= 1 << bit;
        self.last = now;
    }

    /// Whether its bits came in order: see [`walk`](super::walk).
    pub(super) fn is_in_order(&self) -> bool {
        let bits = self.bits.count_ones();
        bits >= ORDERLY && u32::from(self.extensions.max(self.steps)) * 4 >= bits * 3
    }

    /// Whether it is filled, in order.
    pub(super) fn is_walked(&self) -> bool {
        self.bits.count_ones() >= FILLED && self.is_in_order()
    }

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
        now.saturating_sub(self.start) > window(self.scale())
    }

    /// The larger, the sooner it gives way.
    fn idleness(&self, now: u32) -> u64 {
        if self.bits == 0 || self.is_over(now) {
            return u64::MAX;
        }
        ((u64::from(now.saturating_sub(self.last)) + 1) << 8) / u64::from(self.bits.count_ones())
    }
}
