//! Which objects have been touched of late: two generations of a blocked Bloom filter (Putze et al., 2007).
//!
//! The current generation is filled; when it is half full or has got old, it becomes the previous one, and an empty one
//! takes its place. An object is known if either knows it, so that it is remembered for as long as one generation
//! lasts, and at most for two. Half full is where an object that is new is taken for known with a probability of
//! 2^-5 for each generation: 6 % at the very worst, 2 % on average.

use std::{hint::black_box, time::Duration};

use rollcall_model::{
    state::table::{self, cell},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{bloom, mix::place};

/// Bits set for an object. Five hold 2.9 million objects in a generation of 3 MiB; with four it would be 4 million, but
/// one new object in eight would pass for known when both are half full.
const BITS: u32 = 5;

/// Bits of a line.
const LINE_BITS: u64 = 512;

/// A generation's age: what nobody touches for one to two weeks is touched by nobody.
const LIFE: Duration = Duration::from_secs(7 * 86_400);

/// One cache line: all of an object's bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(64))]
struct Line {
    words: [u64; 8],
}
cell!(Line { words: [u64; 8] });

/// Lines, never none.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Lines(#[serde(with = "table")] Vec<Line>);

/// See the [module](self).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    current: Lines,
    previous: Lines,
    /// Bits set in the current generation.
    set: u64,
    since: Timestamp,
    /// Generations that were turned.
    pub(super) turned: u64,
}

impl Memory {
    /// Two empty generations in `bytes`.
    pub(super) fn new(bytes: usize) -> Memory {
        let lines = || Lines(vec![Line::default(); Memory::lines(bytes)]);
        Memory { current: lines(), previous: lines(), set: 0, since: Timestamp::default(), turned: 0 }
    }

    /// Whether it is one of `bytes`.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        [&self.current, &self.previous].iter().all(|lines| lines.0.len() == Memory::lines(bytes))
    }

    /// Lines of a generation.
    fn lines(bytes: usize) -> usize {
        (bytes / 2 / size_of::<Line>()).max(1)
    }

    /// Fetches from memory what is known of an object.
    pub(super) fn fetch(&self, hash: u64) {
        black_box(self.current.line(hash).map_or(0, |line| line.words[0]));
    }

    /// Whether the object with this hash is known.
    pub(super) fn knows(&self, hash: u64) -> bool {
        let known = |lines: &Lines| lines.line(hash).is_some_and(|line| bloom::has(&line.words, hash, BITS));
        known(&self.current) || known(&self.previous)
    }

    /// Whether the object with this hash was known; now it is.
    pub(super) fn touch(&mut self, hash: u64, now: Timestamp) -> bool {
        if self.since == Timestamp::default() {
            self.since = now;
        }
        let half = self.current.0.len() as u64 * LINE_BITS / 2;
        if self.set >= half || now.since(self.since) >= LIFE {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.0.fill(Line::default());
            (self.set, self.since) = (0, now);
            self.turned += 1;
        }
        let lacked = self.current.line_mut(hash).map_or(0, |line| bloom::add(&mut line.words, hash, BITS));
        self.set += lacked;
        lacked == 0 || self.previous.line(hash).is_some_and(|line| bloom::has(&line.words, hash, BITS))
    }
}

impl Lines {
    fn line(&self, hash: u64) -> Option<&Line> {
        self.0.get(place(hash, self.0.len()))
    }

    fn line_mut(&mut self, hash: u64) -> Option<&mut Line> {
        let count = self.0.len();
        self.0.get_mut(place(hash, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::hash::HashKey;

    const NOW: Timestamp = Timestamp(1);

    /// New objects that pass for known when `before` objects have been touched.
    fn false_known(before: u32) -> (f64, Memory) {
        let key = HashKey::new([3; 16]);
        let mut memory = Memory::new(1 << 16);
        (0..before).for_each(|n| _ = memory.touch(key.hash(&n.to_be_bytes()), NOW));
        let mut memory_then = Memory::new(1 << 16);
        std::mem::swap(&mut memory, &mut memory_then);
        let known = (before..before + 2_000).filter(|n| memory_then.touch(key.hash(&n.to_be_bytes()), NOW));
        (known.count() as f64 / 2_000.0, memory_then)
    }

    #[test]
    fn what_was_touched_is_known_and_what_is_new_seldom() {
        // A generation of 32 KiB holds 2^18 bits, half full at 36,000 objects.
        let (rate, memory) = false_known(30_000);
        assert!(memory.turned == 0 && rate < 0.035, "{rate} with one generation");
        let (rate, memory) = false_known(72_000);
        assert!(memory.turned >= 1 && rate < 0.075, "{rate} with two");
        let key = HashKey::new([3; 16]);
        let mut memory = memory;
        assert!((60_000_u32..72_000).all(|n| memory.touch(key.hash(&n.to_be_bytes()), NOW)));
    }

    #[test]
    fn it_forgets_within_two_weeks() {
        let day = |n: u64| Timestamp(1 + n * 86_400_000_000_000);
        let mut memory = Memory::new(1 << 12);
        assert!(!memory.touch(7, day(0)));
        assert!(memory.touch(7, day(6)));
        memory.touch(8 << 40, day(8));
        assert!(memory.touch(7, day(13)), "refreshed when last touched");
        memory.touch(9 << 40, day(15));
        memory.touch(9 << 40, day(22));
        assert!(!memory.touch(7, day(22)));
    }
}
