//! Having what is known written down: every now and then, and at the end.

use std::time::Instant;

use rollcall_engine::{Engine, Output, detection::DetectionCounters};
use rollcall_metrics::Metrics;
use rollcall_model::time::Timestamp;
use rollcall_store::{Handle, checkpoints::Keeper};

/// The engine's end of the [`Keeper`].
pub(super) struct Checkpoints {
    keeper: Keeper,
    ledger: Handle,
    /// What had been counted when the latest one was made.
    counted: Option<DetectionCounters>,
}

impl Checkpoints {
    /// Checkpoints for `keeper`, none of which tells of an alert that `ledger` has not written. Their metrics go to `metrics`.
    pub(super) fn new(keeper: Keeper, ledger: Handle, metrics: &Metrics) -> Checkpoints {
        let stats = keeper.stats();
        metrics.add(move |samples| stats.collect(samples));
        Checkpoints { keeper, ledger, counted: None }
    }

    /// Makes one if it is time. To be called whenever the capture loop comes round.
    pub(super) fn turn<O: Output>(&mut self, engine: &mut Engine<O>, now: Timestamp) {
        if !self.keeper.is_due(Instant::now()) {
            return;
        }
        let counted = engine.counters().detection;
        if self.counted == Some(counted) && !self.keeper.is_failing() {
            // Where nothing goes on, no disk has to wake up.
            self.keeper.skip(now);
        } else {
            self.counted = Some(counted);
            self.keep(engine, now);
        }
    }

    /// Makes the last one, and waits until it is written.
    pub(super) fn finish<O: Output>(mut self, engine: &Engine<O>, now: Timestamp) {
        self.keep(engine, now);
        self.keeper.finish();
    }

    fn keep<O: Output>(&mut self, engine: &Engine<O>, now: Timestamp) {
        self.keeper.keep(now, self.ledger.barrier(), || engine.detection().checkpoint());
    }
}
