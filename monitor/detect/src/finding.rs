//! The finding: a rule's verdict with its evidence.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rollcall_attribute::client::ClientKey;
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::AllowanceId;

/// What a finding says has happened. In the order in which metrics and docs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A client touched more objects than a limit allows.
    DistinctObjects,
    /// A client touches one number after the other.
    SequentialWalk,
    /// A client asks for objects that are not there, or not for it to see.
    MissProbing,
    /// Objects that nobody touches are being touched.
    FirstTouch,
    /// Numbers are being touched one after the other, by whoever it is.
    BlockDensity,
    /// A route has far more objects touched than it usually has at this hour of the week.
    RouteDistinct,
    /// Clients that nobody has seen before come in numbers.
    KeyFlood,
    /// More clients than usual touch many objects, each of them no more than a limit allows.
    ManyReaders,
    /// A client takes away more data than a limit allows.
    Volume,
    /// Too much of the traffic is not seen for the figures to be trusted.
    Blind,
    /// A route answers with data although no credential came with the calls.
    OpenDoor,
    /// A route answers that the OpenAPI document does not know.
    UnknownRoute,
    /// Several clients pass the limits on a route, and nobody knows yet whether that is usual there.
    BusyRoute,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Rule; 13] = [
        Rule::DistinctObjects,
        Rule::SequentialWalk,
        Rule::MissProbing,
        Rule::FirstTouch,
        Rule::BlockDensity,
        Rule::RouteDistinct,
        Rule::KeyFlood,
        Rule::ManyReaders,
        Rule::Volume,
        Rule::Blind,
        Rule::OpenDoor,
        Rule::UnknownRoute,
        Rule::BusyRoute,
    ];

    /// The name in alerts and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Rule::DistinctObjects => "distinct-objects",
            Rule::SequentialWalk => "sequential-walk",
            Rule::MissProbing => "miss-probing",
            Rule::FirstTouch => "first-touch",
            Rule::BlockDensity => "block-density",
            Rule::RouteDistinct => "route-distinct",
            Rule::KeyFlood => "key-flood",
            Rule::ManyReaders => "many-readers",
            Rule::Volume => "volume",
            Rule::Blind => "blind",
            Rule::OpenDoor => "open-door",
            Rule::UnknownRoute => "unknown-route",
            Rule::BusyRoute => "busy-route",
        }
    }

    /// Whether it goes by how many objects a client touches.
    pub fn is_about_objects(self) -> bool {
        matches!(self, Rule::DistinctObjects | Rule::SequentialWalk | Rule::FirstTouch)
    }

    /// Whether it tells a fact about a route, rather than something that is going on.
    pub fn is_notice(self) -> bool {
        matches!(self, Rule::OpenDoor | Rule::UnknownRoute | Rule::BusyRoute)
    }
}

/// The route of findings that are about all of them.
pub const ANY_ROUTE: &str = "*";

/// Where in its course the finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The limit was passed.
    Begins,
    /// Twice, four times … the limit was passed.
    Grows,
    /// The client has been quiet for long enough, or had to be forgotten.
    Ends,
    /// Somebody has said that it is in order.
    Allowed(AllowanceId),
}

impl Phase {
    /// Whether nothing more comes of it.
    pub fn is_end(self) -> bool {
        matches!(self, Phase::Ends | Phase::Allowed(_))
    }
}

/// What a rule found. Of rules about routes, the client is the first that showed it, and there is no window or limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub phase: Phase,
    pub rule: Rule,
    /// The time of the observation that led to it, or of the end.
    pub at: Timestamp,
    /// Nobody in particular where the rule looks at everybody's calls.
    pub client: Option<ClientKey>,
    /// The route, or [`ANY_ROUTE`].
    pub route: Arc<str>,
    /// Which part of the route it is about, of rules that find several on one; else 0.
    pub part: u32,
    /// The shortest window that passed the threshold.
    pub window: Duration,
    pub figures: Figures,
    /// The latest few of the objects.
    pub sample_objects: Vec<String>,
    /// Other rules that agree.
    pub signals: Vec<Rule>,
    /// The count alone leaves no doubt.
    pub is_far: bool,
    /// The share of traffic that was lost meanwhile, from 0 to 1.
    pub loss: f64,
}

/// What was counted: of a finding, and of an alert as of the finding that it tells of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The limit of the window.
    pub limit: u32,
    /// Distinct objects in the window; at the end, the most there were.
    pub distinct: u64,
    /// One standard error of `distinct`; 0 unless calls are sampled.
    pub distinct_error: u64,
    /// Calls that touched objects, repeats included, from `first_seen` to `last_seen`.
    pub requests: u64,
    /// Bytes of answers about objects that were new to the client, where the rule goes by them.
    pub bytes: u64,
    /// The first of the calls that were over the limit together when it began.
    pub first_seen: Timestamp,
    /// The client's latest call on the route.
    pub last_seen: Timestamp,
    /// Addresses that the calls came from, the first few.
    pub addresses: Vec<IpAddr>,
    /// What clients usually touch on the route within the window, if that is known.
    #[serde(default)]
    pub usual: Option<Usual>,
    /// What is usual on the route is not known yet.
    #[serde(default)]
    pub learning: bool,
}

/// Different objects that clients usually touch: what half of them, and what 99 of 100, do not go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual {
    pub p50: u32,
    pub p99: u32,
}
