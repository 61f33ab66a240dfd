//! The ledger's thread: takes messages, and has written what is due.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
    time::{Duration, Instant},
};

use rollcall_detect::alert::Alert;
use rollcall_queue::{Attempt, Waiting, Work};

use super::{
    Error, Event, LedgerSettings,
    database::Database,
    handle::{Message, Numbers},
    unwritten::{Shared, Unwritten},
};

/// What is older than the ledger's age is looked for this often.
const FORGET: Duration = Duration::from_secs(3600);

/// What others may have allowed meanwhile is looked for this often.
const LOOK: Duration = Duration::from_secs(1);

/// Events that are taken before some are written.
const BATCH: usize = 1_024;

/// Takes messages and writes.
pub(super) struct Writer {
    database: Database,
    shared: Arc<Shared>,
    numbers: Numbers,
    /// Who waits for an answer.
    flushes: Vec<SyncSender<bool>>,
    forget_at: Instant,
    look_at: Instant,
}

impl Writer {
    /// A writer of the ledger in `directory`, and the alerts that are open there. Where it can't be opened, that is tried again.
    pub(super) fn new(
        directory: &Path,
        settings: LedgerSettings,
        numbers: Numbers,
        shared: Arc<Shared>,
    ) -> (Writer, Vec<Alert>) {
        let mut writer = Writer {
            database: Database::new(directory, settings, Arc::clone(&shared)),
            shared,
            numbers,
            flushes: Vec::new(),
            forget_at: Instant::now(),
            look_at: Instant::now(),
        };
        // The thread's first attempt says what is wrong.
        let open_alerts = writer.open().and_then(|()| writer.database.open_alerts()).unwrap_or_default();
        // Nor are alerts raised about what is in order.
        drop(writer.database.look_for_allowances());
        writer.database.account();
        (writer, open_alerts)
    }

    /// What could not be written, of what was taken and of `messages` that were not.
    pub(super) fn left(mut self, messages: Vec<Message>) -> Vec<Unwritten> {
        messages.into_iter().for_each(|message| self.take(message));
        let mut left = Vec::new();
        self.shared.each(|unwritten| left.push(unwritten.clone()));
        left
    }

    /// Does what a message asks, or notes it.
    fn take(&mut self, message: Message) {
        match message {
            Message::Event { seq, alert } => self.record(seq, *alert),
            Message::Delivered { sink, seq } => {
                self.shared.delivered(sink, seq);
                self.database.delivered(sink, seq);
            }
            Message::Flush(answer) => self.flushes.push(answer),
        }
    }

    fn record(&mut self, seq: u64, alert: Alert) {
        let line = match serde_json::to_string(&alert) {
            Ok(line) => line,
            Err(error) => {
                // Alerts are plain data with string keys; one that does not serialise is a defect, not a reason to stop.
                tracing::error!(%error, "an alert does not serialise");
                return;
            }
        };
        if let Some(Unwritten { event: _, sinks }) = self.shared.push(Event { seq, alert, line }) {
            self.shared.stats.lost.fetch_add(1, Ordering::Relaxed);
            for sink in sinks {
                self.shared.stats.sinks[sink].dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.open()?;
        self.database.write_events()?;
        self.database.write_uses()?;
        if Instant::now() >= self.look_at {
            self.database.look_for_allowances()?;
            self.look_at = Instant::now() + LOOK;
        }
        if Instant::now() >= self.forget_at {
            self.database.forget()?;
            self.forget_at = Instant::now() + FORGET;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        if self.database.open()? {
            self.numbers.rise(self.database.last_seq()?);
        }
        Ok(())
    }
}

impl Work for Writer {
    type Item = Message;
    type Error = Error;

    fn arrived(&mut self, waiting: &mut Waiting<Message>) {
        let is_failing = self.shared.is_failing();
        let mut has_events = false;
        while is_failing || self.shared.len() < BATCH {
            let Some(message) = waiting.take() else { break };
            has_events |= matches!(message, Message::Event { .. });
            self.take(message);
        }
        // While nothing can be written, sinks deliver from memory.
        if is_failing && has_events {
            self.database.account();
            self.shared.wake_sinks();
        }
    }

    fn due(&mut self, waiting: &Waiting<Message>, now: Instant) -> Option<Instant> {
        let is_urgent = !waiting.is_empty()
            || !self.flushes.is_empty()
            || self.shared.len() > 0
            || self.shared.has_uses()
            || !self.database.is_settled();
        Some(if is_urgent { now } else { self.forget_at.min(self.look_at) })
    }

    fn attempt(&mut self, _: &mut Waiting<Message>, _: bool) -> Attempt<Error> {
        let outcome = self.write();
        match &outcome {
            Ok(()) => self.shared.recovered(),
            Err(_) => {
                self.shared.stats.errors.fetch_add(1, Ordering::Relaxed);
                self.shared.failed();
            }
        }
        // Whoever is answered finds the figures as they are by then.
        self.database.account();
        for answer in self.flushes.drain(..) {
            // Whoever asked may have lost interest.
            let _ = answer.try_send(outcome.is_ok());
        }
        outcome.map_or_else(Attempt::failed, |()| Attempt::Done)
    }

    fn complain(&mut self, error: &Error) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "cannot write the ledger; alerts go out all the same, from memory: make room or see to the disk"
        );
    }

    fn recovered(&mut self) {
        tracing::info!("the ledger can be written again");
    }
}
