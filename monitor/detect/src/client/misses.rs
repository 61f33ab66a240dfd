//! Misses: whether a client guesses.
//!
//! A sequential probability ratio test (Wald, 1945), run as a cumulative sum: each object that was asked for and not got
//! speaks for guessing, each call that was answered against it. One who guesses misses more often than not; ordinary
//! clients follow links, of which a few are dead.

use serde::{Deserialize, Serialize};

use super::objects::UNIT;

/// What one miss says: as likely three times over from who guesses (60 % misses) as from an ordinary client (20 %).
const MISS: f32 = 1.1;

/// What one answer says: half as likely from who guesses.
const HIT: f32 = 0.7;

/// Said often enough: 25 misses in a row, which an ordinary client has once in 10^17.
const CERTAIN: f32 = 27.5;

/// Misses in a row that it takes.
pub(super) const FEWEST: u32 = 25;

/// Where a pair stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Misses {
    score: f32,
    /// Objects missed since the score was last nought.
    count: u32,
    /// The square of the error of that, where some stand for others.
    variance: f32,
}

impl Misses {
    /// A call got what it asked for.
    pub(super) fn hit(&mut self) {
        if self.score > 0.0 {
            self.score -= HIT;
            if self.score <= 0.0 {
                *self = Misses::default();
            }
        }
    }

    /// A call asked for an object that it had not asked for before, and did not get it.
    /// It stands for as many as `weight` says, in units.
    pub(super) fn miss(&mut self, weight: u32) {
        let each = weight as f32 / UNIT as f32;
        // No higher than certain, so that who stops guessing is soon believed.
        self.score = (self.score + MISS * each).min(CERTAIN);
        self.count = self.count.saturating_add(weight.div_ceil(UNIT));
        self.variance += each * each - each;
    }

    /// Whether the client guesses.
    pub(super) fn is_certain(self) -> bool {
        self.score >= CERTAIN
    }

    /// Whether evidence is worth keeping.
    pub(super) fn is_suspicious(self) -> bool {
        self.score * 3.0 >= CERTAIN
    }

    /// Objects missed.
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// One standard error of that.
    pub(super) fn error(self) -> u32 {
        self.variance.max(0.0).sqrt().round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain_after(outcomes: impl IntoIterator<Item = bool>) -> Option<usize> {
        let mut misses = Misses::default();
        outcomes.into_iter().position(|hit| {
            if hit {
                misses.hit()
            } else {
                misses.miss(UNIT)
            }
            misses.is_certain()
        })
    }

    #[test]
    fn who_guesses_is_told_soon() {
        assert_eq!(certain_after((0..100).map(|_| false)), Some(FEWEST as usize - 1));
        assert_eq!(certain_after((0..1000).map(|n| n % 20 == 0)), Some(27));
        assert!(certain_after((0..1000).map(|n| n % 2 == 0)).is_some_and(|calls| calls < 150));
    }

    #[test]
    fn who_follows_dead_links_is_not() {
        assert_eq!(certain_after((0..100_000).map(|n| n % 3 > 0)), None);
        assert_eq!(certain_after((0..100_000).map(|n| n % 60 >= 20)), None);
    }
}
