//! Segments that came before their turn, kept until the receiver's own state shows that it accepted them.
//!
//! Overlaps are settled the way Linux settles them (`tcp_data_queue_ofo`, net/ipv4/tcp_input.c), so that the
//! bytes are those which the application read: a segment that lies inside a kept one is dropped, kept ones
//! that lie inside a new one are replaced by it, and where two overlap in part the one that starts earlier
//! wins. Out-of-order bytes never win over bytes that arrive in order; the caller sees to that.

use std::collections::VecDeque;

use super::sequence::{after, before};
use crate::time::Timestamp;

/// What a block costs besides its bytes: keeps one-byte blocks from being free, and their number bounded.
const BLOCK_COST: usize = 64;

/// What is known of a segment besides its bytes and its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// When it was seen.
    pub at: Timestamp,
    /// The server's next sequence number when it was seen.
    pub sent: Option<u32>,
    /// The client was still waiting for bytes that the server had sent, or the server had sent none since the
    /// last segment: a request that starts here does not follow the answer to the one before.
    pub pipelined: bool,
    /// The server had answered, or it is the first segment of all: a request may start at its first byte.
    pub boundary: bool,
    /// Its checksum was verified, so TCP did not drop it for that.
    pub trusted: bool,
    /// The share of targets being captured.
    pub sampling: f64,
}

/// One segment that waits.
#[derive(Debug)]
pub struct Block {
    /// Sequence number of its first byte.
    pub seq: u32,
    /// Length on the wire.
    pub length: u32,
    /// The captured prefix.
    pub data: Vec<u8>,
    /// The stream ends after it.
    pub fin: bool,
    pub origin: Origin,
}

impl Block {
    /// The sequence number after the last byte.
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.length)
    }

    /// What the block costs of the limits.
    pub fn cost(&self) -> usize {
        self.data.capacity() + BLOCK_COST
    }
}

/// What became of a block.
#[derive(Debug)]
pub struct Inserted {
    /// Bytes given back by blocks that the new one replaced, or by the new one itself.
    pub freed: usize,
    /// The new block's bytes differ from bytes that were already there.
    pub conflict: bool,
}

/// The blocks of one direction of one connection, by sequence number.
#[derive(Debug, Default)]
pub struct OutOfOrder {
    blocks: VecDeque<Block>,
    held: usize,
}

impl OutOfOrder {
    /// What its blocks cost of the limits.
    pub fn held(&self) -> usize {
        self.held
    }

    /// No block waits.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The first block.
    pub fn front(&self) -> Option<&Block> {
        self.blocks.front()
    }

    /// Takes the first block out.
    pub fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.held -= block.cost();
        Some(block)
    }

    /// Puts a block that [`OutOfOrder::pop`] gave back at the front.
    pub fn restore(&mut self, block: Block) {
        self.held += block.cost();
        self.blocks.push_front(block);
    }

    /// Adds a block.
    pub fn insert(&mut self, block: Block) -> Inserted {
        let mut freed = 0;
        let mut conflict = false;
        if block.origin.trusted {
            // What TCP may have dropped gives way to what it took.
            let replaced = |kept: &Block| !kept.origin.trusted && differ(kept, &block);
            let gone: usize = self.overlapping(&block).filter(|kept| replaced(kept)).map(Block::cost).sum();
            if gone > 0 {
                self.blocks.retain(|kept| !replaced(kept));
                self.held -= gone;
                freed = gone;
                conflict = true;
            }
        } else if self.overlapping(&block).any(|kept| kept.origin.trusted && differ(kept, &block)) {
            return Inserted { freed: block.cost(), conflict: true };
        }
        let at = self.blocks.partition_point(|kept| !after(kept.seq, block.seq));
        if let Some(kept) = at.checked_sub(1).and_then(|i| self.blocks.get(i)) {
            conflict |= differ(kept, &block);
            if !after(block.end(), kept.end()) {
                return Inserted { freed: freed + block.cost(), conflict };
            }
        }
        let mut first = at;
        if let Some(kept) = at.checked_sub(1).and_then(|i| self.blocks.get(i))
            && kept.seq == block.seq
        {
            first = at - 1;
        }
        let mut last = first;
        while let Some(kept) = self.blocks.get(last) {
            if !before(kept.seq, block.end()) && kept.seq != block.seq {
                break;
            }
            conflict |= differ(kept, &block);
            if after(kept.end(), block.end()) {
                break;
            }
            freed += kept.cost();
            self.held -= kept.cost();
            last += 1;
        }
        self.held += block.cost();
        if last > first {
            self.blocks.drain(first + 1..last);
            self.blocks[first] = block;
        } else {
            self.blocks.insert(first, block);
        }
        Inserted { freed, conflict }
    }

    /// The blocks that share bytes with this one. None lies inside another, so their ends are in order, too.
    fn overlapping(&self, block: &Block) -> impl Iterator<Item = &Block> {
        let first = self.blocks.partition_point(|kept| !after(kept.end(), block.seq));
        let end = block.end();
        self.blocks.range(first..).take_while(move |kept| before(kept.seq, end))
    }
}

/// Whether two blocks hold different bytes for the same place.
fn differ(a: &Block, b: &Block) -> bool {
    let (low, high) = if after(a.seq, b.seq) { (b, a) } else { (a, b) };
    let skip = high.seq.wrapping_sub(low.seq) as usize;
    let low = low.data.get(skip..).unwrap_or_default();
    let shared = low.len().min(high.data.len());
    low[..shared] != high.data[..shared]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(seq: u32, data: &[u8]) -> Block {
        Block { seq, length: data.len() as u32, data: data.to_vec(), fin: false, origin: Origin::default() }
    }

    /// Reads what TCP would deliver from `from` on.
    fn read(queue: &mut OutOfOrder, from: u32) -> Vec<u8> {
        let mut next = from;
        let mut bytes = Vec::new();
        while let Some(block) = queue.pop() {
            if after(block.seq, next) || !after(block.end(), next) {
                continue;
            }
            bytes.extend(&block.data[next.wrapping_sub(block.seq) as usize..]);
            next = block.end();
        }
        assert_eq!(queue.held(), 0);
        bytes
    }

    #[test]
    fn blocks_come_out_in_sequence_across_the_wrap() {
        let mut queue = OutOfOrder::default();
        for (seq, data) in [(2, b"ef"), (u32::MAX - 1, b"ab"), (0, b"cd")] {
            assert!(!queue.insert(block(seq, data)).conflict);
        }
        assert_eq!(read(&mut queue, u32::MAX - 1), b"abcdef");
    }

    #[test]
    fn a_segment_inside_a_kept_one_is_dropped() {
        let mut queue = OutOfOrder::default();
        queue.insert(block(10, b"abcdef"));
        assert!(queue.insert(block(12, b"XY")).conflict);
        assert_eq!(read(&mut queue, 10), b"abcdef");
    }

    #[test]
    fn a_segment_that_covers_kept_ones_replaces_them() {
        let mut queue = OutOfOrder::default();
        queue.insert(block(10, b"ab"));
        queue.insert(block(12, b"cd"));
        queue.insert(block(20, b"zz"));
        assert!(queue.insert(block(10, b"ABCDE")).conflict);
        assert_eq!(read(&mut queue, 10), b"ABCDE");
    }

    #[test]
    fn a_partial_overlap_is_won_by_the_earlier_start() {
        let mut queue = OutOfOrder::default();
        queue.insert(block(12, b"cdef"));
        assert!(!queue.insert(block(10, b"abcd")).conflict);
        assert!(queue.insert(block(15, b"XYZ")).conflict);
        assert_eq!(read(&mut queue, 10), b"abcdefYZ");
    }

    #[test]
    fn a_verified_segment_wins_over_one_that_tcp_may_have_dropped() {
        let mut queue = OutOfOrder::default();
        let verified = |seq, data| {
            let unknown = block(seq, data);
            Block { origin: Origin { trusted: true, ..unknown.origin }, ..unknown }
        };
        queue.insert(block(10, b"junkjunk"));
        assert!(queue.insert(verified(12, b"real")).conflict);
        assert!(queue.insert(block(10, b"JUNKJUNK")).conflict);
        queue.insert(verified(10, b"so"));
        assert_eq!(read(&mut queue, 10), b"soreal");
    }

    #[test]
    fn an_equal_segment_changes_nothing() {
        let mut queue = OutOfOrder::default();
        queue.insert(block(10, b"abc"));
        let held = queue.held();
        assert!(!queue.insert(block(10, b"abc")).conflict);
        assert_eq!(queue.held(), held);
    }
}
