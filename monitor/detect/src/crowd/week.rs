//! How many different objects of a route are touched in an hour, against the same hour of other weeks.
//!
//! The alarm is at three times the usual, and 300. One estimate errs by 6.5 % (one standard error), and so does the one
//! that it is compared with, in all 30 % at three of them; the day of a campaign or the end of a month doubles a route's
//! traffic, and three times is beyond both. 300 is what one client may touch in a day by default: where little
//! goes on, a crowd is no more suspicious than a client.
//!
//! Hours count from the epoch, so that an hour of the week is one of UTC. Where clocks are set forward in spring, the usual
//! comes an hour early; hence the hours beside it count as well.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::distinct::Distinct;

const HOURS: u64 = 168;

/// An hour, in nanoseconds.
pub(super) const HOUR: u64 = 3_600_000_000_000;

/// Hours of history before there is an alarm: a week, for a Monday is no Sunday.
const HISTORY: u64 = HOURS;

/// The usual, times this …
const FACTOR: f32 = 3.0;

/// … and this is the limit.
const FLOOR: f32 = 300.0;

/// What a week teaches: half of what the hour was, and of that no more than twice what was usual, so that a walk that is
/// repeated each week is found a few times before it is usual, and growth is learned within weeks.
const LEARNED: f32 = 0.5;
const MOST_LEARNED: f32 = 2.0;

/// No hour has taught this slot yet.
const UNKNOWN: f32 = -1.0;

/// See the [module](self).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Week {
    slots: Slots,
    pub(super) hour: u64,
    pub(super) distinct: Distinct,
    /// Touches in the running hour, and the first of them.
    pub(super) touches: u64,
    pub(super) since: Timestamp,
    limit: Option<u32>,
}

/// An estimate for each hour of the week.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>")]
struct Slots(Vec<f32>);

impl Week {
    pub(super) fn new(at: Timestamp) -> Week {
        Week {
            slots: Slots(vec![UNKNOWN; HOURS as usize]),
            hour: at.0 / HOUR,
            distinct: Distinct::new(),
            touches: 0,
            since: at,
            limit: None,
        }
    }

    /// What the running hour may have, if anything is known.
    pub(super) fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Lets time pass. Hours teach that began after `watched_since`; `known_since` is when the route was first seen.
    pub(super) fn advance(&mut self, at: Timestamp, known_since: Timestamp, watched_since: Timestamp) {
        let hour = at.0 / HOUR;
        if hour <= self.hour {
            return;
        }
        let whole = |hour: u64| hour.saturating_mul(HOUR) >= watched_since.0.max(known_since.0);
        if whole(self.hour) {
            self.slots.learn(self.hour, self.distinct.count() as f32);
        }
        // Hours in which nobody called; more than a week of them is a week.
        for silent in (self.hour + 1).max(hour.saturating_sub(HOURS))..hour {
            if whole(silent) {
                self.slots.learn(silent, 0.0);
            }
        }
        self.distinct.clear();
        (self.hour, self.touches, self.since) = (hour, 0, at);
        let history = at.since(known_since).as_secs() / 3_600;
        let usual = Some(()).filter(|()| history >= HISTORY).and_then(|()| self.slots.usual(hour));
        self.limit = usual.map(|usual| FACTOR.mul_add(usual, FLOOR) as u32);
    }

    /// An object by its keyed hash. Returns whether the estimate rose.
    pub(super) fn touch(&mut self, object: u64, at: Timestamp) -> bool {
        if self.touches == 0 {
            self.since = at;
        }
        self.touches += 1;
        self.distinct.insert(object)
    }
}

impl Slots {
    fn get(&self, hour: u64) -> Option<f32> {
        self.0.get((hour % HOURS) as usize).copied().filter(|&count| count >= 0.0)
    }

    fn learn(&mut self, hour: u64, count: f32) {
        let old = self.get(hour);
        let Some(slot) = self.0.get_mut((hour % HOURS) as usize) else { return };
        *slot = match old {
            Some(old) => old + LEARNED * (count.min(MOST_LEARNED.mul_add(old, FLOOR)) - old),
            None => count,
        };
    }

    /// The most of what is known about this hour of the week and those beside it, else about the same hour of other days,
    /// else about the last 24 hours.
    fn usual(&self, hour: u64) -> Option<f32> {
        let most =
            |hours: &mut dyn Iterator<Item = u64>| hours.filter_map(|hour| self.get(hour)).reduce(f32::max);
        let hour = hour + HOURS;
        self.get(hour)
            .and_then(|_| most(&mut (hour - 1..=hour + 1)))
            .or_else(|| most(&mut (1..7).map(|days| hour - 24 * days)))
            .or_else(|| most(&mut (hour - 24..hour)))
    }
}

impl TryFrom<Vec<f32>> for Slots {
    type Error = &'static str;

    fn try_from(slots: Vec<f32>) -> Result<Slots, Self::Error> {
        if slots.len() == HOURS as usize { Ok(Slots(slots)) } else { Err("a week has 168 hours") }
    }
}
