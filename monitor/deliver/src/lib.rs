//! How alerts leave the daemon: to a file, the journal, webhooks and Alertmanagers, from the ledger's outbox.
//!
//! Each sink has a thread of its own, so that a slow one holds up nobody: neither capture, nor the ledger,
//! nor another sink. It takes events off its outbox in order, one after the other or in batches, tries each until the
//! [destination](Destination) has it or refuses it, and only then tells the ledger that it is delivered. So an event is
//! delivered at least once, however the daemon ends; each destination does what its receiver allows to make that once.
//!
//! **What leaves the host.** Touched objects (`sample_objects`) are in the alert file; elsewhere only where that was asked
//! for. URLs may hold secrets: of one, nothing but scheme, host and port is ever logged or counted.

mod alertmanager;
pub mod client;
mod destination;
mod endpoint;
mod file;
mod journal;
pub mod lines;
mod own;
mod post;
mod stats;
mod trust;
mod webhook;
mod wording;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub use alertmanager::Alertmanager;
pub use client::{Client, ClientError};
pub use destination::{Destination, Problem, Report};
pub use endpoint::{Endpoint, InvalidUrl};
pub use file::AlertFile;
pub use journal::{Journal, MESSAGE_ID, SOCKET as JOURNAL_SOCKET};
pub use own::OwnCalls;
pub use post::Poster;
pub use stats::DeliveryStats;
pub use trust::Trust;
pub use webhook::{Format, Secret, Webhook};

use destination::Deliver;
use rollcall_metrics::Samples;
use rollcall_queue::{End, Pause, QueueSettings, Running};
use rollcall_store::{Ledger, LedgerStats};

/// Beyond the deadline of the last attempt, a thread that does not end is left to itself: it may be stuck in a pipe that
/// nobody reads. What it has not delivered is in its outbox.
const GRACE: Duration = Duration::from_millis(500);

/// A destination that can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("start the thread of sink {sink}")]
pub struct ThreadError {
    pub sink: String,
    #[source]
    pub source: std::io::Error,
}

/// When the last attempt has to be over, once the daemon stops. For destinations that wait for others.
pub type Closing = watch::Receiver<Option<Instant>>;

/// A destination with its names.
pub struct Sink {
    /// What it is called in metrics and logs: `file`, `webhook-1`.
    pub label: String,
    pub destination: Box<dyn Destination>,
}

/// The threads of all sinks.
pub struct Delivery {
    threads: Vec<(String, Running<Deliver>)>,
    stats: Vec<(String, Arc<DeliveryStats>)>,
    ledger_stats: Arc<LedgerStats>,
    closing: watch::Sender<Option<Instant>>,
}

impl Delivery {
    /// Starts a thread for each of `sinks`, which stand in the order of the ledger's settings. `closing` is the other end
    /// of what the destinations were given.
    pub fn start(
        sinks: Vec<Sink>,
        ledger: &Ledger,
        closing: watch::Sender<Option<Instant>>,
    ) -> Result<Delivery, ThreadError> {
        let mut delivery =
            Delivery { threads: Vec::new(), stats: Vec::new(), ledger_stats: ledger.stats(), closing };
        for (index, Sink { label, destination }) in sinks.into_iter().enumerate() {
            let stats = Arc::<DeliveryStats>::default();
            let settings = QueueSettings {
                name: label.clone(),
                limit: 0,
                used: Arc::<AtomicU64>::default(),
                pause: Pause::Backoff(destination.patience()),
                last_pause: None,
            };
            let work = Deliver::new(label.clone(), destination, ledger.outbox(index), Arc::clone(&stats));
            let thread = Running::start(settings, work)
                .map_err(|source| ThreadError { sink: label.clone(), source })?;
            ledger.add_sink(thread.queue().waker());
            delivery.threads.push((label.clone(), thread));
            delivery.stats.push((label, stats));
        }
        Ok(delivery)
    }

    /// What shows how it goes, at each scrape.
    pub fn metrics(&self) -> impl Fn(&mut Samples) + Send + 'static {
        let (sinks, ledger) = (self.stats.clone(), Arc::clone(&self.ledger_stats));
        move |samples| stats::collect(&sinks, &ledger, samples)
    }

    /// One last attempt until `deadline`; then every thread has ended, or is left to itself. What is not delivered stays in
    /// the outbox for the next start.
    pub fn finish(self, deadline: Instant) {
        self.closing.send_replace(Some(deadline));
        self.threads.iter().for_each(|(_, thread)| thread.close(Some(deadline)));
        for (sink, thread) in self.threads {
            match thread.join(Some(deadline), GRACE) {
                Ok(_) => {}
                Err(End::Hangs) => {
                    tracing::warn!(sink, "the sink does not take its alerts; they wait for the next start")
                }
                Err(End::Panicked) => tracing::error!(sink, "the thread of the sink panicked"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
