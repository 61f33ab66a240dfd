//! The blocks of a subject, as rows of a table.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    block::{Decoder, Entry},
    merge::{self, Merged},
    object::Object,
    reads::Reads,
    store::Change,
};

/// A block: where it begins, and what is in it.
type Row = (Vec<u8>, Vec<u8>);

/// Merges `touches`, in order, into the blocks of `subject`. Objects are added only if it `may_grow`.
pub(super) fn merge(
    transaction: &Transaction<'_>,
    subject: u64,
    touches: &[(&Object, &Reads)],
    may_grow: bool,
) -> rusqlite::Result<Change> {
    let mut change = Change::default();
    let mut rest = touches;
    let mut key = Vec::new();
    while let Some((first, _)) = rest.first() {
        key.clear();
        first.key(&mut key);
        // The first block of a kind begins with the kind alone, so that whatever comes has a block.
        let (low, block) = find(transaction, subject, &key)?
            .filter(|(low, _)| low.first() == key.first())
            .unwrap_or_else(|| (vec![first.kind() as u8], Vec::new()));
        let entries = match Decoder::new(&block).and_then(Iterator::collect::<Result<Vec<Entry>, _>>) {
            Err(error) if !block.is_empty() => {
                change.damaged += count(transaction, subject, &low)?;
                tracing::error!(%error, subject, "the ledger lost objects");
                Vec::new()
            }
            read => read.unwrap_or_default(),
        };
        let here = match entries.last() {
            Some(last) if **first <= last.object => {
                rest.partition_point(|(object, _)| **object <= last.object)
            }
            _ => {
                let next = next(transaction, subject, &key)?;
                rest.partition_point(|(object, _)| {
                    key.clear();
                    object.key(&mut key);
                    object.kind() == first.kind() && next.as_ref().is_none_or(|next| key < *next)
                })
            }
        };
        let (here, others) = rest.split_at(here.max(1));
        rest = others;
        let Merged { pieces, added, refused } = merge::merge(entries, here, may_grow);
        change.objects += added;
        change.refused += refused;
        change.bytes -= block.len() as i64;
        for piece in pieces {
            change.bytes += piece.bytes.len() as i64;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO blocks (subject, low, objects, block) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![subject, piece.low.as_ref().unwrap_or(&low), piece.objects, piece.bytes])?;
        }
    }
    Ok(change)
}

/// The block in which an object with that key is, if it is there.
pub(super) fn find(connection: &Connection, subject: u64, key: &[u8]) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(
            "SELECT low, block FROM blocks WHERE subject = ?1 AND low <= ?2 ORDER BY low DESC LIMIT 1",
        )?
        .query_row(params![subject, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The first block that begins behind `low`.
pub(super) fn after(connection: &Connection, subject: u64, low: &[u8]) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached("SELECT low, block FROM blocks WHERE subject = ?1 AND low > ?2 ORDER BY low LIMIT 1")?
        .query_row(params![subject, low], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Where the block behind that key begins.
fn next(transaction: &Transaction<'_>, subject: u64, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
    transaction
        .prepare_cached("SELECT low FROM blocks WHERE subject = ?1 AND low > ?2 ORDER BY low LIMIT 1")?
        .query_row(params![subject, key], |row| row.get(0))
        .optional()
}

fn count(transaction: &Transaction<'_>, subject: u64, low: &[u8]) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("SELECT objects FROM blocks WHERE subject = ?1 AND low = ?2")?
        .query_row(params![subject, low], |row| row.get(0))
}
