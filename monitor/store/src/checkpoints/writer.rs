//! The thread that writes checkpoints, and the account of how that goes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use rollcall_engine::checkpoint::Draft;
use rollcall_metrics::Samples;
use rollcall_model::time::Timestamp;
use rollcall_queue::{Attempt, End, Pause, Queue, QueueSettings, Running, Waiting, Work};

use super::{CheckpointError, CheckpointFile};

/// A disk that does not answer when everything is to end is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was made of the checkpoint at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// There was none.
    None,
    /// All of it was taken up.
    Whole,
    /// Its tables were for other settings: routes and alerts were taken up.
    InPart,
    /// It could not be used.
    SetAside,
}

impl Restored {
    fn name(self) -> &'static str {
        match self {
            Restored::None => "none",
            Restored::Whole => "whole",
            Restored::InPart => "in_part",
            Restored::SetAside => "set_aside",
        }
    }
}

/// How writing goes. Shared between the threads and the metrics. Times in nanoseconds.
#[derive(Debug)]
pub struct CheckpointStats {
    restored: Restored,
    /// As of when what is on disk is.
    as_of: AtomicU64,
    size: AtomicU64,
    copying: AtomicU64,
    writing: AtomicU64,
    failures: AtomicU64,
    /// The latest one failed.
    failing: AtomicBool,
}

impl CheckpointStats {
    /// Pushes the metrics.
    pub fn collect(&self, samples: &mut Samples) {
        let CheckpointStats { restored, as_of, size, copying, writing, failures, failing: _ } = self;
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let seconds = |number: &AtomicU64| load(number) as f64 / 1e9;
        samples.push(&rollcall_metrics::CHECKPOINT_TIMESTAMP, &[], seconds(as_of));
        samples.push(&rollcall_metrics::CHECKPOINT_SIZE_BYTES, &[], load(size));
        samples.push(&rollcall_metrics::CHECKPOINT_DURATION, &["copy"], seconds(copying));
        samples.push(&rollcall_metrics::CHECKPOINT_DURATION, &["write"], seconds(writing));
        samples.push(&rollcall_metrics::CHECKPOINT_FAILURES, &[], load(failures));
        samples.push(&rollcall_metrics::CHECKPOINT_RESTORED, &[restored.name()], 1_u64);
    }
}

/// Hands what is known to a thread that writes it.
#[derive(Debug)]
pub struct CheckpointWriter {
    queue: Queue<Job>,
    every: Duration,
    due: Instant,
    stats: Arc<CheckpointStats>,
    thread: Running<Writer>,
}

/// One checkpoint to write.
struct Job {
    draft: Draft,
    at: Timestamp,
    /// Says whether everything that was found before is in the ledger.
    recorded: Receiver<bool>,
}

impl CheckpointWriter {
    /// Starts the thread. A checkpoint is due each time that `every` has passed; `restored` tells what was made of the one
    /// before.
    pub fn start(
        file: CheckpointFile,
        every: Duration,
        restored: Restored,
        now: Timestamp,
    ) -> Result<CheckpointWriter, CheckpointError> {
        let number = || AtomicU64::new(0);
        let stats = Arc::new(CheckpointStats {
            restored,
            as_of: AtomicU64::new(now.0),
            size: number(),
            copying: number(),
            writing: number(),
            failures: number(),
            failing: AtomicBool::new(false),
        });
        let settings = QueueSettings {
            name: "checkpoint".to_owned(),
            limit: 1,
            used: Arc::default(),
            // One that failed is not tried again: the next one knows more.
            pause: Pause::Fixed(Duration::ZERO),
            last_pause: None,
        };
        let writer = Writer { file, stats: Arc::clone(&stats) };
        let thread = Running::start(settings, writer).map_err(|source| CheckpointError::Thread { source })?;
        Ok(CheckpointWriter { queue: thread.queue(), every, due: Instant::now() + every, stats, thread })
    }

    /// How it goes.
    pub fn stats(&self) -> Arc<CheckpointStats> {
        Arc::clone(&self.stats)
    }

    /// Whether it is time for another. Not while one is being written: there is one in memory at most.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due && self.queue.used() == 0
    }

    /// Whether the latest one is not on disk.
    pub fn is_failing(&self) -> bool {
        self.stats.failing.load(Ordering::Relaxed)
    }

    /// Nothing has changed since the latest one: it holds for `at`, too.
    pub fn skip(&mut self, at: Timestamp) {
        self.due = Instant::now() + self.every;
        self.stats.as_of.store(at.0, Ordering::Relaxed);
    }

    /// Has what `draft` gives written, which is known at `at`, once `recorded` says that everything that was found before is
    /// in the ledger.
    pub fn keep(
        &mut self,
        at: Timestamp,
        recorded: Receiver<bool>,
        draft: impl FnOnce() -> io::Result<Draft>,
    ) {
        let started = Instant::now();
        self.due = started + self.every;
        match draft() {
            Ok(draft) => {
                self.stats.copying.store(nanoseconds(started), Ordering::Relaxed);
                if self.queue.push(Job { draft, at, recorded }, 1).is_err() {
                    // The thread is gone, which only a panic explains.
                    self.stats.fail();
                }
            }
            Err(error) => {
                tracing::error!(%error, "what is known can't be told in a checkpoint; please report that");
                self.stats.fail();
            }
        }
    }

    /// Waits until everything that was handed over has been written, or could not be.
    pub fn finish(self) {
        match self.thread.finish(None, PATIENCE) {
            Ok(_) => {}
            Err(End::Hangs) => {
                tracing::error!("the disk does not answer: the last checkpoint is not written")
            }
            Err(End::Panicked) => tracing::error!("the thread that writes checkpoints panicked"),
        }
    }
}

impl CheckpointStats {
    fn fail(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.failing.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    file: CheckpointFile,
    stats: Arc<CheckpointStats>,
}

impl Work for Writer {
    type Item = Job;
    type Error = CheckpointError;

    fn due(&mut self, waiting: &Waiting<Job>, now: Instant) -> Option<Instant> {
        (!waiting.is_empty()).then_some(now)
    }

    fn attempt(&mut self, waiting: &mut Waiting<Job>, _: bool) -> Attempt<CheckpointError> {
        let Some(Job { draft, at, recorded }) = waiting.first() else { return Attempt::Done };
        let started = Instant::now();
        let written = self.write(draft, recorded);
        let stats = &self.stats;
        match &written {
            Ok(()) => {
                stats.writing.store(nanoseconds(started), Ordering::Relaxed);
                stats.size.store(draft.len() as u64, Ordering::Relaxed);
                stats.as_of.store(at.0, Ordering::Relaxed);
                stats.failing.store(false, Ordering::Relaxed);
            }
            Err(_) => stats.fail(),
        }
        // Until then there is one in memory.
        drop(waiting.take());
        written.map_or_else(Attempt::failed, |()| Attempt::Done)
    }

    fn complain(&mut self, error: &CheckpointError) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the checkpoint is not written, and the one before is kept: make room or see to the disk"
        );
    }

    fn recovered(&mut self) {
        tracing::info!(checkpoint = %self.file.path().display(), "checkpoints can be written again");
    }
}

impl Writer {
    /// Writes the checkpoint, and has it take the place of the one before once the ledger has what it knows of.
    fn write(&self, draft: &Draft, recorded: &Receiver<bool>) -> Result<(), CheckpointError> {
        self.file.draft(draft)?;
        if !recorded.recv().unwrap_or(false) {
            return Err(CheckpointError::Ahead { path: self.file.path().to_owned() });
        }
        self.file.replace()
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
