//! From segments to logs: the engine with its outputs, as `run` and `replay` both drive it.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use rollcall::{
    alert::Alert,
    engine::{Engine, Output, Settings, detection::Attributed},
    hash::HashKey,
    http::Exchange,
    ledger::exposure::Recorder,
    output::{
        AlertLog, Error, ExchangeLog, LineFile, Queue, Record, Sink, Stats, api::Board, metrics::Metrics,
    },
    replay::access_log::Call,
    stream::Segment,
    time::Timestamp,
};

use super::{
    attribution,
    exit::Failure,
    options::{EngineArgs, OutputArgs},
    state::Key,
};

/// Exchanges that may wait for a disk: at 100,000 exchanges of 400 bytes a second, 1.6 seconds.
const EXCHANGE_QUEUE: u64 = 64 << 20;

/// Alerts that may wait: some ten thousand.
const ALERT_QUEUE: u64 = 4 << 20;

/// Whether the engine's thread may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Capture must go on: a thread of its own writes, from a bounded queue.
    Queued,
    /// Replay has time.
    Direct,
}

/// The logs that the command line asks for.
pub(crate) struct Outputs {
    pub alerts: AlertLog,
    pub exchanges: Option<ExchangeLog>,
    /// What suspicious clients read.
    pub exposure: Option<Recorder>,
    /// What is open now, for the status page.
    pub board: Arc<Board>,
}

impl Outputs {
    /// Opens the logs. Their metrics go to `metrics`.
    pub(crate) fn open(
        args: &OutputArgs,
        writing: Writing,
        metrics: Option<&Metrics>,
    ) -> Result<Outputs, Error> {
        let sink = |path: &Path, label: &'static str, limit| -> Result<Box<dyn Sink>, Error> {
            let file = LineFile::open(path)?;
            if let Some(metrics) = metrics {
                let stats = file.stats();
                metrics.add(move |samples| Stats::collect(&stats, label, samples));
            }
            Ok(match writing {
                Writing::Queued => Box::new(Queue::new(file, limit)?),
                Writing::Direct => Box::new(file),
            })
        };
        let alerts = AlertLog::new(sink(&args.alert_file, "alerts", ALERT_QUEUE)?);
        let exchanges = match &args.exchange_log {
            Some(path) => Some(ExchangeLog::new(sink(path, "exchanges", EXCHANGE_QUEUE)?)),
            None => None,
        };
        Ok(Outputs { alerts, exchanges, exposure: None, board: Arc::default() })
    }

    /// Has `recorder` write down what suspicious clients read. Its metrics go to `metrics`.
    pub(crate) fn record(&mut self, recorder: Recorder, metrics: &Metrics) {
        let stats = recorder.stats();
        metrics.add(move |samples| stats.collect(samples));
        self.exposure = Some(recorder);
    }

    /// Goes on recording the alerts that are still open; all others have ended.
    pub(crate) fn resume(&mut self, open_alerts: &BTreeSet<String>) {
        if let Some(recorder) = &mut self.exposure {
            recorder.resume(|alert| open_alerts.contains(alert));
        }
    }

    /// Lets lines go that have waited for more to come. To be called whenever the capture loop comes round.
    pub(crate) fn tick(&mut self) {
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.tick();
        }
        if let Some(recorder) = &mut self.exposure {
            recorder.tick();
        }
    }

    /// Writes everything; the errors of those that lost lines.
    pub(crate) fn finish(self) -> Vec<Error> {
        let Outputs { alerts, exchanges, exposure, board: _ } = self;
        if let Some(recorder) = exposure {
            recorder.finish();
        }
        let exchanges = exchanges.map(ExchangeLog::finish);
        [Some(alerts.finish()), exchanges].into_iter().flatten().filter_map(Result::err).collect()
    }
}

impl Output for Outputs {
    fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>) {
        if let Some(recorder) = &mut self.exposure {
            recorder.exchange(exchange, attributed);
        }
        if let Some(log) = &mut self.exchanges {
            log.write(&Record {
                exchange,
                route: attributed.route,
                objects: attributed.objects,
                clients: attributed.client_keys(),
            });
        }
    }

    fn alert(&mut self, alert: &Alert) {
        self.alerts.write(alert);
        if let Some(recorder) = &mut self.exposure {
            recorder.alert(alert);
        }
        self.board.note(alert);
    }
}

/// What the command line says an engine is to be like.
pub(crate) fn settings(args: &EngineArgs) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    settings.http.head = args.head_cap as usize;
    settings.http.body = args.body_cap as usize;
    settings.detection.clients = args.attribution.clients()?;
    settings.detection.routes = args.attribution.routes()?;
    settings.detection.detector = args.detection.settings()?;
    Ok(settings)
}

/// An engine. `key` keys its tables, and the hashes of credentials.
pub(crate) fn engine<O: Output>(settings: Settings, key: Key, outputs: O) -> Engine<O> {
    let engine = Engine::new(settings, HashKey::new(key), outputs);
    attribution::warn_of(engine.never_match());
    engine
}

/// Recorded traffic as it passes through the engine: the recorded time is the time.
pub(crate) struct Replay<O> {
    ports: Vec<u16>,
    engine: Engine<O>,
    settled: Timestamp,
}

/// Recorded time between two calls of [`Engine::settle`]: as in live capture.
const CYCLE: Duration = Duration::from_millis(10);

impl<O: Output> Replay<O> {
    /// A replay through `engine` of the traffic of `ports`, or of all.
    pub(crate) fn new(ports: Vec<u16>, engine: Engine<O>) -> Replay<O> {
        Replay { ports, engine, settled: Timestamp::default() }
    }

    /// Evaluates one segment.
    pub(crate) fn segment(&mut self, segment: &Segment<'_>) {
        if segment.endpoints.is_some_and(|ends| !self.is_watched(ends.server.port())) {
            return;
        }
        self.settle(segment.at);
        self.engine.segment(segment);
        // Nobody to advise: the capture is over.
        self.engine.directives().for_each(drop);
    }

    /// Evaluates one call of an access log.
    pub(crate) fn call(&mut self, call: &Call) {
        // Most logs do not tell the port.
        let port = call.endpoints.server.port();
        if port != 0 && !self.is_watched(port) {
            return;
        }
        self.settle(call.at);
        self.engine.exchange(&call.exchange(), &call.keys);
    }

    /// The engine.
    pub(crate) fn engine(&mut self) -> &mut Engine<O> {
        &mut self.engine
    }

    /// Evaluates what is still open.
    pub(crate) fn finish(&mut self) {
        self.engine.finish(self.settled);
    }

    /// Gives back where the engine wrote to.
    pub(crate) fn into_output(self) -> O {
        self.engine.into_output()
    }

    fn is_watched(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.contains(&port)
    }

    fn settle(&mut self, now: Timestamp) {
        if now >= self.settled + CYCLE {
            self.settled = now;
            self.engine.settle(now);
        }
    }
}
