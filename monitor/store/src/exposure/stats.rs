//! What became of touches, and what is kept of them. Shared between the engine's thread, the ledger's, and the metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rollcall_metrics::Samples;

#[derive(Debug, Default)]
pub struct ExposureStats {
    /// Clients that are watched.
    pub watched: AtomicU64,
    /// Clients of alerts that are not, as too many are.
    pub unwatched: AtomicU64,
    /// Touches of watched clients that were written down.
    pub touches: AtomicU64,
    /// Touches that were not, as the writer was too far behind.
    pub dropped_queue: AtomicU64,
    /// Or as the disk took nothing, or what it had was damaged.
    pub dropped_disk: AtomicU64,
    /// Or as there was no room for more objects of that alert.
    pub dropped_room: AtomicU64,
    /// Objects removed to make room.
    pub evicted_room: AtomicU64,
    /// Objects removed with their alerts, which were too old.
    pub evicted_age: AtomicU64,
    /// Objects in the ledger.
    pub objects: AtomicU64,
    /// Bytes of its file.
    pub size: AtomicU64,
    /// Failed attempts to write.
    pub errors: AtomicU64,
    /// Bytes that wait for the writer.
    pub queued: Arc<AtomicU64>,
}

impl ExposureStats {
    /// Pushes the metrics.
    pub fn collect(&self, samples: &mut Samples) {
        let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
        samples.push(&rollcall_metrics::LEDGER_WATCHED, &[], get(&self.watched));
        samples.push(&rollcall_metrics::LEDGER_UNWATCHED, &[], get(&self.unwatched));
        samples.push(&rollcall_metrics::LEDGER_TOUCHES, &[], get(&self.touches));
        samples.push_each(
            &rollcall_metrics::LEDGER_TOUCHES_DROPPED,
            &[],
            &["queue", "disk", "room"],
            &[get(&self.dropped_queue), get(&self.dropped_disk), get(&self.dropped_room)],
        );
        samples.push(&rollcall_metrics::LEDGER_OBJECTS, &[], get(&self.objects));
        samples.push_each(
            &rollcall_metrics::LEDGER_OBJECTS_EVICTED,
            &[],
            &["room", "age"],
            &[get(&self.evicted_room), get(&self.evicted_age)],
        );
        samples.push(&rollcall_metrics::LEDGER_SIZE_BYTES, &[], get(&self.size));
        samples.push(&rollcall_metrics::LEDGER_WRITE_ERRORS, &["exposure"], get(&self.errors));
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
