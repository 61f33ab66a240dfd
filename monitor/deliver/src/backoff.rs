//! How long to wait before the next attempt: twice as long after each failure, at random below that.
//!
//! Full jitter, so that many daemons whose receiver comes back do not come all at once; see "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The most after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// The least: chance alone must not make a tight loop.
const LEAST: Duration = Duration::from_millis(100);

/// Failures in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    most: Duration,
}

impl Backoff {
    /// No failures so far; never a wait longer than `most`.
    pub(super) fn new(most: Duration) -> Backoff {
        Backoff { failures: 0, most }
    }

    /// An attempt succeeded.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// An attempt failed: how long to wait. A receiver that asks for longer gets it, within bounds.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        // Keyed anew for each value, which is as random as this needs.
        let random = RandomState::new().hash_one(self.failures);
        let share = random as f64 / u64::MAX as f64;
        ceiling.mul_f64(share).max(LEAST).max(asked.unwrap_or_default().min(self.most))
    }

    fn ceiling(&self) -> Duration {
        FIRST.saturating_mul(1 << self.failures.min(16)).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(300);

    #[test]
    fn waits_double_up_to_five_minutes_and_are_spread_below_that() {
        let mut backoff = Backoff::new(MOST);
        let mut ceilings = Vec::new();
        for _ in 0..12 {
            ceilings.push(backoff.ceiling().as_secs());
            let wait = backoff.next(None);
            assert!(wait >= LEAST && wait <= Duration::from_secs(ceilings[ceilings.len() - 1]), "{wait:?}");
        }
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let waits: Vec<_> = (0..20).map(|_| backoff.next(None)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn a_receiver_may_ask_for_time() {
        let mut backoff = Backoff::new(MOST);
        assert_eq!(backoff.next(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(Backoff::new(MOST).next(Some(Duration::from_secs(86_400))), MOST);
    }
}
