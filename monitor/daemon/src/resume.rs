//! Going on where the daemon was when it last ended: with the checkpoint, and what the ledger says that others were told.

use std::{collections::BTreeSet, error::Error as StdError, path::Path};

use rollcall_detect::{Kept, alert::Alert};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_store::{
    Reader,
    checkpoints::{CheckpointFile, Outcome},
};

use super::state::Key;

/// A checkpoint is about as large as what detection may hold, with routes and alerts beside that. What is much larger is
/// something else.
const BESIDE: u64 = 256 << 20;

/// Detection that goes on at `now`, and what was made of the checkpoint in `directory`. `open` are the alerts that the ledger
/// there says are open.
pub(super) fn detection(
    directory: &Path,
    settings: &Settings,
    key: Key,
    open: &[Alert],
    now: Timestamp,
) -> (Detection, Outcome) {
    let (mut detection, outcome) = from_checkpoint(directory, settings, HashKey::new(key), now);
    detection.reconcile(open, &resolved(directory, &detection), now);
    (detection, outcome)
}

fn from_checkpoint(
    directory: &Path,
    settings: &Settings,
    key: HashKey,
    now: Timestamp,
) -> (Detection, Outcome) {
    let file = CheckpointFile::new(directory);
    let most = 2 * settings.detector.budget.bytes() as u64 + BESIDE;
    let read = match file.read(most) {
        Ok(None) => return (Detection::new(settings.clone(), key), Outcome::None),
        Ok(Some(bytes)) => Detection::restore(settings.clone(), key, &bytes, now)
            .map_err(|error| (error.name(), error.to_string())),
        Err(error) => Err(("unreadable", error.source().map(ToString::to_string).unwrap_or_default())),
    };
    match read {
        Ok((detection, kept)) => {
            let outcome = tell(&file, kept, &detection);
            (detection, outcome)
        }
        Err((name, why)) => {
            set_aside(&file, name, &why, now);
            (Detection::new(settings.clone(), key), Outcome::SetAside)
        }
    }
}

fn tell(file: &CheckpointFile, kept: Kept, detection: &Detection) -> Outcome {
    let checkpoint = file.path().display();
    match kept {
        Kept { clients: true, routes: true } => {
            let alerts = detection.open_alerts().len();
            tracing::info!(%checkpoint, alerts, "going on from the checkpoint");
            return Outcome::Whole;
        }
        Kept { clients: false, routes: true } => tracing::warn!(
            %checkpoint,
            "limits have other windows than before: what each client has touched so far is forgotten"
        ),
        Kept { .. } => tracing::warn!(
            %checkpoint,
            "--memory-budget is another than before: what was touched so far, and what is usual, is forgotten"
        ),
    }
    Outcome::InPart
}

/// One line says what happened, and where the checkpoint went.
fn set_aside(file: &CheckpointFile, name: &str, why: &str, now: Timestamp) {
    let checkpoint = file.path().display();
    match file.set_aside(name, now) {
        Ok(aside) => tracing::warn!(
            %checkpoint, why, aside = %aside.display(),
            "the checkpoint can't be used: it was set aside, and detection starts with nothing learned"
        ),
        Err(error) => tracing::warn!(
            %checkpoint, why, error = &error as &dyn StdError,
            "the checkpoint can't be used, nor set aside: detection starts with nothing learned"
        ),
    }
}

/// Of the alerts that detection takes for open, those that the ledger knows to be over.
fn resolved(directory: &Path, detection: &Detection) -> BTreeSet<String> {
    let read = Reader::open(directory).and_then(|ledger| ledger.resolved(&detection.open_alerts()));
    // A ledger that can't be read has been told of by its thread.
    read.unwrap_or_default()
}
