//! Live traffic on its way through the engine, and the figures that the web server shows of it.

use std::sync::{Arc, Mutex, PoisonError};

use rollcall::{
    engine::Engine,
    http::Directive,
    kernel::{Attachment, Capture, Consumer, Statistics, Stop},
    output::{
        Answering, Health, Inventory, Routes,
        metrics::{self, Metrics},
    },
    stream::{ConnectionId, Segment},
    time::Timestamp,
};

use super::{
    exit::Failure,
    figures::{Figures, show},
    pipeline::Outputs,
    run::RunArgs,
};

/// Seconds over which the share of lost requests is taken.
const LOSS_WINDOW: usize = 60;

/// The engine at the end of a [`Capture`].
pub(crate) struct Live {
    engine: Engine<Outputs>,
    health: Arc<Health>,
    inventory: Arc<Inventory>,
    answering: Answering,
    statistics: Arc<Statistics>,
    figures: Arc<Mutex<Figures>>,
    loss: Loss,
}

impl Live {
    /// Hands segments of `capture` to `engine`, once it [runs](Live::run), and shows in `metrics` how that goes.
    pub(crate) fn new(
        engine: Engine<Outputs>,
        health: Arc<Health>,
        inventory: Arc<Inventory>,
        capture: &Capture,
        metrics: &Metrics,
        args: &RunArgs,
    ) -> Live {
        let figures = Arc::<Mutex<Figures>>::default();
        let statistics = capture.statistics();
        {
            let (figures, statistics) = (Arc::clone(&figures), Arc::clone(&statistics));
            let (ring_size, sampling) = (u64::from(args.kernel.ring_size), args.sample);
            metrics.add(move |samples| {
                samples.push(&metrics::RING_SIZE_BYTES, &[], ring_size);
                samples.push(&metrics::SAMPLING_RATIO, &[], sampling);
                let figures = figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
                show(&figures, &statistics.read(), samples);
            });
        }
        Live {
            engine,
            health,
            inventory,
            answering: Answering::default(),
            statistics,
            figures,
            loss: Loss::default(),
        }
    }

    /// Until `stop`; then detaches, evaluates what had been captured, and writes everything.
    pub(crate) fn run(mut self, mut capture: Capture, attachment: Attachment, stop: &Stop) -> Vec<Failure> {
        self.health.set_attached(true);
        let outcome = capture.run(&mut self, stop);
        drop(attachment);
        self.health.set_attached(false);
        self.inventory.close();
        capture.drain(&mut self);
        self.engine.finish(Timestamp::now());
        self.publish(0, 0);
        let lost = self.engine.into_output().finish();
        outcome.err().map(Failure::from).into_iter().chain(lost.into_iter().map(Failure::from)).collect()
    }

    fn publish(&mut self, ring_bytes: u64, responses_lost: u64) {
        let engine = self.engine.counters();
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) =
            Figures { engine, ring_bytes, responses_lost };
    }
}

impl Consumer for Live {
    fn segment(&mut self, segment: &Segment<'_>) {
        self.engine.segment(segment);
    }

    fn settle(&mut self, now: Timestamp) {
        self.health.tick();
        if self.loss.is_due(now) {
            let http = self.engine.counters().http;
            let lost = self.statistics.read()[0].requests_lost + http.lost_requests;
            let loss = self.loss.share(lost, http.exchanges);
            self.engine.set_loss(loss);
        }
        self.engine.settle(now);
        self.engine.output().tick();
        let engine = &mut self.engine;
        self.answering.answer(&self.inventory, now, || Routes {
            v: 1,
            at: now,
            overflowed_calls: engine.counters().detection.routes.overflowed,
            routes: engine.routes(),
        });
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_deadline()
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.engine.directives()
    }

    fn captured(&mut self, ring_bytes: u64, responses_lost: u64) {
        self.publish(ring_bytes, responses_lost);
    }
}

/// The share of requests that were lost lately.
#[derive(Default)]
struct Loss {
    /// Lost and reported requests so far, second by second.
    history: Vec<(u64, u64)>,
    last: Timestamp,
}

impl Loss {
    fn is_due(&mut self, now: Timestamp) -> bool {
        let due = now.since(self.last).as_secs() >= 1;
        if due {
            self.last = now;
        }
        due
    }

    fn share(&mut self, lost: u64, reported: u64) -> f64 {
        if self.history.len() == LOSS_WINDOW {
            self.history.remove(0);
        }
        self.history.push((lost, reported));
        let (lost_before, reported_before) = self.history[0];
        let (lost, reported) = (lost - lost_before, reported - reported_before);
        if lost == 0 { 0.0 } else { lost as f64 / (lost + reported) as f64 }
    }
}
