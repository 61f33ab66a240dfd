//! Whether blocks of numbers are being filled by a walk.
//!
//! Three things must come together. Of five blocks in a row, [`ENOUGH`] numbers have been touched, and one of the blocks is
//! filled. They came in order. And the route's other blocks are mostly empty.
//!
//! **Order.** A bit is a *step* if it lies within 4 of the bit before it in its block, and an *extension* if bits are set
//! within 4 on one side of it and none on the other; a block's first bit is both. A block is in order if three quarters of its bits
//! are steps, or three quarters are extensions. Measured on the first 24 bits of a block (steps / extensions, of which 18 are
//! needed):
//!
//! | order | mean | 1 % have fewer than | most of 100,000 blocks |
//! |---|---|---|---|
//! | one walker | 24 / 24 | 24 / 24 | |
//! | 8 workers on one queue, latency ± 10 % | 23.7 / 17.6 | 21 / 12 | |
//! | 8 workers, ± 30 % | 19.4 / 12.7 | 15 / 8 | |
//! | 16 workers, ± 30 % | 13.6 / 9.7 | 8 / 5 | |
//! | at random | 6.5 / 7.9 | | 16 / 17 |
//!
//! Where many workers share a queue, blocks of 16 numbers a bit are in order again. Found after (in the tests' simulations):
//! one walker 56 to 63 accounts; 8 far apart 311 to 419 together, 16 up to 820, 32 up to 1,405; a queue of 4 in flight 152, of 8
//! some 940; a stride of 2 457, of 10 93, of 16 58, of 20 61, of more none. A range in random order is left to the rule
//! about first touches.
//!
//! **Background.** The mean fill of the route's blocks, save those that are filled in order. Where users' pages read 20
//! neighbours each, or all of a small API's accounts are active, blocks are full by nature. A few empty blocks are thrown in,
//! so that a walk that is alone on its route does not count as its own background.

use serde::{Deserialize, Serialize};

use super::blocks::{Block, Blocks, Spot};

/// Numbers in a row of five blocks that are a walk. One in order is found after 53 to 60: the few in a block that has just begun don't
/// count.
pub(super) const ENOUGH: u32 = 53;

/// No alarm if the other blocks have more bits than this, of 32.
const MOST_BACKGROUND: u64 = 8;

/// Blocks of one bit that are thrown in. Eight walkers, alone on a route, leave 16 blocks half full: (16 × 16 + 32) / 48
/// bits are just below the mark.
const EMPTY: u64 = 32;

/// The other blocks of a route, at one scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Background {
    blocks: u32,
    bits: u32,
}

impl Background {
    pub(super) fn add(&mut self, block: &Block) {
        if !block.is_walked() {
            self.blocks = self.blocks.saturating_add(1);
            self.bits = self.bits.saturating_add(block.bits.count_ones());
        }
    }

    pub(super) fn remove(&mut self, block: &Block) {
        if !block.is_walked() {
            self.blocks = self.blocks.saturating_sub(1);
            self.bits = self.bits.saturating_sub(block.bits.count_ones());
        }
    }

    fn is_sparse(&self) -> bool {
        u64::from(self.bits) + EMPTY <= MOST_BACKGROUND * (u64::from(self.blocks) + EMPTY)
    }
}

/// What a touch of a new number shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    /// Numbers that count now and did not before.
    pub(super) more: u32,
    /// Numbers in order in the blocks around.
    pub(super) around: u32,
    /// When the first of them was touched, in seconds.
    pub(super) since: u32,
    /// One of the blocks is filled, and the route's others are not.
    pub(super) near: bool,
    pub(super) over: bool,
}

/// Looks around a block that has just got a bit.
pub(super) fn judge(blocks: &Blocks, spot: Spot, background: &Background, now: u32) -> Walk {
    let Some(block) = blocks.find(spot, now).filter(|block| block.is_in_order()) else {
        return Walk::default();
    };
    let bits = block.bits.count_ones();
    let more = bits - u32::from(block.counted).min(bits);
    let (mut around, mut since, mut filled) = (0, now, false);
    for distance in -2..=2 {
        let Some(beside) = spot.beside(distance).and_then(|spot| blocks.find(spot, now)) else { continue };
        if beside.is_in_order() {
            around += beside.bits.count_ones();
            since = since.min(beside.start);
            filled |= beside.is_walked();
        }
    }
    let near = filled && background.is_sparse();
    Walk { more, around, since, near, over: near && around >= ENOUGH }
}

/// From now on the numbers around the spot count: those of the five blocks when a finding begins, the block's own when it
/// goes on.
pub(super) fn count(blocks: &mut Blocks, spot: Spot, begins: bool, now: u32) {
    let reach = if begins { 2 } else { 0 };
    for distance in -reach..=reach {
        let Some(block) = spot.beside(distance).and_then(|spot| blocks.find_mut(spot, now)) else { continue };
        if block.is_in_order() {
            block.counted = block.bits.count_ones() as u8;
        }
    }
}
