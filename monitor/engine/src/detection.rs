//! From exchanges to alerts: the half of the engine that knows clients, routes and accounts. What makes observations
//! ([`Attributor`]) and what takes them ([`Alerting`]), joined.

use std::{borrow::Cow, collections::BTreeSet, io, net::IpAddr, sync::Arc, time::Duration, vec};

use rollcall_attribute::{
    client::{self, ClientKey, Clients},
    object::Objects,
    observation::Observation,
    route::{
        self, Class, LimitsBy, NeverMatches, Summary,
        service::{self, Services},
    },
};
use rollcall_detect::{
    self, Allowance, Busy, Detector, Kept, Notices, Peaks, Rule, Unseen, Uses,
    alert::{self, Alert, Alerts, Joined},
    notice,
};
use rollcall_http::exchange::Exchange;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    alerting::{Alerting, OPEN_ALERTS},
    attributor::Attributor,
    checkpoint::{self, Draft, RestoreError},
};

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
    /// Data about the objects were read, or at least that they are there.
    pub is_read: bool,
}

/// What every part counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectionCounters {
    pub clients: client::ClientCounters,
    pub routes: route::RouteCounters,
    pub detector: rollcall_detect::DetectorCounters,
    pub alerts: alert::AlertCounters,
}

/// [`Detection`], written down. Settings are not: those of now hold. Nor is what only saves time, such as what tokens claim, or
/// what is handed on within one call. Connections that are under way end with the process. Whoever changes what this holds, at any depth, raises [`checkpoint::FORMAT`].
#[derive(Debug, Serialize, Deserialize)]
struct Stored<'a, D> {
    counted: client::ClientCounters,
    /// Written down because a restart must not be the moment at which a client's own header is believed, or its calls are
    /// the proxy's.
    writers: Cow<'a, client::Writers>,
    #[serde(borrow)]
    services: service::StoredServices<'a>,
    /// A reference to it when it is written.
    detector: D,
    #[serde(borrow)]
    notices: notice::StoredNotices<'a>,
    #[serde(borrow)]
    alerts: alert::StoredAlerts<'a>,
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

    /// All that a detection with the same key needs to go on as this one would, as it is now.
    ///
    /// # Errors
    ///
    /// If it can't be told in the format, which is a defect.
    pub fn checkpoint(&self) -> io::Result<Draft> {
        let state = Stored {
            counted: self.attributor.counted,
            writers: Cow::Borrowed(self.attributor.lenses.writers()),
            services: self.attributor.services().checkpoint(),
            detector: self.alerting.detector.state(),
            notices: self.alerting.notices.checkpoint(),
            alerts: self.alerting.alerts.checkpoint(),
        };
        Draft::of(&state, self.key)
    }

    /// Detection that goes on at `now` from `checkpoint`, under `settings`, which may have changed: see [`Services::restore`]
    /// and [`Detector::restore`].
    ///
    /// # Errors
    ///
    /// If it is no checkpoint, not whole, not what was written, or of another format or key.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        checkpoint: &[u8],
        now: Timestamp,
    ) -> Result<(Detection, Kept), RestoreError> {
        let state = checkpoint::read(checkpoint, key)?;
        Ok(Detection::resume(settings, key, state, now)?)
    }

    /// Goes by what others were told of alerts: see [`Alerts::reconcile`].
    pub fn reconcile(&mut self, told: &[Alert], resolved: &BTreeSet<String>, now: Timestamp) {
        self.alerting.alerts.reconcile(told, resolved, now);
    }

    fn resume(
        settings: Settings,
        key: HashKey,
        state: Stored<'_, rollcall_detect::DetectorState>,
        now: Timestamp,
    ) -> Result<(Detection, Kept), Inconsistent> {
        let Settings { clients, routes, detector: limits } = settings;
        let Stored { counted, writers, services, detector, notices, alerts } = state;
        let writers = writers.into_owned();
        if !writers.is_sound() {
            return Err(Inconsistent("more proxies than are remembered"));
        }
        let mut names = Names::default();
        let services = Services::restore(routes, key, services, &mut names)?;
        let notices = Notices::restore(key, notices, now, &mut names)?;
        let mut alerts = Alerts::restore(OPEN_ALERTS, key, alerts, &mut names)?;
        let (detector, kept) = Detector::restore(limits, key, detector, now, &mut names)?;
        // With the tables, findings are gone.
        alerts.forget_findings(
            |rule, client| match client {
                _ if rule.is_notice() || rule == Rule::Blind => false,
                Some(_) => !kept.clients,
                None => !kept.routes,
            },
            now,
        );
        let mut attributor = Attributor::with(clients, services, key);
        attributor.lenses.resume(writers);
        attributor.counted = counted;
        let alerting = Alerting::with(detector, notices, alerts);
        Ok((Detection { key, attributor, alerting }, kept))
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
        let is_new = self.alerting.detector().is_new(observation);
        let is_read = observation.is_read();
        let Observation { route, objects, clients, .. } = observation;
        Attributed { route, objects, clients: *clients, is_new, is_read }
    }

    /// Lets time pass: resolves alerts. Once a second is enough.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        self.alerting.tick(now, out);
    }

    /// Puts these in force from `now` on, in the place of all that were allowed before. Alerts about what is in order by that
    /// are resolved with the next second.
    pub fn allow(&mut self, allowances: &[Allowance], now: Timestamp) {
        self.alerting.detector_mut().allow(allowances, now);
    }

    /// How far what was allowed has been made use of: see [`Detector::take_uses`].
    pub fn take_uses(&mut self) -> Uses {
        self.alerting.detector_mut().take_uses()
    }

    /// Moves out the addresses that came near a limit: see [`Detector::near_limits`].
    pub fn near_limits(&mut self) -> vec::Drain<'_, IpAddr> {
        self.alerting.detector_mut().near_limits()
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for alerts from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.alerting.detector_mut().set_loss(loss);
    }

    /// Sets the share of traffic on the watched ports that can't be read, from 0 to 1.
    pub fn set_opaque(&mut self, share: f64) {
        self.alerting.detector_mut().set_opaque(share);
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub fn unseen(&mut self, why: Unseen, client: IpAddr) {
        self.alerting.detector_mut().unseen(why, client);
    }

    /// Every route that has been called.
    pub fn routes(&self) -> Vec<Summary> {
        let mut routes = self.attributor.services().summaries();
        for summary in &mut routes {
            let hour = self.alerting.detector().hour(&summary.route).unwrap_or_default();
            (summary.objects_hour, summary.objects_hour_limit) = (hour.distinct, hour.limit);
            // Where nothing is read about objects, there is nothing to limit.
            let norm = self.alerting.detector().norm(&summary.route);
            summary.norm = norm.filter(|norm| norm.by != LimitsBy::Set || summary.class == Class::Accounts);
        }
        routes
    }

    /// Calls of each service since the start.
    pub fn calls_by_service(&self) -> Vec<(Arc<str>, u64)> {
        self.attributor.services().calls()
    }

    /// The clients that have touched most on a route, `most` at most.
    pub fn busiest(&self, now: Timestamp, most: usize) -> Vec<Busy> {
        self.alerting.detector().busiest(now, most)
    }

    /// The windows that objects are counted in, shortest first.
    pub fn windows(&self) -> &[Duration] {
        self.alerting.detector().policy().windows()
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
