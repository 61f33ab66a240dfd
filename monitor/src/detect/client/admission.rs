//! Admission: which pairs of a client key and a route get a place of their own.
//!
//! While there is room, each does at its first object. As it gets scarce, a pair first has to touch several, which is
//! told by two sketches in fixed memory: a blocked Bloom filter says whether an object is new to the pair (Putze,
//! Sanders, Singler, 2007: one cache line a look), and a count-min sketch with conservative update (Estan, Varghese,
//! 2002), blocked likewise, counts those that are. Whoever pours in made-up keys of one object each fills the sketches
//! and nothing else. They are cleared when the filter is half full, or has seen a whole longest window; who has a place
//! keeps it.
//!
//! An estimate may be too high or, after a clearing, too low: it decides who is looked at, never what is found.

use serde::{Deserialize, Serialize};

/// Words of a cache line.
const LINE: usize = 8;

/// Bits of an object in the filter: at half full, one new object in eight looks known.
const BITS: u32 = 3;

/// Counters of a pair in the sketch.
const ROWS: u32 = 4;

/// The most that a counter of four bits holds.
const MOST: u8 = 15;

/// How full the tables are, in eighths, and how many objects it then takes to get a place.
const THRESHOLDS: [u8; 8] = [1, 1, 1, 1, 2, 2, 4, 8];

/// The sketches.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Admission {
    filter: Vec<u64>,
    counts: Vec<u64>,
    /// Bits set in the filter.
    set: u64,
    /// Times that the sketches were cleared because the filter was half full.
    overflows: u64,
}

/// What the sketches know of a pair, with the object just counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Objects that the pair has touched, about; at least 1.
    pub(super) objects: u8,
    /// The object was new to the pair.
    pub(super) is_new: bool,
}

impl Admission {
    /// Sketches of about `bytes` in all, two thirds of them the filter.
    pub(super) fn new(bytes: usize) -> Admission {
        let (filter, counts) = Admission::words(bytes);
        Admission { filter: vec![0; filter], counts: vec![0; counts], set: 0, overflows: 0 }
    }

    /// Whether they are of about `bytes` in all.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        (self.filter.len(), self.counts.len()) == Admission::words(bytes)
    }

    fn words(bytes: usize) -> (usize, usize) {
        let lines = |bytes: usize| (bytes / (LINE * 8)).max(1) * LINE;
        (lines(bytes / 3 * 2), lines(bytes / 3))
    }

    /// Objects that a pair must have touched to get a place, when `used` of `capacity` places are taken.
    pub(super) fn threshold(used: usize, capacity: usize) -> u8 {
        let eighths = used * THRESHOLDS.len() / capacity.max(1);
        THRESHOLDS[eighths.min(THRESHOLDS.len() - 1)]
    }

    /// Counts an object of a pair without a place.
    pub(super) fn count(&mut self, pair: u64, object: u64) -> Standing {
        let is_new = self.is_new(pair, object);
        let known = self.estimate(pair);
        let objects = if is_new { known.saturating_add(1).min(MOST) } else { known.max(1) };
        if is_new {
            self.raise(pair, objects);
        }
        Standing { objects, is_new }
    }

    /// Whether the object is new to the pair; from then on it is known.
    pub(super) fn is_new(&mut self, pair: u64, object: u64) -> bool {
        if self.set * 2 >= self.filter.len() as u64 * 64 {
            self.clear();
            self.overflows += 1;
        }
        let hash = mix(pair ^ object.rotate_left(29));
        let line = line_of(&mut self.filter, hash);
        let mut bits = mix(hash);
        let mut fresh = 0;
        for _ in 0..BITS {
            let bit = (bits % (LINE as u64 * 64)) as usize;
            bits >>= 9;
            let word = &mut line[bit / 64];
            let mask = 1 << (bit % 64);
            fresh += u64::from(*word & mask == 0);
            *word |= mask;
        }
        self.set += fresh;
        fresh > 0
    }

    /// Notes that a pair, which loses its place, had touched so many objects.
    pub(super) fn remember(&mut self, pair: u64, objects: u32) {
        self.raise(pair, u8::try_from(objects).unwrap_or(MOST).min(MOST));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.filter.fill(0);
        self.counts.fill(0);
        self.set = 0;
    }

    /// How often the sketches were full before their time.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    fn estimate(&mut self, pair: u64) -> u8 {
        let line = line_of(&mut self.counts, pair);
        counters(pair).map(|at| (line[at / 16] >> (at % 16 * 4)) as u8 & MOST).min().unwrap_or_default()
    }

    /// Lets each counter of the pair be at least `objects`.
    fn raise(&mut self, pair: u64, objects: u8) {
        let line = line_of(&mut self.counts, pair);
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

/// The line that a hash belongs to.
fn line_of(words: &mut [u64], hash: u64) -> &mut [u64] {
    let lines = (words.len() / LINE) as u128;
    let line = ((u128::from(hash) * lines) >> 64) as usize;
    &mut words[line * LINE..][..LINE]
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

    #[test]
    fn objects_of_a_pair_are_counted_once_each() {
        let mut admission = Admission::new(1 << 20);
        let counted: Vec<u8> = (0..20).map(|n| admission.count(hash(1), hash(100 + n / 2)).objects).collect();
        assert_eq!(counted, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10]);
        for n in 0..40 {
            admission.count(hash(1), hash(200 + n));
        }
        assert_eq!(admission.count(hash(1), hash(999)).objects, MOST);
        assert_eq!(admission.count(hash(2), hash(999)), Standing { objects: 1, is_new: true });
    }

    #[test]
    fn who_loses_a_place_is_remembered() {
        let mut admission = Admission::new(1 << 16);
        admission.remember(hash(1), 6);
        assert_eq!(admission.count(hash(1), hash(7)).objects, 7);
        admission.remember(hash(3), 1_000);
        assert_eq!(admission.count(hash(3), hash(7)).objects, MOST);
    }

    #[test]
    fn a_flood_of_keys_makes_few_look_busy() {
        let mut admission = Admission::new(768 << 10);
        // As many as fill the filter to nearly a half.
        let objects = 2_000_000 / u64::from(BITS) * 9 / 10;
        let busy = (0..objects).filter(|&n| admission.count(hash(n), hash(1)).objects >= 4).count();
        assert_eq!(admission.overflows(), 0);
        assert!(busy < objects as usize / 50, "{busy} of {objects}");
    }

    #[test]
    fn full_sketches_are_cleared_and_counted() {
        let mut admission = Admission::new(3 << 10);
        for n in 0..20_000 {
            admission.count(hash(n), hash(1));
        }
        assert!(admission.overflows() > 1);
        assert!(admission.set <= admission.filter.len() as u64 * 64 / 2 + 3);
    }

    #[test]
    fn it_takes_more_as_room_gets_scarce() {
        let thresholds = [0, 49, 50, 74, 75, 87, 88, 100, 200].map(|used| Admission::threshold(used, 100));
        assert_eq!(thresholds, [1, 1, 2, 2, 4, 4, 8, 8, 8]);
        assert_eq!(Admission::threshold(0, 0), 1);
    }
}
