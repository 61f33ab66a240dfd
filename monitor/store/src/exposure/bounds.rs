//! Bounds: what goes when the file is too large, or an alert too old.
//!
//! **Room.** Whoever floods the ledger must not push out what others did. So the alert that takes most room gives way:
//! first it gets no more objects, while those that it has stay; and when others need its room, it gives some of that up.
//! What came first stays, and no alert is ever cut below an equal share of the room. Of alerts themselves there are at most
//! [`INCIDENTS`]; beyond them go those that are resolved, the ones with the fewest objects first.
//!
//! **Age.** An alert that nobody touched anything of for so long goes, with all that is known of it.
//!
//! Everything goes in small transactions, and the file is made shorter.

use rollcall_model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::ExposureSettings;

/// Alerts of which something is known.
const INCIDENTS: u64 = 100_000;

/// Blocks that one transaction removes.
const CHUNK: u64 = 512;

/// Free pages that are given back at a time, and that are left: they are about to be used again.
const PAGES: u64 = 4_096;
const SPARE: u64 = 64;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub for_room: u64,
    pub for_age: u64,
}

/// Keeps to the bounds.
pub(super) fn enforce(
    connection: &mut Connection,
    settings: &ExposureSettings,
    now: Timestamp,
) -> rusqlite::Result<Removed> {
    let mut removed = Removed::default();
    let oldest = (now - settings.age).to_string();
    while let Some(incident) = older_than(connection, &oldest)? {
        removed.for_age += forget(connection, incident)?;
    }
    while let Some(incident) = beyond(connection)? {
        removed.for_room += forget(connection, incident)?;
    }
    if used(connection)? > settings.size {
        // A little more, so that it does not begin again at once.
        let enough = settings.size - settings.size / 32;
        while used(connection)? > enough {
            let Some((incident, _)) = largest(connection)? else { break };
            let objects = cut(connection, incident, now)?;
            if objects == 0 {
                break;
            }
            removed.for_room += objects;
        }
    }
    shrink(connection)?;
    Ok(removed)
}

/// The alert that may have no more objects: while a sixteenth of the room or less is left, the one that has most of it.
pub(super) fn full(connection: &Connection, settings: &ExposureSettings) -> rusqlite::Result<Option<u64>> {
    if used(connection)? <= settings.size - settings.size / 16 {
        return Ok(None);
    }
    Ok(largest(connection)?.map(|(incident, _)| incident))
}

/// Bytes of the file.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(number(connection, "page_count")? * number(connection, "page_size")?)
}

/// Bytes of the file that are in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = number(connection, "page_count")?.saturating_sub(number(connection, "freelist_count")?);
    Ok(pages * number(connection, "page_size")?)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

fn largest(connection: &Connection) -> rusqlite::Result<Option<(u64, u64)>> {
    connection
        .prepare_cached("SELECT number, bytes FROM incidents WHERE bytes > 0 ORDER BY bytes DESC LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn older_than(connection: &Connection, time: &str) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT number FROM incidents WHERE touched_at < ?1 ORDER BY touched_at LIMIT 1")?
        .query_row([time], |row| row.get(0))
        .optional()
}

fn beyond(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let count: u64 =
        connection.prepare_cached("SELECT count(*) FROM incidents")?.query_row((), |row| row.get(0))?;
    if count <= INCIDENTS {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT number FROM incidents WHERE resolved_at IS NOT NULL ORDER BY objects, number LIMIT 1",
        )?
        .query_row((), |row| row.get(0))
        .optional()
}

/// Removes a chunk of an alert's objects: the last ones in order, of the subject that has most. Returns how many.
fn cut(connection: &mut Connection, incident: u64, now: Timestamp) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    let subject = transaction
        .prepare_cached(
            "SELECT number FROM subjects WHERE incident = ?1 AND objects > 0 ORDER BY objects DESC LIMIT 1",
        )?
        .query_row([incident], |row| row.get::<_, u64>(0))
        .optional()?;
    let Some(subject) = subject else { return Ok(0) };
    let (objects, bytes) = remove(&transaction, subject)?;
    transaction
        .prepare_cached("UPDATE subjects SET objects = objects - ?2 WHERE number = ?1")?
        .execute(params![subject, objects])?;
    transaction
        .prepare_cached(
            "UPDATE incidents SET objects = objects - ?2, bytes = bytes - ?3, removed = removed + ?2, removed_at = ?4
             WHERE number = ?1",
        )?
        .execute(params![incident, objects, bytes, now.to_string()])?;
    transaction.commit()?;
    Ok(objects)
}

/// Removes a chunk of a subject's blocks: how many objects and bytes that were.
fn remove(connection: &Connection, subject: u64) -> rusqlite::Result<(u64, u64)> {
    let low: Option<(Vec<u8>, u64, u64)> = connection
        .prepare_cached(
            "SELECT min(low), sum(objects), sum(length(block)) FROM
                 (SELECT low, objects, block FROM blocks WHERE subject = ?1 ORDER BY low DESC LIMIT ?2)
             HAVING count(*) > 0",
        )?
        .query_row(params![subject, CHUNK], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((low, objects, bytes)) = low else { return Ok((0, 0)) };
    connection
        .prepare_cached("DELETE FROM blocks WHERE subject = ?1 AND low >= ?2")?
        .execute(params![subject, low])?;
    Ok((objects, bytes))
}

/// Removes an alert with all that is known of it. Returns how many objects that were.
fn forget(connection: &mut Connection, incident: u64) -> rusqlite::Result<u64> {
    let mut objects = 0;
    let subjects: Vec<u64> = connection
        .prepare_cached("SELECT number FROM subjects WHERE incident = ?1")?
        .query_map([incident], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for &subject in &subjects {
        loop {
            let transaction = connection.transaction()?;
            let (removed, bytes) = remove(&transaction, subject)?;
            transaction.commit()?;
            objects += removed;
            if bytes == 0 {
                break;
            }
        }
    }
    let transaction = connection.transaction()?;
    for subject in subjects {
        transaction.prepare_cached("DELETE FROM clients WHERE subject = ?1")?.execute([subject])?;
    }
    for table in [
        "DELETE FROM subjects WHERE incident = ?1",
        "DELETE FROM samples WHERE incident = ?1",
        "DELETE FROM incidents WHERE number = ?1",
    ] {
        transaction.prepare_cached(table)?.execute([incident])?;
    }
    transaction.commit()?;
    Ok(objects)
}

/// Gives free pages back to the file system.
fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    loop {
        let free = number(connection, "freelist_count")?;
        if free <= SPARE {
            return Ok(());
        }
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({})", (free - SPARE).min(PAGES)))?;
        if number(connection, "freelist_count")? >= free {
            return Ok(());
        }
    }
}
