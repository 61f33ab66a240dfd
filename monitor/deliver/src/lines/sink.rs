//! What a log hands its lines to, and the account of what became of them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rollcall_metrics::Samples;

/// Takes over whole lines.
pub trait Sink: Send {
    /// Takes the `lines` whole lines in `buffer` and leaves it empty. Lines that can't be taken are counted as
    /// dropped; the caller goes on either way.
    fn put(&mut self, buffer: &mut Vec<u8>, lines: u64);

    /// Writes everything taken so far, and tells whether every line reached its file.
    fn finish(self: Box<Self>) -> Result<(), LogError>;
}

/// A log that can't be opened, or that lost lines.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("open log {path}")]
    Open {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("start the writer of log {path}")]
    Thread {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("log {path} lost {lines} line(s)")]
    Lost {
        path: String,
        lines: u64,
        /// The last error of the file; none when the lines only came faster than it takes them.
        #[source]
        source: Option<io::Error>,
    },
}

/// What became of a log's lines. Shared between the engine's thread, the writer and the metrics.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Lines written whole.
    pub written: AtomicU64,
    /// Lines that will never be written.
    pub dropped: AtomicU64,
    /// Failed attempts to write.
    pub errors: AtomicU64,
    /// Bytes handed over and not yet written.
    pub queued: Arc<AtomicU64>,
}

impl LogStats {
    /// Pushes the log's metrics under the label `log`.
    pub fn collect(&self, log: &str, samples: &mut Samples) {
        let LogStats { written, dropped, errors, queued } = self;
        samples.push(&rollcall_metrics::LOG_LINES, &[log], written.load(Ordering::Relaxed));
        samples.push(&rollcall_metrics::LOG_LINES_DROPPED, &[log], dropped.load(Ordering::Relaxed));
        samples.push(&rollcall_metrics::LOG_WRITE_ERRORS, &[log], errors.load(Ordering::Relaxed));
        samples.push(&rollcall_metrics::LOG_QUEUE_BYTES, &[log], queued.load(Ordering::Relaxed));
    }
}

/// How many lines end in `bytes`.
pub(super) fn lines_in(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
