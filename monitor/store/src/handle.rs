//! The way to the ledger's thread: messages that are handed over without waiting, and the account of what became of them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
    mpsc::{self, Receiver, SyncSender},
};

use rollcall_detect::{Allowance, Uses, alert::Alert};
use rollcall_model::time::Timestamp;
use rollcall_queue::Queue;

use super::{outbox::SinkStats, unwritten::Shared};

/// Events that may wait for the thread: at 2 KiB an alert, 32 MiB. All alerts that may be open may be resolved at once, and
/// fit. Only a disk that takes nothing, and answers nothing, for a long time makes them so many.
pub(super) const WAITING: u64 = 16_384;

/// What the ledger's thread is asked to do.
pub(super) enum Message {
    /// To record an event with that number, at once.
    Event { seq: u64, alert: Box<Alert> },
    /// To take the event with that number off a sink's outbox.
    Delivered { sink: usize, seq: u64 },
    /// To tell whether all that came before is on disk, once that was tried.
    Flush(SyncSender<bool>),
}

/// Hands things over to the ledger's thread. Never waits.
#[derive(Clone, Debug)]
pub struct Handle {
    queue: Queue<Message>,
    numbers: Numbers,
    shared: Arc<Shared>,
}

/// The number that was given to an event last.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(Arc<Mutex<u64>>);

impl Numbers {
    /// Events from now on have greater numbers than this.
    pub(super) fn rise(&self, seq: u64) {
        let mut last = self.lock();
        *last = (*last).max(seq);
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of what was handed over. Shared with the metrics.
#[derive(Debug)]
pub struct LedgerStats {
    /// Events that wait for the thread.
    pub(super) waiting: Arc<AtomicU64>,
    /// Events that never were recorded, as the ledger had not been writable for long.
    pub lost: AtomicU64,
    /// Failed attempts to write.
    pub errors: AtomicU64,
    /// What is allowed now.
    pub allowances: AtomicU64,
    /// Times that a ledger was set aside while the daemon ran.
    pub set_aside: AtomicU64,
    /// By sink, in the order of the settings.
    pub sinks: Vec<SinkStats>,
}

impl LedgerStats {
    pub(super) fn new(sinks: usize) -> LedgerStats {
        LedgerStats {
            waiting: Arc::default(),
            lost: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            allowances: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            sinks: (0..sinks).map(|_| SinkStats::default()).collect(),
        }
    }
}

impl Handle {
    pub(super) fn new(queue: Queue<Message>, numbers: Numbers, shared: Arc<Shared>) -> Handle {
        Handle { queue, numbers, shared }
    }

    /// Records an event in the life of an alert, and has every sink told of it.
    pub fn record(&self, alert: &Alert) {
        // Held until it is handed over: they arrive in the order of their numbers.
        let mut last = self.numbers.lock();
        // The time makes sure that a number is not used again by a daemon that could not write down that it had been.
        *last = (*last + 1).max(Timestamp::now().0 / 1_000);
        if self.queue.push(Message::Event { seq: *last, alert: Box::new(alert.clone()) }, 1).is_err() {
            self.shared.stats.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of the latest event that was handed over, or that was in the ledger before.
    pub fn latest(&self) -> u64 {
        *self.numbers.lock()
    }

    /// Events from now on come after the one with that number, of which others know.
    pub fn go_on_after(&self, seq: u64) {
        self.numbers.rise(seq);
    }

    /// Has everything written that this thread has handed over, now. The answer is whether that is on disk; no answer
    /// means that it is not.
    pub fn flush(&self) -> Receiver<bool> {
        let (answer, receiver) = mpsc::sync_channel(1);
        // Dropped, and so answered, where the thread has ended.
        let _ = self.queue.push(Message::Flush(answer), 0);
        receiver
    }

    /// What is allowed, if that has changed since this was asked last.
    pub fn allowances(&self) -> Option<Vec<Allowance>> {
        self.shared.take_allowances()
    }

    /// Has it written, within a second, how far what is allowed was made use of.
    pub fn used(&self, uses: Uses) {
        self.shared.add_uses(uses);
    }

    /// Whether alerts can't be written for now.
    pub(super) fn is_failing(&self) -> bool {
        self.shared.is_failing()
    }

    /// Has every sink look around, though there may be nothing to deliver.
    pub fn wake_sinks(&self) {
        self.shared.wake_sinks();
    }

    pub(super) fn delivered(&self, sink: usize, seq: u64) {
        // Where the thread has ended, the next start has it delivered again.
        let _ = self.queue.push(Message::Delivered { sink, seq }, 0);
    }
}
