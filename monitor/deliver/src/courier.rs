//! A sink's thread: takes events off the outbox, and tries each until its destination has it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rollcall_store::{Event, Outbox};

use super::{backoff::Backoff, stats::Stats};

/// A destination that does not take events is told about this often.
const COMPLAIN: Duration = Duration::from_secs(60);

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

    /// Delivers events in order. There are none when it only asked to be [called](Destination::due), or when it is to look
    /// around.
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
pub(super) struct Courier {
    label: String,
    destination: Box<dyn Destination>,
    outbox: Outbox,
    stats: Arc<Stats>,
    backoff: Backoff,
    complained: Option<Instant>,
    failing: bool,
}

impl Courier {
    pub(super) fn new(
        label: String,
        destination: Box<dyn Destination>,
        outbox: Outbox,
        stats: Arc<Stats>,
    ) -> Courier {
        let backoff = Backoff::new(destination.patience());
        Courier { label, destination, outbox, stats, backoff, complained: None, failing: false }
    }

    /// Until the outbox is closing and nothing is left, or an attempt fails then, or the time is up.
    pub(super) fn run(mut self) {
        loop {
            let events = self.outbox.next(self.destination.batch(), self.destination.due());
            let closing = self.outbox.closing();
            if closing.is_some_and(|deadline| events.is_empty() || Instant::now() >= deadline) {
                return;
            }
            let Some(wait) = self.attempt(&events) else { continue };
            if self.outbox.closing().is_some() {
                return;
            }
            self.outbox.pause(Instant::now() + wait);
        }
    }

    /// Makes one attempt; how long to wait if it has to be made again.
    fn attempt(&mut self, events: &[Arc<Event>]) -> Option<Duration> {
        let Report { delivered, problem } = self.destination.deliver(events);
        let (taken, rest) = events.split_at(delivered.min(events.len()));
        self.outbox.delivered(taken);
        self.stats.delivered.fetch_add(taken.len() as u64, Relaxed);
        match problem {
            None => {
                self.recover();
                None
            }
            Some(Problem::Refused { why, events }) => {
                let refused = &rest[..events.min(rest.len())];
                self.outbox.delivered(refused);
                self.stats.refused.fetch_add(refused.len() as u64, Relaxed);
                self.complain("the receiver refuses alerts, and will not get them", &why);
                self.backoff.reset();
                None
            }
            Some(Problem::NotNow { why, asked }) => {
                self.stats.failures.fetch_add(1, Relaxed);
                self.failing = true;
                self.complain("alerts cannot be delivered; they wait in the outbox", &why);
                if !taken.is_empty() {
                    self.backoff.reset();
                }
                Some(self.backoff.next(asked))
            }
        }
    }

    fn recover(&mut self) {
        self.backoff.reset();
        if std::mem::take(&mut self.failing) {
            self.complained = None;
            tracing::info!(sink = self.label, "alerts are delivered again");
        }
    }

    fn complain(&mut self, what: &str, why: &str) {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::warn!(sink = self.label, why, "{what}");
        }
    }
}
