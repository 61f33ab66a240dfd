//! Events that are not on disk yet, and how sinks learn that there is something for them.
//!
//! An event is here from when the ledger's thread takes it until it is committed: a few milliseconds, unless the disk
//! takes nothing. Sinks deliver from here only while that lasts, since an event is to be on disk before anybody hears of
//! it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Event, Stats};

/// Events that are kept for better times: 8 MiB at 2 KiB each. The oldest gives way.
const MOST: usize = 4_096;

/// What the ledger's thread and the sinks share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    pub(super) stats: Arc<Stats>,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Unwritten>,
    /// The last attempt to write failed.
    failing: bool,
    /// Rises whenever a sink may find something new.
    generation: u64,
    /// Rises whenever there is another database under the ledger's name.
    database: u64,
    /// Rises whenever sinks are to look around, though there may be nothing to deliver.
    nudges: u64,
    closing: Option<Instant>,
}

/// An event that is not on disk, and the sinks that have not delivered it.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    pub(super) event: Arc<Event>,
    pub(super) sinks: Vec<usize>,
}

/// What a sink sees at one moment.
pub(super) struct Glance {
    pub(super) generation: u64,
    pub(super) database: u64,
    pub(super) nudges: u64,
    pub(super) closing: Option<Instant>,
}

impl Shared {
    pub(super) fn new(sinks: &[String]) -> Shared {
        let stats = Arc::new(Stats::new(sinks.len()));
        Shared { state: Mutex::default(), changed: Condvar::new(), stats }
    }

    /// Takes in an event. The one that gives way to it is returned.
    pub(super) fn push(&self, event: Event) -> Option<Unwritten> {
        let mut state = self.lock();
        let oldest = if state.events.len() == MOST { state.events.pop_front() } else { None };
        let sinks = (0..self.stats.sinks.len()).collect();
        state.events.push_back(Unwritten { event: Arc::new(event), sinks });
        oldest
    }

    /// At most `most` of the oldest events.
    pub(super) fn oldest(&self, most: usize) -> Vec<Unwritten> {
        self.lock().events.iter().take(most).cloned().collect()
    }

    /// Every event, for the account of what waits.
    pub(super) fn each(&self, mut look: impl FnMut(&Unwritten)) {
        self.lock().events.iter().for_each(&mut look);
    }

    /// `sink` has delivered the event with the number `seq`, if that is here.
    pub(super) fn delivered(&self, sink: usize, seq: u64) {
        let mut state = self.lock();
        if let Ok(index) = state.events.binary_search_by_key(&seq, |unwritten| unwritten.event.seq) {
            state.events[index].sinks.retain(|other| *other != sink);
        }
    }

    /// The `count` oldest events are on disk.
    pub(super) fn written(&self, count: usize) {
        let mut state = self.lock();
        state.events.drain(..count);
        self.change(state);
    }

    /// The ledger can be written: sinks are to deliver what is on disk.
    pub(super) fn recovered(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.failing) {
            self.change(state);
        }
    }

    /// The last attempt to write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().failing
    }

    /// They could not be written: sinks are to deliver from here.
    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failing = true;
        self.change(state);
    }

    /// There is another database under the ledger's name.
    pub(super) fn replaced(&self) {
        let mut state = self.lock();
        state.database += 1;
        self.change(state);
    }

    /// Sinks are to look around.
    pub(super) fn nudge(&self) {
        let mut state = self.lock();
        state.nudges += 1;
        self.change(state);
    }

    /// Sinks are to come to an end.
    pub(super) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing = Some(deadline);
        self.change(state);
    }

    /// What there is to know for a sink.
    pub(super) fn glance(&self) -> Glance {
        let State { events: _, failing: _, generation, database, nudges, closing } = *self.lock();
        Glance { generation, database, nudges, closing }
    }

    /// At most `most` events after `seq` that `sink` has not delivered, if they are to be delivered from here.
    pub(super) fn undelivered(&self, sink: usize, seq: u64, most: usize) -> Vec<Arc<Event>> {
        let state = self.lock();
        if !state.failing {
            return Vec::new();
        }
        let mine = |unwritten: &&Unwritten| unwritten.event.seq > seq && unwritten.sinks.contains(&sink);
        state.events.iter().filter(mine).take(most).map(|unwritten| Arc::clone(&unwritten.event)).collect()
    }

    /// Waits until something has changed since `generation`, or until `deadline`, or until sinks are to end.
    pub(super) fn wait(&self, generation: u64, deadline: Option<Instant>) {
        let mut state = self.lock();
        while state.generation == generation && state.closing.is_none() {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn change(&self, mut state: MutexGuard<'_, State>) {
        state.generation += 1;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
