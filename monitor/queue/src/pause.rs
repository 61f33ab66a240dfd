//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The most after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// The least: chance alone must not make a tight loop.
const LEAST: Duration = Duration::from_millis(100);

/// Pauses after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Each as long as the others: for a disk, which nobody else's daemon comes to.
    Fixed(Duration),
    /// Twice as long after each failure in a row, at random below that, and never longer than this: for receivers.
    ///
    /// Full jitter, so that many daemons whose receiver comes back do not come all at once; see "Exponential Backoff And
    /// Jitter", AWS Architecture Blog, 2015.
    Backoff(Duration),
}

/// Failures in a row, and the pauses after them.
#[derive(Debug)]
pub(crate) struct Pauses {
    pause: Pause,
    failures: u32,
}

impl Pauses {
    /// No failures so far.
    pub(crate) fn new(pause: Pause) -> Pauses {
        Pauses { pause, failures: 0 }
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// An attempt failed: how long to wait. A receiver that asks for longer gets it, within bounds.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        match self.pause {
            Pause::Fixed(pause) => pause,
            Pause::Backoff(most) => {
                let ceiling = self.ceiling(most);
                self.failures = self.failures.saturating_add(1);
                // Keyed anew for each value, which is as random as this needs.
                let random = RandomState::new().hash_one(self.failures);
                let share = random as f64 / u64::MAX as f64;
                ceiling.mul_f64(share).max(LEAST).max(asked.unwrap_or_default().min(most))
            }
        }
    }

    fn ceiling(&self, most: Duration) -> Duration {
        FIRST.saturating_mul(1 << self.failures.min(16)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(300);

    #[test]
    fn waits_double_up_to_five_minutes_and_are_spread_below_that() {
        let mut pauses = Pauses::new(Pause::Backoff(MOST));
        let mut ceilings = Vec::new();
        for _ in 0..12 {
            ceilings.push(pauses.ceiling(MOST).as_secs());
            let wait = pauses.next(None);
            assert!(wait >= LEAST && wait <= Duration::from_secs(ceilings[ceilings.len() - 1]), "{wait:?}");
        }
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let waits: Vec<_> = (0..20).map(|_| pauses.next(None)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
        pauses.reset();
        assert!(pauses.next(None) <= FIRST);
    }

    #[test]
    fn a_receiver_may_ask_for_time() {
        let mut pauses = Pauses::new(Pause::Backoff(MOST));
        assert_eq!(pauses.next(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(Pauses::new(Pause::Backoff(MOST)).next(Some(Duration::from_secs(86_400))), MOST);
    }
}
