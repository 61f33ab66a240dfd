//! From segments to logs: the engine with its outputs, as `run` and `replay` both drive it.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use rollcall::{
    alert::{Alert, Joined},
    api::Board,
    delivery::OwnCalls,
    engine::{
        Engine, Output, Settings,
        detection::{Attributed, Detection},
    },
    hash::HashKey,
    http::{self, Exchange},
    ledger::{
        Handle,
        exposure::{Objects, Recorder},
    },
    lines::{AlertLog, Error, ExchangeLog, LineFile, Queue, Record, Reopen, Stats},
    metrics::Metrics,
    observation::Observation,
    replay::access_log::Call,
    route::service,
    stream::{Endpoints, Segment},
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

/// Where alerts go.
pub(crate) enum AlertsTo {
    /// To a file: replay has time, and can be repeated.
    File(AlertLog),
    /// To the ledger, and from there to every sink.
    Ledger(Handle),
}

/// Where what the engine finds goes.
pub(crate) struct Outputs {
    alerts: AlertsTo,
    exchanges: Option<ExchangeLog>,
    /// What suspicious clients read.
    exposure: Option<Recorder>,
    /// Objects may be written down as they are.
    names_objects: bool,
    /// What is open now, for the status page.
    pub board: Arc<Board>,
    /// Calls by which alerts leave.
    own: Arc<OwnCalls>,
    /// Where the daemon's own web server listens.
    web: Option<SocketAddr>,
    /// Exchanges with other servers than that.
    served: u64,
}

impl Outputs {
    /// Logs that are written at once, on the engine's thread.
    pub(crate) fn direct(args: &OutputArgs) -> Result<Outputs, Error> {
        let alerts = AlertLog::new(Box::new(LineFile::open(&args.alert_file)?));
        let exchanges = match &args.exchange_log {
            Some(path) => Some(ExchangeLog::new(Box::new(LineFile::open(path)?))),
            None => None,
        };
        Ok(Outputs {
            alerts: AlertsTo::File(alerts),
            exchanges,
            exposure: None,
            names_objects: true,
            board: Arc::default(),
            own: Arc::default(),
            web: None,
            served: 0,
        })
    }

    /// Outputs that the engine's thread never waits for, and what has the exchange log opened anew. Its metrics go to
    /// `metrics`.
    pub(crate) fn live(
        args: &OutputArgs,
        ledger: Handle,
        own: Arc<OwnCalls>,
        web: SocketAddr,
        metrics: &Metrics,
    ) -> Result<(Outputs, Option<Reopen>), Error> {
        let mut outputs = Outputs {
            alerts: AlertsTo::Ledger(ledger),
            exchanges: None,
            exposure: None,
            names_objects: true,
            board: Arc::default(),
            own,
            web: Some(web),
            served: 0,
        };
        let Some(path) = &args.exchange_log else { return Ok((outputs, None)) };
        let file = LineFile::open(path)?;
        let stats = file.stats();
        metrics.add(move |samples| Stats::collect(&stats, "exchanges", samples));
        let queue = Queue::new(file, EXCHANGE_QUEUE)?;
        let reopen = queue.reopen();
        outputs.exchanges = Some(ExchangeLog::new(Box::new(queue)));
        Ok((outputs, Some(reopen)))
    }

    /// Has `recorder` write down what suspicious clients read. Its metrics go to `metrics`.
    pub(crate) fn record(&mut self, recorder: Recorder, metrics: &Metrics) {
        let stats = recorder.stats();
        metrics.add(move |samples| stats.collect(samples));
        self.names_objects = recorder.objects() == Objects::Plain;
        self.exposure = Some(recorder);
    }

    /// Goes on recording what the clients of `open_alerts` read; all others have ended. `told` are those that were open when
    /// the ledger was closed.
    pub(crate) fn resume(&mut self, told: &[Alert], open_alerts: &BTreeSet<String>) {
        if let Some(recorder) = &mut self.exposure {
            recorder.resume(told, |alert| open_alerts.contains(alert));
        }
    }

    /// Exchanges so far, but for those with the daemon itself: that its own pages can be read says nothing.
    pub(crate) fn served(&self) -> u64 {
        self.served
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
        let Outputs { alerts, exchanges, exposure, .. } = self;
        if let Some(recorder) = exposure {
            recorder.finish();
        }
        let alerts = match alerts {
            AlertsTo::File(log) => Some(log.finish()),
            AlertsTo::Ledger(_) => None,
        };
        [alerts, exchanges.map(ExchangeLog::finish)].into_iter().flatten().filter_map(Result::err).collect()
    }
}

impl Output for Outputs {
    fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>) {
        let server = exchange.endpoints.server;
        let is_own = self.web.is_some_and(|web| {
            web.port() == server.port() && (web.ip().is_unspecified() || web.ip() == server.ip())
        });
        self.served += u64::from(!is_own);
        if let Some(recorder) = &mut self.exposure {
            recorder.exchange(exchange, attributed);
        }
        if let Some(log) = &mut self.exchanges {
            log.write(&Record {
                exchange,
                // Of the service the port is in it already.
                route: service::split(attributed.route).1,
                objects: attributed.objects,
                clients: attributed.client_keys(),
            });
        }
    }

    fn earlier(&mut self, earlier: &Observation) {
        if let Some(recorder) = &mut self.exposure {
            recorder.earlier(earlier);
        }
    }

    fn joined(&mut self, joined: &Joined) {
        if let Some(recorder) = &mut self.exposure {
            recorder.joined(joined);
        }
    }

    fn alert(&mut self, alert: &Alert) {
        match &mut self.alerts {
            AlertsTo::File(log) => log.write(alert),
            AlertsTo::Ledger(ledger) if self.names_objects => ledger.record(alert),
            AlertsTo::Ledger(ledger) => ledger.record(&Alert { sample_objects: Vec::new(), ..alert.clone() }),
        }
        if let Some(recorder) = &mut self.exposure {
            recorder.alert(alert);
        }
        self.board.note(alert);
    }

    fn is_own(&self, ends: &Endpoints) -> bool {
        self.own.has(ends)
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
    for service in settings.detection.detector.policy.services() {
        attribution::expect_service(&settings.detection.routes, service)?;
    }
    Ok(settings)
}

/// An engine. `key` keys its tables, and the hashes of credentials.
pub(crate) fn engine<O: Output>(settings: Settings, key: Key, outputs: O) -> Engine<O> {
    resumed(settings.http, Detection::new(settings.detection, HashKey::new(key)), outputs)
}

/// An engine that goes on from what `detection` knows.
pub(crate) fn resumed<O: Output>(http: http::Limits, detection: Detection, outputs: O) -> Engine<O> {
    let engine = Engine::with(http, detection, outputs);
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
