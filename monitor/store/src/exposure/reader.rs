//! What was read, for whoever asks: another process than the daemon, which may be running or not.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rollcall_model::time::Timestamp;
use rusqlite::{Connection, Row as SqlRow, params_from_iter, types::FromSqlError};

use super::{
    block::{Damaged, Decoder, Entry},
    blocks,
    listing::Listing,
    lookup::Lookup,
    object::Object,
    schema::SCHEMA,
};
use crate::{Error, open};

/// The database as it is at one moment.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// Whose reads are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The clients of an alert, by its id or the beginning of it.
    Alert(String),
    /// Every client of an alert that came with a key, by any of these; one that ends with `*` stands for all that begin so.
    Client(Vec<String>),
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub number: u64,
    /// Its id.
    pub alert: String,
    pub route: String,
    pub opened_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    /// The earliest call that detection had counted.
    pub first_seen: Timestamp,
    /// `plain`, `hashed` or `off`.
    pub mode: String,
    /// The share of request targets that was captured.
    pub sampling: f64,
    /// The greatest share of requests that were lost.
    pub loss: f64,
    /// Objects that detection had counted when it opened, and how many of them are known by name.
    pub counted: u64,
    pub named: u64,
    /// Touches of further objects that there was no room for.
    pub refused: u64,
    /// Objects removed to make room, and when that was last.
    pub removed: u64,
    pub removed_at: Option<Timestamp>,
    /// Objects that could not be read any more.
    pub damaged: u64,
    /// What was written before was lost.
    pub lost_at: Option<Timestamp>,
    /// Seconds for which nothing was watched while it was open.
    pub down_s: u64,
    /// Objects that detection knew by name when it opened, of the first of its clients.
    pub samples: Vec<Object>,
    pub first_subject: u64,
}

/// A client of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub number: u64,
    pub incident: Arc<Incident>,
    /// As alerts show it: `peer:198.51.100.7`.
    pub client: String,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    /// Calls that touched objects, that were refused, and that could not be written down.
    pub touched: u64,
    pub refused: u64,
    pub dropped: u64,
    pub objects: u64,
}

/// A block's key, and what is in it if it can be read.
pub(super) type Block = (Vec<u8>, Result<Vec<Entry>, Damaged>);

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Subjects(Vec<Subject>),
    /// Alerts whose ids begin alike.
    Several(Vec<String>),
}

impl Reader {
    /// Opens what was read in the state directory `directory`.
    pub fn open(directory: &Path) -> Result<Reader, Error> {
        let (connection, path) = open::reader(directory, &SCHEMA)?;
        let reader = Reader { connection, path };
        // Everything that follows sees the same, whatever the daemon writes meanwhile.
        reader.connection.execute_batch("BEGIN").map_err(|error| reader.failed(error))?;
        Ok(reader)
    }

    /// The clients that are asked for, by alert and in the order in which they were found out.
    pub fn find(&self, who: &Who) -> Result<Found, Error> {
        let found = match who {
            Who::Alert(id) => self.alert(id),
            Who::Client(keys) => self.clients(keys).map(Found::Subjects),
        };
        found.map_err(|error| self.failed(error))
    }

    /// The objects of `subjects`, in order. Those that were last read before `since` are left out.
    pub fn list<'a>(
        &'a self,
        subjects: &'a [Subject],
        since: Option<Timestamp>,
    ) -> Result<Listing<'a>, Error> {
        Listing::new(self, subjects, since)
    }

    /// A way to ask for single objects.
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup::new(self)
    }

    /// How many alerts anything is known of.
    pub fn alerts(&self) -> Result<u64, Error> {
        let count = self.connection.query_row("SELECT count(*) FROM incidents", (), |row| row.get(0));
        count.map_err(|error| self.failed(error))
    }

    /// The first block of a subject behind the key `low`, with its key.
    pub(super) fn block_after(&self, subject: u64, low: &[u8]) -> Result<Option<Block>, Error> {
        let next = blocks::after(&self.connection, subject, low).map_err(|error| self.failed(error))?;
        Ok(next.map(|(low, block)| (low, Decoder::new(&block).and_then(Iterator::collect))))
    }

    /// What is in the block of a subject that an object would be in; nothing if it can't be read.
    pub(super) fn block_of(&self, subject: u64, object: &Object) -> Result<Vec<Entry>, Error> {
        let mut key = Vec::new();
        object.key(&mut key);
        let found = blocks::find(&self.connection, subject, &key).map_err(|error| self.failed(error))?;
        let entries = found.and_then(|(_, block)| Decoder::new(&block).and_then(Iterator::collect).ok());
        Ok(entries.unwrap_or_default())
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> Error {
        Error::Read { path: self.path.clone(), source }
    }

    fn alert(&self, id: &str) -> rusqlite::Result<Found> {
        let mut statement = self
            .connection
            .prepare("SELECT DISTINCT alert FROM incidents WHERE alert GLOB ?1 ORDER BY alert LIMIT 10")?;
        let alerts: Vec<String> =
            statement.query_map([format!("{id}*")], |row| row.get(0))?.collect::<Result<_, _>>()?;
        match &alerts[..] {
            [_, _, ..] => Ok(Found::Several(alerts)),
            _ => self.subjects("incidents.alert = ?1", &alerts).map(Found::Subjects),
        }
    }

    fn clients(&self, keys: &[String]) -> rusqlite::Result<Vec<Subject>> {
        let condition = |at: usize| format!("key GLOB ?{}", at + 1);
        let conditions: Vec<String> = (0..keys.len()).map(condition).collect();
        let condition =
            format!("subjects.number IN (SELECT subject FROM clients WHERE {})", conditions.join(" OR "));
        self.subjects(&condition, keys)
    }

    fn subjects(&self, condition: &str, parameters: &[String]) -> rusqlite::Result<Vec<Subject>> {
        if parameters.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT subjects.number, incident, client, first_at, last_at, touched, subjects.refused, dropped, subjects.objects
             FROM subjects JOIN incidents ON incidents.number = incident WHERE {condition}
             ORDER BY incident, subjects.number"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut subjects: Vec<Subject> = Vec::new();
        while let Some(row) = rows.next()? {
            let number: u64 = row.get(1)?;
            let incident = match subjects.last() {
                Some(before) if before.incident.number == number => Arc::clone(&before.incident),
                _ => Arc::new(self.incident(number)?),
            };
            subjects.push(Subject {
                number: row.get(0)?,
                incident,
                client: row.get(2)?,
                first_at: time(row, 3)?,
                last_at: time(row, 4)?,
                touched: row.get(5)?,
                refused: row.get(6)?,
                dropped: row.get(7)?,
                objects: row.get(8)?,
            });
        }
        Ok(subjects)
    }

    fn incident(&self, number: u64) -> rusqlite::Result<Incident> {
        let samples = self
            .connection
            .prepare_cached("SELECT object FROM samples WHERE incident = ?1 ORDER BY object")?
            .query_map([number], |row| row.get::<_, Vec<u8>>(0))?
            .filter_map(|key| key.map(|key| Object::from_key(&key)).transpose())
            .collect::<Result<_, _>>()?;
        self.connection
            .prepare_cached(
                "SELECT alert, route, opened_at, resolved_at, first_seen, mode, sampling, loss, counted, named, refused,
                     removed, removed_at, damaged, lost_at, down_s,
                     (SELECT ifnull(min(subjects.number), 0) FROM subjects WHERE incident = ?1)
                 FROM incidents WHERE number = ?1",
            )?
            .query_row([number], |row| {
                Ok(Incident {
                    number,
                    alert: row.get(0)?,
                    route: row.get(1)?,
                    opened_at: time(row, 2)?.unwrap_or_default(),
                    resolved_at: time(row, 3)?,
                    first_seen: time(row, 4)?.unwrap_or_default(),
                    mode: row.get(5)?,
                    sampling: row.get(6)?,
                    loss: row.get(7)?,
                    counted: row.get(8)?,
                    named: row.get(9)?,
                    refused: row.get(10)?,
                    removed: row.get(11)?,
                    removed_at: time(row, 12)?,
                    damaged: row.get(13)?,
                    lost_at: time(row, 14)?,
                    down_s: row.get(15)?,
                    samples,
                    first_subject: row.get(16)?,
                })
            })
    }
}

fn time(row: &SqlRow<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    let text = row.get::<_, Option<String>>(at)?;
    text.map(|text| text.parse().map_err(|error| FromSqlError::other(error).into())).transpose()
}
