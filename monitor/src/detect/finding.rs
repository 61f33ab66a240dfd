//! The finding: a rule's verdict with its evidence.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{client::ClientKey, time::Timestamp};

/// A client touched more objects than a limit allows.
pub const DISTINCT_OBJECTS: &str = "distinct-objects";

/// A route answers with data although no credential came with the calls.
pub const OPEN_DOOR: &str = "open-door";

/// A route answers that the OpenAPI document does not know.
pub const UNKNOWN_ROUTE: &str = "unknown-route";

/// Every rule.
pub const RULES: [&str; 3] = [DISTINCT_OBJECTS, OPEN_DOOR, UNKNOWN_ROUTE];

/// The objects touched are numbers that lie close together.
pub const SEQUENTIAL_WALK: &str = "sequential-walk";

/// Where in its course the finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The limit was passed.
    Begins,
    /// Twice, four times … the limit was passed.
    Grows,
    /// The client has been quiet for long enough, or had to be forgotten.
    Ends,
}

/// What a rule found. Of rules about routes, the client is the first that showed it, and there is no window or limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub phase: Phase,
    pub rule: &'static str,
    /// The time of the observation that led to it, or of the end.
    pub at: Timestamp,
    pub client: ClientKey,
    pub route: Arc<str>,
    /// The shortest window that passed the threshold.
    pub window: Duration,
    /// That window's limit.
    pub limit: u32,
    /// Distinct objects in that window; at the end, the most there were.
    pub distinct: u64,
    /// One standard error of `distinct`; 0 unless calls are sampled.
    pub distinct_error: u64,
    /// Calls that touched objects, repeats included, from `first_seen` to `last_seen`.
    pub requests: u64,
    /// The first of the calls that were over the limit together when it began.
    pub first_seen: Timestamp,
    /// The client's latest call on the route.
    pub last_seen: Timestamp,
    /// Addresses that the calls came from, the first few.
    pub addresses: Vec<IpAddr>,
    /// The latest few of the objects.
    pub sample_objects: Vec<String>,
    pub signals: Vec<&'static str>,
    /// The share of traffic that was lost meanwhile, from 0 to 1.
    pub loss: f64,
}
