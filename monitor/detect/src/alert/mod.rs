//! Findings become alerts with a life: open, update, resolved.
//!
//! One attack is one alert, through however many lenses, by however many rules and on however many routes it is found ([`Alerts`]). It opens when a
//! limit is passed, is updated each time that the count has doubled or that something else is found, and is resolved when
//! the client has become quiet. Severity only ever rises: an alert is critical once a second sign agrees with the first.

mod incidents;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use incidents::{AlertCounters, Alerts, Joined, ROUTES_COUNTED, StoredAlerts};

use rollcall_attribute::{
    client::ClientKey,
    route::full_name::{self, fields},
};
use rollcall_model::time::Timestamp;

use crate::{Figures, Limit, PartnerKey, Rule, limit::round_up};

/// The version of the schema in `docs/alerts.md`.
pub const VERSION: u32 = 1;

/// One event in the life of an alert: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// [`VERSION`]
    pub v: u32,
    /// The same for all events of one alert.
    pub id: String,
    pub state: AlertState,
    pub severity: Severity,
    pub rule: Rule,
    pub at: Timestamp,
    pub client: Client,
    /// With its service: a full name, in the JSON two fields.
    #[serde(flatten, with = "fields")]
    pub route: Arc<str>,
    pub window_s: u64,
    #[serde(flatten)]
    pub figures: Figures,
    pub sample_objects: Vec<String>,
    /// Other rules that agree.
    pub signals: Vec<Rule>,
    #[serde(flatten)]
    pub scope: Scope,
    pub loss: f64,
    /// Of the alert's end: what it is in order by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// The command that allows it, where its daemon can be told: see [`Alert::command`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    /// The keys behind the clients of `scope`, in that order, for what goes on watching them.
    #[serde(skip)]
    pub keys: Vec<ClientKey>,
}

/// That somebody has said that it is in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// The allowance's.
    pub id: String,
    pub by: String,
    pub why: String,
}

/// All that an alert is about, since it opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// The clients that the alert is about, the first few: the one that it opened with first.
    pub clients: Vec<Client>,
    /// How many there are.
    pub client_count: u64,
    /// The routes that the alert is about, the first few: the one that it opened on first. As seen from the service of the
    /// line's route: see [`Alert::all_routes`].
    #[serde(default)]
    pub routes: Vec<String>,
    /// How many there are, [`ROUTES_COUNTED`] at most.
    #[serde(default)]
    pub route_count: u64,
    pub opened_by: Rule,
    pub opened_at: Timestamp,
}

impl Alert {
    /// The clients that may be allowed what they do, if it is some client's doing and can be.
    pub fn clients(&self) -> Option<Vec<PartnerKey>> {
        let is_everybodys = self.scope.clients.first().is_none_or(|client| client.kind == "all");
        if is_everybodys || self.scope.opened_by.is_notice() || self.scope.opened_by == Rule::Blind {
            return None;
        }
        let keys = self.scope.clients.iter().filter_map(|client| client.key().flatten());
        Some(keys.map(|key| PartnerKey::of(&key)).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// A budget with room for what the line tells of, twice over; none where that is not one client's doing.
    pub fn room(&self) -> Option<Limit> {
        if self.client.kind == "all" || self.window_s == 0 {
            return None;
        }
        self.clients()?;
        let most = self.figures.distinct.max(self.figures.limit.into()).max(1).saturating_mul(2);
        let distinct = u32::try_from(round_up(most)).unwrap_or(u32::MAX);
        Some(Limit { distinct, window: Duration::from_secs(self.window_s) })
    }

    /// The command that allows it, for a shell. It names the alert, and nothing that came from a client. A line about everybody
    /// in an alert of some clients says no figure of theirs: the one before it does.
    pub fn command(&self) -> Option<String> {
        self.clients().filter(|_| self.allowed.is_none())?;
        // Others than this program may have written the line.
        let is_id = (1..=16).contains(&self.id.len()) && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let room = self.room().map(|room| format!(" --up-to {room}")).unwrap_or_default();
        is_id.then(|| format!("rollcall allow {}{room} --why 'this is fine'", self.id))
    }

    /// The route that it opened on.
    pub fn opened_on(&self) -> Cow<'_, str> {
        self.all_routes().next().unwrap_or(Cow::Borrowed(&self.route))
    }

    /// The full names of `routes`.
    pub fn all_routes(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.scope.routes.iter().map(|name| full_name::absolute(name, &self.route))
    }

    /// How many routes it is about beside the one that the line is about.
    pub fn other_routes(&self) -> u64 {
        self.scope.route_count.saturating_sub(1)
    }
}

/// Where in its life an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    Open,
    Update,
    Resolved,
}

impl AlertState {
    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            AlertState::Open => "open",
            AlertState::Update => "update",
            AlertState::Resolved => "resolved",
        }
    }
}

/// How sure we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, and no reason to get up: a fact about a route.
    Info,
    /// A limit was passed.
    Warning,
    /// And something else agrees: see [`Alerts`].
    Critical,
}

impl Severity {
    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// Whom the alert is about: `all` with the id `*` where it is everybody's calls together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub kind: Cow<'static, str>,
    pub id: String,
}

impl Client {
    fn of(key: Option<ClientKey>) -> Client {
        key.map_or_else(
            || Client { kind: Cow::Borrowed("all"), id: "*".to_owned() },
            |key| Client { kind: Cow::Borrowed(key.kind()), id: key.id() },
        )
    }

    /// The key behind it, if it is anybody in particular; `None` if there is no such client.
    fn key(&self) -> Option<Option<ClientKey>> {
        if self.kind == "all" {
            Some(None)
        } else {
            ClientKey::parse(&format!("{}:{}", self.kind, self.id)).map(Some)
        }
    }
}
