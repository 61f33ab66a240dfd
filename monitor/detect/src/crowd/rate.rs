//! How often something happens, learned over the last hour and the last week.

use std::time::Duration;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is counted at a time: short beside an alarm's half a minute, long beside a burst of one page's calls.
pub(super) const BUCKET: Duration = Duration::from_secs(10);
pub(super) const BUCKET_NS: u64 = BUCKET.as_nanos() as u64;

/// Buckets of the mean, an hour: follows the course of a day, whose rates change by a quarter in an hour at most when
/// peak and trough differ by a factor of 5, and lasts longer than an attack needs to be seen.
const SPAN: u64 = 360;

/// Buckets of the long mean, a week.
const LONG_SPAN: u64 = 168 * SPAN;

/// A time, and the bucket it falls into. Buckets leave out the times at which nothing was watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) bucket: u64,
}

/// A rate for each [`BUCKET`]. Until a mean's span is full, it is that of all buckets so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rate {
    bucket: u64,
    /// What has come in the bucket so far.
    count: f64,
    mean: f64,
    long: f64,
    buckets: u64,
}

impl Rate {
    /// Nothing has come yet; counting begins with `bucket`.
    pub(super) fn new(bucket: u64) -> Rate {
        Rate { bucket, count: 0.0, mean: 0.0, long: 0.0, buckets: 0 }
    }

    pub(super) fn add(&mut self, count: f64) {
        self.count += count;
    }

    /// Over the last hour.
    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Over the last week.
    pub(super) fn long(&self) -> f64 {
        self.long
    }

    /// Goes on to `bucket`. Each bucket teaches `most` at most; nothing is learned without `learn`.
    pub(super) fn advance(&mut self, bucket: u64, most: f64, learn: bool) {
        if bucket <= self.bucket {
            return;
        }
        let silent = bucket - self.bucket - 1;
        self.bucket = bucket;
        let count = std::mem::take(&mut self.count).min(most);
        if !learn {
            return;
        }
        self.buckets += 1;
        self.mean += (count - self.mean) / self.buckets.min(SPAN) as f64;
        self.long += (count - self.long) / self.buckets.min(LONG_SPAN) as f64;
        if silent > 0 {
            self.mean *= fading(self.buckets, silent, SPAN);
            self.long *= fading(self.buckets, silent, LONG_SPAN);
            self.buckets = self.buckets.saturating_add(silent);
        }
    }
}

/// What `silent` empty buckets after `buckets` leave of a mean.
fn fading(buckets: u64, silent: u64, span: u64) -> f64 {
    let growing = silent.min(span.saturating_sub(buckets));
    let full = (silent - growing) as f64;
    buckets as f64 / (buckets + growing) as f64 * (1.0 - 1.0 / span as f64).powf(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_learned_at_once_as_it_is_bucket_by_bucket() {
        for start in [1, 100, 359, 5_000] {
            let mut slow = Rate::new(0);
            for bucket in 0..start {
                slow.add(9.0);
                slow.advance(bucket + 1, f64::INFINITY, true);
            }
            let mut fast = slow;
            fast.advance(start + 700, f64::INFINITY, true);
            (start..start + 700).for_each(|bucket| slow.advance(bucket + 1, f64::INFINITY, true));
            assert!((fast.mean() - slow.mean()).abs() < 1e-9 && (fast.long() - slow.long()).abs() < 1e-9);
        }
    }

    #[test]
    fn a_bucket_teaches_so_much_and_no_more() {
        let mut rate = Rate::new(0);
        rate.add(1e6);
        rate.advance(1, 20.0, true);
        assert_eq!(rate.mean(), 20.0);
        rate.add(1e6);
        rate.advance(2, f64::INFINITY, false);
        assert_eq!(rate.mean(), 20.0);
    }
}
