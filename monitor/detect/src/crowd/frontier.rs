//! Where a route's numbers end: the newest accounts, which are made one after the other and read at once.
//!
//! The top is the highest number of a cluster that has been seen: eight different numbers within [`NEAR`], for an hour,
//! with nothing higher but what is far off. It moves up with each number that is a little higher. What is far above, one
//! gigantic number, moves nothing; it may become the top in the way that the first one did. So an attacker can
//! spoil it only by touching accounts that he makes up, for an hour, and only so that new accounts count as others do.
//!
//! The frontier is all that was passed within the last day or two, and a little more. What hides there are the newest accounts, which
//! most calls are about anyway. It moves on by so much in an hour, so that a walk up from a top that is too low, as few calls
//! tell it, hides no more than that.

use std::time::Duration;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::week::HOUR;

/// A new number this little above the top is a new account, even if others were made that nobody has read yet.
const NEAR: u64 = 1_024;

/// How long a new top must show itself.
const PROOF: Duration = Duration::from_secs(3_600);

/// And with how many different numbers.
const PROVING: u32 = 8;

/// A new top that is not seen for this long is none.
const FADING: Duration = Duration::from_secs(3_600);

/// A top near which nothing is touched for this long is given up.
const GONE: Duration = Duration::from_secs(7 * 86_400);

/// What has been passed counts as new for one to two of these.
const NEW: Duration = Duration::from_secs(86_400);

/// The top moves by this in an hour, and by four times what is usual. A site with more than a thousand sign-ups an hour has
/// shown so in its first hour.
const LEAST_ADVANCE: u64 = 1_024;
const ADVANCE_FACTOR: f64 = 4.0;

/// See the [module](self).
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Frontier {
    top: Option<u64>,
    /// The top of one to two days ago, and of less than one.
    passed: [u64; 2],
    marked: Timestamp,
    /// The last touch near the top.
    near: Timestamp,
    candidate: Option<Candidate>,
    hour: u64,
    /// How far the top has moved in this hour, and does so in others.
    advanced: u64,
    usual: f64,
}

/// What may become the top.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Candidate {
    base: u64,
    top: u64,
    /// Different numbers, by their last six bits.
    seen: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Frontier {
    /// Whether the number is of an account made lately.
    pub(super) fn has(&self, number: u64) -> bool {
        let ahead = if self.allowance() > self.advanced { NEAR } else { 0 };
        self.top.is_some_and(|top| number > self.passed[0] && number <= top.saturating_add(ahead))
    }

    /// Takes in a number, and returns whether it is of an account made lately. The top stays where it is while `frozen`: a
    /// walk is going on.
    pub(super) fn touch(&mut self, number: u64, at: Timestamp, frozen: bool) -> bool {
        self.advance(at);
        let Some(top) = self.top else {
            self.propose(number, at, frozen);
            return false;
        };
        if number <= top {
            if top - number <= NEAR {
                self.near = at;
            } else if at.since(self.near) >= GONE {
                self.top = None;
            }
            return number > self.passed[0];
        }
        let step = number - top;
        if step > NEAR {
            self.propose(number, at, frozen);
            return false;
        }
        let within = self.advanced.saturating_add(step) <= self.allowance();
        if frozen || !within {
            return false;
        }
        (self.top, self.near) = (Some(number), at);
        self.advanced += step;
        true
    }

    fn allowance(&self) -> u64 {
        LEAST_ADVANCE + (ADVANCE_FACTOR * self.usual) as u64
    }

    fn advance(&mut self, at: Timestamp) {
        let hour = at.0 / HOUR;
        let hours = hour.saturating_sub(self.hour);
        if hours > 0 {
            self.hour = hour;
            // The last eight hours or so.
            self.usual += (std::mem::take(&mut self.advanced) as f64 - self.usual) / 8.0;
            self.usual *= 0.875_f64.powf((hours - 1) as f64);
        }
        if let Some(top) = self.top
            && at.since(self.marked) >= NEW
        {
            let newer = if at.since(self.marked) >= 2 * NEW { top } else { self.passed[1] };
            (self.passed, self.marked) = ([newer, top], at);
        }
    }

    /// A number far above the top, or without one.
    fn propose(&mut self, number: u64, at: Timestamp, frozen: bool) {
        let seen = 1 << (number % 64);
        match &mut self.candidate {
            Some(candidate)
                if number <= candidate.top.saturating_add(NEAR) && at.since(candidate.last) < FADING =>
            {
                if candidate.top.saturating_sub(number) > NEAR {
                    return;
                }
                candidate.top = candidate.top.max(number);
                candidate.seen |= seen;
                candidate.last = at;
                let proven =
                    at.since(candidate.first) >= PROOF && candidate.seen.count_ones() >= PROVING && !frozen;
                if proven {
                    (self.top, self.passed) = (Some(candidate.top), [candidate.base; 2]);
                    (self.near, self.marked, self.advanced) = (at, at, 0);
                    self.usual = self.usual.max((candidate.top - candidate.base) as f64);
                    self.candidate = None;
                }
            }
            _ => {
                self.candidate = Some(Candidate { base: number, top: number, seen, first: at, last: at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp((1_000_000 + seconds) * 1_000_000_000)
    }

    /// A route on which an account is made each 30 s, from 100,000, and an old one is read each 2 s.
    fn established() -> (Frontier, u64) {
        let mut frontier = Frontier::default();
        for second in 0..7_200 {
            frontier.touch(100_000 + second / 30, at(second), false);
            frontier.touch(second * 7_919 % 100_000, at(second), false);
        }
        (frontier, 100_240)
    }

    #[test]
    fn new_accounts_are_new_for_a_day_or_two() {
        let (mut frontier, next) = established();
        assert!(frontier.has(next) && frontier.has(next - 100) && frontier.has(next + 1_000));
        assert!(!frontier.has(90_000) && !frontier.has(next + 5_000));
        for hour in 0..96 {
            frontier.touch(next + hour, at(7_200 + hour * 3_600), false);
        }
        assert!(frontier.has(next + 90) && !frontier.has(next + 20));
    }

    #[test]
    fn a_gigantic_number_moves_nothing() {
        let (mut frontier, next) = established();
        for n in 0..1_000 {
            frontier.touch(u64::MAX, at(7_300 + 10 * n), false);
            frontier.touch(1 << 40, at(7_300 + 10 * n), false);
        }
        assert!(frontier.touch(next, at(20_000), false));
        assert!(!frontier.has(u64::MAX) && !frontier.has(1 << 40) && !frontier.has(200_000));
    }

    #[test]
    fn a_gigantic_number_at_first_only_delays() {
        let mut frontier = Frontier::default();
        frontier.touch(u64::MAX, at(0), false);
        for second in 1..14_400 {
            frontier.touch(100_000 + second / 30, at(second), false);
        }
        assert!(frontier.has(100_470));
    }

    #[test]
    fn numbers_that_jump_are_followed_when_they_stay() {
        let (mut frontier, _) = established();
        for second in 0..3_000 {
            assert!(!frontier.touch(500_000 + second / 30, at(7_200 + second), false));
        }
        for second in 3_000..7_200 {
            frontier.touch(500_000 + second / 30, at(7_200 + second), false);
        }
        assert!(frontier.has(500_230) && frontier.has(500_010) && !frontier.has(400_000));
    }

    #[test]
    fn a_walk_up_from_the_top_hides_so_much_in_an_hour() {
        let (mut frontier, next) = established();
        let hidden = (0..10_000).filter(|n| frontier.touch(next + n, at(7_201), false)).count();
        assert!((1_024..3_000).contains(&hidden), "{hidden}");
        assert!(!frontier.has(next + 10_000) && !frontier.has(next + hidden as u64));
        let (mut frontier, next) = established();
        assert!(!frontier.touch(next, at(7_201), true), "while a walk is found");
    }
}
