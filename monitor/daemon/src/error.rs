//! Why a daemon could not be had, or did not end well.

use std::io;

use rollcall_deliver::lines;
use rollcall_serve::web;
use rollcall_store::checkpoints;

use super::{sandbox, state};

/// What stopped the daemon, of whichever part; each knows what it was doing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Capture(#[from] rollcall_capture::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error(transparent)]
    Listen(#[from] web::ListenError),
    #[error(transparent)]
    Store(#[from] rollcall_store::Error),
    /// Alerts that the disk did not take: whoever gets this has their lines, and nobody else.
    #[error(transparent)]
    Lost(#[from] rollcall_store::Lost),
    #[error(transparent)]
    Checkpoints(#[from] checkpoints::CheckpointError),
    #[error(transparent)]
    Client(#[from] rollcall_deliver::ClientError),
    #[error(transparent)]
    Delivery(#[from] rollcall_deliver::ThreadError),
    #[error(transparent)]
    Lines(#[from] lines::LogError),
    #[error("set up metrics")]
    Metrics {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the {0} thread panicked")]
    Panicked(&'static str),
}

impl Error {
    /// For `map_err`: an operation of the system that failed at `what`.
    pub(super) fn io<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Error {
        move |source| Error::Io { what, source: source.into() }
    }
}
