//! The rate limit: a bucket of tokens, one for each request.

use std::time::{Duration, Instant};

use super::config::Rate;

/// Full at first, and whenever the rate is changed.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    rate: Option<Rate>,
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let burst = f64::from(rate.burst);
        if self.rate != Some(rate) {
            *self = Bucket { rate: Some(rate), tokens: burst, filled: Some(now) };
        }
        let since =
            self.filled.replace(now).map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.tokens = (self.tokens + since.as_secs_f64() / rate.interval.as_secs_f64()).min(burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_each_interval() {
        let mut bucket = Bucket::default();
        let rate = Rate { interval: Duration::from_millis(100), burst: 3 };
        let start = Instant::now();
        let taken = |bucket: &mut Bucket, at: u64| {
            let now = start + Duration::from_millis(at);
            (0..10).filter(|_| bucket.take(rate, now)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 99), 0);
        assert_eq!(taken(&mut bucket, 100), 1);
        assert_eq!(taken(&mut bucket, 60_000), 3);
    }
}
