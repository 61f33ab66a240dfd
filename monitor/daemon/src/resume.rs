//! Going on where the daemon was when it last ended: with the checkpoint, and with what the ledger says that became of alerts
//! after it. One rule says what is open: what the checkpoint has, changed by every event after the one that it knows of last.

use std::{error::Error as StdError, path::Path};

use rollcall_detect::Kept;
use rollcall_engine::{
    checkpoint,
    detection::{Detection, Settings},
};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_store::{
    Ledger, Reader,
    checkpoints::{CheckpointFile, Restored},
};

use super::state::Key;

/// A checkpoint is about as large as what detection may hold, with routes and alerts beside that. What is much larger is
/// something else.
const BESIDE: u64 = 256 << 20;

/// Detection that goes on at `now`, and what was made of the checkpoint in `directory`, where `ledger` is, too.
pub(super) fn detection(
    directory: &Path,
    settings: &Settings,
    key: Key,
    ledger: &Ledger,
    now: Timestamp,
) -> (Detection, Restored) {
    let (mut detection, event, outcome) = from_checkpoint(directory, settings, HashKey::new(key), now);
    ledger.handle().go_on_after(event);
    // A ledger that can't be read has been told of by its thread.
    let (open, over) = Reader::open(directory).and_then(|ledger| ledger.after(event)).unwrap_or_default();
    detection.reconcile(&open, &over, now);
    (detection, outcome)
}

/// What the checkpoint has, and the number of the latest event that it knows of.
fn from_checkpoint(
    directory: &Path,
    settings: &Settings,
    key: HashKey,
    now: Timestamp,
) -> (Detection, u64, Restored) {
    let file = CheckpointFile::new(directory);
    let most = 2 * settings.detector.budget.bytes() as u64 + BESIDE;
    let read = match file.read(most) {
        Ok(None) => return (Detection::new(settings.clone(), key), 0, Restored::None),
        Ok(Some(bytes)) => Detection::restore(settings.clone(), key, &bytes, now)
            .map(|(detection, kept)| (detection, kept, checkpoint::event(&bytes)))
            .map_err(|error| (error.name(), error.to_string())),
        Err(error) => Err(("unreadable", error.source().map(ToString::to_string).unwrap_or_default())),
    };
    match read {
        Ok((detection, kept, event)) => {
            let outcome = tell(&file, kept, &detection);
            (detection, event, outcome)
        }
        Err((name, why)) => {
            set_aside(&file, name, &why, now);
            (Detection::new(settings.clone(), key), 0, Restored::SetAside)
        }
    }
}

fn tell(file: &CheckpointFile, kept: Kept, detection: &Detection) -> Restored {
    let checkpoint = file.path().display();
    match kept {
        Kept { clients: true, routes: true } => {
            let alerts = detection.open_alerts().len();
            tracing::info!(%checkpoint, alerts, "going on from the checkpoint");
            return Restored::Whole;
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
    Restored::InPart
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
