//! What came of the parts, as they tell it from process to process: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::engine::{InForce, Raised};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Attack(AttackOutcome),
    Benign(BenignOutcome),
    Scale(ScaleOutcome),
    Speed(SpeedOutcome),
    Week(WeekOutcome),
    Form(FormOutcome),
    Known(KnownOutcome),
    Taught(TaughtOutcome),
}

/// One attack with one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AttackOutcome {
    pub(crate) shape: String,
    /// The traffic that it stood in: [`SYNTHETIC`], or a log's name.
    pub(crate) amid: String,
    pub(crate) seed: u64,
    pub(crate) caught: Option<Caught>,
    /// Accounts read until it was caught, else in all.
    pub(crate) read: u64,
}

pub(crate) const SYNTHETIC: &str = "synthetic API";

/// How an attack was caught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caught {
    pub(crate) accounts: u64,
    pub(crate) calls: u64,
    pub(crate) delay_s: f64,
    pub(crate) alert: Raised,
}

/// Ordinary traffic by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BenignOutcome {
    pub(crate) traffic: String,
    pub(crate) ids: String,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) calls: u64,
    pub(crate) clients: u64,
    pub(crate) accounts: u64,
    /// Accounts a second that had not been read before.
    pub(crate) first_touches: f64,
    /// Alerts on the day before, when nothing was known yet.
    pub(crate) warm_up_alerts: u64,
    pub(crate) alerts: Vec<Raised>,
    /// Time in the engine.
    pub(crate) ns_per_call: f64,
    pub(crate) peak_bytes: u64,
}

/// One test of scale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScaleOutcome {
    pub(crate) test: String,
    pub(crate) lens: String,
    pub(crate) attackers: String,
    pub(crate) clients: u64,
    pub(crate) observations: u64,
    pub(crate) wanted: u64,
    pub(crate) right: u64,
    pub(crate) wrong: u64,
    pub(crate) ns_per_observation: f64,
    pub(crate) peak_bytes: u64,
}

/// How fast the detector is on ordinary traffic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpeedOutcome {
    pub(crate) what: String,
    /// Observations a second: the middle of the runs, the slowest, the fastest.
    pub(crate) median: f64,
    pub(crate) slowest: f64,
    pub(crate) fastest: f64,
}

/// Traffic of the field, day by day for a week from a cold start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WeekOutcome {
    pub(crate) workload: String,
    /// Of what is made up.
    pub(crate) seed: Option<u64>,
    pub(crate) calls: u64,
    /// Of each day.
    pub(crate) days: Vec<DayOutcome>,
    /// Routes about which the operator is asked.
    pub(crate) questions: u64,
    /// The first of them.
    pub(crate) alerts: Vec<Raised>,
}

/// Alerts that were raised on a day, and those that became critical on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DayOutcome {
    pub(crate) alerts: u64,
    pub(crate) critical: u64,
}

/// A walk through identifiers of a form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FormOutcome {
    pub(crate) case: String,
    /// The target of the first call.
    pub(crate) example: String,
    pub(crate) walked: u64,
    pub(crate) routes: u64,
    /// Calls until the alert.
    pub(crate) found: Option<u64>,
}

/// The breach on a route of own data, some time after the daemon's start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KnownOutcome {
    pub(crate) age_s: f64,
    pub(crate) attack: AttackOutcome,
    pub(crate) limits: Vec<InForce>,
    pub(crate) known: bool,
}

/// The breach, after an attacker has tried to teach what is usual.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TaughtOutcome {
    pub(crate) attacker: String,
    pub(crate) identities: u64,
    pub(crate) days: u64,
    /// Accounts of others that were read meanwhile.
    pub(crate) prepared: u64,
    /// Alerts about it meanwhile.
    pub(crate) alerts: u64,
    /// Accounts read until the first of them.
    pub(crate) told_at: Option<u64>,
    /// And until the operator was asked about the route.
    pub(crate) asked_at: Option<u64>,
    /// Alerts about customers.
    pub(crate) false_alerts: u64,
    pub(crate) limits: Vec<InForce>,
    pub(crate) known: bool,
    pub(crate) breach: AttackOutcome,
}
