//! Every table, and how a ledger of an earlier version becomes one of this version.
//!
//! Times are text as people read it, RFC 3339 in UTC with microseconds, which also sorts by time.

use rusqlite::{Connection, TransactionBehavior};

/// A database of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema {
    /// Its name within the state directory.
    pub file: &'static str,
    /// In the header of the file, where `file` and SQLite's own tools look for it.
    pub application_id: i64,
    /// Step `n` makes version `n + 1` of version `n`. Steps that were released never change.
    pub steps: &'static [&'static str],
}

/// "Roll".
pub(super) const SCHEMA: Schema =
    Schema { file: super::FILE, application_id: 0x526f_6c6c, steps: &[ALERTS, ALLOWANCES, USES] };

/// Alerts, one row each; the events of their lives, of which one is a line of JSON; what each sink has to deliver; and who
/// took which alert on.
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

    CREATE TABLE acks (
        seq  INTEGER PRIMARY KEY AUTOINCREMENT,
        id   TEXT NOT NULL,
        at   TEXT NOT NULL,
        by   TEXT NOT NULL,
        note TEXT
    ) STRICT;
";

/// What somebody has said is in order, one row each, and the windows that the daemon counts objects in.
const ALLOWANCES: &str = "
    CREATE TABLE allowances (
        id        INTEGER PRIMARY KEY AUTOINCREMENT,
        clients   TEXT NOT NULL,
        routes    TEXT NOT NULL,
        most      INTEGER NOT NULL,
        window_s  INTEGER NOT NULL,
        at        TEXT NOT NULL,
        until     TEXT NOT NULL,
        by        TEXT NOT NULL,
        why       TEXT NOT NULL,
        alert     TEXT,
        ended_at  TEXT,
        ended_by  TEXT,
        ended_why TEXT
    ) STRICT;
    CREATE INDEX allowances_in_force ON allowances (until) WHERE ended_at IS NULL;

    CREATE TABLE windows (seconds INTEGER NOT NULL PRIMARY KEY) STRICT;
";

/// How far each of these was made use of.
const USES: &str = "
    ALTER TABLE allowances ADD COLUMN used_most INTEGER;
    ALTER TABLE allowances ADD COLUMN used_at TEXT;
";

impl Schema {
    /// The version that this program writes.
    pub fn version(&self) -> i64 {
        self.steps.len() as i64
    }

    /// Takes a database of `version` to [`Schema::version`], all the way or not at all.
    pub fn migrate(&self, connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in self.steps.iter().skip(usize::try_from(version).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.version())?;
        transaction.commit()
    }
}
