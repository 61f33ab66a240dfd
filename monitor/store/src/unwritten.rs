//! Events that are not on disk yet, and how sinks learn that there is something for them.
//!
//! An event is here from when the ledger's thread takes it until it is committed: a few milliseconds, unless the disk
//! takes nothing. Sinks deliver from here only while that lasts, since an event is to be on disk before anybody hears of
//! it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use rollcall_detect::{Allowance, Uses};
use rollcall_queue::Waker;

use super::{Event, LedgerStats};

/// Events that are kept for better times: 8 MiB at 2 KiB each. The oldest gives way.
const MOST: usize = 4_096;

/// What the ledger's thread and the sinks share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// What is allowed, until the engine has taken it.
    allowances: Mutex<Option<Vec<Allowance>>>,
    /// How far that was made use of, until it is on disk.
    uses: Mutex<Uses>,
    pub(super) stats: Arc<LedgerStats>,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Unwritten>,
    /// The last attempt to write failed.
    failing: bool,
    /// Rises whenever there is another database under the ledger's name.
    database: u64,
    /// The threads of the sinks.
    sinks: Vec<Waker>,
}

/// An event that is not on disk, and the sinks that have not delivered it.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    pub(super) event: Arc<Event>,
    pub(super) sinks: Vec<usize>,
}

impl Shared {
    pub(super) fn new(sinks: &[String]) -> Shared {
        let stats = Arc::new(LedgerStats::new(sinks.len()));
        Shared { state: Mutex::default(), allowances: Mutex::default(), uses: Mutex::default(), stats }
    }

    /// That is what is allowed from now on.
    pub(super) fn allow(&self, allowances: Vec<Allowance>) {
        self.stats.allowances.store(allowances.len() as u64, Relaxed);
        *self.allowances.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowances);
    }

    /// What is allowed, if that is news.
    pub(super) fn take_allowances(&self) -> Option<Vec<Allowance>> {
        self.allowances.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// That is how far what is allowed was made use of.
    pub(super) fn add_uses(&self, uses: Uses) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).merge(uses);
    }

    /// Whether some of that is to be written.
    pub(super) fn has_uses(&self) -> bool {
        !self.uses.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What is to be written of that.
    pub(super) fn take_uses(&self) -> Uses {
        std::mem::take(&mut self.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in an event. The one that gives way to it is returned.
    pub(super) fn push(&self, event: Event) -> Option<Unwritten> {
        let mut state = self.lock();
        let oldest = if state.events.len() == MOST { state.events.pop_front() } else { None };
        let sinks = (0..self.stats.sinks.len()).collect();
        state.events.push_back(Unwritten { event: Arc::new(event), sinks });
        oldest
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().events.len()
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

    /// The number of the database under the ledger's name.
    pub(super) fn database(&self) -> u64 {
        self.lock().database
    }

    /// Has `sink` look around whenever it may find something new.
    pub(super) fn add_sink(&self, sink: Waker) {
        self.lock().sinks.push(sink.clone());
        sink.wake();
    }

    /// Has every sink look around.
    pub(super) fn wake_sinks(&self) {
        let state = self.lock();
        self.change(state);
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

    fn change(&self, state: MutexGuard<'_, State>) {
        let sinks = state.sinks.clone();
        drop(state);
        sinks.iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
