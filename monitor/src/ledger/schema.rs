//! Every table, and how a ledger of an earlier version becomes one of this version.
//!
//! Times are text as people read it, RFC 3339 in UTC with microseconds, which also sorts by time.

use rusqlite::{Connection, TransactionBehavior};

/// "Roll" in the header of the file, where `file` and SQLite's own tools look for it.
pub(super) const APPLICATION_ID: i64 = 0x526f_6c6c;

/// Step `n` makes version `n + 1` of version `n`. Steps that were released never change.
const STEPS: [&str; 1] = [ALERTS];

/// Alerts, one row each; the events of their lives, of which one is a line of JSON; and what each sink has to deliver.
const ALERTS: &str = "
    CREATE TABLE alerts (
        id          TEXT NOT NULL PRIMARY KEY,
        route       TEXT NOT NULL,
        opened_at   TEXT NOT NULL,
        opened_by   TEXT NOT NULL,
        state       TEXT NOT NULL,
        severity    TEXT NOT NULL,
        updated_at  TEXT NOT NULL,
        resolved_at TEXT,
        acked_at    TEXT,
        acked_by    TEXT,
        ack_note    TEXT,
        line        TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alerts_opened ON alerts (opened_at);
    CREATE INDEX alerts_open ON alerts (opened_at) WHERE resolved_at IS NULL;

    CREATE TABLE alert_events (
        seq  INTEGER PRIMARY KEY AUTOINCREMENT,
        id   TEXT NOT NULL,
        line TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alert_events_id ON alert_events (id);

    CREATE TABLE outbox (
        sink  TEXT NOT NULL,
        seq   INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (sink, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX outbox_seq ON outbox (seq);
";

/// The version that this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Takes a ledger of `version` to [`VERSION`], all the way or not at all.
pub(super) fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
