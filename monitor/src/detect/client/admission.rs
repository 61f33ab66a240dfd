//! Admission: which pairs of a client key and a route get a place of their own.
//!
//! While there is room, each does at its first object. As it gets scarce, a pair first has to touch several, which is
//! told by two sketches in fixed memory: a blocked Bloom filter says whether a pair has been seen, and whether an object
//! is new to it (Putze, Sanders, Singler, 2007: one cache line a look), and a count-min sketch with conservative update
//! (Estan, Varghese, 2002), blocked likewise, counts the objects after the first. Whoever pours in made-up keys of one
//! object each fills the filter, and not even the counters. Both are cleared when the filter is half full, or has seen a
//! whole longest window; who has a place keeps it.
//!
//! An estimate may be too high by a few, or, after a clearing, too low.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Words of a cache line.
const LINE: usize = 8;

/// Bits of a pair in the filter: at half full, one in sixteen that is new looks known.
const PAIR_BITS: u32 = 4;

/// Bits of an object of a pair: at half full, one in 128 that is new looks known. There are few, for most pairs have but
/// one object, which is not in it.
const OBJECT_BITS: u32 = 7;

/// Counters of a pair in the sketch.
const ROWS: u32 = 4;

/// The most that a counter of four bits holds.
const MOST: u8 = 15;

/// How full the tables are, in eighths, and how many objects it then takes to get a place.
const THRESHOLDS: [u8; 8] = [1, 1, 1, 1, 2, 2, 3, 4];

/// The sketches.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Admission {
    filter: Vec<u64>,
    counts: Vec<u64>,
    /// Bits set in the filter.
    set: u64,
    /// When they were cleared last.
    #[serde(with = "crate::time::nanoseconds")]
    since: Timestamp,
    /// Times that the sketches were cleared because the filter was half full.
    overflows: u64,
}

/// What the sketches know of a pair, with the object just counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Objects that the pair has touched, about; at least 1.
    pub(super) objects: u8,
    /// The pair had not been seen.
    pub(super) is_new: bool,
}

impl Admission {
    /// Sketches of about `bytes` in all, five sixths of them the filter.
    pub(super) fn new(bytes: usize) -> Admission {
        let (filter, counts) = Admission::words(bytes);
        Admission {
            filter: vec![0; filter],
            counts: vec![0; counts],
            set: 0,
            since: Timestamp::default(),
            overflows: 0,
        }
    }

    /// Whether they are of about `bytes` in all.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        (self.filter.len(), self.counts.len()) == Admission::words(bytes)
    }

    fn words(bytes: usize) -> (usize, usize) {
        let lines = |bytes: usize| (bytes / (LINE * 8)).max(1) * LINE;
        (lines(bytes / 6 * 5), lines(bytes / 6))
    }

    /// Objects that a pair must have touched to get a place, when `used` of `capacity` places are taken.
    pub(super) fn threshold(used: usize, capacity: usize) -> u8 {
        let eighths = used * THRESHOLDS.len() / capacity.max(1);
        THRESHOLDS[eighths.min(THRESHOLDS.len() - 1)]
    }

    /// Counts an object of a pair without a place.
    pub(super) fn count(&mut self, pair: u64, object: u64, now: Timestamp) -> Standing {
        if self.insert(mix(pair), PAIR_BITS, now) {
            return Standing { objects: 1, is_new: true };
        }
        let known = self.estimate(pair);
        let further = if self.is_new(pair, object, now) { known.saturating_add(1).min(MOST) } else { known };
        if further > known {
            self.raise(pair, further);
        }
        Standing { objects: further + 1, is_new: false }
    }

    /// Whether the object is new to the pair; from then on it is known.
    pub(super) fn is_new(&mut self, pair: u64, object: u64, now: Timestamp) -> bool {
        self.insert(entry(pair, object), OBJECT_BITS, now)
    }

    /// Whether the object was counted for the pair since the last clearing.
    pub(super) fn knows(&self, pair: u64, object: u64) -> bool {
        let hash = entry(pair, object);
        let line = &self.filter[line_of(self.filter.len(), hash)];
        places(hash, OBJECT_BITS).all(|(word, mask)| line[word] & mask != 0)
    }

    /// When counting began.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Sets the bits of an entry; whether one of them was not.
    fn insert(&mut self, hash: u64, bits: u32, now: Timestamp) -> bool {
        if self.set * 2 >= self.filter.len() as u64 * 64 {
            self.clear(now);
            self.overflows += 1;
        }
        let range = line_of(self.filter.len(), hash);
        let line = &mut self.filter[range];
        let mut fresh = 0;
        for (word, mask) in places(hash, bits) {
            fresh += u64::from(line[word] & mask == 0);
            line[word] |= mask;
        }
        self.set += fresh;
        fresh > 0
    }

    /// Notes that a pair, which loses its place, had touched so many objects.
    pub(super) fn remember(&mut self, pair: u64, objects: u32, now: Timestamp) {
        self.insert(mix(pair), PAIR_BITS, now);
        self.raise(pair, u8::try_from(objects.saturating_sub(1)).unwrap_or(MOST).min(MOST));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, now: Timestamp) {
        self.since = now;
        self.filter.fill(0);
        self.counts.fill(0);
        self.set = 0;
    }

    /// How often the sketches were full before their time.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Objects after the first.
    fn estimate(&self, pair: u64) -> u8 {
        let line = &self.counts[line_of(self.counts.len(), pair)];
        counters(pair).map(|at| (line[at / 16] >> (at % 16 * 4)) as u8 & MOST).min().unwrap_or_default()
    }

    /// Lets each counter of the pair be at least `objects`.
    fn raise(&mut self, pair: u64, objects: u8) {
        let range = line_of(self.counts.len(), pair);
        let line = &mut self.counts[range];
        for at in counters(pair) {
            let (word, shift) = (&mut line[at / 16], at % 16 * 4);
            if ((*word >> shift) as u8 & MOST) < objects {
                *word = *word & !(u64::from(MOST) << shift) | u64::from(objects) << shift;
            }
        }
    }
}

/// The pair's counters among the 128 of its line.
fn counters(pair: u64) -> impl Iterator<Item = usize> {
    let bits = mix(pair);
    (0..ROWS).map(move |row| (bits >> (row * 7) & 127) as usize)
}

/// The words of the line that a hash belongs to, of so many.
fn line_of(words: usize, hash: u64) -> Range<usize> {
    let lines = (words / LINE) as u128;
    let line = ((u128::from(hash) * lines) >> 64) as usize;
    line * LINE..(line + 1) * LINE
}

/// The bits of an entry in its line.
fn places(hash: u64, count: u32) -> impl Iterator<Item = (usize, u64)> {
    let bits = mix(hash);
    (0..count).map(move |n| {
        let bit = (bits >> (9 * n)) & 511;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

/// The filter's entry for an object of a pair.
fn entry(pair: u64, object: u64) -> u64 {
    mix(pair ^ object.rotate_left(29))
}

/// Spreads what is secret already over all bits (the finaliser of SplitMix64).
pub(super) fn mix(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        mix(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    const NOW: Timestamp = Timestamp(5);

    #[test]
    fn objects_of_a_pair_are_counted_once_each() {
        let mut admission = Admission::new(1 << 20);
        let mut count = |pair, object| admission.count(hash(pair), hash(object), NOW);
        let counted: Vec<u8> = (0..20).map(|n| count(1, 100 + n)).map(|standing| standing.objects).collect();
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16]);
        assert_eq!(count(2, 7), Standing { objects: 1, is_new: true });
        // That the second is the first again is not known, the third time is.
        assert_eq!(count(2, 7), Standing { objects: 2, is_new: false });
        assert!((0..9).all(|_| count(2, 7).objects == 2));
        assert!(admission.knows(hash(1), hash(105)) && !admission.knows(hash(1), hash(205)));
    }

    #[test]
    fn who_loses_a_place_is_remembered() {
        let mut admission = Admission::new(1 << 16);
        admission.remember(hash(1), 6, NOW);
        assert_eq!(admission.count(hash(1), hash(7), NOW).objects, 7);
        admission.remember(hash(3), 1_000, NOW);
        assert_eq!(admission.count(hash(3), hash(7), NOW).objects, MOST + 1);
    }

    #[test]
    fn a_flood_of_keys_makes_few_look_busy() {
        let mut admission = Admission::new(768 << 10);
        // As many as fill the filter to nearly a half.
        let objects = 850_000;
        let busy = (0..objects).filter(|&n| admission.count(hash(n), hash(1), NOW).objects >= 3).count();
        assert_eq!(admission.overflows(), 0);
        assert!(admission.set * 5 > admission.filter.len() as u64 * 64 * 2);
        assert!(busy < objects as usize / 1_000, "{busy} of {objects}");
    }

    #[test]
    fn full_sketches_are_cleared_and_counted() {
        let mut admission = Admission::new(3 << 10);
        for n in 0..20_000 {
            admission.count(hash(n), hash(1), NOW);
        }
        assert!(admission.overflows() > 1);
        assert_eq!(admission.since(), NOW);
        assert!(admission.set <= admission.filter.len() as u64 * 64 / 2 + 7);
    }

    #[test]
    fn it_takes_more_as_room_gets_scarce() {
        let thresholds = [0, 49, 50, 74, 75, 87, 88, 100, 200].map(|used| Admission::threshold(used, 100));
        assert_eq!(thresholds, [1, 1, 2, 2, 3, 3, 4, 4, 4]);
        assert_eq!(Admission::threshold(0, 0), 1);
    }
}
