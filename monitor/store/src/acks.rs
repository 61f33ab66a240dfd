//! Acknowledgements: somebody has taken an alert on. Written by whoever they ask, while the daemon may be running.
//!
//! An alert's row has the one that holds; what it took to get there stays in a table of its own. One ends when the alert
//! becomes severer than what was taken on: see [`super::alerts`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rollcall_model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, Transaction, named_params, params};

use super::{Error, Reader, open, schema::SCHEMA};

/// Somebody has taken an alert on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    pub at: Timestamp,
    pub by: String,
    pub note: Option<String>,
}

/// An acknowledgement in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Rises from one to the next.
    pub seq: u64,
    /// The alert's.
    pub id: String,
    pub acked: Acked,
}

/// What became of an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// The alert with that id is acknowledged.
    Acked(String),
    /// It was already, by the same, with the same note: nothing has changed.
    Already(String, Acked),
    /// There is no alert whose id begins like that.
    Unknown,
    /// There are several.
    Ambiguous,
}

/// Tells which open alerts are acknowledged, each time that something has been written. Costs microseconds where nothing has.
#[derive(Debug)]
pub struct AckWatch {
    directory: PathBuf,
    reader: Option<Reader>,
    changes: Option<i64>,
}

impl AckWatch {
    /// Of the ledger in the state directory `directory`.
    pub fn new(directory: &Path) -> AckWatch {
        AckWatch { directory: directory.to_owned(), reader: None, changes: None }
    }

    /// The ids of the open alerts that are acknowledged, if that may have changed and can be read.
    pub fn changed(&mut self) -> Option<BTreeSet<String>> {
        let changed = self.read();
        if changed.is_err() {
            // Opened anew next time: another may be in its place.
            (self.reader, self.changes) = (None, None);
        }
        changed.ok().flatten()
    }

    fn read(&mut self) -> Result<Option<BTreeSet<String>>, Error> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.directory)?,
        };
        let reader = self.reader.insert(reader);
        let changes = reader.changes()?;
        if self.changes.replace(changes) == Some(changes) {
            return Ok(None);
        }
        reader.acknowledged().map(Some)
    }
}

/// Acknowledges the alert whose id begins with `id`, in the ledger of the state directory `directory`.
pub fn acknowledge(directory: &Path, id: &str, acked: &Acked) -> Result<AckOutcome, Error> {
    let editor = open::editor(directory, &SCHEMA)?;
    open::edit(editor, |transaction| write(transaction, id, acked))
}

fn write(transaction: &Transaction<'_>, id: &str, acked: &Acked) -> rusqlite::Result<AckOutcome> {
    let Acked { at, by, note } = acked;
    let mut statement = transaction.prepare(
        "SELECT id, acked_at, acked_by, ack_note FROM alerts WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2",
    )?;
    let found = statement.query_map([id], |row| Ok((row.get::<_, String>(0)?, current(row, 1)?)))?;
    let mut found: Vec<_> = found.collect::<rusqlite::Result<_>>()?;
    let Some((id, before)) = found.pop() else { return Ok(AckOutcome::Unknown) };
    if !found.is_empty() {
        return Ok(AckOutcome::Ambiguous);
    }
    if let Some(before) = before.filter(|before| before.by == *by && before.note == *note) {
        return Ok(AckOutcome::Already(id, before));
    }
    let at = at.to_string();
    transaction.execute(
        "UPDATE alerts SET acked_at = :at, acked_by = :by, ack_note = :note WHERE id = :id",
        named_params! { ":at": at, ":by": by, ":note": note, ":id": id },
    )?;
    transaction
        .execute("INSERT INTO acks (id, at, by, note) VALUES (?1, ?2, ?3, ?4)", params![id, at, by, note])?;
    Ok(AckOutcome::Acked(id))
}

/// Forgets the history of alerts that are forgotten.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM acks WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = acks.id)", ())?;
    Ok(())
}

/// The acknowledgement that holds: of the columns for when, who and what from `first` on.
pub(super) fn current(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Option<Acked>> {
    let Some(at) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    Ok(Some(Acked { at: super::alerts::time(&at)?, by: row.get(first + 1)?, note: row.get(first + 2)? }))
}

impl Reader {
    /// At most `most` acknowledgements after the one with the number `seq`, in order.
    pub fn acks_after(&self, seq: u64, most: usize) -> Result<Vec<Ack>, Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self.connection().prepare_cached(
                "SELECT seq, id, at, by, note FROM acks WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let ack = |row: &SqlRow<'_>| {
                let acked = current(row, 2)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                Ok(Ack { seq: row.get(0)?, id: row.get(1)?, acked })
            };
            statement.query_map(params![seq, most as u64], ack)?.collect()
        };
        query().map_err(|error| self.failed(error))
    }

    /// The ids of the open alerts that are acknowledged.
    fn acknowledged(&self) -> Result<BTreeSet<String>, Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self
                .connection()
                .prepare_cached("SELECT id FROM alerts WHERE resolved_at IS NULL AND acked_at IS NOT NULL")?;
            statement.query_map((), |row| row.get(0))?.collect()
        };
        query().map_err(|error| self.failed(error))
    }

    /// The numbers of the latest event and of the latest acknowledgement, 0 where there is none.
    pub fn latest(&self) -> Result<(u64, u64), Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement =
                self.connection().prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?;
            let mut latest = |table: &str| {
                let seq: Option<u64> = statement.query_row([table], |row| row.get(0)).optional()?;
                Ok::<_, rusqlite::Error>(seq.unwrap_or(0))
            };
            Ok((latest("alert_events")?, latest("acks")?))
        };
        query().map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests;
