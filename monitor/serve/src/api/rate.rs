//! Requests a second: now, and over the last ten minutes in coarse steps.

use std::{collections::VecDeque, time::Duration};

use rollcall_model::time::Timestamp;

/// A step of the history.
pub const STEP: Duration = Duration::from_secs(5);

/// Steps of the history: ten minutes.
pub const STEPS: usize = 120;

/// The rate of now is that of so many seconds.
const RECENT: u64 = 5;

/// What a counter has been, second by second and step by step.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The counter at the last few seconds.
    recent: VecDeque<(Timestamp, u64)>,
    /// The counter at the end of each step, by the number of the step.
    steps: VecDeque<(u64, u64)>,
}

impl History {
    /// Notes what the counter is at `now`: once a second.
    pub(super) fn note(&mut self, now: Timestamp, count: u64) {
        let step = step(now);
        if self.steps.back().is_some_and(|&(last, _)| last > step) {
            // The clock was set back.
            *self = History::default();
        }
        while self.recent.front().is_some_and(|&(at, _)| now.since(at).as_secs() > RECENT) {
            self.recent.pop_front();
        }
        self.recent.push_back((now, count));
        match self.steps.back_mut() {
            Some(last) if last.0 == step => last.1 = count,
            _ => self.steps.push_back((step, count)),
        }
        while self.steps.front().is_some_and(|&(first, _)| first + STEPS as u64 + 1 < step) {
            self.steps.pop_front();
        }
    }

    /// How much it grew in a second of the last few.
    pub(super) fn now(&self) -> f64 {
        let (Some(&(since, first)), Some(&(until, last))) = (self.recent.front(), self.recent.back()) else {
            return 0.0;
        };
        let elapsed = until.since(since).as_secs_f64();
        if elapsed > 0.0 { (last - first.min(last)) as f64 / elapsed } else { 0.0 }
    }

    /// How much it grew in a second of each step that is over, oldest first; `None` where that is not known.
    pub(super) fn steps(&self) -> Vec<Option<f64>> {
        let Some(&(current, _)) = self.steps.back() else { return vec![None; STEPS] };
        let first = current.saturating_sub(STEPS as u64);
        let mut rates = vec![None; STEPS];
        for ((before, start), (number, end)) in self.steps.iter().zip(self.steps.iter().skip(1)) {
            // Nothing was noted meanwhile: what came since is spread evenly.
            let rate = (end - start.min(end)) as f64 / ((number - before) as f64 * STEP.as_secs_f64());
            for step in (before + 1).max(first)..=*number {
                if let Some(slot) = rates.get_mut((step - first) as usize) {
                    *slot = Some(rate);
                }
            }
        }
        rates
    }
}

fn step(at: Timestamp) -> u64 {
    at.0 / STEP.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp((1_700_000_000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn a_steady_rate_is_shown_in_each_step_that_is_over() {
        let mut history = History::default();
        for second in 0..=60 {
            history.note(at(second), 7 + 100 * second);
        }
        assert_eq!(history.now(), 100.0);
        let steps = history.steps();
        assert_eq!(steps.len(), STEPS);
        // 12 steps of 5 s; nothing is known of what was before them, nor how the running one ends.
        assert_eq!(steps.iter().flatten().count(), 11);
        assert!(steps.iter().flatten().all(|&rate| rate == 100.0), "{steps:?}");
        assert_eq!(steps[STEPS - 1], Some(100.0));
    }

    #[test]
    fn old_steps_are_forgotten_and_pauses_are_spread_out() {
        let mut history = History::default();
        for second in 0..2_000 {
            history.note(at(second), second);
        }
        assert_eq!(history.steps().iter().flatten().count(), STEPS);
        history.note(at(2_020), 4_000);
        let steps = history.steps();
        assert!(steps[STEPS - 1].unwrap() > 50.0 && steps[STEPS - 3].unwrap() > 50.0, "{steps:?}");
        history.note(at(100), 4_000);
        assert_eq!(history.steps(), vec![None; STEPS], "the clock was set back");
        assert_eq!(history.now(), 0.0);
    }
}
