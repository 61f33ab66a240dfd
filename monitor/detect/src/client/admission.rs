//! Admission: which pairs of a client key and a route get a place of their own.
//!
//! While there is room, each does at its first object. As it gets scarce, a pair first has to touch several, which is
//! told by sketches in fixed memory: a blocked Bloom filter says whether a pair has been seen, and whether an object is
//! new to it (Putze, Sanders, Singler, 2007), and a count-min sketch with conservative update (Estan, Varghese, 2002)
//! counts the objects after the first. All that is known of a pair stands in one cache line. Whoever pours in made-up keys
//! of one object each fills the filter, and not even the counters. Everything is cleared when the filter is half full, or
//! has seen a whole longest window; who has a place keeps it.
//!
//! An estimate may be too high by a few, or, after a clearing, too low.

use std::hint::black_box;

use rollcall_model::{
    state::table::{self, cell},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{bloom, mix::place};

/// Bits of a line for the filter: six words of the eight that a cache line has.
const FILTER_BITS: u64 = 6 * 64;

/// TallyCounters of four bits in the other two.
const COUNTERS: u64 = 32;

/// Bits of a pair in the filter: at half full, one in sixteen that is new looks known.
const PAIR_BITS: u32 = 4;

/// Bits of an object of a pair: at half full, one in 128 that is new looks known. There are few, for most pairs have but
/// one object, which is not in it.
const OBJECT_BITS: u32 = 7;

/// TallyCounters of a pair in the sketch.
const ROWS: u32 = 4;

/// The most that a counter of four bits holds.
const MOST: u8 = 15;

/// How full the tables are, in eighths, and how many objects it then takes to get a place.
const THRESHOLDS: [u8; 8] = [1, 1, 1, 1, 2, 2, 3, 4];

/// A cache line of the sketches.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line {
    filter: [u64; 6],
    counts: [u64; 2],
}
cell!(Line { filter: [u64; 6], counts: [u64; 2] });

/// The sketches.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Admission {
    #[serde(with = "table")]
    lines: Vec<Line>,
    /// Bits set in the filter.
    set: u64,
    /// When they were cleared last.
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
    /// Sketches of about `bytes` in all.
    pub(super) fn new(bytes: usize) -> Admission {
        let lines = vec![Line::default(); Admission::lines(bytes)];
        Admission { lines, set: 0, since: Timestamp::default(), overflows: 0 }
    }

    /// Whether they are of about `bytes` in all.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.lines.len() == Admission::lines(bytes)
    }

    fn lines(bytes: usize) -> usize {
        (bytes / size_of::<Line>()).max(1)
    }

    /// Objects that a pair must have touched to get a place, when `used` of `capacity` places are taken.
    pub(super) fn threshold(used: usize, capacity: usize) -> u8 {
        let eighths = used * THRESHOLDS.len() / capacity.max(1);
        THRESHOLDS[eighths.min(THRESHOLDS.len() - 1)]
    }

    /// Fetches from memory what is known of a pair.
    pub(super) fn fetch(&self, pair: u64) {
        black_box(self.lines[place(pair, self.lines.len())].counts[0]);
    }

    /// Counts an object of a pair without a place.
    pub(super) fn count(&mut self, pair: u64, object: u64, now: Timestamp) -> Standing {
        self.make_room(now);
        let at = place(pair, self.lines.len());
        let line = &mut self.lines[at];
        let fresh = bloom::add(&mut line.filter, mix(pair), PAIR_BITS);
        if fresh > 0 {
            self.set += fresh;
            return Standing { objects: 1, is_new: true };
        }
        let fresh = bloom::add(&mut line.filter, entry(pair, object), OBJECT_BITS);
        self.set += fresh;
        let mut further = line.estimate(pair);
        if fresh > 0 && further < MOST {
            further += 1;
            line.raise(pair, further);
        }
        Standing { objects: further + 1, is_new: false }
    }

    /// Whether the object is new to a pair that has a place; from then on it is known.
    pub(super) fn is_new(&mut self, pair: u64, object: u64, now: Timestamp) -> bool {
        self.make_room(now);
        // Anywhere: a pair may have many.
        let entry = entry(pair, object);
        let at = place(entry, self.lines.len());
        let line = &mut self.lines[at];
        let fresh = bloom::add(&mut line.filter, mix(entry), OBJECT_BITS);
        self.set += fresh;
        fresh > 0
    }

    /// Whether the object was counted for the pair since the last clearing.
    pub(super) fn knows(&self, pair: u64, object: u64) -> bool {
        let line = &self.lines[place(pair, self.lines.len())];
        bloom::has(&line.filter, entry(pair, object), OBJECT_BITS)
    }

    /// When counting began.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// Notes that a pair, which loses its place, had touched so many objects.
    pub(super) fn remember(&mut self, pair: u64, objects: u32) {
        let at = place(pair, self.lines.len());
        let line = &mut self.lines[at];
        self.set += bloom::add(&mut line.filter, mix(pair), PAIR_BITS);
        line.raise(pair, u8::try_from(objects.saturating_sub(1)).unwrap_or(MOST).min(MOST));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, now: Timestamp) {
        self.lines.fill(Line::default());
        (self.set, self.since) = (0, now);
    }

    /// How often the sketches were full before their time.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.set * 2 >= self.lines.len() as u64 * FILTER_BITS {
            self.clear(now);
            self.overflows += 1;
        }
    }
}

impl Line {
    /// Objects after the first.
    fn estimate(&self, pair: u64) -> u8 {
        counters(pair)
            .map(|at| (self.counts[at / 16] >> (at % 16 * 4)) as u8 & MOST)
            .min()
            .unwrap_or_default()
    }

    /// Lets each counter of the pair be at least `objects`.
    fn raise(&mut self, pair: u64, objects: u8) {
        for at in counters(pair) {
            let (word, shift) = (&mut self.counts[at / 16], at % 16 * 4);
            if ((*word >> shift) as u8 & MOST) < objects {
                *word = *word & !(u64::from(MOST) << shift) | u64::from(objects) << shift;
            }
        }
    }
}

/// The pair's counters among those of its line.
fn counters(pair: u64) -> impl Iterator<Item = usize> {
    let bits = mix(pair.rotate_left(32));
    (0..ROWS).map(move |row| (bits >> (row * 8) & (COUNTERS - 1)) as usize)
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
        admission.remember(hash(1), 6);
        assert_eq!(admission.count(hash(1), hash(7), NOW).objects, 7);
        admission.remember(hash(3), 1_000);
        assert_eq!(admission.count(hash(3), hash(7), NOW).objects, MOST + 1);
    }

    #[test]
    fn a_flood_of_keys_makes_few_look_busy() {
        let mut admission = Admission::new(768 << 10);
        // As many as fill the filter to nearly a half.
        let objects = 740_000;
        let busy = (0..objects).filter(|&n| admission.count(hash(n), hash(1), NOW).objects >= 3).count();
        assert_eq!(admission.overflows(), 0);
        assert!(admission.set * 5 > admission.lines.len() as u64 * FILTER_BITS * 2);
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
        assert!(admission.set <= admission.lines.len() as u64 * FILTER_BITS / 2 + 7);
    }

    #[test]
    fn it_takes_more_as_room_gets_scarce() {
        let thresholds = [0, 49, 50, 74, 75, 87, 88, 100, 200].map(|used| Admission::threshold(used, 100));
        assert_eq!(thresholds, [1, 1, 2, 2, 3, 3, 4, 4, 4]);
        assert_eq!(Admission::threshold(0, 0), 1);
    }
}
