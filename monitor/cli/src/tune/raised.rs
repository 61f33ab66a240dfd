//! What the limits in force would have raised, route by route.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rollcall_detect::{
    Rule,
    alert::{Alert, AlertState, Severity},
};
use rollcall_engine::{Output, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_model::time::Timestamp;

/// Clients that are told apart, for each route: beyond that their number says nothing more.
const CLIENTS: usize = 10_000;

/// Alerts about clients, counted instead of written, and what they were raised on.
#[derive(Clone, Debug, Default)]
pub(super) struct Raised {
    pub exchanges: u64,
    /// The times of the first and the last exchange.
    pub time: Option<(Timestamp, Timestamp)>,
    /// For passing a limit.
    pub routes: BTreeMap<String, OfRoute>,
    /// Where the operator was asked what is read there.
    pub asked: BTreeSet<String>,
    /// The alerts that were told, by their ids and routes.
    told: BTreeSet<(String, Arc<str>)>,
    /// By other rules, which no limit keeps silent.
    pub others: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OfRoute {
    pub alerts: u64,
    pub clients: BTreeSet<String>,
}

impl Output for Raised {
    fn exchange(&mut self, exchange: &Exchange<'_>, _: &Attributed<'_>) {
        self.exchanges += 1;
        let at = exchange.at;
        self.time = Some(self.time.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn alert(&mut self, alert: &Alert) {
        // Limits are a route's: what one client raised on several is told as one alert, and counts on each.
        if alert.rule == Rule::BusyRoute {
            self.asked.insert(alert.route.to_string());
        }
        let is_new = self.told.insert((alert.id.clone(), alert.route.clone()));
        if !is_new || alert.state == AlertState::Resolved || alert.severity == Severity::Info {
            return;
        }
        if alert.rule != Rule::DistinctObjects {
            self.others += 1;
            return;
        }
        let route = self.routes.entry(alert.route.to_string()).or_default();
        route.alerts += 1;
        if route.clients.len() < CLIENTS {
            route.clients.insert(format!("{}:{}", alert.client.kind, alert.client.id));
        }
    }
}
