//! Live traffic on its way through the engine, and the figures that the web server shows of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_ebpf::outcome::Outcome;
use rollcall::{
    engine::Engine,
    http::Directive,
    kernel::{Attachment, Capture, Consumer, Statistics, Stop},
    output::{
        Health,
        api::{Answering, Clients, Inquiries, Pulse, Routes, Vitals},
        metrics::{self, Metrics, Samples},
    },
    stream::{ConnectionId, Segment},
    time::Timestamp,
};

use super::{
    exit::Failure,
    figures::{self, Figures, show},
    keep::Checkpoints,
    pipeline::Outputs,
    run::RunArgs,
};

/// Seconds over which shares of traffic are taken.
const SHARE_WINDOW: usize = 60;

/// Packets by which it is told how much of the traffic can't be read.
const FEWEST_PACKETS: u64 = 1_000;

/// The engine at the end of a [`Capture`].
pub(crate) struct Live {
    engine: Engine<Outputs>,
    checkpoints: Checkpoints,
    health: Arc<Health>,
    inquiries: Arc<Inquiries>,
    routes: Answering,
    clients: Answering,
    pulse: Arc<Pulse>,
    /// The most that the ring held since the last second.
    ring_peak: u64,
    statistics: Arc<Statistics>,
    figures: Arc<Mutex<Figures>>,
    /// Ports were named: what they carry is meant to be read.
    has_ports: bool,
    loss: Share,
    opaque: Share,
    next_shares: Timestamp,
}

/// What the capture thread and the web server have in common.
pub(crate) struct Shared {
    pub(crate) health: Arc<Health>,
    pub(crate) inquiries: Arc<Inquiries>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Live {
    /// Hands segments of `capture` to `engine`, once it [runs](Live::run), and shows in `metrics` how that goes.
    pub(crate) fn new(
        mut engine: Engine<Outputs>,
        checkpoints: Checkpoints,
        Shared { health, inquiries, pulse }: Shared,
        capture: &Capture,
        metrics: &Metrics,
        args: &RunArgs,
    ) -> Live {
        let figures = Arc::<Mutex<Figures>>::default();
        let statistics = capture.statistics();
        {
            let (figures, statistics) = (Arc::clone(&figures), Arc::clone(&statistics));
            let (ring_size, sampling) = (u64::from(args.kernel.ring_size), args.sample);
            // Counters go on from the checkpoint; what scrapes them expects them to begin with the process.
            let mut before = Samples::default();
            let resumed = Figures { engine: engine.counters(), ..Figures::default() };
            show(&resumed, &Default::default(), &mut before);
            metrics.add(move |samples| {
                samples.push(&metrics::RING_SIZE_BYTES, &[], ring_size);
                samples.push(&metrics::SAMPLING_RATIO, &[], sampling);
                let figures = figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut now = Samples::default();
                show(&figures, &statistics.read(), &mut now);
                samples.add_since(now, &before);
            });
        }
        Live {
            engine,
            checkpoints,
            health,
            inquiries,
            routes: Answering::default(),
            clients: Answering::default(),
            pulse,
            ring_peak: 0,
            statistics,
            figures,
            has_ports: !args.engine.ports.is_empty(),
            loss: Share::default(),
            opaque: Share::default(),
            next_shares: Timestamp::default(),
        }
    }

    /// Until `stop`; then detaches, evaluates what had been captured, and writes everything.
    pub(crate) fn run(mut self, mut capture: Capture, attachment: Attachment, stop: &Stop) -> Vec<Failure> {
        self.health.set_attached(true);
        let outcome = capture.run(&mut self, stop);
        drop(attachment);
        self.health.set_attached(false);
        self.inquiries.close();
        capture.drain(&mut self);
        let now = Timestamp::now();
        self.engine.finish(now);
        self.publish(0, 0);
        self.checkpoints.finish(&self.engine, now);
        let lost = self.engine.into_output().finish();
        outcome.err().map(Failure::from).into_iter().chain(lost.into_iter().map(Failure::from)).collect()
    }

    /// Tells once a second how it goes: detection what it can't see, and the status page all of it.
    fn beat(&mut self, now: Timestamp) {
        let counters = self.engine.counters();
        let [requests, _] = self.statistics.read();
        let lost = figures::lost(&requests, &counters.http);
        let exchanges = counters.http.exchanges;
        let loss = self.loss.of(lost, exchanges, 0);
        self.engine.set_loss(loss);
        let opaque = self.has_ports.then(|| {
            let count = |outcome: Outcome| requests.outcomes[outcome as usize];
            self.opaque.of(count(Outcome::NotHttp), count(Outcome::Submitted), FEWEST_PACKETS)
        });
        if let Some(share) = opaque {
            self.engine.set_opaque(share);
        }
        let tally = counters.detection.detector.tally;
        self.pulse.beat(Vitals {
            at: now,
            exchanges,
            lost,
            loss,
            opaque,
            ring_bytes: std::mem::take(&mut self.ring_peak),
            pairs: tally.pairs,
            objects: tally.objects,
            admission: tally.admission,
            forgotten: tally.evicted_busy + tally.findings_suppressed,
        });
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
        if now >= self.next_shares {
            self.next_shares = now + Duration::from_secs(1);
            self.beat(now);
        }
        self.engine.settle(now);
        self.engine.output().tick();
        let engine = &mut self.engine;
        self.routes.answer(&self.inquiries.routes, now, || {
            Routes::new(now, engine.counters().detection.routes.overflowed, engine.routes())
        });
        self.clients.answer(&self.inquiries.clients, now, || {
            Clients::new(now, engine.windows(), engine.busiest(now, Clients::MOST))
        });
        self.checkpoints.turn(&mut self.engine, now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_deadline()
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.engine.directives()
    }

    fn captured(&mut self, ring_bytes: u64, responses_lost: u64) {
        self.ring_peak = self.ring_peak.max(ring_bytes);
        self.publish(ring_bytes, responses_lost);
    }
}

/// A share of what came lately.
#[derive(Default)]
struct Share {
    /// What belongs to it and what does not so far, second by second.
    history: VecDeque<(u64, u64)>,
}

impl Share {
    /// The share that `part` has of `part` and `rest`, both counted from the start; 0 while both are fewer than `fewest`.
    fn of(&mut self, part: u64, rest: u64, fewest: u64) -> f64 {
        if self.history.len() == SHARE_WINDOW {
            self.history.pop_front();
        }
        self.history.push_back((part, rest));
        let (part_before, rest_before) = self.history[0];
        let (part, rest) = (part - part_before, rest - rest_before);
        if part == 0 || part + rest < fewest { 0.0 } else { part as f64 / (part + rest) as f64 }
    }
}
