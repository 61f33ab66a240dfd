//! What each sink still has to deliver.
//!
//! An entry is made with its event, in the same transaction, and goes when the sink says that the event was delivered.
//! What a sink leaves behind when the daemon ends, however it ends, is the first that it finds at the next start.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Event, Handle, Reader, unwritten::Shared};

/// What a sink has to deliver, and what was dropped of it. Shared with the metrics.
#[derive(Debug, Default)]
pub struct SinkStats {
    /// Events that wait.
    pub alerts: AtomicU64,
    /// Bytes of their lines.
    pub bytes: AtomicU64,
    /// The number of the oldest of them, 0 if none waits: when it was recorded, in microseconds since the epoch.
    pub oldest: AtomicU64,
    /// Events that were never delivered, as more waited than there is room for.
    pub dropped: AtomicU64,
}

/// A sink's end of the outbox.
#[derive(Debug)]
pub struct Outbox {
    sink: usize,
    name: String,
    directory: PathBuf,
    handle: Handle,
    shared: Arc<Shared>,
    /// The database that it was opened on, by number, and the way to read it.
    reader: Option<(u64, Reader)>,
    /// The number of the latest event delivered by this process: its entry may still be there.
    delivered: u64,
}

impl Outbox {
    pub(super) fn new(
        sink: usize,
        name: String,
        directory: &Path,
        handle: Handle,
        shared: Arc<Shared>,
    ) -> Outbox {
        let directory = directory.to_owned();
        Outbox { sink, name, directory, handle, shared, reader: None, delivered: 0 }
    }

    /// At most `most` of the events to deliver, the oldest first.
    pub fn waiting(&mut self, most: usize) -> Vec<Arc<Event>> {
        let database = self.shared.database();
        let events = self.read(database, most);
        if events.is_empty() { self.shared.undelivered(self.sink, self.delivered, most) } else { events }
    }

    /// All events up to the one with the number `seq` were delivered, or will never be.
    pub fn delivered(&mut self, events: &[Arc<Event>]) {
        for event in events {
            self.delivered = self.delivered.max(event.seq);
            self.handle.delivered(self.sink, event.seq);
        }
    }

    fn read(&mut self, database: u64, most: usize) -> Vec<Arc<Event>> {
        if self.reader.as_ref().is_none_or(|(opened, _)| *opened != database) {
            self.reader = Reader::open(&self.directory).ok().map(|reader| (database, reader));
        }
        let Some((_, reader)) = &self.reader else { return Vec::new() };
        match reader.undelivered(&self.name, self.delivered, most) {
            Ok(lines) => lines.into_iter().filter_map(|(seq, line)| self.parse(seq, line)).collect(),
            Err(error) => {
                // The writer learns the same from its own connection, says so, and mends it.
                tracing::debug!(error = &error as &dyn std::error::Error, "an outbox can't be read");
                self.reader = None;
                Vec::new()
            }
        }
    }

    /// An event of its line; one that can't be read, as another version wrote it, goes.
    fn parse(&self, seq: u64, line: String) -> Option<Arc<Event>> {
        match serde_json::from_str(&line) {
            Ok(alert) => Some(Arc::new(Event { seq, alert, line })),
            Err(error) => {
                tracing::warn!(sink = self.name, seq, %error, "an alert of another version can't be delivered");
                self.shared.stats.sinks[self.sink].dropped.fetch_add(1, Ordering::Relaxed);
                self.handle.delivered(self.sink, seq);
                None
            }
        }
    }
}

impl Reader {
    /// Number and line of at most `most` events after `seq` in the outbox of `sink`, in order.
    fn undelivered(&self, sink: &str, seq: u64, most: usize) -> Result<Vec<(u64, String)>, super::Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self.connection().prepare_cached(
                "SELECT seq, line FROM outbox JOIN alert_events USING (seq)
                 WHERE sink = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            statement.query_map(params![sink, seq, most as u64], columns)?.collect()
        };
        query().map_err(|error| self.failed(error))
    }
}

/// What waits for one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) alerts: u64,
    pub(super) bytes: u64,
}

/// Puts an event into the outbox of `sink`.
pub(super) fn add(
    connection: &Connection,
    sink: &str,
    event: &Event,
    load: &mut Load,
) -> rusqlite::Result<()> {
    let bytes = event.line.len() as u64;
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO outbox (sink, seq, bytes) VALUES (?1, ?2, ?3)")?
        .execute(params![sink, event.seq, bytes])?;
    if added > 0 {
        load.alerts += 1;
        load.bytes += bytes;
    }
    Ok(())
}

/// Takes an event off the outbox of `sink`.
pub(super) fn take(connection: &Connection, sink: &str, seq: u64, load: &mut Load) -> rusqlite::Result<()> {
    let bytes: Option<u64> = connection
        .prepare_cached("DELETE FROM outbox WHERE sink = ?1 AND seq = ?2 RETURNING bytes")?
        .query_row(params![sink, seq], |row| row.get(0))
        .optional()?;
    if let Some(bytes) = bytes {
        load.alerts -= 1;
        load.bytes -= bytes;
    }
    Ok(())
}

/// Drops the oldest entries of `sink` until at most `most` bytes are left; how many that were.
pub(super) fn shrink(
    connection: &Connection,
    sink: &str,
    most: u64,
    load: &mut Load,
) -> rusqlite::Result<u64> {
    let mut dropped = 0;
    while load.bytes > most {
        let Some(seq) = oldest(connection, sink)? else { break };
        take(connection, sink, seq, load)?;
        dropped += 1;
    }
    Ok(dropped)
}

/// The number of the oldest event in the outbox of `sink`.
pub(super) fn oldest(connection: &Connection, sink: &str) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT min(seq) FROM outbox WHERE sink = ?1")?
        .query_row([sink], |row| row.get(0))
}

/// What waits for `sink`.
pub(super) fn load(connection: &Connection, sink: &str) -> rusqlite::Result<Load> {
    connection.query_row("SELECT count(*), total(bytes) FROM outbox WHERE sink = ?1", [sink], |row| {
        Ok(Load { alerts: row.get(0)?, bytes: row.get::<_, f64>(1)? as u64 })
    })
}

/// Drops what waits for sinks that are none of `sinks`; how many events that were.
pub(super) fn drop_others(connection: &Connection, sinks: &[String]) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare("SELECT DISTINCT sink FROM outbox")?;
    let known: Vec<String> = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut dropped = 0;
    for other in known.iter().filter(|known| !sinks.contains(known)) {
        dropped += connection.execute("DELETE FROM outbox WHERE sink = ?1", [other])?;
    }
    Ok(dropped)
}

impl SinkStats {
    pub(super) fn set(&self, load: Load, oldest: u64) {
        self.alerts.store(load.alerts, Ordering::Relaxed);
        self.bytes.store(load.bytes, Ordering::Relaxed);
        self.oldest.store(oldest, Ordering::Relaxed);
    }
}
