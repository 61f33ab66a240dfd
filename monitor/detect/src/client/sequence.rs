//! The sequence of numbers that a client touches, and whether it is a walk.

use serde::{Deserialize, Serialize};

/// Numbers remembered: enough that a few by chance don't matter, few enough that a walk of one a minute is told within
/// the hour.
const NUMBERS: usize = 32;

/// Numbers needed to say that they lie close together.
const FEWEST: usize = 8;

/// Neighbours in a walk lie at most this far apart. A walk by threads or over a sparse range skips some.
const GAP: u64 = 8;

/// Numbers lie close together in a walk: half of them within this distance of the next. Numbers with a check digit are
/// ten apart.
const WIDEST_MEDIAN: u64 = 16;

/// The latest numbers, in the order of their first touch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sequence {
    numbers: Vec<u64>,
    next: usize,
}

impl Sequence {
    /// Whether it is one that pushing makes.
    pub(super) fn fits(&self) -> bool {
        self.numbers.len() <= NUMBERS && self.next <= self.numbers.len() && self.next < NUMBERS
    }

    /// Takes down a number.
    pub(super) fn push(&mut self, number: u64) {
        match self.numbers.get_mut(self.next) {
            Some(oldest) => *oldest = number,
            None => {
                if self.numbers.capacity() == 0 {
                    self.numbers.reserve_exact(NUMBERS);
                }
                self.numbers.push(number);
            }
        }
        self.next = (self.next + 1) % NUMBERS;
    }

    /// Forgets all numbers.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.next = 0;
    }

    /// Whether most numbers lie close together, in whatever order they came. `stride` is how many objects each stands
    /// for, under sampling.
    pub(super) fn is_dense(&self, stride: u64) -> bool {
        let (sorted, count) = self.sorted();
        let sorted = &sorted[..count];
        if count < FEWEST {
            return false;
        }
        let gaps = sorted.array_windows().map(|[a, b]| b - a);
        let small = gaps.filter(|&gap| gap <= GAP.saturating_mul(stride)).count();
        small * 4 >= (count - 1) * 3
    }

    /// Whether the numbers were walked through: they lie close together, and nearly each one when it came was the next
    /// beyond the end of those before, whatever the number of places where it goes on. Touched in random order, numbers
    /// fall between others: of 32, some 8 extend an end.
    pub(super) fn is_walk(&self, stride: u64) -> bool {
        self.goes_on(stride, NUMBERS)
    }

    /// Whether that is so of half as many.
    pub(super) fn is_in_order(&self, stride: u64) -> bool {
        self.goes_on(stride, NUMBERS / 2)
    }

    fn goes_on(&self, stride: u64, fewest: usize) -> bool {
        let (sorted, count) = self.sorted();
        if count < fewest || count < self.numbers.len() {
            return false;
        }
        let sorted = &sorted[..count];
        let mut gaps = [0; NUMBERS - 1];
        for (gap, [a, b]) in gaps.iter_mut().zip(sorted.array_windows()) {
            *gap = b - a;
        }
        let gaps = &mut gaps[..count - 1];
        let (_, &mut median, _) = gaps.select_nth_unstable(count / 2);
        if median > WIDEST_MEDIAN.saturating_mul(stride) {
            return false;
        }
        let reach = (4 * median).max(GAP.saturating_mul(stride));
        let (later, earlier) = self.numbers.split_at(self.next);
        let mut in_order = [0; NUMBERS];
        in_order[..earlier.len()].copy_from_slice(earlier);
        in_order[earlier.len()..count].copy_from_slice(later);
        let extends = |(at, &number): (usize, &u64)| {
            let before = &in_order[..at];
            let below = before.iter().any(|&other| other < number && number - other <= reach);
            let above = before.iter().any(|&other| other > number && other - number <= reach);
            below != above
        };
        let extensions = in_order[..count].iter().enumerate().filter(|&step| extends(step)).count();
        extensions * 4 >= count * 3
    }

    /// The different numbers in order of size, and how many they are.
    fn sorted(&self) -> ([u64; NUMBERS], usize) {
        let mut sorted = [u64::MAX; NUMBERS];
        sorted[..self.numbers.len()].copy_from_slice(&self.numbers);
        let sorted_part = &mut sorted[..self.numbers.len()];
        sorted_part.sort_unstable();
        let mut count = 0;
        for at in 0..sorted_part.len() {
            if count == 0 || sorted_part[count - 1] != sorted_part[at] {
                sorted_part[count] = sorted_part[at];
                count += 1;
            }
        }
        (sorted, count)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::admission::mix, *};

    fn sequence(numbers: impl IntoIterator<Item = u64>) -> Sequence {
        let mut sequence = Sequence::default();
        numbers.into_iter().for_each(|number| sequence.push(number));
        sequence
    }

    #[test]
    fn numbers_that_lie_close_together_are_dense() {
        assert!(sequence(1000..1020).is_dense(1));
        assert!(sequence((1000..1020).rev()).is_dense(1));
        assert!(sequence((0..40).map(|n| 1000 + n * 3 % 40)).is_dense(1));
        assert!(sequence((0..40).map(|n| 1000 * (n % 2) + n)).is_dense(1));
        assert!(sequence((0..40).map(|n| n * 40)).is_dense(10));
        assert!(!sequence(1000..1007).is_dense(1));
        assert!(!sequence((0..40).map(|n| n * n * 7919 % 100_003)).is_dense(1));
        assert!(!sequence((0..40).map(|_| 5)).is_dense(1));
    }

    #[test]
    fn a_walk_goes_on_where_it_was() {
        assert!(sequence(1000..1032).is_walk(1));
        assert!(sequence((1000..1100).rev()).is_walk(1));
        // Check digits, gaps of deleted accounts, threads with a range each, answers out of order.
        assert!(sequence((0..40).map(|n| 10 * n + n * 7 % 10)).is_walk(1));
        assert!(sequence((0..64).map(|n| n * 3 + mix(n) % 3)).is_walk(1));
        assert!(sequence((0..64).map(|n| n % 4 * 100_000 + n / 4)).is_walk(1));
        let swapped = |n: u64| match n % 16 {
            5 => n + 1,
            6 => n - 1,
            _ => n,
        };
        assert!(sequence((0..64).map(swapped)).is_walk(1));
        assert!(!sequence(1000..1031).is_walk(1), "too few");
        assert!(sequence((0..40).map(|n| n * 40)).is_walk(10), "sampled");
    }

    #[test]
    fn numbers_in_random_order_are_no_walk_however_dense() {
        for seed in 0..200 {
            for population in [40, 64, 100, 300, 1_000, 1_000_000] {
                let mut numbers: Vec<u64> = (0..population.min(2_000)).collect();
                numbers.sort_by_key(|n| mix(n ^ seed << 32));
                assert!(!sequence(numbers.into_iter().take(36)).is_walk(1), "{population}, {seed}");
            }
        }
    }

    #[test]
    fn half_as_many_are_in_order() {
        assert!(sequence(1000..1016).is_in_order(1) && !sequence(1000..1015).is_in_order(1));
        for seed in 0..500 {
            let mut numbers: Vec<u64> = (0..40).collect();
            numbers.sort_by_key(|n| mix(n ^ seed << 32));
            assert!(!sequence(numbers.into_iter().take(18)).is_in_order(1), "{seed}");
        }
    }

    #[test]
    fn sparse_numbers_are_no_walk_in_whatever_order() {
        assert!(!sequence((0..40).map(|n| n * 17 + 1_000)).is_walk(1));
        assert!(!sequence([u64::MAX; 40]).is_walk(u64::MAX));
        assert!(sequence((0..40).map(|n| u64::MAX - n)).is_walk(1));
    }
}
