//! Alerts, one row each, and the events of their lives.

use std::collections::BTreeSet;

use rollcall_detect::alert::{Alert, AlertState};
use rollcall_model::time::Timestamp;
use rusqlite::{
    Connection, OptionalExtension, Row as SqlRow, TransactionBehavior, params, types::FromSqlError,
};

use super::{Acked, Error, Reader, acks, allowances};

/// Events that are kept: some 120 MB, or a day of an alert every second.
const MOST_EVENTS: u64 = 100_000;

/// In the order in which they rise.
const SEVERITIES: &str = "info warning critical";

/// One event in the life of an alert, as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Rises from event to event, and is never used twice: microseconds since the epoch when it was recorded, or one more
    /// than that of the event before.
    pub seq: u64,
    pub alert: Alert,
    /// The alert as JSON, without a newline.
    pub line: String,
}

/// An alert by its latest event, and who has taken it on.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub alert: Alert,
    pub resolved_at: Option<Timestamp>,
    pub acked: Option<Acked>,
}

/// Records an event: a line of its own, and the alert's row as of now. Who acknowledged the alert knew of it as it was: when
/// its severity rises, or it is about a further route, that holds no more.
pub(super) fn record(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let Event { seq, alert, line } = event;
    // One that is there already has been recorded by a commit whose success was not heard of.
    connection
        .prepare_cached("INSERT OR IGNORE INTO alert_events (seq, id, line) VALUES (?1, ?2, ?3)")?
        .execute(params![seq, alert.id, line])?;
    let at = alert.at.to_string();
    let resolved_at = (alert.state == AlertState::Resolved).then_some(&at);
    connection
        .prepare_cached(
            "INSERT INTO alerts (id, route, opened_at, opened_by, state, severity, updated_at, resolved_at, line)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, severity = excluded.severity,
                 updated_at = excluded.updated_at, resolved_at = excluded.resolved_at, line = excluded.line,
                 acked_at = iif(instr(?10, excluded.severity) > instr(?10, severity)
                     OR ?11 > ifnull(json_extract(line, '$.route_count'), 1), NULL, acked_at)",
        )?
        .execute(params![
            alert.id,
            alert.route,
            alert.scope.opened_at.to_string(),
            alert.scope.opened_by.name(),
            alert.state.name(),
            alert.severity.name(),
            at,
            resolved_at,
            line,
            SEVERITIES,
            alert.scope.route_count,
        ])?;
    Ok(())
}

/// The number of the latest event, 0 if there was none.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let last = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'alert_events'", (), |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// The alerts that are open, oldest first.
pub(super) fn open(connection: &Connection) -> rusqlite::Result<Vec<Alert>> {
    let mut statement = connection
        .prepare_cached("SELECT line FROM alerts WHERE resolved_at IS NULL ORDER BY opened_at, id")?;
    readable(statement.query_map((), |row| parse(&row.get::<_, String>(0)?))?)
}

/// Forgets events from before `before` and those that are too many, unless a sink still has to deliver them, and alerts of
/// which nothing else is left.
pub(super) fn forget(connection: &mut Connection, before: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "DELETE FROM alert_events
         WHERE (seq < ?1 OR seq <= (SELECT seq FROM alert_events ORDER BY seq DESC LIMIT 1 OFFSET ?2))
             AND seq NOT IN (SELECT seq FROM outbox)",
        params![before.0 / 1_000, MOST_EVENTS],
    )?;
    transaction.execute(
        "DELETE FROM alerts
         WHERE (resolved_at IS NOT NULL OR updated_at < ?1)
             AND NOT EXISTS (SELECT 1 FROM alert_events WHERE alert_events.id = alerts.id)",
        [before.to_string()],
    )?;
    acks::forget(&transaction)?;
    allowances::forget(&transaction, before)?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA incremental_vacuum")
}

/// An event of the columns `seq`, `line`.
fn event(row: &SqlRow<'_>) -> rusqlite::Result<Event> {
    let (seq, line): (u64, String) = (row.get(0)?, row.get(1)?);
    Ok(Event { seq, alert: parse(&line)?, line })
}

/// What can be read; lines that another version wrote in its own way are left out.
pub(super) fn readable<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> rusqlite::Result<Vec<T>> {
    let is_foreign =
        |row: &rusqlite::Result<T>| matches!(row, Err(rusqlite::Error::FromSqlConversionFailure(..)));
    rows.filter(|row| !is_foreign(row)).collect()
}

/// An alert of its line.
fn parse(line: &str) -> rusqlite::Result<Alert> {
    serde_json::from_str(line).map_err(|error| FromSqlError::other(error).into())
}

impl Reader {
    /// The alerts that are open, by their latest events, oldest first.
    pub fn open_alerts(&self) -> Result<Vec<Alert>, Error> {
        open(self.connection()).map_err(|error| self.failed(error))
    }

    /// What became of alerts after the event with the number `seq`: the latest lines of those that are open, oldest first, and
    /// the ids of those that are over. One of which no event is left counts as well, as long as it is open. A ledger that does
    /// not reach to that event is not the one that had it, but a copy of before: all that it knows counts.
    pub fn after(&self, seq: u64) -> Result<(Vec<Alert>, BTreeSet<String>), Error> {
        let query = || -> rusqlite::Result<_> {
            let seq = if last_seq(self.connection())? < seq { 0 } else { seq };
            let open = "SELECT line FROM alerts WHERE resolved_at IS NULL
                     AND ifnull((SELECT max(seq) FROM alert_events WHERE alert_events.id = alerts.id), ?1 + 1) > ?1
                 ORDER BY opened_at, id";
            let over = "SELECT DISTINCT id FROM alert_events JOIN alerts USING (id)
                 WHERE seq > ?1 AND resolved_at IS NOT NULL";
            let mut open = self.connection().prepare_cached(open)?;
            let mut over = self.connection().prepare_cached(over)?;
            let open = readable(open.query_map([seq], |row| parse(&row.get::<_, String>(0)?))?)?;
            let over = over.query_map([seq], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok((open, over))
        };
        query().map_err(|error| self.failed(error))
    }

    /// Every alert that is remembered, the one opened last first.
    pub fn alerts(&self) -> Result<Vec<Row>, Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self.connection().prepare_cached(
                "SELECT line, resolved_at, acked_at, acked_by, ack_note FROM alerts ORDER BY opened_at DESC, id",
            )?;
            readable(statement.query_map((), row)?)
        };
        query().map_err(|error| self.failed(error))
    }

    /// The events of one alert, the latest first: as many as are asked for.
    pub fn events_of(&self, id: &str, most: usize) -> Result<Vec<Event>, Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self.connection().prepare_cached(
                "SELECT seq, line FROM alert_events WHERE id = ?1 ORDER BY seq DESC LIMIT ?2",
            )?;
            readable(statement.query_map(params![id, most as u64], event)?)
        };
        query().map_err(|error| self.failed(error))
    }

    /// At most `most` events after the one with the number `seq`, in order.
    pub fn events_after(&self, seq: u64, most: usize) -> Result<Vec<Event>, Error> {
        let query = || -> rusqlite::Result<_> {
            let mut statement = self
                .connection()
                .prepare_cached("SELECT seq, line FROM alert_events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
            readable(statement.query_map(params![seq, most as u64], event)?)
        };
        query().map_err(|error| self.failed(error))
    }
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let resolved_at = row.get::<_, Option<String>>(1)?;
    Ok(Row {
        alert: parse(&row.get::<_, String>(0)?)?,
        resolved_at: resolved_at.as_deref().map(time).transpose()?,
        acked: acks::current(row, 2)?,
    })
}

/// A time of its text.
pub(super) fn time(text: &str) -> rusqlite::Result<Timestamp> {
    text.parse().map_err(|error: humantime::TimestampError| FromSqlError::other(error).into())
}
