//! What must not be lost: alerts, and what each sink still has to deliver of them, in one SQLite database.
//!
//! `ledger.db` in the state directory is written by one thread, which takes bounded messages and is never waited for
//! ([`Handle`]). An event in the life of an alert is committed at once, with the alert's row and an entry in the
//! [outbox](Outbox) of each sink, in one transaction; sinks deliver what is committed, and take it off their outbox. So
//! a daemon that is killed at any moment forgets no alert that anybody was told of, and tells each of them.
//!
//! SQLite survives a loss of power (`synchronous=FULL`), says what it does when the disk is full, lets other processes
//! read while the daemon writes ([`Reader`]), and leaves one file of a documented format to hand over.
//!
//! **What was read is a database of its own** ([`exposure`]). In one with the alerts an alert would wait for what is being
//! written of reads, some seconds for a full batch beside millions of accounts; who lists these, which takes up to a minute,
//! would keep the log from being used again, which is what alerts live on when the disk is full; and what damages or fills the
//! lists would cost alerts. Which alerts are open is the ledger's alone to say: the lists and the checkpoint go by it at a start.
//!
//! **Nothing depends on the ledger but memory of the past.** While it can't be written, events wait in a bounded queue,
//! sinks deliver them from there, and the writer tries again each second. A database that is damaged or that a later
//! version wrote is set aside under another name, and a new one is begun.
//!
//! What alerts mean, and how they are delivered, is left to [`rollcall_detect::alert`] and to who delivers them.

mod acks;
mod alerts;
mod allowances;
pub mod checkpoints;
mod database;
pub mod exposure;
mod handle;
mod open;
mod outbox;
mod schema;
mod unwritten;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

pub use acks::{Ack, AckOutcome, AckWatch, Acked, acknowledge};
pub use alerts::{Event, Row};
pub use allowances::{
    AllowOutcome, Allowed, Ended, MOST as MOST_ALLOWANCES, NewAllowance, RevokeOutcome, allow, revoke,
};
pub use handle::{Handle, LedgerStats};
pub use open::Reader;
pub use outbox::{Outbox, SinkStats};

use handle::Numbers;
use rollcall_detect::alert::Alert;
use rollcall_queue::{End, Left, Pause, Running, Waker};
use unwritten::{Shared, Unwritten};
use writer::Writer;

/// The database, within the state directory.
pub const FILE: &str = "ledger.db";

/// What the sink that writes the alert file is called.
pub const FILE_SINK: &str = "file";

/// A ledger that can't be written is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// And at the stop, which is not to last.
const LAST_RETRY: Duration = Duration::from_millis(250);

/// A write that is not done by then has a disk that does not answer.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What is kept, and for how long.
#[derive(Clone, Debug)]
pub struct LedgerSettings {
    /// Each sink by the name that its entries have in the outbox. Entries of other sinks are dropped.
    pub sinks: Vec<String>,
    /// Bytes of lines that may wait for one sink; beyond them the oldest goes.
    pub outbox_bytes: u64,
    /// Events are kept for so long.
    pub age: Duration,
    /// The windows that objects are counted in, the shortest first, as who allows something is told.
    pub windows: Vec<Duration>,
}

impl Default for LedgerSettings {
    fn default() -> LedgerSettings {
        LedgerSettings {
            sinks: Vec::new(),
            outbox_bytes: 64 << 20,
            age: Duration::from_secs(400 * 24 * 3600),
            windows: Vec::new(),
        }
    }
}

/// Why the ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no ledger {path}")]
    Missing { path: PathBuf },
    #[error("create ledger {path}")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("open ledger {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("read ledger {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("write ledger {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("write {path}: what room the disk has is left to alerts, which can't be written")]
    AlertsFirst { path: PathBuf },
    #[error("use ledger {path}: {why}")]
    Unusable { path: PathBuf, why: Unusable },
    #[error("set ledger {path} aside")]
    SetAside {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("start the ledger's thread")]
    Thread {
        #[source]
        source: io::Error,
    },
}

/// What is wrong with a file that is no ledger of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is damaged ({0})")]
    Damaged(String),
    #[error("it is the database of another program")]
    Foreign,
    #[error("it has version {found}, and this program knows versions up to {known}")]
    Newer { found: i64, known: i64 },
    #[error(
        "it has version {found} until a daemon of this version runs on it, which makes it version {known}"
    )]
    Older { found: i64, known: i64 },
}

/// The ledger of a running daemon.
#[derive(Debug)]
pub struct Ledger {
    handle: Handle,
    shared: Arc<Shared>,
    directory: PathBuf,
    settings: LedgerSettings,
    open_alerts: Vec<Alert>,
    thread: Running<Writer>,
}

/// Alerts that the ledger does not have, as the disk took nothing until the end.
#[derive(Debug, thiserror::Error)]
#[error("write {count} events of alerts to ledger {path}", count = lines.len() + elsewhere)]
pub struct Lost {
    path: PathBuf,
    /// Lines of those that are in no alert file either, the oldest first.
    pub lines: Vec<String>,
    /// How many others there are.
    pub elsewhere: usize,
}

impl Ledger {
    /// Opens the ledger in `directory`, or makes one, and starts its thread. Where that fails for now, it is tried again
    /// each second; only a thread that can't be had is an error.
    pub fn open(directory: &Path, settings: LedgerSettings) -> Result<Ledger, Error> {
        let shared = Arc::new(Shared::new(&settings.sinks));
        let numbers = Numbers::default();
        let (writer, open_alerts) =
            Writer::new(directory, settings.clone(), numbers.clone(), Arc::clone(&shared));
        let queue = rollcall_queue::QueueSettings {
            name: "ledger".to_owned(),
            limit: handle::WAITING,
            used: Arc::clone(&shared.stats.waiting),
            pause: Pause::Fixed(RETRY),
            last_pause: Some(LAST_RETRY),
        };
        let thread = Running::start(queue, writer).map_err(|source| Error::Thread { source })?;
        let handle = Handle::new(thread.queue(), numbers, Arc::clone(&shared));
        Ok(Ledger { handle, shared, directory: directory.to_owned(), settings, open_alerts, thread })
    }

    /// Where to hand things over to the ledger's thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The alerts that were open when the ledger was opened, by their latest events, oldest first.
    pub fn open_alerts(&self) -> &[Alert] {
        &self.open_alerts
    }

    /// What has been counted.
    pub fn stats(&self) -> Arc<LedgerStats> {
        Arc::clone(&self.shared.stats)
    }

    /// What the sink with that index in [`LedgerSettings::sinks`] has to deliver.
    pub fn outbox(&self, sink: usize) -> Outbox {
        let name = self.settings.sinks[sink].clone();
        Outbox::new(sink, name, &self.directory, self.handle.clone(), Arc::clone(&self.shared))
    }

    /// Has the thread of a sink look into its outbox whenever there may be something new.
    pub fn add_sink(&self, sink: Waker) {
        self.shared.add_sink(sink);
    }

    /// Writes all that was handed over, and ends the thread. A disk that takes nothing for `patience` is waited for no longer:
    /// what it did not take is the error.
    pub fn finish(self, patience: Duration) -> Result<(), Lost> {
        // The last attempt may begin just before the deadline.
        let left = match self.thread.finish(Some(Instant::now() + patience), LAST_WRITE) {
            Ok(Left { work, items, error: _ }) => work.left(items),
            Err(end) => {
                match end {
                    End::Hangs => {
                        tracing::error!("the disk does not answer: the ledger may lack the latest alerts");
                    }
                    End::Panicked => tracing::error!("the ledger's thread panicked"),
                }
                let mut left = Vec::new();
                self.shared.each(|unwritten| left.push(unwritten.clone()));
                left
            }
        };
        self.shared.stats.lost.fetch_add(left.len() as u64, Ordering::Relaxed);
        if left.is_empty() {
            return Ok(());
        }
        let file = self.settings.sinks.iter().position(|sink| sink == FILE_SINK);
        let mut lost = Lost { path: self.directory.join(FILE), lines: Vec::new(), elsewhere: 0 };
        for Unwritten { event, sinks } in left {
            if file.is_some_and(|file| !sinks.contains(&file)) {
                lost.elsewhere += 1;
            } else {
                lost.lines.push(event.line.clone());
            }
            for sink in sinks {
                self.shared.stats.sinks[sink].dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Err(lost)
    }
}

#[cfg(test)]
pub(crate) mod tests;
