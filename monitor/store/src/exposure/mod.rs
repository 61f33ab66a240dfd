//! What was read: every object that the clients of an alert touched, from what is remembered of them before it opened until
//! it is resolved.
//!
//! ```text
//! engine's thread                               this module's thread
//! exchange ─▶ recent (memory of everybody)
//!          └▶ watch ─ touches of clients ─▶ queue ─▶ pending ─ once a second ─▶ exposure.db
//! alert ───▶ watch, and what is remembered ─▶
//! ```
//!
//! It has a database of its own beside that of alerts, `exposure.db` in the state directory: a flood of touches then keeps
//! no alert waiting, and what it may take is the size of one file. ObjectMode stand in blocks, a row for some hundred
//! of them, so that 37 million accounts of one client take some 300 MB.
//!
//! **The list says what it misses.** Whatever can't be written down is counted by client: what the queue had no room for,
//! what there is no room for on disk, what detection had counted and nobody remembers by name, and the time that the daemon
//! was not running.

mod block;
mod blocks;
mod bounds;
mod listing;
mod lookup;
mod merge;
mod object;
mod pending;
mod reader;
mod reads;
mod recent;
mod recorder;
mod schema;
mod stats;
mod store;
mod touch;
mod watch;
mod writer;

use std::time::Duration;

pub use listing::{Listing, Row};
pub use lookup::Lookup;
pub use object::Object;
pub use reader::{Found, Incident, Reader, Subject, Who};
pub use reads::{Reads, Statuses};
pub use recorder::Recorder;
pub use stats::ExposureStats;

/// The database, within the state directory.
pub const FILE: &str = "exposure.db";

/// What is kept of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectMode {
    /// What they are.
    Plain,
    /// Their hashes, under the installation's key: who has a list of objects can tell which of them were read.
    Hashed,
    /// How often objects were read, and not which.
    Off,
}

/// What is kept, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct ExposureSettings {
    pub objects: ObjectMode,
    /// Bytes of the database.
    pub size: u64,
    /// An alert is forgotten when nothing of it has been touched for so long.
    pub age: Duration,
    /// Bytes of memory for what everybody touched last.
    pub recent: usize,
    /// Bytes of memory for touches that wait for the disk. When they are full, the queue before them fills, too.
    pub pending: usize,
    /// The share of request targets that is captured.
    pub sampling: f64,
}

impl Default for ExposureSettings {
    fn default() -> ExposureSettings {
        ExposureSettings {
            objects: ObjectMode::Plain,
            size: 1 << 30,
            age: Duration::from_secs(400 * 24 * 3600),
            recent: 4 << 20,
            pending: 16 << 20,
            sampling: 1.0,
        }
    }
}

#[cfg(test)]
mod tests;
