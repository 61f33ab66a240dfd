//! From exchanges to alerts: the half of the engine that knows clients, routes and accounts.

mod stored;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration, vec};

use crate::{
    alert::{self, Alert, Alerts, Joined},
    client::{self, ClientKey, Clients, Lenses},
    detect::{self, Busy, Detector, Finding, Notices, Observation, Peaks, Rule, Unseen, notice::Shown},
    hash::HashKey,
    http::exchange::Exchange,
    object::Objects,
    route::{self, Attribution, NeverMatches, Origin, Router, Summary, Touch, outcome, target::Target},
    stream::ConnectionId,
    time::Timestamp,
};

/// Alerts that are open at once.
const OPEN_ALERTS: usize = 10_000;

/// How detection is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub clients: client::Settings,
    pub routes: route::Settings,
    pub detector: detect::Settings,
}

/// Attribution, detection and alerts.
#[derive(Debug)]
pub struct Detection {
    key: HashKey,
    lenses: Lenses,
    counted: client::Counters,
    router: Router,
    detector: Detector,
    notices: Notices,
    alerts: Alerts,
    attribution: Attribution,
    clients: Option<Clients>,
    /// The exchange that `attribution` and `clients` are of.
    attributed: Option<(ConnectionId, u64, Timestamp)>,
    recalled: Vec<route::Recalled>,
    /// Earlier touches of the call that was taken in last.
    earlier: Vec<Earlier>,
    /// The shortest window.
    shortest: Duration,
    findings: Vec<Finding>,
    never: Vec<NeverMatches>,
    /// The keys that the exchange was attributed to when it was recorded; none if it is to be attributed now.
    recorded: Vec<ClientKey>,
    peaks: Option<Peaks>,
    /// The name of the route that stands for new ones.
    new: Arc<str>,
    /// The least limit.
    least: u32,
}

/// Who called what, and whose account it was.
#[derive(Clone, Copy, Debug)]
pub struct Attributed<'a> {
    pub route: &'a Arc<str>,
    pub objects: &'a Objects,
    pub clients: Clients,
    /// The route has hardly been called: what it says counts for [`route::NEW`], too.
    pub is_new: bool,
}

/// A call that turned out to have touched an object when its route was learned.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub at: Timestamp,
    pub clients: Clients,
    pub route: Arc<str>,
    pub objects: Objects,
}

/// What every part counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub clients: client::Counters,
    pub routes: route::Counters,
    pub detector: detect::Counters,
    pub alerts: alert::Counters,
}

impl Detection {
    /// Detection as `settings` say; `key` keys every table that traffic fills, and hashes credentials.
    pub fn new(settings: Settings, key: HashKey) -> Detection {
        let Settings { clients, routes, detector } = settings;
        let router = Router::new(routes, key);
        Detection::with(clients, router, Detector::new(detector, key), key)
    }

    /// Detection with a router and a detector, which may have learned something.
    fn with(
        clients: client::Settings,
        (router, never): (Router, Vec<NeverMatches>),
        detector: Detector,
        key: HashKey,
    ) -> Detection {
        let (shortest, least) = (detector.policy().shortest(), detector.policy().least());
        Detection {
            key,
            lenses: Lenses::new(clients, key),
            counted: client::Counters::default(),
            router,
            detector,
            notices: Notices::new(key),
            alerts: Alerts::new(OPEN_ALERTS, key),
            attribution: Attribution::default(),
            clients: None,
            attributed: None,
            recalled: Vec::new(),
            earlier: Vec::new(),
            shortest,
            findings: Vec::new(),
            never,
            recorded: Vec::new(),
            peaks: None,
            new: route::NEW.into(),
            least,
        }
    }

    /// Has the next exchanges attributed to `keys`, which are those that they were recorded with.
    pub fn recall_keys(&mut self, keys: &[ClientKey]) {
        self.recorded.clear();
        self.recorded.extend_from_slice(keys);
    }

    /// Hands `peaks` what the detectors get, from now on.
    pub fn keep_peaks(&mut self, peaks: Peaks) {
        self.peaks = Some(peaks);
    }

    /// The peaks, if they are kept.
    pub fn peaks(&self) -> Option<&Peaks> {
        self.peaks.as_ref()
    }

    /// Rules of the operator that no call can ever match.
    pub fn never_match(&self) -> &[NeverMatches] {
        &self.never
    }

    /// Takes in one exchange and appends the alerts that it leads to. To be called once for each exchange.
    pub fn call(&mut self, exchange: &Exchange<'_>, out: &mut Vec<Alert>) {
        let clients = self.attribute(exchange, true);
        self.counted.count(&clients);
        self.recalled.extend(self.router.recalled());
        self.earlier.clear();
        for recalled in std::mem::take(&mut self.recalled) {
            let earlier = self.earlier(&recalled);
            // The detector's time never runs backwards: an older call would count as one of now. One from the future is from
            // before the clock was set back.
            let (at, before) = (exchange.at, earlier.at);
            if at.since(before).max(before.since(at)) <= self.shortest {
                self.recall(&recalled, &earlier, out);
            }
            self.earlier.push(earlier);
        }
        let observation = Observation {
            at: exchange.at,
            clients: &clients,
            route: &self.attribution.route,
            objects: &self.attribution.objects,
            status: exchange.status,
            response_bytes: exchange.response_bytes,
            sampling: exchange.sampling,
        };
        self.router.routes_mut().call(self.attribution.id);
        if is_new(&self.router, &self.attribution, self.least) {
            self.detector.observe_new(&observation, &self.new, &mut self.findings);
        } else {
            self.detector.observe(&observation, &mut self.findings);
        }
        if let Some(peaks) = &mut self.peaks {
            peaks.observe(&observation);
        }
        if self.attribution.objects.is_empty() && outcome::is_touch(exchange.status) {
            let touch = Touch {
                at: exchange.at,
                clients,
                response_bytes: exchange.response_bytes,
                sampling: exchange.sampling,
            };
            self.router.remember(self.attribution.id, touch);
        }
        self.raise(clients.keys(), out);
    }

    /// Earlier calls that turned out to have touched objects, by the call that was taken in last.
    pub fn earlier_touches(&self) -> &[Earlier] {
        &self.earlier
    }

    /// Moves out the clients that became some of an alert and that no line names.
    pub fn joined(&mut self) -> vec::Drain<'_, Joined> {
        self.alerts.joined()
    }

    /// Takes in one exchange that is complete: what it says about its route. To be called once for each exchange, after
    /// [`Detection::call`].
    pub fn complete(&mut self, exchange: &Exchange<'_>, out: &mut Vec<Alert>) -> Attributed<'_> {
        let known = self.clients.filter(|_| self.attributed == Some(identity(exchange)));
        let clients = known.unwrap_or_else(|| self.attribute(exchange, false));
        let Attribution { route, id, objects } = &self.attribution;
        let observation = Observation {
            at: exchange.at,
            clients: &clients,
            route,
            objects,
            status: exchange.status,
            response_bytes: exchange.response_bytes,
            sampling: exchange.sampling,
        };
        if known.is_none() {
            self.detector.answered_late(&observation);
        }
        self.detector.answered(&observation, &mut self.findings);
        let has_object = !objects.is_empty();
        let is_new = is_new(&self.router, &self.attribution, self.least);
        let open = !clients.authenticated && has_data(exchange);
        let caller = self.key.hash(&clients.keys()[0].to_bytes());
        self.router.routes_mut().see(*id, exchange, has_object, open, caller);
        let origin = self.router.routes().origin(*id);
        let is_static = self.router.routes().is_static(*id);
        let mut show = |rule| {
            let (at, client, address) = (exchange.at, clients.keys()[0], clients.address());
            let shown = Shown { rule, at, route, client, address, object: objects.iter().next() };
            self.notices.show(&shown, &mut self.findings);
        };
        if open && has_object && !is_static {
            show(Rule::OpenDoor);
        }
        let answered = matches!(exchange.status, Some(200..=299));
        if answered && self.router.has_document() && origin == Origin::Learned && !is_static {
            show(Rule::UnknownRoute);
        }
        self.raise(clients.keys(), out);
        Attributed { route: &self.attribution.route, objects: &self.attribution.objects, clients, is_new }
    }

    /// Lets time pass: resolves alerts. Once a second is enough.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        self.detector.tick(now, &mut self.findings);
        self.notices.tick(now, &mut self.findings);
        self.raise(&[], out);
        self.alerts.tick(now, out);
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for alerts from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.detector.set_loss(loss);
    }

    /// Sets the share of traffic on the watched ports that can't be read, from 0 to 1.
    pub fn set_opaque(&mut self, share: f64) {
        self.detector.set_opaque(share);
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub fn unseen(&mut self, why: Unseen, client: IpAddr) {
        self.detector.unseen(why, client);
    }

    /// Every route that has been called.
    pub fn routes(&self) -> Vec<Summary> {
        let mut routes = self.router.routes().summaries(self.router.has_document());
        for summary in &mut routes {
            let hour = self.detector.hour(&summary.route).unwrap_or_default();
            (summary.objects_hour, summary.objects_hour_limit) = (hour.distinct, hour.limit);
        }
        routes
    }

    /// The clients that have touched most on a route, `most` at most.
    pub fn busiest(&self, now: Timestamp, most: usize) -> Vec<Busy> {
        self.detector.busiest(now, most)
    }

    /// The windows that objects are counted in, shortest first.
    pub fn windows(&self) -> &[Duration] {
        self.detector.policy().windows()
    }

    /// The ids of the alerts that are open.
    pub fn open_alerts(&self) -> BTreeSet<String> {
        self.alerts.open()
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        let mut alerts = self.alerts.counters();
        alerts.suppressed += self.notices.suppressed();
        Counters {
            clients: self.counted,
            routes: self.router.counters(),
            detector: self.detector.counters(),
            alerts,
        }
    }

    /// Who sent the exchange, and, for [`Detection::call`] and [`Detection::complete`] to go on with, what it was about;
    /// counts only if it is to `learn`. They call it themselves: public for what measures it.
    pub fn attribute(&mut self, exchange: &Exchange<'_>, learn: bool) -> Clients {
        let target = Target::of(exchange.request);
        let clients = match &self.recorded[..] {
            [] => self.lenses.of(exchange, target.query()),
            keys => self.lenses.recorded(exchange, keys),
        };
        self.router.attribute(exchange, target, learn, &mut self.attribution);
        self.clients = Some(clients);
        self.attributed = Some(identity(exchange));
        clients
    }

    /// An earlier call turned out to have touched an object.
    fn earlier(&self, recalled: &route::Recalled) -> Earlier {
        Earlier {
            at: recalled.touch.at,
            clients: recalled.touch.clients,
            route: Arc::clone(self.router.routes().name(recalled.route)),
            objects: std::iter::once(recalled.object.as_str()).collect(),
        }
    }

    fn recall(&mut self, recalled: &route::Recalled, earlier: &Earlier, out: &mut Vec<Alert>) {
        let observation = Observation {
            at: earlier.at,
            clients: &earlier.clients,
            route: &earlier.route,
            objects: &earlier.objects,
            status: None,
            response_bytes: recalled.touch.response_bytes,
            sampling: recalled.touch.sampling,
        };
        self.detector.observe(&observation, &mut self.findings);
        if let Some(peaks) = &mut self.peaks {
            peaks.observe(&observation);
        }
        self.raise(earlier.clients.keys(), out);
    }

    /// Makes alerts of what has been found, by a call with the keys `callers` if it was one.
    fn raise(&mut self, callers: &[ClientKey], out: &mut Vec<Alert>) {
        out.extend(self.findings.drain(..).filter_map(|finding| self.alerts.alert(finding, callers)));
    }
}

impl Attributed<'_> {
    /// The client keys, as a log shows them.
    pub fn client_keys(&self) -> &[ClientKey] {
        self.clients.keys()
    }
}

/// What tells an exchange from others that are under way.
fn identity(exchange: &Exchange<'_>) -> (ConnectionId, u64, Timestamp) {
    (exchange.connection, exchange.start, exchange.at)
}

/// Whether a call counts for [`route::NEW`] too: on a route so new that calls like it can't have gone over `least`, the least
/// limit, by themselves.
fn is_new(router: &Router, Attribution { id, objects, .. }: &Attribution, least: u32) -> bool {
    router.routes().is_new(*id, least / objects.len().max(1) as u32)
}

/// Whether the answer carried data.
fn has_data(exchange: &Exchange<'_>) -> bool {
    matches!(exchange.status, Some(200 | 203 | 206..=209)) && exchange.request.method() != b"HEAD"
}

#[cfg(test)]
mod tests;
