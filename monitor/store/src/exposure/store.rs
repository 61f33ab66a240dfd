//! What was read, as the ledger's thread writes it: everything that is pending in one transaction.

use std::path::{Path, PathBuf};

use rollcall_attribute::client::ClientKey;
use rollcall_model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    ExposureSettings, ObjectMode, blocks, bounds,
    object::Object,
    pending::{Figures, KEYS, NewIncident, NewSubject, Pending},
    reads::Reads,
    recorder::OpenIncident,
    schema::SCHEMA,
    watch::Client,
};
use crate::{Error, open};

/// Memory for pages: those that touches in random order keep coming back to.
const CACHE_KIB: i64 = 16 << 10;

/// ObjectMode that are written before it is looked whether there still is room.
const CHUNK: usize = 4_096;

/// How an alert's figures change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub objects: u64,
    pub bytes: i64,
    pub refused: u64,
    /// ObjectMode in blocks that could not be read, and are gone.
    pub damaged: u64,
}

/// The database.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
    flush: u64,
}

impl Store {
    /// Opens the database in `directory`, or makes one.
    pub fn open(directory: &Path) -> Result<Store, Error> {
        let connection = open::writer(directory, &SCHEMA)?;
        let mut store = Store { connection, path: directory.join(SCHEMA.file), flush: 0 };
        store.prepare().map_err(|source| store.failed(source))?;
        Ok(store)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        self.connection.set_prepared_statement_cache_capacity(32);
        self.flush = self.connection.query_row("SELECT flush FROM progress", (), |row| row.get(0))?;
        Ok(())
    }

    /// The greatest number that was given out.
    pub fn last_number(&self) -> rusqlite::Result<u64> {
        let sql = "SELECT max((SELECT ifnull(max(number), 0) FROM incidents), (SELECT ifnull(max(number), 0) FROM subjects))";
        self.connection.query_row(sql, (), |row| row.get(0))
    }

    /// ObjectMode in the database.
    pub fn objects(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("SELECT ifnull(sum(objects), 0) FROM incidents", (), |row| row.get(0))
    }

    /// Alerts that were open when the database was closed. The time since is added to what their lists miss.
    pub fn open_incidents(&mut self, now: Timestamp) -> rusqlite::Result<Vec<OpenIncident>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let alive: String = transaction.query_row("SELECT alive_at FROM progress", (), |row| row.get(0))?;
        if let Ok(alive) = alive.parse::<Timestamp>() {
            // To the second, rounded up: something may be missing.
            let down = now.since(alive).as_millis().div_ceil(1_000) as u64;
            transaction
                .execute("UPDATE incidents SET down_s = down_s + ?1 WHERE resolved_at IS NULL", [down])?;
            alive_at(&transaction, now)?;
        }
        let mut open: Vec<OpenIncident> = transaction
            .prepare("SELECT number, alert, route FROM incidents WHERE resolved_at IS NULL")?
            .query_map((), |row| {
                Ok(OpenIncident {
                    number: row.get(0)?,
                    alert: row.get(1)?,
                    route: row.get(2)?,
                    subjects: Vec::new(),
                })
            })?
            .collect::<Result<_, _>>()?;
        for incident in &mut open {
            let mut statement =
                transaction.prepare_cached("SELECT number, client FROM subjects WHERE incident = ?1")?;
            let subjects = statement.query_map([incident.number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for subject in subjects {
                let (number, client): (u64, String) = subject?;
                incident.subjects.extend(parse(&client).map(|client| (number, client)));
            }
        }
        transaction.commit()?;
        Ok(open)
    }

    /// Writes all that is pending, or nothing. Returns how the figures of all alerts together changed.
    pub fn write(
        &mut self,
        pending: &Pending,
        settings: &ExposureSettings,
        now: Timestamp,
    ) -> rusqlite::Result<Change> {
        let flush = self.flush + 1;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        pending.incidents.iter().try_for_each(|incident| insert_incident(&transaction, incident, pending))?;
        pending.subjects.iter().try_for_each(|subject| insert_subject(&transaction, subject))?;
        for (subject, figures) in &pending.figures {
            add_figures(&transaction, *subject, figures)?;
        }
        let mut total = Change::default();
        let mut objects = pending.objects.iter().peekable();
        while let Some(((subject, _), _)) = objects.peek() {
            let subject = *subject;
            let mut touches: Vec<(&Object, &Reads)> = Vec::with_capacity(CHUNK);
            while let Some(((_, object), reads)) =
                objects.next_if(|((other, _), _)| *other == subject && touches.len() < CHUNK)
            {
                touches.push((object, reads));
            }
            let full = bounds::full(&transaction, settings)?;
            let change = change_subject(&transaction, subject, &touches, full)?;
            total.objects += change.objects;
            total.refused += change.refused;
            total.damaged += change.damaged;
        }
        for (incident, named) in &pending.named {
            transaction
                .prepare_cached("UPDATE incidents SET named = named + ?2 WHERE number = ?1")?
                .execute(params![incident, named])?;
        }
        for (incident, loss) in &pending.losses {
            transaction
                .prepare_cached("UPDATE incidents SET loss = max(loss, ?2) WHERE number = ?1")?
                .execute(params![incident, loss])?;
        }
        for (incident, at) in &pending.resolved {
            transaction
                .prepare_cached("UPDATE incidents SET resolved_at = ?2 WHERE number = ?1")?
                .execute(params![incident, at.to_string()])?;
        }
        transaction.execute("UPDATE progress SET flush = ?1", [flush])?;
        alive_at(&transaction, now)?;
        match transaction.commit() {
            // The error of a commit does not always mean that there was none, and what is written twice counts twice.
            Err(error) if !self.has_flushed(flush) => return Err(error),
            _ => {}
        }
        self.flush = flush;
        Ok(total)
    }

    /// Writes that the daemon is alive: what comes later than that may be missing.
    pub fn alive(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        alive_at(&self.connection, now)
    }

    /// Keeps to the bounds of size and age.
    pub fn bound(
        &mut self,
        settings: &ExposureSettings,
        now: Timestamp,
    ) -> rusqlite::Result<bounds::Removed> {
        bounds::enforce(&mut self.connection, settings, now)
    }

    /// Bytes of the file.
    pub fn size(&self) -> rusqlite::Result<u64> {
        bounds::size(&self.connection)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn failed(&self, source: rusqlite::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }

    fn has_flushed(&self, flush: u64) -> bool {
        let written = self.connection.query_row("SELECT flush FROM progress", (), |row| row.get::<_, u64>(0));
        written.is_ok_and(|written| written == flush)
    }
}

/// A client as the tables have it.
pub(super) fn text(client: Client) -> String {
    client.map_or_else(|| "all:*".to_owned(), |key| key.to_string())
}

fn parse(text: &str) -> Option<Client> {
    if text == "all:*" { Some(None) } else { ClientKey::parse(text).map(Some) }
}

fn alive_at(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE progress SET alive_at = ?1")?.execute([now.to_string()]).map(drop)
}

fn insert_incident(
    transaction: &Transaction<'_>,
    incident: &NewIncident,
    pending: &Pending,
) -> rusqlite::Result<()> {
    let NewIncident {
        number,
        alert,
        route,
        opened_at,
        first_seen,
        counted,
        counted_at: _,
        samples,
        sampling,
        lost_at,
    } = incident;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO incidents (number, alert, route, opened_at, first_seen, touched_at, mode, sampling, counted, lost_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            number,
            alert,
            route,
            opened_at.to_string(),
            first_seen.to_string(),
            pending.mode().name(),
            sampling,
            counted,
            lost_at.map(|at| at.to_string())
        ])?;
    for sample in samples {
        let mut key = Vec::new();
        pending.object(sample).key(&mut key);
        transaction
            .prepare_cached("INSERT OR IGNORE INTO samples (incident, object) VALUES (?1, ?2)")?
            .execute(params![number, key])?;
    }
    Ok(())
}

fn insert_subject(transaction: &Transaction<'_>, subject: &NewSubject) -> rusqlite::Result<()> {
    let NewSubject { number, incident, client } = subject;
    let client = text(*client);
    transaction
        .prepare_cached("INSERT OR IGNORE INTO subjects (number, incident, client) VALUES (?1, ?2, ?3)")?
        .execute(params![number, incident, client])?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO clients (key, subject) VALUES (?1, ?2)")?
        .execute(params![client, number])?;
    Ok(())
}

fn add_figures(transaction: &Transaction<'_>, subject: u64, figures: &Figures) -> rusqlite::Result<()> {
    let Figures { touched, refused, dropped, first, last, keys } = figures;
    let (first, last) = (first.map(|at| at.to_string()), last.map(|at| at.to_string()));
    transaction
        .prepare_cached(
            "UPDATE subjects SET touched = touched + ?2, refused = refused + ?3, dropped = dropped + ?4,
                 first_at = min(ifnull(first_at, ?5), ifnull(?5, first_at)),
                 last_at = max(ifnull(last_at, ?6), ifnull(?6, last_at))
             WHERE number = ?1",
        )?
        .execute(params![subject, touched, refused, dropped, first, last])?;
    for key in keys {
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO clients (key, subject)
                 SELECT ?1, ?2 WHERE (SELECT count(*) FROM clients WHERE subject = ?2) <= ?3",
            )?
            .execute(params![key.to_string(), subject, KEYS as u64])?;
    }
    Ok(())
}

fn change_subject(
    transaction: &Transaction<'_>,
    subject: u64,
    touches: &[(&Object, &Reads)],
    full: Option<u64>,
) -> rusqlite::Result<Change> {
    let found = transaction
        .prepare_cached("SELECT incident FROM subjects WHERE number = ?1")?
        .query_row([subject], |row| row.get::<_, u64>(0))
        .optional()?;
    // Removed meanwhile, with its alert.
    let Some(incident) = found else { return Ok(Change::default()) };
    let change = blocks::merge(transaction, subject, touches, full != Some(incident))?;
    let Change { objects, bytes, refused, damaged } = change;
    let last = touches.iter().map(|(_, reads)| reads.last).max().unwrap_or_default();
    let last = Timestamp(u64::from(last) * 1_000_000_000).to_string();
    transaction
        .prepare_cached(
            "UPDATE incidents SET objects = objects - ?4 + ?2, bytes = bytes + ?3, damaged = damaged + ?4,
                 refused = refused + ?5, touched_at = max(touched_at, ?6)
             WHERE number = ?1",
        )?
        .execute(params![incident, objects, bytes, damaged, refused, last])?;
    transaction
        .prepare_cached("UPDATE subjects SET objects = objects - ?3 + ?2 WHERE number = ?1")?
        .execute(params![subject, objects, damaged])?;
    Ok(change)
}

impl ObjectMode {
    /// As in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            ObjectMode::Plain => "plain",
            ObjectMode::Hashed => "hashed",
            ObjectMode::Off => "off",
        }
    }
}
