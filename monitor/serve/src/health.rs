//! Whether the daemon is at work: what `/healthz` and `/readyz` answer.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A capture loop that has not come round for this long hangs. Idle, it comes round once a second.
pub const STALL: Duration = Duration::from_secs(5);

/// Signs of life, given by the capture thread and read by the web server.
#[derive(Debug)]
pub struct Health {
    born: Instant,
    /// Milliseconds from `born` to the last tick.
    ticked: AtomicU64,
    attached: AtomicBool,
}

impl Default for Health {
    fn default() -> Health {
        Health { born: Instant::now(), ticked: AtomicU64::new(0), attached: AtomicBool::new(false) }
    }
}

impl Health {
    /// The capture loop came round. Costs a clock read and a store.
    pub fn tick(&self) {
        self.ticked.store(self.now(), Ordering::Relaxed);
    }

    /// The programs are attached, or no longer.
    pub fn set_attached(&self, attached: bool) {
        self.tick();
        self.attached.store(attached, Ordering::Relaxed);
    }

    /// Whether traffic is being captured.
    pub fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    /// How long the capture loop has not come round.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.ticked.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
