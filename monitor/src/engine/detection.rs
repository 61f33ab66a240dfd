//! From exchanges to alerts: the half of the engine that knows clients, routes and accounts.

use std::{net::IpAddr, sync::Arc};

use crate::{
    alert::{self, Alert, Alerts},
    client::{ClientKey, Clients, TrustedProxies},
    detect::{self, Bounds, Detector, Finding, Limits, Observation},
    hash::HashKey,
    http::exchange::Exchange,
    route::{self, Attribution, Router},
    time::Timestamp,
};

/// How detection is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    pub trusted_proxies: TrustedProxies,
    pub limits: Limits,
    pub bounds: Bounds,
    /// Routes that are learned at most.
    pub max_routes: usize,
}

/// Attribution, detection and alerts.
#[derive(Debug)]
pub struct Detection {
    trusted_proxies: TrustedProxies,
    router: Router,
    detector: Detector,
    alerts: Alerts,
    attribution: Attribution,
    findings: Vec<Finding>,
}

/// Who called what, and whose account it was.
#[derive(Clone, Copy, Debug)]
pub struct Attributed<'a> {
    pub route: &'a Arc<str>,
    pub object: Option<&'a str>,
    pub clients: Clients,
}

/// What every part counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub routes: route::Counters,
    pub detector: detect::Counters,
    pub alerts: alert::Counters,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            bounds: Bounds::default(),
            max_routes: 1_024,
        }
    }
}

impl Detection {
    /// Detection as `settings` say; `key` keys every table that traffic fills.
    pub fn new(settings: Settings, key: HashKey) -> Detection {
        Detection {
            trusted_proxies: settings.trusted_proxies,
            router: Router::new(settings.max_routes, key),
            detector: Detector::new(settings.limits, settings.bounds, key),
            alerts: Alerts::new(settings.bounds.open, key),
            attribution: Attribution::default(),
            findings: Vec::new(),
        }
    }

    /// Takes in one exchange and appends the alerts that it leads to. To be called once for each exchange.
    pub fn call(&mut self, exchange: &Exchange<'_>, out: &mut Vec<Alert>) {
        let clients = self.attribute(exchange).clients;
        let observation = Observation {
            at: exchange.at,
            clients: clients.keys(),
            address: clients.address(),
            route: &self.attribution.route,
            object: self.attribution.object(),
            status: exchange.status,
            response_bytes: exchange.response_bytes,
            sampling: exchange.sampling,
        };
        self.detector.observe(&observation, &mut self.findings);
        self.raise(out);
    }

    /// Who sent the exchange and what it was about, for logs. Nothing is counted.
    pub fn attribute(&mut self, exchange: &Exchange<'_>) -> Attributed<'_> {
        let peer: IpAddr = exchange.endpoints.client.ip();
        let clients = Clients::of(peer, exchange.request, &self.trusted_proxies);
        self.router.attribute(exchange.request, exchange.status, &mut self.attribution);
        Attributed { route: &self.attribution.route, object: self.attribution.object(), clients }
    }

    /// Lets time pass: resolves alerts. Once a second is enough.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        self.detector.tick(now, &mut self.findings);
        self.raise(out);
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for alerts from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.detector.set_loss(loss);
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        Counters {
            routes: self.router.counters(),
            detector: self.detector.counters(),
            alerts: self.alerts.counters(),
        }
    }

    fn raise(&mut self, out: &mut Vec<Alert>) {
        out.extend(self.findings.drain(..).filter_map(|finding| self.alerts.alert(finding)));
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
