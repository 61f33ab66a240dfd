//! What came of the parts, as they tell it from process to process: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::engine::Raised;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Attack(AttackOutcome),
    Benign(BenignOutcome),
    Scale(ScaleOutcome),
    Speed(SpeedOutcome),
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
