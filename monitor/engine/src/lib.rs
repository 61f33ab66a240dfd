//! The engine: from segments to exchanges and alerts, on the timestamps it is handed and nothing else.
//!
//! Whoever has segments drives it: hand over each one, and [`Engine::settle`] whenever all that was captured before a
//! moment has been handed over. The same segments and moments give the same exchanges and alerts.

pub mod alerting;
pub mod attributor;
pub mod checkpoint;
pub mod detection;
mod held;

use std::{collections::BTreeSet, io, net::IpAddr, sync::Arc, time::Duration};

use checkpoint::Draft;
use detection::{Attributed, Detection};
use rollcall_attribute::{
    client::ClientKey,
    observation::Observation,
    route::{NeverMatches, Summary},
};
use rollcall_detect::{
    Busy, Peaks, Unseen,
    alert::{Alert, Joined},
};
use rollcall_http::{Connections, Exchange, ExchangeSink};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{ConnectionId, Directive, Endpoints, Segment};

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
    behind: Behind<O>,
    last_tick: Option<Timestamp>,
}

/// What stands behind the connections.
struct Behind<O> {
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
            behind: Behind { detection, output, alerts: Vec::new(), directives: Vec::new() },
            last_tick: None,
        }
    }

    /// What detection knows now, to go on from another time. Connections end with the process.
    ///
    /// # Errors
    ///
    /// If it can't be told in the format, which is a defect.
    pub fn checkpoint(&self) -> io::Result<Draft> {
        self.behind.detection.checkpoint()
    }

    /// Takes in one segment.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        self.connections.segment(segment, &mut self.behind);
    }

    /// Takes in one exchange that is complete, from a source that has no segments. `keys` are those that it was attributed
    /// to before, where that is known; otherwise none, and it is attributed by what is in it.
    pub fn exchange(&mut self, exchange: &Exchange<'_>, keys: &[ClientKey]) {
        self.behind.detection.recall_keys(keys);
        self.behind.call(exchange);
        self.behind.exchange(exchange);
        self.behind.detection.recall_keys(&[]);
    }

    /// All that was captured before `now` has been handed over.
    pub fn settle(&mut self, now: Timestamp) {
        self.connections.settle(now, &mut self.behind);
        // Time that was set back must not stand still.
        if self.last_tick.is_none_or(|last| now.since(last) >= TICK || now < last) {
            self.last_tick = Some(now);
            let Behind { detection, alerts, .. } = &mut self.behind;
            detection.tick(now, alerts);
            self.behind.raise();
        }
    }

    /// Nothing more will come: reports all that is known.
    pub fn finish(&mut self, now: Timestamp) {
        self.settle(now);
        self.connections.finish(now, &mut self.behind);
    }

    /// When [`Engine::settle`] is due even if no segment comes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.connections.next_deadline()
    }

    /// Moves out the advice for the source of segments that has come up since the last call.
    pub fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        self.behind.directives.drain(..)
    }

    /// Sets the share of requests that is being lost, from 0 to 1, for alerts from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.behind.detection.set_loss(loss);
    }

    /// Sets the share of traffic on the watched ports that can't be read, from 0 to 1.
    pub fn set_opaque(&mut self, share: f64) {
        self.behind.detection.set_opaque(share);
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub fn unseen(&mut self, why: Unseen, client: IpAddr) {
        self.behind.detection.unseen(why, client);
    }

    /// Begins to keep the most objects that any client had, beside detection.
    pub fn keep_peaks(&mut self, peaks: Peaks) {
        self.behind.detection.keep_peaks(peaks);
    }

    /// The most objects that any client had, if they are kept.
    pub fn peaks(&self) -> Option<&Peaks> {
        self.behind.detection.peaks()
    }

    /// Every route that has been called.
    pub fn routes(&self) -> Vec<Summary> {
        self.behind.detection.routes()
    }

    /// Calls of each service since the start.
    pub fn calls_by_service(&self) -> Vec<(Arc<str>, u64)> {
        self.behind.detection.calls_by_service()
    }

    /// The ids of the alerts that are open.
    pub fn open_alerts(&self) -> BTreeSet<String> {
        self.behind.detection.open_alerts()
    }

    /// The clients that have touched most on a route, `most` at most: for people to look at.
    pub fn busiest(&self, now: Timestamp, most: usize) -> Vec<Busy> {
        self.behind.detection.busiest(now, most)
    }

    /// The windows that objects are counted in, shortest first.
    pub fn windows(&self) -> &[Duration] {
        self.behind.detection.windows()
    }

    /// Rules of the operator that no call can ever match.
    pub fn never_match(&self) -> &[NeverMatches] {
        self.behind.detection.never_match()
    }

    /// What has been counted.
    pub fn counters(&mut self) -> EngineCounters {
        EngineCounters {
            http: self.connections.counters().clone(),
            detection: self.behind.detection.counters(),
        }
    }

    /// Where it writes to.
    pub fn output(&mut self) -> &mut O {
        &mut self.behind.output
    }

    /// Gives back where it wrote to.
    pub fn into_output(self) -> O {
        self.behind.output
    }
}

impl<O: Output> Behind<O> {
    fn raise(&mut self) {
        for alert in self.alerts.drain(..) {
            self.output.alert(&alert);
        }
        for joined in self.detection.joined() {
            self.output.joined(&joined);
        }
    }
}

impl<O: Output> ExchangeSink for Behind<O> {
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
