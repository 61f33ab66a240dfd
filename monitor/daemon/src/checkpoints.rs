//! Having what is known written down: every now and then, and at the end.

use std::time::Instant;

use rollcall_engine::{Engine, Output, detection::DetectionCounters};
use rollcall_metrics::Metrics;
use rollcall_model::time::Timestamp;
use rollcall_store::{Handle, checkpoints::CheckpointWriter};

/// The engine's end of the [`CheckpointWriter`].
pub(super) struct Checkpoints {
    writer: CheckpointWriter,
    ledger: Handle,
    /// What had been counted when the latest one was made.
    counted: Option<DetectionCounters>,
}

impl Checkpoints {
    /// Checkpoints for `writer`, none of which tells of an alert that `ledger` has not written. Their metrics go to `metrics`.
    pub(super) fn new(writer: CheckpointWriter, ledger: Handle, metrics: &Metrics) -> Checkpoints {
        let stats = writer.stats();
        metrics.add(move |samples| stats.collect(samples));
        Checkpoints { writer, ledger, counted: None }
    }

    /// Makes one if it is time. To be called whenever the capture loop comes round.
    pub(super) fn turn<O: Output>(&mut self, engine: &mut Engine<O>, now: Timestamp) {
        if !self.writer.is_due(Instant::now()) {
            return;
        }
        let counted = engine.counters().detection;
        if self.counted == Some(counted) && !self.writer.is_failing() {
            // Where nothing goes on, no disk has to wake up.
            self.writer.skip(now);
        } else {
            self.counted = Some(counted);
            self.keep(engine, now);
        }
    }

    /// Makes the last one, and waits until it is written.
    pub(super) fn finish<O: Output>(mut self, engine: &Engine<O>, now: Timestamp) {
        self.keep(engine, now);
        self.writer.finish();
    }

    fn keep<O: Output>(&mut self, engine: &Engine<O>, now: Timestamp) {
        let latest = self.ledger.latest();
        let draft = || engine.detection().checkpoint().map(|draft| draft.up_to(latest));
        self.writer.keep(now, self.ledger.flush(), draft);
    }
}
