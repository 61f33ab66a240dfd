//! The engine: from segments to exchanges and alerts, on the timestamps it is handed and nothing else.
//!
//! Whoever has segments drives it: hand over each one, and [`Engine::settle`] whenever all that was captured before a
//! moment has been handed over. The same segments and moments give the same exchanges and alerts.

pub mod alerting;
pub mod attributor;
pub mod checkpoint;
pub mod detection;
mod held;

use std::time::Duration;

use detection::{Attributed, Detection};
use rollcall_attribute::{client::ClientKey, observation::Observation};
use rollcall_detect::{
    Unseen,
    alert::{Alert, Joined},
};
use rollcall_http::{Connections, Exchange, ExchangeSink};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{ConnectionId, Directive, Endpoints, Segment};
pub use rollcall_tls::{Label, Secret};

/// Alerts are looked over this often for ones that have gone quiet.
const TICK: Duration = Duration::from_secs(1);

/// Where what the engine finds goes.
pub trait Output {
    /// One exchange, complete.
    fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>);
    /// A call that was reported before turned out to have touched an object.
    fn earlier(&mut self, _earlier: &Observation) {}
    /// An alert was opened, updated or resolved.
    fn alert(&mut self, alert: &Alert);
    /// A client became one of an alert, and no line names it.
    fn joined(&mut self, _joined: &Joined) {}
    /// Whether a connection is this program's own: what it says there is nobody's doing, and comes to nothing.
    fn is_own(&self, _ends: &Endpoints) -> bool {
        false
    }
}

/// How an engine is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub http: rollcall_http::Limits,
    pub detection: detection::Settings,
}

/// What every part counts.
#[derive(Clone, Debug, Default)]
pub struct EngineCounters {
    pub http: rollcall_http::HttpCounters,
    pub detection: detection::DetectionCounters,
}

/// Connections, and detection behind them.
pub struct Engine<O> {
    connections: Connections,
    evaluation: Evaluation<O>,
    last_tick: Option<Timestamp>,
}

/// What becomes of exchanges.
struct Evaluation<O> {
    detection: Detection,
    output: O,
    alerts: Vec<Alert>,
    directives: Vec<(ConnectionId, Directive)>,
}

impl<O: Output> Engine<O> {
    /// An engine that writes to `output`. `key` keys every table that traffic fills.
    pub fn new(settings: Settings, key: HashKey, output: O) -> Self {
        Engine::with(settings.http, Detection::new(settings.detection, key), output)
    }

    /// An engine that goes on from what `detection` knows.
    pub fn with(http: rollcall_http::Limits, detection: Detection, output: O) -> Self {
        Self {
            connections: Connections::new(http),
            evaluation: Evaluation { detection, output, alerts: Vec::new(), directives: Vec::new() },
            last_tick: None,
        }
    }

    /// What stands behind the connections, with all that outlives the process: connections end with it.
    pub fn detection(&self) -> &Detection {
        &self.evaluation.detection
    }

    /// The same, to tell it of what is no exchange.
    pub fn detection_mut(&mut self) -> &mut Detection {
        &mut self.evaluation.detection
    }

    /// Takes in one segment.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        self.connections.segment(segment, &mut self.evaluation);
    }

    /// Takes in a secret of a connection of TLS, which may have begun or be about to. It says nothing of the traffic by itself.
    pub fn secret(&mut self, secret: Secret) {
        self.connections.secret(secret);
    }

    /// Secrets are going to come: records of TLS are held for two seconds in which they may.
    pub fn expect_secrets(&mut self) {
        self.connections.expect_secrets();
    }

    /// Takes in one exchange that is complete, from a source that has no segments. `keys` are those that it was attributed
    /// to before, where that is known; otherwise none, and it is attributed by what is in it.
    pub fn exchange(&mut self, exchange: &Exchange<'_>, keys: &[ClientKey]) {
        self.evaluation.detection.recall_keys(keys);
        self.evaluation.call(exchange);
        self.evaluation.exchange(exchange);
        self.evaluation.detection.recall_keys(&[]);
    }

    /// All that was captured before `now` has been handed over.
    pub fn settle(&mut self, now: Timestamp) {
        self.connections.settle(now, &mut self.evaluation);
        // Time that was set back must not stand still.
        if self.last_tick.is_none_or(|last| now.since(last) >= TICK || now < last) {
            self.last_tick = Some(now);
            let Evaluation { detection, alerts, .. } = &mut self.evaluation;
            detection.tick(now, alerts);
            self.evaluation.raise();
        }
    }

    /// Nothing more will come: reports all that is known.
    pub fn finish(&mut self, now: Timestamp) {
        self.settle(now);
        self.connections.finish(now, &mut self.evaluation);
    }

    /// When [`Engine::settle`] is due even if no segment comes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.connections.next_deadline()
    }

    /// Moves out the advice for the source of segments that has come up since the last call.
    pub fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.evaluation.directives.drain(..)
    }

    /// What has been counted.
    pub fn counters(&mut self) -> EngineCounters {
        EngineCounters {
            http: self.connections.counters().clone(),
            detection: self.evaluation.detection.counters(),
        }
    }

    /// Where it writes to.
    pub fn output(&mut self) -> &mut O {
        &mut self.evaluation.output
    }

    /// Gives back where it wrote to.
    pub fn into_output(self) -> O {
        self.evaluation.output
    }
}

impl<O: Output> Evaluation<O> {
    fn raise(&mut self) {
        for alert in self.alerts.drain(..) {
            self.output.alert(&alert);
        }
        for joined in self.detection.joined() {
            self.output.joined(&joined);
        }
    }
}

impl<O: Output> ExchangeSink for Evaluation<O> {
    fn call(&mut self, exchange: &Exchange<'_>) {
        if self.output.is_own(&exchange.endpoints) {
            return;
        }
        self.detection.call(exchange, &mut self.alerts);
        for earlier in self.detection.earlier_touches() {
            self.output.earlier(earlier);
        }
        self.raise();
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        if self.output.is_own(&exchange.endpoints) {
            return;
        }
        let attributed = self.detection.complete(exchange, &mut self.alerts);
        self.output.exchange(exchange, &attributed);
        self.raise();
    }

    fn unseen(&mut self, unseen: &rollcall_http::Unseen) {
        let Some(ends) = &unseen.endpoints else { return };
        if !self.output.is_own(ends) && rollcall_http::Unexplained::HIDDEN.contains(&unseen.why) {
            self.detection.unseen(Unseen::Answered, ends.client.ip());
        }
    }

    fn directive(&mut self, connection: ConnectionId, directive: Directive) {
        self.directives.push((connection, directive));
    }
}
