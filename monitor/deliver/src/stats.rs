//! What became of deliveries, and what waits, for the metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rollcall_metrics::Samples;
use rollcall_model::time::Timestamp;

/// What became of one sink's deliveries.
#[derive(Debug, Default)]
pub struct DeliveryStats {
    /// Events that the receiver has.
    pub delivered: AtomicU64,
    /// Events that it refused for good.
    pub refused: AtomicU64,
    /// Attempts that failed and are made again.
    pub failures: AtomicU64,
}

/// Pushes the metrics of all sinks, by label, and of the ledger.
pub(super) fn collect(
    sinks: &[(String, Arc<DeliveryStats>)],
    ledger: &rollcall_store::LedgerStats,
    samples: &mut Samples,
) {
    let now = Timestamp::now();
    for ((label, stats), outbox) in sinks.iter().zip(&ledger.sinks) {
        let DeliveryStats { delivered, refused, failures } = &**stats;
        for (outcome, count) in [("delivered", delivered), ("refused", refused)] {
            samples.push(&rollcall_metrics::ALERT_DELIVERIES, &[label, outcome], count.load(Relaxed));
        }
        samples.push(&rollcall_metrics::ALERT_DELIVERY_FAILURES, &[label], failures.load(Relaxed));
        let rollcall_store::SinkStats { alerts, bytes, oldest, dropped } = outbox;
        samples.push(&rollcall_metrics::OUTBOX_ALERTS, &[label], alerts.load(Relaxed));
        samples.push(&rollcall_metrics::OUTBOX_BYTES, &[label], bytes.load(Relaxed));
        let age = match oldest.load(Relaxed) {
            0 => Duration::ZERO,
            micros => now.since(Timestamp(micros.saturating_mul(1_000))),
        };
        samples.push(&rollcall_metrics::OUTBOX_OLDEST_SECONDS, &[label], age.as_secs_f64());
        samples.push(&rollcall_metrics::OUTBOX_DROPPED, &[label], dropped.load(Relaxed));
    }
    samples.push(&rollcall_metrics::LEDGER_WRITE_ERRORS, &["alerts"], ledger.errors.load(Relaxed));
    samples.push(&rollcall_metrics::LEDGER_LOST_ALERTS, &[], ledger.lost.load(Relaxed));
    samples.push(&rollcall_metrics::LEDGER_SET_ASIDE, &[], ledger.set_aside.load(Relaxed));
    samples.push(&rollcall_metrics::ALLOWANCES, &[], ledger.allowances.load(Relaxed));
}
