//! Where a sink's events go, and what its thread does: it takes events off the outbox, and tries each until its destination
//! has it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rollcall_queue::{Attempt, Waiting, Work};
use rollcall_store::{Event, Outbox};

use super::stats::DeliveryStats;

/// The longest that a receiver elsewhere is left alone after failures.
const REMOTE: Duration = Duration::from_secs(300);

/// And one on this host, which bothers nobody.
pub(super) const LOCAL: Duration = Duration::from_secs(5);

/// Where a sink's events go.
pub trait Destination: Send {
    /// How many events it takes at once, at most.
    fn batch(&self) -> usize {
        1
    }

    /// Delivers events in order. There are none when it only asked to be [called](Destination::due).
    fn deliver(&mut self, events: &[Arc<Event>]) -> Report;

    /// The longest to wait after a failure.
    fn patience(&self) -> Duration {
        REMOTE
    }

    /// When it wants to be called though nothing new has come.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// How far a delivery came.
#[derive(Debug)]
pub struct Report {
    /// So many events, the first ones, are with the receiver.
    pub delivered: usize,
    /// What is wrong with the next one, or with the receiver.
    pub problem: Option<Problem>,
}

impl Report {
    /// Everything is with the receiver.
    pub fn all(events: &[Arc<Event>]) -> Report {
        Report { delivered: events.len(), problem: None }
    }

    /// Only the first `delivered` are.
    pub fn stopped(delivered: usize, problem: Problem) -> Report {
        Report { delivered, problem: Some(problem) }
    }
}

/// Why a delivery did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It may later. The receiver may have said when.
    NotNow { why: String, asked: Option<Duration> },
    /// The receiver will never take these events: so many of them, counted from the first that it has not.
    Refused { why: String, events: usize },
}

impl Problem {
    /// It may succeed later.
    pub fn not_now(why: impl ToString) -> Problem {
        Problem::NotNow { why: why.to_string(), asked: None }
    }
}

/// The thread's work.
pub(super) struct Deliver {
    label: String,
    destination: Box<dyn Destination>,
    outbox: Outbox,
    /// The next ones to deliver.
    events: Vec<Arc<Event>>,
    stats: Arc<DeliveryStats>,
}

impl Deliver {
    pub(super) fn new(
        label: String,
        destination: Box<dyn Destination>,
        outbox: Outbox,
        stats: Arc<DeliveryStats>,
    ) -> Deliver {
        Deliver { label, destination, outbox, events: Vec::new(), stats }
    }
}

/// What is to be delivered waits in the outbox, and not in the queue.
impl Work for Deliver {
    type Item = ();
    type Error = Problem;

    fn due(&mut self, _: &Waiting<()>, now: Instant) -> Option<Instant> {
        if self.events.is_empty() {
            self.events = self.outbox.waiting(self.destination.batch());
        }
        if self.events.is_empty() { self.destination.due() } else { Some(now) }
    }

    fn attempt(&mut self, _: &mut Waiting<()>, _: bool) -> Attempt<Problem> {
        let events = std::mem::take(&mut self.events);
        let Report { delivered, problem } = self.destination.deliver(&events);
        let (taken, rest) = events.split_at(delivered.min(events.len()));
        self.outbox.delivered(taken);
        self.stats.delivered.fetch_add(taken.len() as u64, Relaxed);
        match problem {
            None => Attempt::Done,
            Some(problem @ Problem::Refused { events, .. }) => {
                let refused = &rest[..events.min(rest.len())];
                self.outbox.delivered(refused);
                self.stats.refused.fetch_add(refused.len() as u64, Relaxed);
                Attempt::Refused(problem)
            }
            Some(problem @ Problem::NotNow { asked, .. }) => {
                self.stats.failures.fetch_add(1, Relaxed);
                Attempt::Failed { error: problem, progress: !taken.is_empty(), asked }
            }
        }
    }

    fn complain(&mut self, problem: &Problem) {
        let (what, why) = match problem {
            Problem::Refused { why, .. } => ("the receiver refuses alerts, and will not get them", why),
            Problem::NotNow { why, .. } => ("alerts cannot be delivered; they wait in the outbox", why),
        };
        tracing::warn!(sink = self.label, why, "{what}");
    }

    fn recovered(&mut self) {
        tracing::info!(sink = self.label, "alerts are delivered again");
    }
}
