//! Who has taken which alert on, as the ledger has it: people say so to another process, `rollcall alerts ack`.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task;

use crate::{
    ledger::{Error, Reader},
    output::api::Board,
};

/// The ledger is looked at this often at most.
const LOOK: Duration = Duration::from_secs(1);

/// The ledger of a state directory, or none.
#[derive(Debug, Default)]
pub struct Acks {
    directory: Option<PathBuf>,
    looked: Mutex<Option<Instant>>,
}

impl Acks {
    /// Of the ledger in the state directory `directory`.
    pub fn of(directory: &Path) -> Acks {
        Acks { directory: Some(directory.to_owned()), looked: Mutex::default() }
    }

    /// Brings the board up to date, if it is time.
    pub(super) async fn show_on(&self, board: &Board) {
        let Some(directory) = self.directory.clone().filter(|_| self.is_due()) else { return };
        let read = move || Reader::open(&directory)?.open_acks();
        // A disk may be slow, and this thread has others to answer.
        match task::spawn_blocking(read).await {
            Ok(Ok(acks)) => board.take_acks(&acks),
            // It is made with the daemon's first start, which may be this one.
            Ok(Err(Error::Missing { .. })) => {}
            Ok(Err(error)) => tracing::debug!(%error, "read who has taken on which alert"),
            Err(error) => tracing::error!(%error, "read who has taken on which alert"),
        }
    }

    /// Whether it is time for a look, which is the caller's then.
    fn is_due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }
}
