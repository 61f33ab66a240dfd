//! The objects of one call that the rules go by: all of them, or some that stand for the rest.
//!
//! A call that names thousands is over any limit as soon as a few dozen have been counted, and a client must not make us
//! work for each two bytes that it sends. So of a call with more than [`ONE_BY_ONE`] + [`SAMPLED`] objects the first count
//! one by one, which takes a client over the usual limits at the same count as ever. Of the others there is a sample of
//! one in 2, 4, 8 …, each of which stands for as many, as few as it takes for the sample to be no larger than [`SAMPLED`]
//! (distinct sampling, Gibbons, 2001). What is in it is told by a keyed hash of the object. So an object that comes again
//! is counted once, names that are repeated make the sample no thinner, and nobody can choose who is left out. Figures say by
//! their error that they are estimates.

use rollcall_attribute::object::Objects;
use rollcall_model::hash::HashKey;

use super::mix::{mix, permute};

/// Objects of a call that count one by one: more than the shortest limits by default allow.
const ONE_BY_ONE: usize = 32;

/// Further ones that count. A sample has at least half as many, by which a number is known within a fifth.
const SAMPLED: usize = 48;

/// Objects of a call that count, at most.
pub(super) const MOST: usize = ONE_BY_ONE + SAMPLED;

/// Places for the hashes of those, a power of two.
const PLACES: usize = 256;

/// One object of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// Its place among the call's.
    pub(super) at: u32,
    /// Its keyed hash.
    pub(super) hash: u64,
    /// The number in it, if it says something about the order in which objects are touched.
    pub(super) number: Option<u64>,
    /// Of how many objects it is the sample, in [units](super::client::UNIT).
    pub(super) weight: u32,
    /// Nobody has touched it in a long time.
    pub(super) is_first: bool,
    /// It is a part of what is being walked through on the route.
    pub(super) is_walked: bool,
}

/// Chooses, in buffers that are used again.
#[derive(Debug)]
pub(super) struct Choice {
    key: HashKey,
    secret: u64,
    /// The objects that count.
    pub(super) named: Vec<Named>,
    /// A hash of each object of the call, whether it counts or not.
    pub(super) hashes: Vec<u64>,
}

impl Choice {
    pub(super) fn new(key: HashKey) -> Choice {
        Choice { key, secret: key.hash(b"objects of one call"), named: Vec::new(), hashes: Vec::new() }
    }

    /// Chooses the objects that count of a call. Without the others, each stands for `weight`.
    pub(super) fn of(&mut self, objects: &Objects, weight: u32) {
        self.named.clear();
        self.hashes.clear();
        self.hashes.extend(objects.iter().map(|object| quick(self.secret, object)));
        if objects.len() <= MOST {
            let all = objects.iter().enumerate().map(|(at, object)| named(self.key, at, object, weight));
            return self.named.extend(all);
        }
        let (chosen, halvings) = sample(&self.hashes);
        for (nth, &at) in chosen.iter().enumerate() {
            let Some(object) = objects.get(at as usize) else { continue };
            let weight = if nth < ONE_BY_ONE { weight } else { weight.saturating_mul(1 << halvings) };
            self.named.push(named(self.key, at as usize, object, weight));
        }
    }

    /// Chooses the first object alone.
    pub(super) fn first(&mut self, objects: &Objects, weight: u32) {
        self.named.clear();
        self.named.extend(objects.get(0).map(|object| named(self.key, 0, object, weight)));
    }
}

fn named(key: HashKey, at: usize, object: &str, weight: u32) -> Named {
    let number = number(object);
    Named {
        at: at as u32,
        hash: key.hash(object.as_bytes()),
        number,
        weight,
        is_first: false,
        is_walked: false,
    }
}

/// The number in an object like `1042`, `cust-1042` or `7/1042`: the digits at its end, if letters at most and
/// a separator stand before them.
fn number(object: &str) -> Option<u64> {
    let last = object.rsplit('/').next().unwrap_or(object);
    let digits =
        last.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(['-', '_', ':', '+']);
    if digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The places of the objects that count among `hashes`, each once: first [`ONE_BY_ONE`], then a sample of one in two to the
/// power of what is returned beside them.
fn sample(hashes: &[u64]) -> (Vec<u32>, u32) {
    let mut chosen: Vec<u32> = Vec::with_capacity(MOST + 1);
    let mut known = Known::default();
    let mut halvings = 0;
    for (&hash, at) in hashes.iter().zip(0_u32..) {
        if chosen.len() >= ONE_BY_ONE && !is_in(hash, halvings) || !known.insert(hash) {
            continue;
        }
        chosen.push(at);
        while chosen.len() > MOST {
            halvings += 1;
            let mut nth = 0..;
            chosen.retain(|&at| nth.next() < Some(ONE_BY_ONE) || is_in(hashes[at as usize], halvings));
            known = Known::default();
            for &at in &chosen {
                known.insert(hashes[at as usize]);
            }
        }
    }
    (chosen, halvings)
}

/// Whether the hash is in a sample of one in two to the power of `halvings`.
fn is_in(hash: u64, halvings: u32) -> bool {
    // Not the bits by which the week's counts tell how rare a hash is.
    hash.leading_zeros() >= halvings
}

/// Hashes that have come, a few dozen at most; 0 is taken to have come.
struct Known([u64; PLACES]);

impl Default for Known {
    fn default() -> Known {
        Known([0; PLACES])
    }
}

impl Known {
    /// Whether it had not come.
    fn insert(&mut self, hash: u64) -> bool {
        let mut place = hash as usize % PLACES;
        while self.0[place] != 0 && self.0[place] != hash {
            place = (place + 1) % PLACES;
        }
        hash != 0 && std::mem::replace(&mut self.0[place], hash) == 0
    }
}

/// A hash for where thousands are asked for at a time: a few instructions for each eight bytes. Shown to nobody, as [`mix`].
fn quick(secret: u64, object: &str) -> u64 {
    let (words, rest) = object.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let start = secret ^ object.len() as u64;
    let chained = words.iter().fold(start, |hash, word| permute(hash ^ u64::from_le_bytes(*word)));
    mix(secret.rotate_left(16), chained ^ u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::UNIT;

    fn choose(objects: impl IntoIterator<Item = String>) -> Vec<Named> {
        let texts: Vec<String> = objects.into_iter().collect();
        let mut choice = Choice::new(HashKey::new([5; 16]));
        choice.of(&texts.iter().map(String::as_str).collect(), UNIT);
        choice.named
    }

    fn weight(named: &[Named]) -> f64 {
        named.iter().map(|named| f64::from(named.weight) / f64::from(UNIT)).sum()
    }

    #[test]
    fn the_number_stands_at_the_end() {
        for (object, expected) in [
            ("1042", Some(1042)),
            ("cust-001042", Some(1042)),
            ("7/1042", Some(1042)),
            ("order:5", Some(5)),
            ("3f2a9c01-x", None),
            ("page=2", None),
            ("alice", None),
            ("1234567890123456789", None),
            ("", None),
        ] {
            assert_eq!(number(object), expected, "{object}");
        }
    }

    #[test]
    fn a_few_count_one_by_one_as_they_came() {
        let all = choose((0..MOST).map(|n| (n / 2).to_string()));
        assert!(all.iter().enumerate().all(|(at, named)| (named.at as usize, named.weight) == (at, UNIT)));
        assert_eq!(all.len(), MOST);
    }

    #[test]
    fn many_are_known_within_the_error_of_a_sample() {
        for count in [100, 300, 1_000, 8_000] {
            let some = choose((0..count).map(|n| format!("cust-{n}")));
            assert!((ONE_BY_ONE..=MOST).contains(&some.len()));
            assert!((0..ONE_BY_ONE).all(|at| (some[at].at as usize, some[at].weight) == (at, UNIT)));
            let off = weight(&some) / f64::from(count) - 1.0;
            assert!(off.abs() < 0.6, "{off} of {count}");
        }
        // On average over many calls, there is no more and no less.
        let total: f64 = (0..200).map(|call| weight(&choose((0..500).map(|n| format!("{call}-{n}"))))).sum();
        assert!((total / 100_000.0 - 1.0).abs() < 0.05, "{total}");
    }

    #[test]
    fn repeated_names_hide_no_others() {
        let decoys = (0..8_000).map(|n| (n % 40).to_string());
        let some = choose(decoys.chain((1_000..1_020).map(|n| n.to_string())));
        assert_eq!((some.len(), weight(&some)), (60, 60.0));
    }

    #[test]
    fn the_same_are_chosen_in_whatever_order() {
        let of = |order: &dyn Fn(u32) -> u32| {
            let first = (0..ONE_BY_ONE as u32).map(|n| format!("first-{n}"));
            let some = choose(first.chain((0..1_000).map(|n| order(n).to_string())));
            let mut hashes: Vec<u64> = some.iter().map(|named| named.hash).collect();
            hashes.sort_unstable();
            hashes
        };
        assert_eq!(of(&|n| n), of(&|n| 999 - n));
        assert_eq!(of(&|n| n), of(&|n| n * 7 % 1_000));
    }
}
