//! Numbers without order that are the same on every run.

/// A source of numbers (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// Other numbers for each `seed`.
    pub fn seeded(seed: u64) -> Random {
        // Seeds that are alike give states that are not (splitmix64, Steele et al. 2014); zero would stay zero.
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Random((state ^ state >> 31) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The time to the next of events that come independently, `mean` apart on average.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number from `from` up to `end`.
    pub fn between(&mut self, from: u64, end: u64) -> u64 {
        from + ((u128::from(self.bits()) * u128::from(end.saturating_sub(from))) >> 64) as u64
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Every number below a count once, in an order without order, without a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Shuffled {
    count: u64,
    bits: u32,
    keys: [u64; 3],
}

impl Shuffled {
    /// Another order for each `seed`.
    pub fn new(count: u64, seed: u64) -> Shuffled {
        let mut random = Random::seeded(seed);
        let bits = (u64::BITS - count.saturating_sub(1).leading_zeros()).max(2);
        Shuffled { count, bits, keys: std::array::from_fn(|_| random.bits()) }
    }

    /// The number at `place`, which is below the count.
    pub fn at(&self, place: u64) -> u64 {
        let mut value = place;
        loop {
            value = self.scatter(value);
            // Walks the cycle until it is back among the numbers: another half of a step on average at most.
            if value < self.count {
                return value;
            }
        }
    }

    /// A bijection on numbers of so many bits: each step can be undone.
    fn scatter(&self, mut value: u64) -> u64 {
        let mask = u64::MAX >> (u64::BITS - self.bits);
        for key in self.keys {
            value = value.wrapping_add(key) & mask;
            value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask;
            value ^= value >> (self.bits / 2);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_comes_once() {
        for count in [1, 2, 3, 64, 1_000, 4_097] {
            let shuffled = Shuffled::new(count, 7);
            let all: HashSet<u64> = (0..count).map(|place| shuffled.at(place)).collect();
            assert_eq!(all.len() as u64, count);
            assert!(all.iter().all(|&number| number < count));
        }
        let orders = [1, 2].map(|seed| (0..100).map(|n| Shuffled::new(100, seed).at(n)).collect::<Vec<_>>());
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn numbers_are_in_their_range_and_the_same_on_every_run() {
        let draw = || {
            let mut random = Random::seeded(3);
            (0..1_000).map(|_| (random.unit(), random.between(5, 9))).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        assert!(
            draw().iter().all(|&(unit, between)| (0.0..1.0).contains(&unit) && (5..9).contains(&between))
        );
        let mut random = Random::seeded(4);
        let mean = (0..10_000).map(|_| random.exponential(2.0)).sum::<f64>() / 10_000.0;
        assert!((mean - 2.0).abs() < 0.1, "{mean}");
    }
}
