//! Live traffic on its way through the engine, and the figures that the web server shows of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use monitor_ebpf::outcome::Outcome;
use rollcall_attribute::route::NeverMatches;
use rollcall_capture::{Attachment, Capture, Consumer, DirectionStatistics, Fed, Statistics, Stop};
use rollcall_detect::Unseen;
use rollcall_engine::{Engine, Secret};
use rollcall_http as http;
use rollcall_metrics::{self as metrics, Metrics, Samples};
use rollcall_model::time::Timestamp;
use rollcall_serve::{
    api::{Answering, Clients, Inquiries, Pulse, Routes, Setup, Sight, Sights, Traffic, Vitals},
    health::Health,
};
use rollcall_stream::{ConnectionId, Directive, Endpoints, Segment};

use super::{
    Error, Outputs,
    allowed::Allowed,
    checkpoints::Checkpoints,
    figures::{self, Figures, show},
};

/// Seconds over which shares of traffic are taken.
const SHARE_WINDOW: usize = 60;

/// The engine at the end of a [`Capture`].
pub(super) struct Live {
    engine: Engine<Outputs>,
    checkpoints: Checkpoints,
    health: Arc<Health>,
    inquiries: Arc<Inquiries>,
    routes: Answering,
    clients: Answering,
    pulse: Arc<Pulse>,
    /// Connections whose bytes travel over others too.
    multipath: u64,
    /// The most that the ring held since the last second.
    ring_peak: u64,
    statistics: Arc<Statistics>,
    figures: Arc<Mutex<Figures>>,
    /// Ports were named: what they carry is meant to be read.
    has_ports: bool,
    /// The daemon's own pages are TLS.
    encrypts: bool,
    allowed: Allowed,
    loss: Share,
    sights: Sights,
    sight: Sight,
    next_shares: Timestamp,
}

/// Where segments come from.
pub(super) enum Source {
    Kernel(Box<Capture>, Attachment),
    Fed(Fed),
}

/// What the capture thread and the web server have in common.
pub(super) struct Shared {
    pub(super) health: Arc<Health>,
    pub(super) inquiries: Arc<Inquiries>,
    pub(super) pulse: Arc<Pulse>,
    /// The web server speaks TLS.
    pub(super) encrypts: bool,
    pub(super) allowed: Allowed,
}

impl Live {
    /// Hands segments to `engine`, once it [runs](Live::run), and shows in `metrics` how that goes.
    pub(super) fn new(
        mut engine: Engine<Outputs>,
        checkpoints: Checkpoints,
        Shared { health, inquiries, pulse, encrypts, allowed }: Shared,
        statistics: Arc<Statistics>,
        metrics: &Metrics,
        setup: &Setup,
    ) -> Live {
        let figures = Arc::<Mutex<Figures>>::default();
        {
            let (figures, statistics) = (Arc::clone(&figures), Arc::clone(&statistics));
            let (ring_size, sampling) = (setup.ring_size, setup.sampling);
            // EngineCounters go on from the checkpoint; what scrapes them expects them to begin with the process.
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
        let (counters, [requests, _]) = (engine.counters(), statistics.read());
        let loss = Share::since(figures::lost(&requests, &counters.http), counters.http.exchanges);
        Live {
            engine,
            checkpoints,
            health,
            inquiries,
            routes: Answering::default(),
            clients: Answering::default(),
            pulse,
            multipath: 0,
            ring_peak: 0,
            statistics,
            figures,
            has_ports: !setup.ports.is_empty(),
            encrypts,
            allowed,
            loss,
            sights: Sights::default(),
            sight: Sight::default(),
            next_shares: Timestamp::default(),
        }
    }

    /// Routes of the configuration that no call can ever be on.
    pub(super) fn never_match(&self) -> &[NeverMatches] {
        self.engine.detection().never_match()
    }

    /// Until `stop`; then detaches, evaluates what had been captured, and writes everything. Whatever was lost of it.
    pub(super) fn run(mut self, source: Source, stop: &Stop) -> Vec<Error> {
        self.health.set_attached(true);
        let outcome = match source {
            Source::Kernel(mut capture, attachment) => {
                let outcome = capture.run(&mut self, stop);
                drop(attachment);
                self.stop_answering();
                capture.drain(&mut self);
                outcome.map_err(Error::from)
            }
            Source::Fed(mut fed) => {
                let outcome = fed.run(&mut self, stop);
                self.stop_answering();
                outcome.map_err(Error::io("wait for segments"))
            }
        };
        let now = Timestamp::now();
        self.engine.finish(now);
        self.allowed.note_uses(self.engine.detection_mut());
        self.publish(0, 0);
        self.checkpoints.finish(&self.engine, now);
        let lost = self.engine.into_output().finish();
        outcome.err().into_iter().chain(lost.into_iter().map(Error::from)).collect()
    }

    fn stop_answering(&self) {
        self.health.set_attached(false);
        self.inquiries.close();
    }

    /// Tells once a second how it goes: detection what is in order and what it can't see, and the status page all of it.
    fn beat(&mut self, now: Timestamp) {
        self.allowed.turn(self.engine.detection_mut(), now);
        let counters = self.engine.counters();
        let [requests, _] = self.statistics.read();
        let lost = figures::lost(&requests, &counters.http);
        let exchanges = counters.http.exchanges;
        let loss = self.loss.of(lost, exchanges);
        self.engine.detection_mut().set_loss(loss);
        let traffic = self.traffic(&requests, &counters.http);
        let sight = self.sights.note(self.has_ports, traffic);
        self.sight = sight;
        self.engine.detection_mut().set_opaque(sight.opaque().filter(|_| sight.is_blind()).unwrap_or(0.0));
        let tally = counters.detection.detector.tally;
        self.pulse.beat(Vitals {
            at: now,
            exchanges,
            lost,
            loss,
            sight,
            ring_bytes: std::mem::take(&mut self.ring_peak),
            pairs: tally.pairs,
            objects: tally.objects,
            admission: tally.admission,
            forgotten: tally.evicted_busy + tally.findings_suppressed,
        });
    }

    /// What came so far, read or not.
    ///
    /// Without named ports, protocols that are no HTTP are nobody's concern: only what may hide calls counts, TLS and
    /// HTTP/2, and what the programs have set aside for its first bytes. Where the daemon's own pages are such, nothing does.
    fn traffic(&mut self, packets: &DirectionStatistics, http: &http::HttpCounters) -> Traffic {
        let count = |outcomes: &[Outcome]| outcomes.iter().map(|&outcome| packets.count(outcome)).sum();
        let traffic = Traffic {
            requests: self.engine.output().served(),
            connections: http.tls + http.http2,
            opaque_packets: count(&[Outcome::NotHttp]),
            packets: count(&[
                Outcome::Submitted,
                Outcome::SkippedBody,
                Outcome::SampledOut,
                Outcome::OverBudget,
            ]),
            ignored_packets: 0,
        };
        match (self.has_ports, self.encrypts) {
            (true, _) => Traffic {
                connections: traffic.connections + http.not_http,
                ignored_packets: count(&[Outcome::Ignored]),
                ..traffic
            },
            (false, false) => traffic,
            (false, true) => Traffic::default(),
        }
    }

    fn publish(&mut self, ring_bytes: u64, responses_lost: u64) {
        let engine = self.engine.counters();
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = Figures {
            engine,
            calls: self.engine.detection().calls_by_service(),
            ring_bytes,
            responses_lost,
            multipath: self.multipath,
            opaque: self.sight.opaque(),
        };
    }
}

impl Consumer for Live {
    fn segment(&mut self, segment: &Segment<'_>) {
        self.engine.segment(segment);
    }

    fn secret(&mut self, secret: Secret) {
        self.engine.secret(secret);
    }

    fn multipath(&mut self, ends: &Endpoints) {
        self.multipath += 1;
        self.engine.detection_mut().unseen(Unseen::Multipath, ends.client.ip());
    }

    fn settle(&mut self, upto: Timestamp) {
        self.engine.settle(upto);
    }

    fn looked(&mut self, now: Timestamp) {
        self.health.tick();
        if now >= self.next_shares {
            self.next_shares = now + Duration::from_secs(1);
            self.beat(now);
        }
        self.engine.output().tick();
        let engine = &mut self.engine;
        self.routes.answer(&self.inquiries.routes, now, || {
            Routes::new(now, engine.counters().detection.routes.overflowed, engine.detection().routes())
        });
        self.clients.answer(&self.inquiries.clients, now, || {
            Clients::new(now, engine.detection().windows(), engine.detection().busiest(now, Clients::MOST))
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
struct Share {
    /// What belongs to it and what does not so far, second by second.
    history: VecDeque<(u64, u64)>,
}

impl Share {
    /// Of what comes from now on, when so much of either has been counted.
    fn since(part: u64, rest: u64) -> Share {
        Share { history: [(part, rest)].into() }
    }

    /// The share that `part` has of `part` and `rest`, both counted from the start.
    fn of(&mut self, part: u64, rest: u64) -> f64 {
        if self.history.len() == SHARE_WINDOW {
            self.history.pop_front();
        }
        self.history.push_back((part, rest));
        let (part_before, rest_before) = self.history[0];
        let (part, rest) = (part.saturating_sub(part_before), rest.saturating_sub(rest_before));
        if part == 0 { 0.0 } else { part as f64 / (part + rest) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_first_look_counts() {
        assert_eq!(Share::since(0, 0).of(3, 9), 0.25);
        assert_eq!(Share::since(100, 50).of(103, 59), 0.25, "and what came before the start does not");
        assert_eq!(Share::since(100, 50).of(100, 50), 0.0);
    }

    #[test]
    fn what_came_long_ago_does_not_count() {
        let mut share = Share::since(0, 0);
        for _ in 1..SHARE_WINDOW {
            assert_eq!(share.of(1, 1), 0.5);
        }
        assert_eq!(share.of(1, 1), 0.0);
    }
}
