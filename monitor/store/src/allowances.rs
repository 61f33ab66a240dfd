//! What somebody has said is in order. Written by whoever they ask, while the daemon may be running: its ledger's thread looks
//! for that each second.
//!
//! A row says who allowed what to whom, until when and why; and, once it is over, since when, who ended it and why. Rows are
//! the record of what was allowed: they are kept for as long as events of alerts are, and none is ever written over.

use std::path::Path;

use rollcall_detect::{Allowance, AllowanceId, Limit, PartnerKey, Use, Uses};
use rollcall_model::time::Timestamp;
use rusqlite::{
    Connection, OptionalExtension as _, Row as SqlRow, Transaction, TransactionBehavior, params,
    types::FromSqlError,
};

use super::{Error, Reader, Unusable, alerts, open, schema::SCHEMA};

/// In force at once: more than anybody looks through, and a fraction of a second to put in force.
pub const MOST: u64 = 1_000;

/// And that are over.
const MOST_OVER: u64 = 10_000;

/// Who ends what has come to its day.
const ITSELF: &str = "rollcall";

/// What somebody wants allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAllowance {
    /// As of [`Allowance`].
    pub clients: Vec<PartnerKey>,
    pub routes: Vec<String>,
    pub limit: Limit,
    pub until: Timestamp,
    pub by: String,
    pub why: String,
    pub at: Timestamp,
    /// The alert that it is about.
    pub alert: Option<String>,
}

/// What was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub allowance: Allowance,
    pub at: Timestamp,
    pub alert: Option<String>,
    pub ended: Option<Ended>,
    /// How far it was made use of, as far as that has been written down.
    pub used: Option<Use>,
}

/// That it is allowed no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub at: Timestamp,
    pub by: String,
    pub why: String,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowOutcome {
    /// It is allowed under that name, and in the place of another if there was one for the same clients and routes.
    Allowed { id: AllowanceId, replaced: Option<AllowanceId> },
    /// [`MOST`] are in force.
    TooMany,
}

/// What became of the end of an allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokeOutcome {
    Revoked,
    /// It was over already.
    Over(Ended),
    /// There is none of that name.
    Unknown,
}

/// Allows it, in the ledger of the state directory `directory`.
pub fn allow(directory: &Path, wish: &NewAllowance) -> Result<AllowOutcome, Error> {
    edit(directory, |transaction| {
        expire(transaction, wish.at)?;
        let (clients, routes) = (text_of_clients(&wish.clients)?, text_of(&wish.routes)?);
        let replaced: Option<u64> = transaction
            .query_row(
                "SELECT id FROM allowances WHERE ended_at IS NULL AND clients = ?1 AND routes = ?2",
                params![clients, routes],
                |row| row.get(0),
            )
            .optional()?;
        if replaced.is_none() && count(transaction)? >= MOST {
            return Ok(AllowOutcome::TooMany);
        }
        transaction.execute(
            "INSERT INTO allowances (clients, routes, most, window_s, at, until, by, why, alert)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                clients,
                routes,
                wish.limit.distinct,
                wish.limit.window.as_secs(),
                wish.at.to_string(),
                wish.until.to_string(),
                wish.by,
                wish.why,
                wish.alert,
            ],
        )?;
        let id = AllowanceId(transaction.last_insert_rowid().unsigned_abs());
        let replaced = replaced.map(AllowanceId);
        if let Some(replaced) = replaced {
            let ended = Ended { at: wish.at, by: wish.by.clone(), why: format!("{id} is in its place") };
            end(transaction, replaced, &ended)?;
        }
        Ok(AllowOutcome::Allowed { id, replaced })
    })
}

/// Has an allowance end, in the ledger of the state directory `directory`.
pub fn revoke(directory: &Path, id: AllowanceId, ended: &Ended) -> Result<RevokeOutcome, Error> {
    edit(directory, |transaction| {
        expire(transaction, ended.at)?;
        let known =
            transaction.prepare(&select("WHERE id = ?1"))?.query_map([id.0], allowed)?.next().transpose()?;
        match known {
            None => Ok(RevokeOutcome::Unknown),
            Some(Allowed { ended: Some(before), .. }) => Ok(RevokeOutcome::Over(before)),
            Some(_) => {
                end(transaction, id, ended)?;
                Ok(RevokeOutcome::Revoked)
            }
        }
    })
}

/// Those in force at `now`, the oldest first.
pub(super) fn in_force(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Allowance>> {
    let mut statement =
        connection.prepare_cached(&select("WHERE ended_at IS NULL AND until > ?1 ORDER BY id"))?;
    let rows = statement.query_map([now.to_string()], allowed)?;
    Ok(alerts::readable(rows)?.into_iter().map(|allowed| allowed.allowance).collect())
}

/// Notes of what has come to its day that it is over. Writes nothing if nothing has.
pub(super) fn expire(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let now = now.to_string();
    let is_due = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM allowances WHERE ended_at IS NULL AND until <= ?1)")?
        .query_row([&now], |row| row.get(0))?;
    if is_due {
        connection.execute(
            "UPDATE allowances SET ended_at = until, ended_by = ?2, ended_why = 'its time is over'
             WHERE ended_at IS NULL AND until <= ?1",
            params![now, ITSELF],
        )?;
    }
    Ok(())
}

/// Forgets what was over before `before`, and what is too many of that.
pub(super) fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM allowances WHERE ended_at IS NOT NULL AND (ended_at < ?1 OR id <= (
             SELECT id FROM allowances WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?2))",
        params![before.to_string(), MOST_OVER],
    )?;
    Ok(())
}

/// Notes how far they were made use of.
pub(super) fn note_uses(connection: &mut Connection, uses: &Uses) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (id, Use { most, at }) in uses.iter() {
        transaction.prepare_cached(
            "UPDATE allowances SET used_most = max(ifnull(used_most, 0), ?2), used_at = max(ifnull(used_at, ''), ?3)
             WHERE id = ?1",
        )?
        .execute(params![id.0, most, at.to_string()])?;
    }
    transaction.commit()
}

/// Notes which windows the daemon counts objects in, for those who say what is in order.
pub(super) fn note_windows(connection: &mut Connection, windows: &[u64]) -> rusqlite::Result<()> {
    if self::windows(connection)? == windows {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM windows", ())?;
    for seconds in windows {
        transaction.execute("INSERT INTO windows (seconds) VALUES (?1)", [seconds])?;
    }
    transaction.commit()
}

fn windows(connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare("SELECT seconds FROM windows ORDER BY seconds")?;
    statement.query_map((), |row| row.get(0))?.collect()
}

impl Reader {
    /// What was allowed, the latest first: what is in force, and what is over.
    pub fn allowances(&self) -> Result<Vec<Allowed>, Error> {
        current(self.connection(), self.path())?;
        let query = || -> rusqlite::Result<_> {
            let mut statement = self.connection().prepare(&select("ORDER BY id DESC"))?;
            alerts::readable(statement.query_map((), allowed)?)
        };
        query().map_err(|error| self.failed(error))
    }

    /// The windows, in seconds, that the daemon which ran last counted objects in, the shortest first; none if none has.
    pub fn windows(&self) -> Result<Vec<u64>, Error> {
        current(self.connection(), self.path())?;
        windows(self.connection()).map_err(|error| self.failed(error))
    }
}

/// Does something about allowances, all of it or nothing.
fn edit<T>(directory: &Path, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
    let (connection, path) = open::editor(directory, &SCHEMA)?;
    current(&connection, &path)?;
    open::edit((connection, path), work)
}

/// Refuses a ledger from before there were allowances: the daemon brings it up to date, as an older one may be using it.
fn current(connection: &Connection, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found >= SCHEMA.version() {
        return Ok(());
    }
    Err(Error::Unusable { path: path.to_owned(), why: Unusable::Older { found, known: SCHEMA.version() } })
}

fn end(connection: &Connection, id: AllowanceId, ended: &Ended) -> rusqlite::Result<()> {
    let Ended { at, by, why } = ended;
    connection.execute(
        "UPDATE allowances SET ended_at = ?2, ended_by = ?3, ended_why = ?4 WHERE id = ?1 AND ended_at IS NULL",
        params![id.0, at.to_string(), by, why],
    )?;
    Ok(())
}

fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM allowances WHERE ended_at IS NULL", (), |row| row.get(0))
}

fn select(which: &str) -> String {
    format!(
        "SELECT id, clients, routes, most, window_s, at, until, by, why, alert, ended_at, ended_by, ended_why,
             used_most, used_at
         FROM allowances {which}"
    )
}

fn allowed(row: &SqlRow<'_>) -> rusqlite::Result<Allowed> {
    let time = |at: usize| alerts::time(&row.get::<_, String>(at)?);
    let list = |at: usize| {
        serde_json::from_str::<Vec<String>>(&row.get::<_, String>(at)?)
            .map_err(|error| rusqlite::Error::from(FromSqlError::other(error)))
    };
    let key = |text: String| {
        text.parse().map_err(|()| FromSqlError::Other(format!("{text:?} is no client").into()).into())
    };
    let ended = match row.get::<_, Option<String>>(10)? {
        Some(at) => Some(Ended { at: alerts::time(&at)?, by: row.get(11)?, why: row.get(12)? }),
        None => None,
    };
    let used = match row.get::<_, Option<String>>(14)? {
        Some(at) => Some(Use { most: row.get(13)?, at: alerts::time(&at)? }),
        None => None,
    };
    Ok(Allowed {
        allowance: Allowance {
            id: AllowanceId(row.get(0)?),
            clients: list(1)?.into_iter().map(key).collect::<rusqlite::Result<_>>()?,
            routes: list(2)?,
            limit: Limit {
                distinct: row.get(3)?,
                window: std::time::Duration::from_secs(row.get::<_, u64>(4)?),
            },
            until: time(6)?,
            by: row.get(7)?,
            why: row.get(8)?,
        },
        at: time(5)?,
        alert: row.get(9)?,
        ended,
        used,
    })
}

fn text_of_clients(clients: &[PartnerKey]) -> rusqlite::Result<String> {
    text_of(&clients.iter().map(PartnerKey::to_string).collect::<Vec<_>>())
}

/// Lists that name the same are the same text.
fn text_of(names: &[String]) -> rusqlite::Result<String> {
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    serde_json::to_string(&names).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

#[cfg(test)]
mod tests;
