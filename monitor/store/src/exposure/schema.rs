//! The tables of what was read.

use crate::schema::Schema;

/// "Rolx" in the header of the file.
pub const SCHEMA: Schema = Schema { file: super::FILE, application_id: 0x526f_6c78, steps: &[TABLES] };

/// An incident is an alert by its id. A subject is one of its clients, on its route; `clients` finds a subject by every key
/// that came with its calls. `blocks` has the objects of each subject, some hundred in a row: see `block.rs`. `objects` and
/// `bytes` of an incident are what its blocks have. `progress` has one row.
const TABLES: &str = "
    CREATE TABLE incidents (
        number     INTEGER PRIMARY KEY,
        alert      TEXT NOT NULL,
        route      TEXT NOT NULL,
        opened_at  TEXT NOT NULL,
        resolved_at TEXT,
        first_seen TEXT NOT NULL,
        touched_at TEXT NOT NULL,
        mode       TEXT NOT NULL,
        sampling   REAL NOT NULL,
        loss       REAL NOT NULL DEFAULT 0,
        counted    INTEGER NOT NULL,
        named      INTEGER NOT NULL DEFAULT 0,
        refused    INTEGER NOT NULL DEFAULT 0,
        removed    INTEGER NOT NULL DEFAULT 0,
        removed_at TEXT,
        damaged    INTEGER NOT NULL DEFAULT 0,
        lost_at    TEXT,
        down_s     INTEGER NOT NULL DEFAULT 0,
        objects    INTEGER NOT NULL DEFAULT 0,
        bytes      INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX incidents_alert ON incidents (alert);
    CREATE INDEX incidents_open ON incidents (number) WHERE resolved_at IS NULL;
    CREATE INDEX incidents_bytes ON incidents (bytes);
    CREATE INDEX incidents_touched ON incidents (touched_at);

    CREATE TABLE samples (
        incident INTEGER NOT NULL,
        object   BLOB NOT NULL,
        PRIMARY KEY (incident, object)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE subjects (
        number   INTEGER PRIMARY KEY,
        incident INTEGER NOT NULL,
        client   TEXT NOT NULL,
        first_at TEXT,
        last_at  TEXT,
        touched  INTEGER NOT NULL DEFAULT 0,
        refused  INTEGER NOT NULL DEFAULT 0,
        dropped  INTEGER NOT NULL DEFAULT 0,
        objects  INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX subjects_incident ON subjects (incident);

    CREATE TABLE clients (
        key     TEXT NOT NULL,
        subject INTEGER NOT NULL,
        PRIMARY KEY (key, subject)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX clients_subject ON clients (subject);

    CREATE TABLE blocks (
        subject INTEGER NOT NULL,
        low     BLOB NOT NULL,
        objects INTEGER NOT NULL,
        block   BLOB NOT NULL,
        PRIMARY KEY (subject, low)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE progress (
        flush    INTEGER NOT NULL,
        alive_at TEXT NOT NULL
    ) STRICT;
    INSERT INTO progress VALUES (0, '');
";
