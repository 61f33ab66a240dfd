//! Where what the engine finds goes: logs, the store, the status page.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, sync::Arc};

use rollcall_attribute::{observation::Observation, route::full_name};
use rollcall_deliver::{
    OwnCalls,
    lines::{AlertLog, ExchangeLog, LineFile, LogError, LogStats, Queue, Record, Reopen},
};
use rollcall_detect::alert::{Alert, Joined};
use rollcall_engine::{Output, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_metrics::Metrics;
use rollcall_serve::api::Board;
use rollcall_store::{
    Handle,
    exposure::{ObjectMode, Recorder},
};
use rollcall_stream::Endpoints;

/// Exchanges that may wait for a disk: at 100,000 exchanges of 400 bytes a second, 1.6 seconds.
const EXCHANGE_QUEUE: u64 = 64 << 20;

/// Where alerts go.
enum Alerts {
    /// To a file: replay has time, and can be repeated.
    File(AlertLog),
    /// To the ledger, and from there to every sink.
    Ledger(Handle),
}

/// Where what the engine finds goes.
pub struct Outputs {
    alerts: Alerts,
    exchanges: Option<ExchangeLog>,
    /// What suspicious clients read.
    exposure: Option<Recorder>,
    /// Objects may be written down as they are.
    names_objects: bool,
    /// What is open now, for the status page.
    pub(super) board: Arc<Board>,
    /// Calls by which alerts leave.
    own: Arc<OwnCalls>,
    /// Where the daemon's own web server listens.
    web: Option<SocketAddr>,
    /// Exchanges with other servers than that.
    served: u64,
}

impl Outputs {
    /// Logs that are written at once, on the engine's thread: files of alerts and of exchanges, `-` being stdout.
    pub fn direct(alerts: &Path, exchanges: Option<&Path>) -> Result<Outputs, LogError> {
        let alerts = AlertLog::new(Box::new(LineFile::open(alerts)?));
        let exchanges = match exchanges {
            Some(path) => Some(ExchangeLog::new(Box::new(LineFile::open(path)?))),
            None => None,
        };
        Ok(Outputs {
            alerts: Alerts::File(alerts),
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
    pub(super) fn live(
        exchanges: Option<&Path>,
        ledger: Handle,
        own: Arc<OwnCalls>,
        web: SocketAddr,
        metrics: &Metrics,
    ) -> Result<(Outputs, Option<Reopen>), LogError> {
        let mut outputs = Outputs {
            alerts: Alerts::Ledger(ledger),
            exchanges: None,
            exposure: None,
            names_objects: true,
            board: Arc::default(),
            own,
            web: Some(web),
            served: 0,
        };
        let Some(path) = exchanges else { return Ok((outputs, None)) };
        let file = LineFile::open(path)?;
        let stats = file.stats();
        metrics.add(move |samples| LogStats::collect(&stats, "exchanges", samples));
        let queue = Queue::new(file, EXCHANGE_QUEUE)?;
        let reopen = queue.reopen();
        outputs.exchanges = Some(ExchangeLog::new(Box::new(queue)));
        Ok((outputs, Some(reopen)))
    }

    /// Has `recorder` write down what suspicious clients read. Its metrics go to `metrics`.
    pub(super) fn record(&mut self, recorder: Recorder, metrics: &Metrics) {
        let stats = recorder.stats();
        metrics.add(move |samples| stats.collect(samples));
        self.names_objects = recorder.objects() == ObjectMode::Plain;
        self.exposure = Some(recorder);
    }

    /// Goes on recording what the clients of `open_alerts` read; all others have ended. `told` are those that were open when
    /// the ledger was closed.
    pub(super) fn resume(&mut self, told: &[Alert], open_alerts: &BTreeSet<String>) {
        if let Some(recorder) = &mut self.exposure {
            recorder.resume(told, |alert| open_alerts.contains(alert));
        }
    }

    /// Exchanges so far, but for those with the daemon itself: that its own pages can be read says nothing.
    pub(super) fn served(&self) -> u64 {
        self.served
    }

    /// Lets lines go that have waited for more to come. To be called whenever the capture loop comes round.
    pub(super) fn tick(&mut self) {
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.tick();
        }
        if let Some(recorder) = &mut self.exposure {
            recorder.tick();
        }
    }

    /// Writes everything; the errors of those that lost lines.
    pub fn finish(self) -> Vec<LogError> {
        let Outputs { alerts, exchanges, exposure, .. } = self;
        if let Some(recorder) = exposure {
            recorder.finish();
        }
        let alerts = match alerts {
            Alerts::File(log) => Some(log.finish()),
            Alerts::Ledger(_) => None,
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
                route: full_name::split(attributed.route).1,
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
            Alerts::File(log) => log.write(alert),
            Alerts::Ledger(ledger) => {
                // Only what is in a ledger can be named to its daemon.
                let mut told = Alert { allow: alert.command(), ..alert.clone() };
                if !self.names_objects {
                    told.sample_objects.clear();
                }
                ledger.record(&told);
                self.board.note(&told);
            }
        }
        if let Some(recorder) = &mut self.exposure {
            recorder.alert(alert);
        }
    }

    fn is_own(&self, ends: &Endpoints) -> bool {
        self.own.has(ends)
    }
}
