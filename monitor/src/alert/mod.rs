//! Findings become alerts with a life: open, update, resolved.
//!
//! There is one alert for each rule, client and route. It opens when a limit is passed, is updated each time
//! that the count has doubled, and is resolved when the client has become quiet. Severity only ever rises: an
//! alert is critical once a second sign agrees with the first.

mod life;

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

pub use life::{Alerts, Counters, Stored};

use crate::{state::shared, time::Timestamp};

/// The version of the schema in `docs/alerts.md`.
pub const VERSION: u32 = 1;

/// One event in the life of an alert: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// [`VERSION`]
    pub v: u32,
    /// The same for all events of one alert.
    pub id: String,
    pub state: State,
    pub severity: Severity,
    pub rule: &'static str,
    pub at: Timestamp,
    pub client: Client,
    #[serde(serialize_with = "shared::serialize")]
    pub route: Arc<str>,
    pub window_s: u64,
    pub limit: u32,
    pub distinct: u64,
    pub distinct_error: u64,
    pub requests: u64,
    pub bytes: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub addresses: Vec<IpAddr>,
    pub sample_objects: Vec<String>,
    pub signals: Vec<&'static str>,
    pub loss: f64,
}

/// Where in its life an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,
    Update,
    Resolved,
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

/// Whom the alert is about: `all` with the id `*` where it is everybody's calls together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    pub kind: &'static str,
    pub id: String,
}

impl Client {
    fn all() -> Client {
        Client { kind: "all", id: "*".to_owned() }
    }
}
