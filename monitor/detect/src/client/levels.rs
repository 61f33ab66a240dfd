//! How far over its limits a pair is, in doublings.

use serde::{Deserialize, Serialize};

use super::track::Held;
use crate::{limit::MAX_LIMITS, policy::Row};

/// A window's level while it counts afresh; see [`Levels::start_afresh`].
const AFRESH: u8 = u8::MAX;

/// For each window, how many of the thresholds limit, 2 × limit, 4 × limit … it has passed since it was last
/// within its limit.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Levels {
    passed: [u8; MAX_LIMITS],
    fresh: [u32; MAX_LIMITS],
}

/// What a call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rise {
    /// The highest level that a window has newly reached, and the shortest window that reached it; level 0
    /// where none did.
    pub(super) level: u8,
    pub(super) window: usize,
    /// The shortest window over its limit.
    pub(super) shortest_over: Option<usize>,
}

impl Levels {
    /// Whether no window has been over its limit since it was last within.
    pub(super) fn at_rest(&self) -> bool {
        self.passed == [0; MAX_LIMITS]
    }

    /// Notes what windows hold after they have slid: one that is within its limit again starts over.
    pub(super) fn sink(&mut self, limits: &Row, held: &[Held]) {
        for ((passed, &limit), held) in self.passed.iter_mut().zip(limits).zip(held) {
            if *passed > 0 && held.surely <= limit.into() {
                *passed = 0;
            }
        }
    }

    /// Notes what windows hold after a call, and of how many objects that it touched that were new to each.
    pub(super) fn rise(&mut self, limits: &Row, new: &[u32; MAX_LIMITS], held: &[Held]) -> Rise {
        let mut rise = Rise::default();
        for (window, (&limit, held)) in limits.iter().zip(held).enumerate() {
            let surely = held.surely;
            if surely <= limit.into() {
                continue;
            }
            rise.shortest_over = rise.shortest_over.or(Some(window));
            if new[window] == 0 || self.still_afresh(window, limit, new[window]) {
                continue;
            }
            let before = self.passed[window];
            while self.passed[window] < 32 && surely > u64::from(limit) << self.passed[window] {
                self.passed[window] += 1;
            }
            if self.passed[window] > before && self.passed[window] > rise.level {
                rise.level = self.passed[window];
                rise.window = window;
            }
        }
        rise
    }

    /// Once an alert is resolved, windows that are still over their limits (the long ones, for as long as
    /// they remember) count afresh: they are over again only after as many further objects as the limit
    /// allows.
    pub(super) fn start_afresh(&mut self) {
        for (passed, fresh) in self.passed.iter_mut().zip(&mut self.fresh) {
            if *passed > 0 {
                *passed = AFRESH;
                *fresh = 0;
            }
        }
    }

    fn still_afresh(&mut self, window: usize, limit: u32, weight: u32) -> bool {
        if self.passed[window] != AFRESH {
            return false;
        }
        self.fresh[window] = self.fresh[window].saturating_add(weight);
        if self.fresh[window] <= limit {
            return true;
        }
        self.passed[window] = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(distinct: u64) -> [Held; 2] {
        [Held { distinct, error: 0, surely: distinct }; 2]
    }

    /// One object, new to every window.
    const ONE: [u32; MAX_LIMITS] = [1; MAX_LIMITS];

    /// 10 in the first window, 20 in the second.
    fn limits() -> Row {
        let mut limits = [u32::MAX; MAX_LIMITS];
        limits[..2].copy_from_slice(&[10, 20]);
        limits
    }

    #[test]
    fn each_doubling_is_a_level() {
        let mut levels = Levels::default();
        let rises: Vec<(u64, u8, usize)> = (1..=100)
            .map(|n| (n, levels.rise(&limits(), &ONE, &exactly(n))))
            .filter(|(_, rise)| rise.level > 0)
            .map(|(n, rise)| (n, rise.level, rise.window))
            .collect();
        let expected = [(11, 1, 0), (21, 2, 0), (41, 3, 0), (81, 4, 0)].to_vec();
        assert_eq!(rises, expected);
    }

    #[test]
    fn a_window_within_its_limit_starts_over() {
        let mut levels = Levels::default();
        levels.rise(&limits(), &ONE, &exactly(15));
        levels.sink(&limits(), &exactly(11));
        assert_eq!(levels.rise(&limits(), &ONE, &exactly(12)).level, 0);
        levels.sink(&limits(), &exactly(10));
        assert!(levels.at_rest());
        assert_eq!(levels.rise(&limits(), &ONE, &exactly(11)).level, 1);
    }

    #[test]
    fn after_the_end_a_window_counts_afresh() {
        let mut levels = Levels::default();
        levels.rise(&limits(), &ONE, &exactly(500));
        levels.start_afresh();
        let first = (1..100).find(|_| levels.rise(&limits(), &ONE, &exactly(500)).level > 0);
        assert_eq!(first, Some(11));
    }
}
