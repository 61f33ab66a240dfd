//! The ledger's thread: takes messages, and has written what is due.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use rollcall_detect::alert::Alert;
use rollcall_model::time::Timestamp;

use super::{
    Error, Event, Settings, Work,
    database::Database,
    handle::Message,
    unwritten::{Shared, Unwritten},
};

/// Work is written this often.
const FLUSH: Duration = Duration::from_secs(1);

/// A ledger that can't be written is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// And at the stop, which is not to last.
const LAST_RETRY: Duration = Duration::from_millis(250);

/// And told of this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// What is older than the ledger's age is looked for this often.
const FORGET: Duration = Duration::from_secs(3600);

/// Messages that are taken before something is written.
const BATCH: usize = 1_024;

/// Pieces of work that wait for better times; the oldest gives way.
const WORK: usize = 256;

/// Takes messages and writes.
pub(super) struct Writer {
    database: Database,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    last_seq: u64,
    work: VecDeque<Box<dyn Work>>,
    barriers: Vec<SyncSender<bool>>,
    flush_at: Instant,
    forget_at: Instant,
    /// Not before then, while the ledger can't be written.
    retry_at: Option<Instant>,
    complained: Option<Instant>,
    /// Of the last attempt.
    deadline: Option<Instant>,
}

impl Writer {
    /// A writer of the ledger in `directory`, and the alerts that are open there.
    pub(super) fn new(
        directory: &Path,
        settings: Settings,
        messages: Receiver<Message>,
        shared: Arc<Shared>,
    ) -> (Writer, Vec<Alert>) {
        let now = Instant::now();
        let mut writer = Writer {
            database: Database::new(directory, settings, Arc::clone(&shared)),
            messages,
            shared,
            last_seq: 0,
            work: VecDeque::new(),
            barriers: Vec::new(),
            flush_at: now,
            forget_at: now,
            retry_at: None,
            complained: None,
            deadline: None,
        };
        let open_alerts =
            writer.open().and_then(|()| writer.database.open_alerts()).unwrap_or_else(|error| {
                writer.fail(&error);
                Vec::new()
            });
        writer.database.account();
        (writer, open_alerts)
    }

    /// Until it is told to stop. Gives the events that could not be written.
    pub(super) fn run(mut self) -> Vec<Unwritten> {
        loop {
            let running = self.listen();
            self.write(!running || !self.barriers.is_empty());
            self.database.account();
            if !running {
                return self.finish();
            }
        }
    }

    /// Waits for messages and takes them; whether there will be more.
    fn listen(&mut self) -> bool {
        let due = match self.retry_at {
            Some(retry_at) => retry_at,
            None if self.work.is_empty() => self.forget_at,
            None => self.flush_at,
        };
        let first = match self.messages.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let (mut running, mut taken) = (self.handle(first), 1);
        while running && taken < BATCH {
            let Ok(message) = self.messages.try_recv() else { break };
            running = self.handle(message);
            taken += 1;
        }
        running
    }

    /// Does what a message asks, or notes it; whether there will be more.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Event(alert) => {
                self.shared.stats.waiting.fetch_sub(1, Ordering::Relaxed);
                self.take(*alert);
            }
            Message::Delivered { sink, seq } => {
                self.shared.delivered(sink, seq);
                self.database.delivered(sink, seq);
            }
            Message::Work(work) => {
                self.shared.stats.waiting.fetch_sub(1, Ordering::Relaxed);
                self.take_work(work);
            }
            Message::Barrier(answer) => self.barriers.push(answer),
            Message::Stop { deadline } => {
                self.deadline = Some(deadline);
                return false;
            }
        }
        true
    }

    fn take(&mut self, alert: Alert) {
        let line = match serde_json::to_string(&alert) {
            Ok(line) => line,
            Err(error) => {
                // Alerts are plain data with string keys; one that does not serialise is a defect, not a reason to stop.
                tracing::error!(%error, "an alert does not serialise");
                return;
            }
        };
        // The time makes sure that a number is not used again by a daemon that could not write down that it had been.
        self.last_seq = (self.last_seq + 1).max(Timestamp::now().0 / 1_000);
        if let Some(Unwritten { event: _, sinks }) =
            self.shared.push(Event { seq: self.last_seq, alert, line })
        {
            self.shared.stats.lost.fetch_add(1, Ordering::Relaxed);
            for sink in sinks {
                self.shared.stats.sinks[sink].dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn take_work(&mut self, work: Box<dyn Work>) {
        if self.work.is_empty() {
            self.flush_at = Instant::now() + FLUSH;
        } else if self.work.len() == WORK
            && let Some(oldest) = self.work.pop_front()
        {
            oldest.lost();
        }
        self.work.push_back(work);
    }

    /// Writes what is due, or all of it if it is `urged`, and answers who waits for that.
    fn write(&mut self, urged: bool) {
        if !urged && self.retry_at.is_some_and(|retry_at| Instant::now() < retry_at) {
            return;
        }
        let outcome = self.try_write(urged);
        match &outcome {
            Ok(()) => self.recover(),
            Err(error) => self.fail(error),
        }
        // Whoever is answered finds the figures as they are by then.
        self.database.account();
        for answer in self.barriers.drain(..) {
            // Whoever asked may have lost interest.
            let _ = answer.try_send(outcome.is_ok());
        }
    }

    fn try_write(&mut self, urged: bool) -> Result<(), Error> {
        self.open()?;
        self.database.write_events()?;
        if urged || Instant::now() >= self.flush_at {
            self.database.write_work(&mut self.work)?;
        }
        if Instant::now() >= self.forget_at {
            self.database.forget()?;
            self.forget_at = Instant::now() + FORGET;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        if self.database.open()? {
            self.last_seq = self.last_seq.max(self.database.last_seq()?);
        }
        Ok(())
    }

    fn recover(&mut self) {
        self.retry_at = None;
        self.shared.recovered();
        if self.complained.take().is_some() {
            tracing::info!("the ledger can be written again");
        }
    }

    fn fail(&mut self, error: &Error) {
        self.retry_at = Some(Instant::now() + RETRY);
        self.shared.stats.errors.fetch_add(1, Ordering::Relaxed);
        self.shared.failed();
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::error!(
                error = error as &dyn std::error::Error,
                "cannot write the ledger; alerts go out all the same, from memory: make room or see to the disk"
            );
        }
    }

    /// Tries until the deadline; then nothing more will be written.
    fn finish(&mut self) -> Vec<Unwritten> {
        while self.retry_at.is_some()
            && self.deadline.is_some_and(|deadline| Instant::now() + LAST_RETRY < deadline)
        {
            thread::sleep(LAST_RETRY);
            self.write(true);
        }
        self.work.drain(..).for_each(|work| work.lost());
        let mut lost = Vec::new();
        self.shared.each(|unwritten| lost.push(unwritten.clone()));
        self.shared.stats.lost.fetch_add(lost.len() as u64, Ordering::Relaxed);
        lost
    }
}
