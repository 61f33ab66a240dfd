//! From exchanges to alerts: the half of the engine that knows clients, routes and accounts. What makes observations
//! ([`Attributor`]) and what takes them ([`Alerting`]), joined.

mod stored;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration, vec};

use rollcall_attribute::{
    client::{self, ClientKey, Clients},
    object::Objects,
    observation::Observation,
    route::{self, NeverMatches, Summary},
};
use rollcall_detect::{
    self, Busy, Peaks, Unseen,
    alert::{self, Alert, Joined},
};
use rollcall_http::exchange::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};

use super::{alerting::Alerting, attributor::Attributor};

/// How detection is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub clients: client::Settings,
    pub routes: route::Settings,
    pub detector: rollcall_detect::DetectorSettings,
}

/// Attribution, detection and alerts.
#[derive(Debug)]
pub struct Detection {
    key: HashKey,
    attributor: Attributor,
    alerting: Alerting,
}

/// Who called what, and whose account it was.
#[derive(Clone, Copy, Debug)]
pub struct Attributed<'a> {
    /// With its service.
    pub route: &'a Arc<str>,
    pub objects: &'a Objects,
    pub clients: Clients,
    /// The route has hardly been called: what it says counts for [`route::NEW`], too.
    pub is_new: bool,
}

/// What every part counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectionCounters {
    pub clients: client::ClientCounters,
    pub routes: route::RouteCounters,
    pub detector: rollcall_detect::DetectorCounters,
    pub alerts: alert::AlertCounters,
}

impl Detection {
    /// Detection as `settings` say; `key` keys every table that traffic fills, and hashes credentials.
    pub fn new(settings: Settings, key: HashKey) -> Detection {
        let Settings { clients, routes, detector } = settings;
        Detection {
            key,
            attributor: Attributor::new(clients, routes, key),
            alerting: Alerting::new(detector, key),
        }
    }

    /// Has the next exchanges attributed to `keys`, which are those that they were recorded with.
    pub fn recall_keys(&mut self, keys: &[ClientKey]) {
        self.attributor.recall_keys(keys);
    }

    /// Hands `peaks` what the detectors get, from now on.
    pub fn keep_peaks(&mut self, peaks: Peaks) {
        self.alerting.keep_peaks(peaks);
    }

    /// The peaks, if they are kept.
    pub fn peaks(&self) -> Option<&Peaks> {
        self.alerting.peaks()
    }

    /// Rules of the operator that no call can ever match.
    pub fn never_match(&self) -> &[NeverMatches] {
        self.attributor.never_match()
    }

    /// Takes in one exchange and appends the alerts that it leads to. To be called once for each exchange.
    pub fn call(&mut self, exchange: &Exchange<'_>, out: &mut Vec<Alert>) {
        self.attributor.call(exchange);
        for observation in self.attributor.observations() {
            self.alerting.take(observation, out);
        }
    }

    /// Earlier calls that turned out to have touched objects, by the call that was taken in last.
    pub fn earlier_touches(&self) -> &[Observation] {
        self.attributor.earlier()
    }

    /// Moves out the clients that became some of an alert and that no line names.
    pub fn joined(&mut self) -> vec::Drain<'_, Joined> {
        self.alerting.joined()
    }

    /// Takes in one exchange that is complete: what it says about its route. To be called once for each exchange, after
    /// [`Detection::call`].
    pub fn complete(&mut self, exchange: &Exchange<'_>, out: &mut Vec<Alert>) -> Attributed<'_> {
        let observation = self.attributor.complete(exchange);
        self.alerting.take(observation, out);
        let is_new = self.alerting.is_new(observation);
        let Observation { route, objects, clients, .. } = observation;
        Attributed { route, objects, clients: *clients, is_new }
    }

    /// Lets time pass: resolves alerts. Once a second is enough.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        self.alerting.tick(now, out);
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for alerts from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.alerting.set_loss(loss);
    }

    /// Sets the share of traffic on the watched ports that can't be read, from 0 to 1.
    pub fn set_opaque(&mut self, share: f64) {
        self.alerting.set_opaque(share);
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub fn unseen(&mut self, why: Unseen, client: IpAddr) {
        self.alerting.unseen(why, client);
    }

    /// Every route that has been called.
    pub fn routes(&self) -> Vec<Summary> {
        let mut routes = self.attributor.services().summaries();
        for summary in &mut routes {
            let hour = self.alerting.hour(&summary.route).unwrap_or_default();
            (summary.objects_hour, summary.objects_hour_limit) = (hour.distinct, hour.limit);
        }
        routes
    }

    /// Calls of each service since the start.
    pub fn calls_by_service(&self) -> Vec<(Arc<str>, u64)> {
        self.attributor.services().calls()
    }

    /// The clients that have touched most on a route, `most` at most.
    pub fn busiest(&self, now: Timestamp, most: usize) -> Vec<Busy> {
        self.alerting.busiest(now, most)
    }

    /// The windows that objects are counted in, shortest first.
    pub fn windows(&self) -> &[Duration] {
        self.alerting.policy().windows()
    }

    /// The ids of the alerts that are open.
    pub fn open_alerts(&self) -> BTreeSet<String> {
        self.alerting.open_alerts()
    }

    /// What has been counted.
    pub fn counters(&self) -> DetectionCounters {
        let (made, taken) = (self.attributor.counters(), self.alerting.counters());
        DetectionCounters {
            clients: made.clients,
            routes: made.routes,
            detector: taken.detector,
            alerts: taken.alerts,
        }
    }
}

impl Attributed<'_> {
    /// The client keys, as a log shows them.
    pub fn client_keys(&self) -> &[ClientKey] {
        self.clients.keys()
    }
}

#[cfg(test)]
mod tests;
