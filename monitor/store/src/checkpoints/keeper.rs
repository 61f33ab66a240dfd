//! The thread that writes checkpoints, and the account of how that goes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rollcall_engine::checkpoint::Draft;
use rollcall_metrics::Samples;
use rollcall_model::time::Timestamp;

use super::{CheckpointFile, Error};

/// A checkpoint that can't be written is told of this often.
const COMPLAIN: Duration = Duration::from_secs(60);

/// What was made of the checkpoint at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    None,
    /// All of it was taken up.
    Whole,
    /// Its tables were for other settings: routes and alerts were taken up.
    InPart,
    /// It could not be used.
    SetAside,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::None => "none",
            Outcome::Whole => "whole",
            Outcome::InPart => "in_part",
            Outcome::SetAside => "set_aside",
        }
    }
}

/// How writing goes. Shared between the threads and the metrics. Times in nanoseconds.
#[derive(Debug)]
pub struct Stats {
    restored: Outcome,
    /// As of when what is on disk is.
    as_of: AtomicU64,
    size: AtomicU64,
    copying: AtomicU64,
    writing: AtomicU64,
    failures: AtomicU64,
    /// The latest one failed.
    failing: AtomicBool,
}

impl Stats {
    /// Pushes the metrics.
    pub fn collect(&self, samples: &mut Samples) {
        let Stats { restored, as_of, size, copying, writing, failures, failing: _ } = self;
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
pub struct Keeper {
    jobs: SyncSender<Job>,
    every: Duration,
    due: Instant,
    /// There is one in memory.
    busy: Arc<AtomicBool>,
    stats: Arc<Stats>,
    thread: JoinHandle<()>,
}

/// One checkpoint to write.
struct Job {
    draft: Draft,
    at: Timestamp,
    /// Says whether everything that was found before is in the ledger.
    recorded: Receiver<bool>,
}

impl Keeper {
    /// Starts the thread. A checkpoint is due each time that `every` has passed; `restored` tells what was made of the one
    /// before.
    pub fn start(
        file: CheckpointFile,
        every: Duration,
        restored: Outcome,
        now: Timestamp,
    ) -> Result<Keeper, Error> {
        let number = || AtomicU64::new(0);
        let stats = Arc::new(Stats {
            restored,
            as_of: AtomicU64::new(now.0),
            size: number(),
            copying: number(),
            writing: number(),
            failures: number(),
            failing: AtomicBool::new(false),
        });
        let busy = Arc::<AtomicBool>::default();
        let (jobs, receiver) = mpsc::sync_channel(1);
        let writer = Writer { file, stats: Arc::clone(&stats), complained: None };
        let thread = {
            let busy = Arc::clone(&busy);
            let work = move || writer.run(&receiver, &busy);
            let started = thread::Builder::new().name("checkpoint".to_owned()).spawn(work);
            started.map_err(|source| Error::Thread { source })?
        };
        Ok(Keeper { jobs, every, due: Instant::now() + every, busy, stats, thread })
    }

    /// How it goes.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Whether it is time for another. Not while one is being written: there is one in memory at most.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due && !self.busy.load(Ordering::Acquire)
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
                self.busy.store(true, Ordering::Release);
                if self.jobs.send(Job { draft, at, recorded }).is_err() {
                    // The thread is gone, which only a panic explains.
                    self.busy.store(false, Ordering::Release);
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
        let Keeper { jobs, thread, .. } = self;
        drop(jobs);
        if thread.join().is_err() {
            tracing::error!("the thread that writes checkpoints panicked");
        }
    }
}

impl Stats {
    fn fail(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.failing.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    file: CheckpointFile,
    stats: Arc<Stats>,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>, busy: &AtomicBool) {
        for Job { draft, at, recorded } in jobs {
            let started = Instant::now();
            match self.write(&draft, &recorded) {
                Ok(true) => {
                    let stats = &self.stats;
                    stats.writing.store(nanoseconds(started), Ordering::Relaxed);
                    stats.size.store(draft.len() as u64, Ordering::Relaxed);
                    stats.as_of.store(at.0, Ordering::Relaxed);
                    stats.failing.store(false, Ordering::Relaxed);
                    if self.complained.take().is_some() {
                        tracing::info!(checkpoint = %self.file.path().display(), "checkpoints can be written again");
                    }
                }
                // The ledger's thread says why.
                Ok(false) => self.stats.fail(),
                Err(error) => {
                    self.stats.fail();
                    self.complain(&error);
                }
            }
            // Its memory is given back first.
            drop(draft);
            busy.store(false, Ordering::Release);
        }
    }

    /// Writes the checkpoint; `false` if it must not take its place.
    fn write(&self, draft: &Draft, recorded: &Receiver<bool>) -> Result<bool, Error> {
        self.file.draft(draft)?;
        if !recorded.recv().unwrap_or(false) {
            return Ok(false);
        }
        self.file.replace()?;
        Ok(true)
    }

    fn complain(&mut self, error: &Error) {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the checkpoint is not written, and the one before is kept: make room or see to the disk"
            );
        }
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
