//! The detector's time: that of the observations, made to run forward.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How far observations lie apart that are merely out of order: calls come in when they are answered, and one
/// that waited for its answer is that much older than those beside it.
const OUT_OF_ORDER_NS: u64 = 60_000_000_000;

/// Observations in a row from further back than that mean that the source's clock was set back.
const SET_BACK: u32 = 32;

/// Time that never runs backwards. An observation from before the latest one counts as happening with it.
/// When the source's clock is set back, the detector's goes on from where it is, rather than standing still,
/// with windows that never empty, until the source has caught up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    latest: u64,
    /// What the source's clock has lost in all.
    offset: u64,
    late: u32,
    set_back: u64,
}

impl Clock {
    /// The detector's time for an observation made at `at`.
    pub(super) fn observe(&mut self, at: Timestamp) -> Timestamp {
        let time = at.0.saturating_add(self.offset);
        if time.saturating_add(OUT_OF_ORDER_NS) < self.latest {
            self.late += 1;
            if self.late == SET_BACK {
                self.late = 0;
                self.set_back += 1;
                self.offset += self.latest - time;
            }
        } else {
            self.late = 0;
            self.latest = self.latest.max(time);
        }
        Timestamp(self.latest)
    }

    /// Goes on at the source's time `now`, after a while in which nobody looked. A clock that was set back meanwhile is known
    /// to have been.
    pub(super) fn resume(&mut self, now: Timestamp) {
        let time = now.0.saturating_add(self.offset);
        if time.saturating_add(OUT_OF_ORDER_NS) < self.latest {
            self.set_back += 1;
            self.offset += self.latest - time;
        }
        self.late = 0;
    }

    /// The detector's time for the source's time `now`, without a say in how it goes on.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add(self.offset).max(self.latest))
    }

    /// The source's time for the detector's time `time`.
    pub(super) fn source(&self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_sub(self.offset))
    }

    /// How often the source's clock was set back.
    pub(super) fn set_back(&self) -> u64 {
        self.set_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn time_never_runs_backwards() {
        let mut clock = Clock::default();
        let times: Vec<u64> = [5, 3, 6, 6, 2, 7].map(|s| clock.observe(Timestamp(s * S)).0 / S).to_vec();
        assert_eq!(times, [5, 5, 6, 6, 6, 7]);
        assert_eq!(clock.set_back(), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_goes_on() {
        let mut clock = Clock::default();
        clock.observe(Timestamp(10_000 * S));
        for n in 0..64 {
            clock.observe(Timestamp((5_000 + n) * S));
        }
        assert_eq!(clock.set_back(), 1);
        assert_eq!(clock.observe(Timestamp(5_064 * S)), Timestamp((10_000 + 33) * S));
        assert_eq!(clock.source(Timestamp((10_000 + 33) * S)), Timestamp(5_064 * S));
        assert_eq!(clock.time(Timestamp(5_065 * S)), Timestamp((10_000 + 34) * S));
    }

    #[test]
    fn a_clock_that_was_set_back_while_nobody_looked_goes_on_at_once() {
        for (now, set_back, time) in [(4_000, 1, 10_000), (9_990, 0, 10_000), (13_600, 0, 13_600)] {
            let mut clock = Clock::default();
            clock.observe(Timestamp(10_000 * S));
            clock.resume(Timestamp(now * S));
            assert_eq!((clock.set_back(), clock.time(Timestamp(now * S)).0 / S), (set_back, time));
        }
    }
}
