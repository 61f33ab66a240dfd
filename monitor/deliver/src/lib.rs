//! How alerts leave the daemon: to a file, the journal, webhooks and Alertmanagers, from the ledger's outbox.
//!
//! Each sink has a thread of its own (`Courier`), so that a slow one holds up nobody: neither capture, nor the ledger,
//! nor another sink. It takes events off its outbox in order, one after the other or in batches, tries each until the
//! [destination](Destination) has it or refuses it, and only then tells the ledger that it is delivered. So an event is
//! delivered at least once, however the daemon ends; each destination does what its receiver allows to make that once.
//!
//! **What leaves the host.** Touched objects (`sample_objects`) are in the alert file; elsewhere only where that was asked
//! for. URLs may hold secrets: of one, nothing but scheme, host and port is ever logged or counted.

mod alertmanager;
mod backoff;
pub mod client;
mod courier;
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
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub use alertmanager::Alertmanager;
pub use client::{Client, ClientError};
pub use courier::{Destination, Problem, Report};
pub use endpoint::{Endpoint, InvalidUrl};
pub use file::AlertFile;
pub use journal::{Journal, MESSAGE_ID, SOCKET as JOURNAL_SOCKET};
pub use own::OwnCalls;
pub use post::Poster;
pub use stats::Stats;
pub use trust::Trust;
pub use webhook::{Format, Secret, Webhook};

use courier::Courier;
use rollcall_metrics::Samples;
use rollcall_store::{Ledger, Stats as LedgerStats};

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
    couriers: Vec<(String, mpsc::Receiver<()>, JoinHandle<()>)>,
    stats: Vec<(String, Arc<Stats>)>,
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
            Delivery { couriers: Vec::new(), stats: Vec::new(), ledger_stats: ledger.stats(), closing };
        for (index, Sink { label, destination }) in sinks.into_iter().enumerate() {
            let stats = Arc::<Stats>::default();
            let courier = Courier::new(label.clone(), destination, ledger.outbox(index), Arc::clone(&stats));
            let (done, is_done) = mpsc::channel();
            let work = move || {
                // Dropped even when the thread panics.
                let _done: mpsc::Sender<()> = done;
                courier.run();
            };
            let thread = thread::Builder::new()
                .name(label.clone())
                .spawn(work)
                .map_err(|source| ThreadError { sink: label.clone(), source })?;
            delivery.couriers.push((label.clone(), is_done, thread));
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
    pub fn finish(self, ledger: &Ledger, deadline: Instant) {
        self.closing.send_replace(Some(deadline));
        ledger.close_outboxes(deadline);
        for (label, is_done, thread) in self.couriers {
            let left = (deadline + GRACE).saturating_duration_since(Instant::now());
            if is_done.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!(
                    sink = label,
                    "the sink does not take its alerts; they wait for the next start"
                );
            } else if thread.join().is_err() {
                tracing::error!(sink = label, "the thread of the sink panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests;
