//! A cumulative sum (Page, 1954) of events beyond what is usual, judged at each event.
//!
//! In continuous time it is a bucket that leaks: each event adds its weight, and the reference rate flows out. The
//! reference is a multiple of the rate learned over the last hour and an allowance. Learning is robust: a bucket teaches
//! the reference at most, and the hour's mean counts up to four times the week's, so that whoever comes up slowly, over
//! hours, can't teach more than that (from a usual one a second up by forty in a day, it is found at 13 a second). Who takes
//! weeks can.
//!
//! It does not judge until it is told that the rate has settled; until then it learns without bounds. What attacks in
//! those first hours is taken for usual, until the mean has followed.

use std::time::Duration;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    estimate::{Estimate, UNIT},
    rate::{BUCKET, Moment, Rate},
};

/// The week's mean, times this, is the most that the hour's counts as: the peak of a day is below four times the week's
/// mean even for offices, which are busy for 45 hours of the 168.
const LONG_FACTOR: f64 = 4.0;

/// How far a rate strays is known after so long, and is forgotten to a third after so long.
const STRAYS: Duration = Duration::from_secs(20 * 3_600);
const FORGOTTEN: Duration = Duration::from_secs(4 * 86_400);

/// What a sum is sensitive to.
#[derive(Debug)]
pub(super) struct Tuning {
    /// The usual rate, times this …
    pub(super) factor: f64,
    /// … and this, in events for each bucket, is the reference.
    pub(super) allowance: f64,
    /// Events beyond the reference that are an alarm: on a route that has shown in days how far it strays, twice that far, but no
    /// fewer than the first, nor more than the second.
    pub(super) thresholds: [f64; 2],
}

/// See the [module](self).
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cusum {
    pub(super) rate: Rate,
    level: f64,
    leaked: Timestamp,
    settled: bool,
    judged_since: Timestamp,
    /// The highest level of the last days before the level was last zero, and since.
    highest: f64,
    peak: f64,
    /// What has come since the level was last zero.
    run: Estimate,
    since: Timestamp,
    /// What has flowed out since then.
    drained: f64,
}

/// Where the sum stands after an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// At half the threshold: worth keeping evidence.
    pub(super) near: bool,
    pub(super) over: bool,
    /// The events of the excursion, and when it began.
    pub(super) run: Estimate,
    pub(super) since: Timestamp,
    /// Events that would have been enough by now, and how many more it takes each second.
    pub(super) limit: f64,
    pub(super) per_second: f64,
}

impl Cusum {
    pub(super) fn new(moment: Moment) -> Cusum {
        Cusum {
            rate: Rate::new(moment.bucket),
            level: 0.0,
            leaked: moment.at,
            settled: false,
            judged_since: moment.at,
            highest: 0.0,
            peak: 0.0,
            run: Estimate::default(),
            since: moment.at,
            drained: 0.0,
        }
    }

    /// From now on it judges.
    pub(super) fn settle(&mut self) {
        if !self.settled {
            (self.settled, self.judged_since) = (true, self.leaked);
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, moment: Moment, tuning: &Tuning, learn: bool) {
        let elapsed = moment.at.since(self.leaked);
        if !elapsed.is_zero() {
            let drained = (self.reference(tuning) * buckets(elapsed)).min(self.level);
            self.level -= drained;
            self.highest *= (-elapsed.as_secs_f64() / FORGOTTEN.as_secs_f64()).exp();
            self.drained += drained;
            self.leaked = moment.at;
        }
        let most = if self.settled { self.reference(tuning) } else { f64::INFINITY };
        self.rate.advance(moment.bucket, most, learn);
    }

    /// An event; time has been let pass.
    pub(super) fn count(&mut self, at: Timestamp, weight: u32, tuning: &Tuning) -> Standing {
        let events = f64::from(weight) / f64::from(UNIT);
        self.rate.add(events);
        // What is sampled comes in lumps, whose sums stray as much further as the lumps are larger.
        let threshold = self.threshold(at, tuning) * events.max(1.0);
        if self.settled {
            if self.level <= 0.0 {
                (self.run, self.since, self.drained) = (Estimate::default(), at, 0.0);
                self.highest = self.highest.max(std::mem::take(&mut self.peak));
            }
            self.run.add(weight);
            self.level = (self.level + events).min(threshold);
            self.peak = self.peak.max(self.level);
        }
        Standing {
            near: self.level >= threshold / 2.0,
            over: self.level >= threshold,
            run: self.run,
            since: self.since,
            limit: threshold + self.drained,
            per_second: self.reference(tuning) / BUCKET.as_secs_f64(),
        }
    }

    /// Events beyond the reference that are an alarm.
    fn threshold(&self, at: Timestamp, tuning: &Tuning) -> f64 {
        let [least, most] = tuning.thresholds;
        if at.since(self.judged_since) < STRAYS { most } else { (2.0 * self.highest).clamp(least, most) }
    }

    /// Events for each bucket that are no excess.
    fn reference(&self, tuning: &Tuning) -> f64 {
        let usual = self.rate.mean().min(LONG_FACTOR * self.rate.long() + tuning.allowance);
        tuning.factor * usual + tuning.allowance
    }
}

fn buckets(time: Duration) -> f64 {
    time.as_secs_f64() / BUCKET.as_secs_f64()
}
