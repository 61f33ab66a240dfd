//! Evidence: what is kept about a pair that comes near a limit, for whoever reads the alert.

use std::{collections::VecDeque, net::IpAddr};

use super::{limit::Limit, track::Held};
use crate::time::Timestamp;

/// Objects shown in an alert, and addresses.
const SAMPLES: usize = 10;

/// The longest object that is shown whole, in bytes. Every known kind of identifier is shorter.
const LONGEST_SAMPLE: usize = 128;

/// Numbers remembered for [`Evidence::is_sequential`]: enough that a few by chance don't matter.
const NUMBERS: usize = 32;

/// Numbers needed for a verdict.
const FEWEST_NUMBERS: usize = 8;

/// Neighbours in a walk lie at most this far apart. A walk by threads or over a sparse range skips some.
const WALKING_GAP: u64 = 8;

/// What is kept about one pair.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    samples: VecDeque<String>,
    addresses: Vec<IpAddr>,
    /// The latest numbers, in no order.
    numbers: Vec<u64>,
    next_number: usize,
    pub(super) open: Option<Open>,
}

/// A finding that has begun and not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// The highest level reported.
    pub(super) level: u8,
    /// The limit reported last.
    pub(super) limit: Limit,
    /// Its number, and the most its window held.
    pub(super) window: usize,
    pub(super) peak: Held,
    /// When the first call counted, by the detector's time, and its number.
    pub(super) first_seen: Timestamp,
    pub(super) first_call: u32,
    /// The last time that a new object came while a window was over its limit, and the shortest of them.
    pub(super) last_excess: Timestamp,
    pub(super) excess_window: usize,
}

impl Evidence {
    /// Takes down a call that touched something new.
    pub(super) fn note(&mut self, object: &str, address: IpAddr) {
        if self.addresses.len() < SAMPLES && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
        let shown = sample(object);
        if !self.samples.iter().any(|sample| sample == shown) {
            let mut sample = match self.samples.len() {
                SAMPLES => self.samples.pop_front().unwrap_or_default(),
                _ => String::new(),
            };
            sample.clear();
            sample.push_str(shown);
            self.samples.push_back(sample);
        }
        if let Some(number) = number(object) {
            match self.numbers.get_mut(self.next_number) {
                Some(oldest) => *oldest = number,
                None => self.numbers.push(number),
            }
            self.next_number = (self.next_number + 1) % NUMBERS;
        }
    }

    /// The latest objects, oldest first.
    pub(super) fn samples(&self) -> Vec<String> {
        self.samples.iter().cloned().collect()
    }

    /// The addresses that calls came from.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    /// Whether the latest objects are numbers most of which lie close together, in whatever order they came.
    /// `stride` is how many objects each stands for, under sampling.
    pub(super) fn is_sequential(&self, stride: u64) -> bool {
        let mut sorted = self.numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < FEWEST_NUMBERS {
            return false;
        }
        let gaps = sorted.array_windows().map(|[a, b]| b - a);
        let small = gaps.filter(|&gap| gap <= WALKING_GAP * stride).count();
        small * 4 >= (sorted.len() - 1) * 3
    }
}

/// As much of an object as an alert shows.
pub(super) fn sample(object: &str) -> &str {
    &object[..object.floor_char_boundary(LONGEST_SAMPLE)]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(objects: impl IntoIterator<Item = String>) -> Evidence {
        let mut evidence = Evidence::default();
        objects.into_iter().for_each(|object| evidence.note(&object, [127, 0, 0, 1].into()));
        evidence
    }

    #[test]
    fn a_walk_is_sequential_in_any_order_and_with_gaps() {
        assert!(evidence((1000..1020).map(|n| n.to_string())).is_sequential(1));
        assert!(evidence((1000..1020).rev().map(|n| format!("cust-{n:06}"))).is_sequential(1));
        assert!(evidence((0..40).map(|n| format!("{}", 1000 + n * 3 % 40))).is_sequential(1));
        assert!(evidence((0..40).map(|n| format!("7/{}", 1000 * (n % 2) + n))).is_sequential(1));
        assert!(evidence((0..40).map(|n| format!("{}", n * 40))).is_sequential(10));
    }

    #[test]
    fn scattered_or_few_numbers_are_not() {
        assert!(!evidence((1000..1007).map(|n| n.to_string())).is_sequential(1));
        assert!(!evidence((0..40).map(|n| format!("{}", n * n * 7919 % 100_003))).is_sequential(1));
        assert!(!evidence((0..40).map(|n| format!("3f2a9c{n:02}-x"))).is_sequential(1));
        assert!(!evidence((0..40).map(|_| "5".to_owned())).is_sequential(1));
    }

    #[test]
    fn the_latest_objects_are_kept_once_each_and_cut() {
        let kept = evidence((0..30).map(|n| (n / 2).to_string())).samples();
        assert_eq!(kept, ["5", "6", "7", "8", "9", "10", "11", "12", "13", "14"]);
        let long = evidence(["é".repeat(100)]).samples();
        assert_eq!(long[0], "é".repeat(64));
    }
}
