//! Sums of sampled events, with their error.

use serde::{Deserialize, Serialize};

/// The unit of weights; see [`Named::weight`](super::Named::weight).
pub(super) const UNIT: u32 = crate::client::UNIT;

/// How many events there were, estimated from the ones that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Estimate {
    /// Events seen.
    pub(super) seen: u64,
    /// What they stand for, in [`UNIT`]s.
    weight: u64,
    variance: f64,
}

impl Estimate {
    /// `seen` events, of which `distinct` are told apart with so much variance.
    pub(super) fn new(seen: u64, distinct: u64, variance: f64) -> Estimate {
        Estimate { seen, weight: distinct.saturating_mul(u64::from(UNIT)), variance }
    }

    /// `count` events that each stand for `weight`.
    pub(super) fn of(count: u32, weight: u32) -> Estimate {
        let each = f64::from(weight) / f64::from(UNIT);
        Estimate {
            seen: u64::from(count),
            weight: u64::from(count) * u64::from(weight),
            // Taking one in n leaves n² - n (Horvitz and Thompson, 1952).
            variance: f64::from(count) * (each * each - each).max(0.0),
        }
    }

    pub(super) fn add(&mut self, weight: u32) {
        self.merge(Estimate::of(1, weight));
    }

    pub(super) fn merge(&mut self, other: Estimate) {
        self.seen = self.seen.saturating_add(other.seen);
        self.weight = self.weight.saturating_add(other.weight);
        self.variance += other.variance;
    }

    /// Takes over the estimate of `other` if it is higher.
    pub(super) fn raise(&mut self, other: Estimate) {
        if other.weight > self.weight {
            (self.weight, self.variance) = (other.weight, other.variance);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.weight.div_ceil(u64::from(UNIT))
    }

    /// One standard error of the estimate.
    pub(super) fn error(&self) -> u64 {
        self.variance.max(0.0).sqrt().round() as u64
    }
}
