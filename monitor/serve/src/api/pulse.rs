//! What the capture thread tells of itself once a second, for the status: written there, read by the web server.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rollcall_model::time::Timestamp;

use super::{rate::History, sight::Sight};

/// Seconds that count as lately.
const LATELY: usize = 60;

/// How the daemon was started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub started_at: Timestamp,
    /// The ports that are watched; every port if empty.
    pub ports: Vec<u16>,
    pub ring_size: u64,
    /// Share of request targets that is captured.
    pub sampling: f64,
}

/// How it goes, as of one second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    pub at: Timestamp,
    /// Exchanges reported, and requests known to be lost, since the start.
    pub exchanges: u64,
    pub lost: u64,
    /// Share of requests lost in the last minute.
    pub loss: f64,
    /// How much of the traffic could be read lately.
    pub sight: Sight,
    /// The most that a look at the ring found in the last second.
    pub ring_bytes: u64,
    /// Pairs of client and route that detection follows, and objects that it remembers of them.
    pub pairs: u64,
    pub objects: u64,
    /// Objects that a client must touch to be followed.
    pub admission: u64,
    /// Busy clients forgotten and findings not begun for want of room, since the start.
    pub forgotten: u64,
}

/// The last seconds of a daemon, and how it was started.
#[derive(Debug, Default)]
pub struct Pulse {
    pub(super) setup: Setup,
    beats: Mutex<Beats>,
}

/// The last seconds.
#[derive(Debug, Default)]
pub(super) struct Beats {
    pub(super) vitals: Vitals,
    pub(super) rate: History,
    forgotten: VecDeque<u64>,
}

impl Pulse {
    /// Of a daemon that was started like this.
    pub fn new(setup: Setup) -> Pulse {
        Pulse { setup, beats: Mutex::default() }
    }

    /// Notes how it goes: once a second.
    pub fn beat(&self, vitals: Vitals) {
        let mut beats = self.beats();
        beats.rate.note(vitals.at, vitals.exchanges);
        if beats.forgotten.len() == LATELY {
            beats.forgotten.pop_front();
        }
        beats.forgotten.push_back(vitals.forgotten);
        beats.vitals = vitals;
    }

    pub(super) fn beats(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beats {
    /// Busy clients forgotten and findings not begun in the last minute.
    pub(super) fn forgotten_lately(&self) -> u64 {
        let before = self.forgotten.front().copied().unwrap_or(0);
        self.vitals.forgotten.saturating_sub(before)
    }
}
