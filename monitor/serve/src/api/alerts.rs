//! `/api/v1/alerts`: what is going on now.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rollcall_attribute::route::full_name::{self, fields};
use rollcall_detect::{
    Figures, Rule,
    alert::{Alert, AlertState, Client, Scope, Severity},
};
use rollcall_model::time::Timestamp;
use rollcall_store::AckWatch;
use serde::{Deserialize, Serialize};

use super::{Clients, VERSION};

/// Alerts that are kept; the engine has no more of them open.
const CAPACITY: usize = 10_000;

/// Alerts that are told of: more than anybody reads, and an answer of a few hundred KiB.
const MOST: usize = 500;

/// The open alerts, each as its last line told it. Written by the engine's thread, which never waits here for more than
/// a copy of pointers.
#[derive(Debug, Default)]
pub struct Board {
    open: Mutex<BTreeMap<String, Arc<OpenAlert>>>,
    /// Where acknowledgements are looked up, once somebody asks.
    acks: Mutex<Option<AckWatch>>,
}

/// The open alerts at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenAlerts {
    /// [`VERSION`]
    pub v: u32,
    pub at: Timestamp,
    /// How many are open, those included that are not told of.
    pub open: usize,
    /// The severest first, and the newest first among equals; 500 at most.
    pub alerts: Vec<OpenAlert>,
}

/// An alert as of its last line, without the accounts in it. Fields mean what they do in docs/alerts.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenAlert {
    pub id: String,
    pub severity: Severity,
    pub rule: Rule,
    pub at: Timestamp,
    pub client: Client,
    /// With its service.
    #[serde(flatten, with = "fields")]
    pub route: String,
    pub window_s: u64,
    #[serde(flatten)]
    pub figures: Figures,
    pub signals: Vec<Rule>,
    #[serde(flatten)]
    pub scope: Scope,
    pub loss: f64,
    /// The command that allows it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    /// Whether somebody has said that they know of it.
    pub acked: bool,
}

impl Board {
    /// Notes the next line of an alert.
    pub fn note(&self, alert: &Alert) {
        let shown = (alert.state != AlertState::Resolved).then(|| OpenAlert::from(alert));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut shown) = shown else {
            open.remove(&alert.id);
            return;
        };
        let known = open.get(&alert.id);
        if known.is_some() || open.len() < CAPACITY {
            // Who took it on knew of it as it was.
            let is_as_it_was = |known: &OpenAlert| {
                known.severity >= shown.severity && known.scope.route_count >= shown.scope.route_count
            };
            shown.acked = known.is_some_and(|known| known.acked && is_as_it_was(known));
            open.insert(alert.id.clone(), Arc::new(shown));
        }
    }

    /// Goes by `acks` from now on: what it says is looked up when somebody asks.
    pub fn watch(&self, acks: AckWatch) {
        *self.acks.lock().unwrap_or_else(PoisonError::into_inner) = Some(acks);
    }

    /// What is open at `at`.
    pub fn alerts(&self, at: Timestamp) -> OpenAlerts {
        self.look_up();
        let mut alerts: Vec<Arc<OpenAlert>> =
            self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let open = alerts.len();
        alerts.sort_by_key(|alert| (Reverse(alert.severity), Reverse(alert.scope.opened_at)));
        let alerts = alerts.iter().take(MOST).map(|alert| OpenAlert::clone(alert)).collect();
        OpenAlerts { v: VERSION, at, open, alerts }
    }

    /// Marks the alerts that somebody has said they know of.
    fn look_up(&self) {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(acked) = acks.as_mut().and_then(AckWatch::changed) else { return };
        for alert in self.open.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            let is_acked = acked.contains(&alert.id);
            if alert.acked != is_acked {
                Arc::make_mut(alert).acked = is_acked;
            }
        }
    }

    /// How many are open, by severity: info, warning, critical.
    pub fn count(&self) -> [usize; 3] {
        let mut count = [0; 3];
        for alert in self.open.lock().unwrap_or_else(PoisonError::into_inner).values() {
            count[alert.severity as usize] += 1;
        }
        count
    }
}

impl OpenAlerts {
    /// Has each alert tell of the client that stands out in it, with what that one has touched by now: lines are written when
    /// a count has doubled, and may be about everybody.
    pub fn bring_up_to_date(&mut self, clients: &Clients) {
        for alert in &mut self.alerts {
            let is_part = |row: &&super::Client| {
                (row.route == alert.route || alert.is_on(&row.route))
                    && alert.scope.clients.iter().any(|client| client.kind == row.kind && client.id == row.id)
            };
            let rows = clients.clients.iter().filter(is_part);
            let Some(row) = rows.max_by(|a, b| a.nearness().total_cmp(&b.nearness())) else { continue };
            alert.figures.last_seen = alert.figures.last_seen.max(row.last_seen);
            // These count something else than objects that were touched.
            if alert.severity > Severity::Info
                && ![Rule::MissProbing, Rule::Volume].contains(&alert.rule)
                && let Some(nearest) = row.nearest(&clients.windows_s)
                && nearest.distinct > u64::from(nearest.limit)
            {
                alert.client = Client { kind: row.kind.clone(), id: row.id.clone() };
                alert.move_to(&row.route);
                (alert.window_s, alert.figures.limit) = (nearest.window_s, nearest.limit);
                alert.figures.distinct = nearest.distinct;
            }
        }
    }
}

impl OpenAlert {
    fn is_on(&self, route: &str) -> bool {
        self.scope.routes.iter().any(|name| full_name::absolute(name, &self.route) == route)
    }

    /// Has it tell of another of its routes.
    fn move_to(&mut self, route: &str) {
        for name in &mut self.scope.routes {
            *name = full_name::relative(&full_name::absolute(name, &self.route), route).to_owned();
        }
        route.clone_into(&mut self.route);
    }
}

impl From<&Alert> for OpenAlert {
    fn from(alert: &Alert) -> OpenAlert {
        // A field that is added to alerts must find its place here, or be left out on purpose.
        let Alert {
            v: _,
            id,
            state: _,
            severity,
            rule,
            at,
            client,
            route,
            window_s,
            figures,
            sample_objects: _,
            signals,
            scope,
            loss,
            allowed: _,
            allow,
            keys: _,
        } = alert;
        OpenAlert {
            id: id.clone(),
            severity: *severity,
            rule: *rule,
            at: *at,
            client: client.clone(),
            route: route.as_ref().to_owned(),
            window_s: *window_s,
            figures: figures.clone(),
            signals: signals.clone(),
            scope: scope.clone(),
            loss: *loss,
            allow: allow.clone(),
            acked: false,
        }
    }
}

#[cfg(test)]
mod tests;
