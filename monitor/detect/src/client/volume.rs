//! Volume: bytes of answers about objects that were new to the client.

use std::time::Duration;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long bytes are added up. The hour begins with its first bytes.
pub(super) const WINDOW: Duration = Duration::from_secs(3_600);

/// The bytes of one pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Volume {
    since: Timestamp,
    bytes: u64,
}

impl Volume {
    /// Adds the bytes of an answer; how many there are within the hour.
    pub(super) fn add(&mut self, bytes: u64, now: Timestamp) -> u64 {
        if now.since(self.since) >= WINDOW {
            *self = Volume { since: now, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes
    }
}
