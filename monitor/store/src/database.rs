//! The ledger's database as its thread writes it: opened when there is none, given up when it is damaged.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rollcall_detect::{Allowance, alert::Alert};
use rollcall_model::time::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{
    Error, FILE, LedgerSettings, alerts, allowances, open,
    outbox::{self, Load},
    schema::SCHEMA,
    unwritten::{Shared, Unwritten},
};

/// Events in one transaction.
const BATCH: usize = 1_024;

/// The connection, and what is in the outboxes.
pub(super) struct Database {
    path: PathBuf,
    directory: PathBuf,
    settings: LedgerSettings,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// By sink, in the order of the settings.
    loads: Vec<Load>,
    /// What was allowed when that was looked up last, the number of the change that it was looked up after, and when the first
    /// of it ends.
    allowances: Vec<Allowance>,
    looked_at: Option<i64>,
    next_end: Timestamp,
    /// What was delivered and is still in an outbox: sink and number of the event.
    delivered: Vec<(usize, u64)>,
}

impl Database {
    /// The ledger in `directory`, not open yet.
    pub(super) fn new(directory: &Path, settings: LedgerSettings, shared: Arc<Shared>) -> Database {
        Database {
            path: directory.join(FILE),
            directory: directory.to_owned(),
            loads: vec![Load::default(); settings.sinks.len()],
            settings,
            shared,
            connection: None,
            allowances: Vec::new(),
            looked_at: None,
            next_end: Timestamp::default(),
            delivered: Vec::new(),
        }
    }

    /// Opens it unless it is open; whether it was opened now.
    pub(super) fn open(&mut self) -> Result<bool, Error> {
        if self.connection.is_some() {
            return Ok(false);
        }
        let mut connection = open::writer(&self.directory, &SCHEMA)?;
        let windows: Vec<u64> = self.settings.windows.iter().map(Duration::as_secs).collect();
        allowances::note_windows(&mut connection, &windows).map_err(|error| self.failed(error))?;
        let sinks = &self.settings.sinks;
        let dropped = outbox::drop_others(&connection, sinks).map_err(|error| self.failed(error))?;
        if dropped > 0 {
            tracing::warn!(alerts = dropped, "dropped what waited for sinks that are no longer configured");
        }
        let loads = sinks.iter().map(|sink| outbox::load(&connection, sink)).collect::<Result<_, _>>();
        self.loads = loads.map_err(|error| self.failed(error))?;
        (self.connection, self.looked_at) = (Some(connection), None);
        self.shared.replaced();
        Ok(true)
    }

    /// The alerts that are open.
    pub(super) fn open_alerts(&mut self) -> Result<Vec<Alert>, Error> {
        let alerts = self.connection.as_ref().map_or(Ok(Vec::new()), alerts::open);
        alerts.map_err(|error| self.set_aside_if_damaged(error))
    }

    /// The number of the latest event.
    pub(super) fn last_seq(&mut self) -> Result<u64, Error> {
        let last = self.connection.as_ref().map_or(Ok(0), alerts::last_seq);
        last.map_err(|error| self.set_aside_if_damaged(error))
    }

    /// An event was delivered: it is taken off the outbox of the sink with the next transaction.
    pub(super) fn delivered(&mut self, sink: usize, seq: u64) {
        self.delivered.push((sink, seq));
    }

    /// Whether nothing that was delivered is still in an outbox.
    pub(super) fn is_settled(&self) -> bool {
        self.connection.is_some() && self.delivered.is_empty()
    }

    /// Commits every event that isn't on disk, and takes off what was delivered. Where there is no room for all of them, as
    /// many as there is room for, the oldest first.
    pub(super) fn write_events(&mut self) -> Result<(), Error> {
        let mut most = BATCH;
        loop {
            let events = self.shared.oldest(most);
            match self.try_write_events(&events) {
                Ok(()) if events.len() < most => return Ok(()),
                Ok(()) => {}
                Err(error) if is_full(&error) && events.len() > 1 => {
                    self.reuse_log();
                    most = events.len() / 2;
                }
                Err(error) => return Err(self.set_aside_if_damaged(error)),
            }
        }
    }

    /// Tells the engine what is allowed, if somebody else has written something, or some of it has come to its day.
    pub(super) fn look_for_allowances(&mut self) -> Result<(), Error> {
        let looked = self.try_look_for_allowances(Timestamp::now());
        looked.map_err(|error| self.set_aside_if_damaged(error))
    }

    fn try_look_for_allowances(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let changes = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.looked_at == Some(changes) && now < self.next_end {
            return Ok(());
        }
        if let Err(error) = allowances::expire(connection, now) {
            // It is over all the same, and is noted with what is written next.
            tracing::debug!(%error, "that something is allowed no more can't be noted");
        }
        let found = allowances::in_force(connection, now)?;
        let first = self.looked_at.replace(changes).is_none();
        self.next_end = found.iter().map(|allowance| allowance.until).min().unwrap_or(Timestamp(u64::MAX));
        if !first && found == self.allowances {
            return Ok(());
        }
        let is_new = |allowance: &&Allowance| !self.allowances.contains(allowance);
        // Who has said so, and why, is not for the log.
        for Allowance { id, until, .. } in found.iter().filter(is_new) {
            tracing::info!(allowance = %id, %until, "something is allowed: see rollcall allowed");
        }
        for Allowance { id, .. } in self.allowances.iter().filter(|before| !found.contains(before)) {
            tracing::info!(allowance = %id, "it is allowed no more");
        }
        self.shared.allow(found.clone());
        self.allowances = found;
        Ok(())
    }

    /// Writes how far what is allowed was made use of, if there is anything new.
    pub(super) fn write_uses(&mut self) -> Result<(), Error> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let uses = self.shared.take_uses();
        if uses.is_empty() {
            return Ok(());
        }
        let written = allowances::note_uses(connection, &uses);
        if written.is_err() {
            self.shared.add_uses(uses);
        }
        written.map_err(|error| self.set_aside_if_damaged(error))
    }

    /// Forgets what is older than the settings allow.
    pub(super) fn forget(&mut self) -> Result<(), Error> {
        let before = Timestamp::now() - self.settings.age;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        alerts::forget(connection, before).map_err(|error| self.set_aside_if_damaged(error))
    }

    /// Publishes what waits for each sink, on disk and in memory.
    pub(super) fn account(&self) {
        let mut loads = self.loads.clone();
        let mut oldest = vec![0; loads.len()];
        if let Some(connection) = &self.connection {
            for (sink, name) in
                self.settings.sinks.iter().enumerate().filter(|(sink, _)| loads[*sink].alerts > 0)
            {
                oldest[sink] = outbox::oldest(connection, name).ok().flatten().unwrap_or(0);
            }
        }
        self.shared.each(|Unwritten { event, sinks }| {
            for &sink in sinks {
                loads[sink].alerts += 1;
                loads[sink].bytes += event.line.len() as u64;
                if oldest[sink] == 0 {
                    oldest[sink] = event.seq;
                }
            }
        });
        for ((stats, load), oldest) in self.shared.stats.sinks.iter().zip(loads).zip(oldest) {
            stats.set(load, oldest);
        }
    }

    /// Commits a batch of events.
    fn try_write_events(&mut self, events: &[Unwritten]) -> rusqlite::Result<()> {
        if events.is_empty() && self.delivered.is_empty() {
            return Ok(());
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let sinks = &self.settings.sinks;
        let mut loads = self.loads.clone();
        let mut dropped = vec![0; sinks.len()];
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Unwritten { event, sinks: waiting } in events {
            alerts::record(&transaction, event)?;
            for &sink in waiting {
                outbox::add(&transaction, &sinks[sink], event, &mut loads[sink])?;
            }
        }
        for &(sink, seq) in &self.delivered {
            outbox::take(&transaction, &sinks[sink], seq, &mut loads[sink])?;
        }
        for (sink, name) in sinks.iter().enumerate() {
            dropped[sink] = outbox::shrink(&transaction, name, self.settings.outbox_bytes, &mut loads[sink])?;
        }
        transaction.commit()?;
        self.loads = loads;
        self.delivered.clear();
        for (stats, dropped) in self.shared.stats.sinks.iter().zip(dropped) {
            stats.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if !events.is_empty() {
            self.shared.written(events.len());
        }
        Ok(())
    }

    /// Moves what is in the log into the database, so that the next transaction writes over the log and needs no more room.
    fn reuse_log(&self) {
        let Some(connection) = &self.connection else { return };
        let moved = connection.query_row("PRAGMA wal_checkpoint(RESTART)", (), |row| row.get::<_, i64>(0));
        if let Err(error) = moved {
            tracing::debug!(%error, "there is no room to move the ledger's log either");
        }
    }

    /// Sets the database aside if the error says that it is damaged; the next attempt begins a new one.
    fn set_aside_if_damaged(&mut self, error: rusqlite::Error) -> Error {
        if open::is_damage(&error) {
            self.connection = None;
            self.shared.stats.set_aside.fetch_add(1, Ordering::Relaxed);
            match open::set_aside(&self.path) {
                Ok(aside) => tracing::error!(
                    ledger = %self.path.display(), %error, aside = %aside.display(),
                    "the ledger is damaged: it was set aside, and a new one is begun"
                ),
                Err(error) => return error,
            }
        }
        self.failed(error)
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

/// Whether the error says that there is no room, or may be for that reason.
fn is_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}
