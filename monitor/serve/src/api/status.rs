//! `/api/v1/status`: how the daemon is doing.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    VERSION,
    alerts::Board,
    health::{self, Sign},
    pulse::Pulse,
    rate::STEP,
};
use crate::health::Health;

/// How the daemon is doing at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`]
    pub v: u32,
    pub at: Timestamp,
    /// The daemon's version, and the revision that it was built from.
    pub version: String,
    pub revision: String,
    pub started_at: Timestamp,
    pub uptime_s: u64,
    pub rate: Rate,
    pub capture: Capture,
    pub alerts: Open,
    /// The daemon's health in sentences, in the order in which they matter.
    pub signs: Vec<Sign>,
}

/// Requests a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Over the last five seconds.
    pub now: f64,
    pub step_s: u64,
    /// In each step of the last ten minutes, oldest first; `null` where it is not known.
    pub steps: Vec<Option<f64>>,
}

/// How capture and detection are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    pub attached: bool,
    /// How long the capture loop has not come round.
    pub silence_ms: u64,
    /// The ports that are watched; every port if empty.
    pub ports: Vec<u16>,
    /// Exchanges reported, and requests known to be lost, since the start.
    pub exchanges: u64,
    pub lost: u64,
    /// Share of requests lost in the last minute.
    pub loss: f64,
    /// Share of the traffic that could not be read lately; `null` if nothing came.
    pub opaque: Option<f64>,
    pub ring_bytes: u64,
    pub ring_size_bytes: u64,
    /// Share of request targets that is captured.
    pub sampling: f64,
    /// Pairs of client and route that detection follows, and objects that it remembers of them.
    pub pairs: u64,
    pub objects: u64,
    /// Objects that a client must touch to be followed.
    pub admission: u64,
    /// Busy clients forgotten and findings not begun for want of room, since the start.
    pub forgotten: u64,
}

/// Open alerts by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub info: usize,
    pub warning: usize,
    pub critical: usize,
}

impl Status {
    /// How the daemon is doing at `at`.
    pub fn new(at: Timestamp, pulse: &Pulse, health: &Health, board: &Board) -> Status {
        let [info, warning, critical] = board.count();
        let setup = &pulse.setup;
        let beats = pulse.beats();
        let vitals = &beats.vitals;
        Status {
            v: VERSION,
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("ROLLCALL_REVISION").unwrap_or("unknown").to_owned(),
            started_at: setup.started_at,
            uptime_s: at.since(setup.started_at).as_secs(),
            rate: Rate { now: beats.rate.now(), step_s: STEP.as_secs(), steps: beats.rate.steps() },
            capture: Capture {
                attached: health.is_attached(),
                silence_ms: u64::try_from(health.silence().as_millis()).unwrap_or(u64::MAX),
                ports: setup.ports.clone(),
                exchanges: vitals.exchanges,
                lost: vitals.lost,
                loss: vitals.loss,
                opaque: vitals.sight.opaque(),
                ring_bytes: vitals.ring_bytes,
                ring_size_bytes: setup.ring_size,
                sampling: setup.sampling,
                pairs: vitals.pairs,
                objects: vitals.objects,
                admission: vitals.admission,
                forgotten: vitals.forgotten,
            },
            alerts: Open { info, warning, critical },
            signs: health::signs(health, setup, vitals, beats.forgotten_lately()),
        }
    }
}

/// A window in words: `10 s`, `10 min`, `24 h`.
pub fn span(seconds: u64) -> String {
    match seconds {
        _ if seconds >= 3_600 && seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
