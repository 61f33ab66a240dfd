//! What happens to alerts, as it happens. Ends with the process: Ctrl-C is its usual end.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, thread, time::Duration};

use rollcall_store::{self as ledger, Reader};

use super::{Format, show, write};
use crate::exit::Failure;

/// Between two looks, of which each costs a few microseconds.
const PERIOD: Duration = Duration::from_millis(500);

/// Lines that are read at a time.
const BATCH: usize = 256;

/// Prints what has happened after the events and acknowledgements with the numbers `latest`, for ever; what comes back is why
/// it can't be printed.
pub(super) fn follow(
    directory: &Path,
    mut reader: Reader,
    mut latest: (u64, u64),
    format: Format,
) -> Result<io::Result<()>, Failure> {
    let path = directory.join(ledger::FILE);
    let identity = || fs::metadata(&path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let (mut file, mut changes) = (identity(), None);
    loop {
        let now = reader.changes()?;
        if changes != Some(now) {
            changes = Some(now);
            if let Err(error) = print(&reader, &mut latest, format)? {
                return Ok(Err(error));
            }
        }
        thread::sleep(PERIOD);
        let there = identity();
        if there.is_some() && there != file {
            // The daemon has set the old one aside, and begun a new one.
            (reader, file, changes, latest) = (Reader::open(directory)?, there, None, (latest.0, 0));
        }
    }
}

fn print(reader: &Reader, latest: &mut (u64, u64), format: Format) -> Result<io::Result<()>, Failure> {
    loop {
        let events = reader.events_after(latest.0, BATCH)?;
        let acks = reader.acks_after(latest.1, BATCH)?;
        if events.is_empty() && acks.is_empty() {
            return Ok(Ok(()));
        }
        for event in &events {
            let line = match format {
                Format::Table => show::event(&event.alert),
                Format::Json => event.line.clone(),
            };
            if let Err(error) = write(&line) {
                return Ok(Err(error));
            }
            latest.0 = event.seq;
        }
        for ack in &acks {
            let line = match format {
                Format::Table => Ok(show::ack(ack)),
                Format::Json => show::ack_json(ack),
            };
            if let Err(error) = line.and_then(|line| write(&line)) {
                return Ok(Err(error));
            }
            latest.1 = ack.seq;
        }
    }
}
