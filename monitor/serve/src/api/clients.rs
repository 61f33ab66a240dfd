//! `/api/v1/clients`: who touches most.

use std::{borrow::Cow, time::Duration};

use rollcall_attribute::route::full_name::fields;
use rollcall_detect::Busy;
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::VERSION;

/// Clients that are told of.
pub(crate) const MOST: usize = 50;

/// The busiest clients at one moment, those first that touched most objects within the longest window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clients {
    /// [`VERSION`]
    pub v: u32,
    pub at: Timestamp,
    /// The windows that objects are counted in, in seconds, shortest first.
    pub windows_s: Vec<u64>,
    pub clients: Vec<Client>,
}

/// A client on a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    pub kind: Cow<'static, str>,
    pub id: String,
    /// With its service.
    #[serde(flatten, with = "fields")]
    pub route: String,
    /// Different objects in each window, as of the client's last call; 0 once the window has passed since.
    pub distinct: Vec<u64>,
    /// What is in order in each window; `null` where there is no limit.
    pub limits: Vec<Option<u32>>,
    /// Whether `distinct` was counted, rather than estimated.
    pub exact: bool,
    /// Whether a finding about the client is open.
    pub open: bool,
    pub last_seen: Timestamp,
}

/// The window in which a client is nearest to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    pub distinct: u64,
    pub limit: u32,
    pub window_s: u64,
}

impl Clients {
    /// How many of the busiest clients there is room for.
    pub const MOST: usize = MOST;

    /// The `busiest` clients at `at`, counted in `windows`.
    pub fn new(at: Timestamp, windows: &[Duration], busiest: Vec<Busy>) -> Clients {
        let windows_s = windows.iter().map(Duration::as_secs).collect();
        Clients { v: VERSION, at, windows_s, clients: busiest.into_iter().map(Client::from).collect() }
    }
}

impl Client {
    /// How near the client is to its limits: 1 at the limit of the window that is nearest to its own.
    pub fn nearness(&self) -> f64 {
        self.distinct
            .iter()
            .zip(&self.limits)
            .map(|(&distinct, &limit)| share(distinct, limit))
            .fold(0.0, f64::max)
    }

    /// The window that is nearest to its limit, of those that are so many seconds long; the shortest of equals.
    pub fn nearest(&self, windows_s: &[u64]) -> Option<Nearest> {
        let windows = self.distinct.iter().zip(&self.limits).zip(windows_s);
        let limited = windows.filter_map(|((&distinct, &limit), &window_s)| {
            Some(Nearest { distinct, limit: limit?, window_s })
        });
        let used = |nearest: &Nearest| share(nearest.distinct, Some(nearest.limit));
        limited.reduce(|best, other| if used(&other) > used(&best) { other } else { best })
    }

    /// Different objects within the longest window.
    pub fn most(&self) -> u64 {
        self.distinct.last().copied().unwrap_or(0)
    }
}

/// How much of a limit is used.
fn share(distinct: u64, limit: Option<u32>) -> f64 {
    limit.map_or(0.0, |limit| distinct as f64 / f64::from(limit.max(1)))
}

impl From<Busy> for Client {
    fn from(busy: Busy) -> Client {
        let Busy { client, route, distinct, limits, exact, open, last_seen } = busy;
        Client {
            kind: Cow::Borrowed(client.kind()),
            id: client.id(),
            route: route.as_ref().to_owned(),
            distinct,
            limits,
            exact,
            open,
            last_seen,
        }
    }
}
