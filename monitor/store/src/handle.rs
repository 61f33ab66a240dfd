//! The way to the ledger's thread: messages that are handed over without waiting, and the account of what became of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    time::Instant,
};

use rollcall_detect::alert::Alert;
use rusqlite::Transaction;

use super::{outbox::SinkStats, unwritten::Shared};

/// Events and work that may wait for the thread: at 2 KiB an alert, 32 MiB. All alerts that may be open may be resolved at
/// once, and fit. Only a disk that takes nothing, and answers nothing, for a long time makes them so many.
const WAITING: u64 = 16_384;

/// What the ledger's thread is asked to do.
pub(super) enum Message {
    /// To record an event, at once.
    Event(Box<Alert>),
    /// To take the event with that number off a sink's outbox.
    Delivered { sink: usize, seq: u64 },
    /// To write with the next transaction for such things, within a second.
    Work(Box<dyn Work>),
    /// To write all that came before, now, and to tell whether it is on disk.
    Barrier(SyncSender<bool>),
    /// To write all that came before, trying until then, and to end.
    Stop { deadline: Instant },
}

/// Rows that others keep in the ledger. What comes within a second is written in one transaction.
pub trait Work: Send {
    /// Writes them. Called again, in another transaction, when the first was not committed. An error that is not the
    /// disk's makes the ledger give this work up.
    fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// It was given up: the ledger has not been writable for long, or refuses it.
    fn lost(self: Box<Self>);
}

/// Hands things over to the ledger's thread. Never waits.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: Sender<Message>,
    shared: Arc<Shared>,
}

/// What became of what was handed over. Shared with the metrics.
#[derive(Debug)]
pub struct Stats {
    /// Events and work that wait for the thread.
    pub(super) waiting: AtomicU64,
    /// Events that never were recorded, as the ledger had not been writable for long.
    pub lost: AtomicU64,
    /// Failed attempts to write.
    pub errors: AtomicU64,
    /// Times that a ledger was set aside while the daemon ran.
    pub set_aside: AtomicU64,
    /// By sink, in the order of the settings.
    pub sinks: Vec<SinkStats>,
}

impl Stats {
    pub(super) fn new(sinks: usize) -> Stats {
        Stats {
            waiting: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            sinks: (0..sinks).map(|_| SinkStats::default()).collect(),
        }
    }
}

/// A way to the thread, for its other end.
pub(super) fn channel(shared: Arc<Shared>) -> (Handle, Receiver<Message>) {
    let (messages, receiver) = mpsc::channel();
    (Handle { messages, shared }, receiver)
}

impl Handle {
    /// Records an event in the life of an alert, and has every sink told of it.
    pub fn record(&self, alert: &Alert) {
        if self.has_room() {
            self.send(Message::Event(Box::new(alert.clone())));
        } else {
            self.shared.stats.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has `work` written within a second.
    pub fn work(&self, work: Box<dyn Work>) {
        if self.has_room() {
            self.send(Message::Work(work));
        } else {
            work.lost();
        }
    }

    /// Has everything written that this thread has handed over, now. The answer is whether that is on disk; no answer
    /// means that it is not.
    pub fn barrier(&self) -> Receiver<bool> {
        let (answer, receiver) = mpsc::sync_channel(1);
        self.send(Message::Barrier(answer));
        receiver
    }

    /// Whether alerts can't be written for now.
    pub(super) fn is_failing(&self) -> bool {
        self.shared.is_failing()
    }

    /// Has every sink look around, though there may be nothing to deliver.
    pub fn nudge(&self) {
        self.shared.nudge();
    }

    pub(super) fn delivered(&self, sink: usize, seq: u64) {
        self.send(Message::Delivered { sink, seq });
    }

    pub(super) fn stop(&self, deadline: Instant) {
        self.send(Message::Stop { deadline });
    }

    /// Takes a place for an event or work, if there is one.
    fn has_room(&self) -> bool {
        let waiting = &self.shared.stats.waiting;
        let room = waiting.fetch_add(1, Ordering::Relaxed) < WAITING;
        if !room {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
        room
    }

    fn send(&self, message: Message) {
        // The thread is gone only after `finish`, or a panic that `finish` tells of.
        if let Err(mpsc::SendError(message)) = self.messages.send(message) {
            match message {
                Message::Event(_) => drop(self.shared.stats.lost.fetch_add(1, Ordering::Relaxed)),
                Message::Work(work) => work.lost(),
                Message::Delivered { .. } | Message::Barrier(_) | Message::Stop { .. } => {}
            }
        }
    }
}
