//! Segments of one direction, kept until the receiver's own state shows that it accepted them.
//!
//! Overlaps are settled the way Linux settles them (`tcp_data_queue_ofo`, net/ipv4/tcp_input.c), so that the
//! bytes are those which the application read: a segment that lies inside a kept one is dropped, kept ones
//! that lie inside a new one are replaced by it, and where two overlap in part the one that starts earlier
//! wins. Bytes that came before their turn never win over bytes that arrive in order.

use std::collections::VecDeque;

use rollcall_model::time::Timestamp;

/// What a block costs besides its bytes: keeps one-byte blocks from being free, and their number bounded.
const BLOCK_COST: usize = 64;

/// What is known of a segment besides its bytes and its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// When it was seen.
    pub at: Timestamp,
    /// The server's next place when it was seen.
    pub sent: Option<u64>,
    /// The client was still waiting for bytes that the server had sent, or the server had sent none since the
    /// last segment: a request that starts here does not follow the answer to the one before.
    pub pipelined: bool,
    /// TCP had accepted all bytes before it when it came, and none of it.
    pub in_order: bool,
    /// The server had answered, or it is the first segment of all: a request may start at its first byte.
    pub boundary: bool,
    /// The server had answered all that came before, the client had received all of the answer, and TCP had all
    /// request bytes before this one: a request does start at its first byte.
    pub certain: bool,
    /// Its checksum was verified, so TCP did not drop it for that.
    pub trusted: bool,
    /// The share of targets being captured.
    pub sampling: f64,
}

/// One segment that waits.
#[derive(Debug)]
pub struct Block {
    /// The place of its first byte.
    pub place: u64,
    /// Length on the wire.
    pub length: u32,
    /// The captured prefix.
    pub data: Vec<u8>,
    /// The stream ends after it.
    pub fin: bool,
    /// Bytes before it were missing when it came: that TCP kept it, only evidence can show.
    pub early: bool,
    pub origin: Origin,
}

impl Block {
    /// The place after the last byte.
    pub fn end(&self) -> u64 {
        self.place + u64::from(self.length)
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

/// The blocks of one direction of one connection, by place.
#[derive(Debug, Default)]
pub struct Queue {
    blocks: VecDeque<Block>,
    held: usize,
}

impl Queue {
    /// What its blocks cost of the limits.
    pub fn held(&self) -> usize {
        self.held
    }

    /// No block waits.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Where the bytes end that follow on each other from `start` on.
    pub fn contiguous(&self, start: u64) -> u64 {
        self.follow(start, |_| true)
    }

    /// The same of bytes that came one after the other.
    pub fn in_order(&self, start: u64) -> u64 {
        self.follow(start, |block| !block.early)
    }

    fn follow(&self, start: u64, counts: impl Fn(&Block) -> bool) -> u64 {
        let mut end = start;
        let first = self.blocks.partition_point(|block| block.end() <= start);
        for block in self.blocks.range(first..) {
            if block.place > end || !counts(block) {
                break;
            }
            end = end.max(block.end());
        }
        end
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

    /// Puts a block that [`Queue::pop`] gave back at the front.
    pub fn restore(&mut self, block: Block) {
        self.held += block.cost();
        self.blocks.push_front(block);
    }

    /// Adds a block.
    pub fn insert(&mut self, block: Block) -> Inserted {
        let mut freed = 0;
        let mut conflict = false;
        if block.origin.trusted || block.origin.in_order {
            // What TCP may have dropped gives way to what it took; and had it kept what came before its turn, it would be further.
            let gives_way = |kept: &Block| !kept.origin.trusted || block.origin.in_order && kept.early;
            let replaced = |kept: &Block| gives_way(kept) && differ(kept, &block);
            if self.overlapping(&block).any(replaced) {
                conflict = true;
                let before = self.held;
                self.give_way(&block, replaced);
                freed = before - self.held;
            }
        }
        if !block.origin.trusted
            && self.overlapping(&block).any(|kept| kept.origin.trusted && differ(kept, &block))
        {
            return Inserted { freed: freed + block.cost(), conflict: true };
        }
        let at = self.blocks.partition_point(|kept| kept.place <= block.place);
        if let Some(kept) = at.checked_sub(1).and_then(|i| self.blocks.get(i)) {
            conflict |= differ(kept, &block);
            if block.end() <= kept.end() {
                return Inserted { freed: freed + block.cost(), conflict };
            }
        }
        let mut first = at;
        if let Some(kept) = at.checked_sub(1).and_then(|i| self.blocks.get(i))
            && kept.place == block.place
        {
            first = at - 1;
        }
        let mut last = first;
        while let Some(kept) = self.blocks.get(last) {
            if kept.place >= block.end() && kept.place != block.place {
                break;
            }
            conflict |= differ(kept, &block);
            if kept.end() > block.end() {
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

    /// Takes out of the blocks that are `replaced` by this one what it replaces.
    fn give_way(&mut self, block: &Block, replaced: impl Fn(&Block) -> bool) {
        let mut held = 0;
        self.blocks.retain_mut(|kept| {
            let gives_way = kept.end() > block.place && kept.place < block.end() && replaced(kept);
            if gives_way && kept.origin.trusted && kept.place >= block.place {
                // TCP has it, and takes what stands behind.
                let shared = (block.end() - kept.place).min(u64::from(kept.length)) as u32;
                kept.data.drain(..kept.data.len().min(shared as usize));
                kept.place += u64::from(shared);
                kept.length -= shared;
            } else if gives_way {
                kept.length = block.place.saturating_sub(kept.place) as u32;
                kept.data.truncate(kept.length as usize);
                kept.fin = false;
            }
            let stays = kept.length > 0;
            held += if stays { kept.cost() } else { 0 };
            stays
        });
        self.held = held;
    }

    /// The blocks that share bytes with this one. None lies inside another, so their ends are in order, too.
    fn overlapping(&self, block: &Block) -> impl Iterator<Item = &Block> {
        let first = self.blocks.partition_point(|kept| kept.end() <= block.place);
        let end = block.end();
        self.blocks.range(first..).take_while(move |kept| kept.place < end)
    }
}

/// Whether two blocks hold different bytes for the same place.
fn differ(a: &Block, b: &Block) -> bool {
    let (low, high) = if a.place > b.place { (b, a) } else { (a, b) };
    let skip = (high.place - low.place) as usize;
    let low = low.data.get(skip..).unwrap_or_default();
    let shared = low.len().min(high.data.len());
    low[..shared] != high.data[..shared]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(place: u64, data: &[u8]) -> Block {
        Block {
            place,
            length: data.len() as u32,
            data: data.to_vec(),
            fin: false,
            early: false,
            origin: Origin::default(),
        }
    }

    /// Reads what TCP would deliver from `from` on.
    fn read(queue: &mut Queue, from: u64) -> Vec<u8> {
        let mut next = from;
        let mut bytes = Vec::new();
        while let Some(block) = queue.pop() {
            if block.place > next || block.end() <= next {
                continue;
            }
            bytes.extend(&block.data[(next - block.place) as usize..]);
            next = block.end();
        }
        assert_eq!(queue.held(), 0);
        bytes
    }

    #[test]
    fn blocks_come_out_in_order() {
        let mut queue = Queue::default();
        for (place, data) in [(14, b"ef"), (10, b"ab"), (12, b"cd")] {
            assert!(!queue.insert(block(place, data)).conflict);
        }
        assert_eq!(read(&mut queue, 10), b"abcdef");
    }

    #[test]
    fn a_segment_inside_a_kept_one_is_dropped() {
        let mut queue = Queue::default();
        queue.insert(block(10, b"abcdef"));
        assert!(queue.insert(block(12, b"XY")).conflict);
        assert_eq!(read(&mut queue, 10), b"abcdef");
    }

    #[test]
    fn a_segment_that_covers_kept_ones_replaces_them() {
        let mut queue = Queue::default();
        queue.insert(block(10, b"ab"));
        queue.insert(block(12, b"cd"));
        queue.insert(block(20, b"zz"));
        assert!(queue.insert(block(10, b"ABCDE")).conflict);
        assert_eq!(read(&mut queue, 10), b"ABCDE");
    }

    #[test]
    fn a_partial_overlap_is_won_by_the_earlier_start() {
        let mut queue = Queue::default();
        queue.insert(block(12, b"cdef"));
        assert!(!queue.insert(block(10, b"abcd")).conflict);
        assert!(queue.insert(block(15, b"XYZ")).conflict);
        assert_eq!(read(&mut queue, 10), b"abcdefYZ");
    }

    #[test]
    fn a_verified_segment_wins_over_one_that_tcp_may_have_dropped() {
        let mut queue = Queue::default();
        let verified = |place, data| {
            let unknown = block(place, data);
            Block { origin: Origin { trusted: true, ..unknown.origin }, ..unknown }
        };
        queue.insert(block(10, b"junkjunk"));
        assert!(queue.insert(verified(12, b"real")).conflict);
        assert!(queue.insert(block(10, b"JUNKJUNK")).conflict);
        queue.insert(verified(10, b"so"));
        assert_eq!(read(&mut queue, 10), b"soreal");
    }

    #[test]
    fn a_segment_in_order_wins_and_leaves_what_stands_behind_it() {
        let mut queue = Queue::default();
        let known = |place: u64, data: &[u8], in_order: bool| {
            let unknown = block(place, data);
            Block {
                early: !in_order,
                origin: Origin { trusted: true, in_order, ..unknown.origin },
                ..unknown
            }
        };
        queue.insert(known(12, b"CDEF", false));
        assert!(queue.insert(known(10, b"abcd", true)).conflict);
        assert_eq!(read(&mut queue, 10), b"abcdEF");
        queue.insert(known(10, b"ABCDEF", false));
        assert!(queue.insert(known(10, b"abc", true)).conflict);
        assert_eq!(
            (queue.in_order(10), queue.contiguous(10), read(&mut queue, 10)),
            (13, 16, b"abcDEF".to_vec())
        );
    }

    #[test]
    fn an_equal_segment_changes_nothing() {
        let mut queue = Queue::default();
        queue.insert(block(10, b"abc"));
        let held = queue.held();
        assert!(!queue.insert(block(10, b"abc")).conflict);
        assert_eq!(queue.held(), held);
    }
}
