//! Opening the database: settings of the connection, checks, and setting aside what can't be used.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rollcall_model::time::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{
    Error, Unusable,
    schema::{SCHEMA, Schema},
};

/// Addresses and account numbers are in it.
const MODE: u32 = 0o600;

/// Another process may be writing an acknowledgement, or reading amid a checkpoint.
const BUSY: Duration = Duration::from_secs(1);

/// The check for damage goes through as much of the file as this allows; a ledger of a few ten thousand alerts is done
/// much sooner.
const CHECK: Duration = Duration::from_secs(2);

/// Between two looks at the clock during the check, in steps of SQLite's virtual machine.
const CHECK_STEPS: i32 = 10_000;

/// What the log file shrinks to once it was larger.
const LOG_BYTES: i64 = 16 << 20;

/// Opens a database for writing, makes one where there is none, and sets aside what is none.
pub(super) fn writer(directory: &Path, schema: &Schema) -> Result<Connection, Error> {
    let path = directory.join(schema.file);
    match attempt(&path, schema) {
        Err(Error::Unusable { why, .. }) => {
            let aside = set_aside(&path)?;
            tracing::warn!(
                ledger = %path.display(), %why, aside = %aside.display(),
                "the ledger can't be used: it was set aside, and a new one is begun"
            );
            attempt(&path, schema)
        }
        opened => opened,
    }
}

fn attempt(path: &Path, schema: &Schema) -> Result<Connection, Error> {
    create(path).map_err(|source| Error::Create { path: path.to_owned(), source })?;
    let failed = |error| failure(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let version = version(&connection, path, schema)?;
    if version == 0 {
        // Only an empty database takes it.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    } else {
        check(&mut connection, path)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(failed)?;
    if version < schema.version() {
        schema.migrate(&mut connection, version).map_err(failed)?;
    }
    Ok(connection)
}

/// Makes an empty file that nobody else may read; SQLite would ask the umask, and gives its log the same mode.
fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(_) => Ok(()),
        // Not opened, and so not closed: that would give up the locks that other connections of this process hold.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::symlink_metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 { fs::set_permissions(path, Permissions::from_mode(MODE)) } else { Ok(()) }
        }
        Err(error) => Err(error),
    }
}

/// The version of the schema, 0 in an empty database.
fn version(connection: &Connection, path: &Path, schema: &Schema) -> Result<i64, Error> {
    let number = |pragma: &str| -> Result<i64, Error> {
        connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| failure(path, error))
    };
    let unusable = |why| Error::Unusable { path: path.to_owned(), why };
    match (number("application_id")?, number("user_version")?) {
        (0, 0) if number("page_count")? == 0 || is_empty(connection, path)? => Ok(0),
        (id, found @ 1..) if id == schema.application_id && found <= schema.version() => Ok(found),
        (id, found) if id == schema.application_id => {
            Err(unusable(Unusable::Newer { found, known: schema.version() }))
        }
        _ => Err(unusable(Unusable::Foreign)),
    }
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool, Error> {
    let objects = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get::<_, i64>(0));
    Ok(objects.map_err(|error| failure(path, error))? == 0)
}

/// Looks for damage, for a bounded time.
fn check(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let failed = |error| failure(path, error);
    let started = Instant::now();
    connection.progress_handler(CHECK_STEPS, Some(move || started.elapsed() > CHECK)).map_err(failed)?;
    let verdict = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(damage) => Err(Error::Unusable { path: path.to_owned(), why: Unusable::Damaged(damage) }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Whether the error says that the file is no sound database.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn failure(path: &Path, source: rusqlite::Error) -> Error {
    let path = path.to_owned();
    // A directory in its place can't be opened, however often that is tried.
    if is_damage(&source) || path.is_dir() {
        Error::Unusable { path, why: Unusable::Damaged(source.to_string()) }
    } else {
        Error::Open { path, source }
    }
}

/// Gives the ledger, with its log, a name with the time in it.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let at: String = Timestamp::now().to_string().chars().filter(|part| !"-:".contains(*part)).collect();
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(&format!(".set-aside-{at}"));
    // The log first: a ledger without it is still one, a log beside a new ledger would be taken for its own.
    for suffix in ["-wal", "-shm", ""] {
        let mut to = aside.as_os_str().to_owned();
        to.push(suffix);
        match fs::rename(beside(suffix), to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::SetAside { path: path.to_owned(), source: error });
            }
            _ => {}
        }
    }
    Ok(aside)
}

/// Opens a database for writing that is there already, and changes nothing about it. The daemon may be running or not.
pub(super) fn editor(directory: &Path, schema: &Schema) -> Result<(Connection, PathBuf), Error> {
    existing(directory, schema, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Does something with a database that was opened for writing, all of it or nothing.
pub(super) fn edit<T>(
    (mut connection, path): (Connection, PathBuf),
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let write = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcome = work(&transaction)?;
        transaction.commit()?;
        Ok(outcome)
    };
    write().map_err(|source| Error::Write { path, source })
}

/// Opens a database for reading. The daemon may be running or not.
pub(super) fn reader(directory: &Path, schema: &Schema) -> Result<(Connection, PathBuf), Error> {
    existing(directory, schema, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn existing(directory: &Path, schema: &Schema, mode: OpenFlags) -> Result<(Connection, PathBuf), Error> {
    let path = directory.join(schema.file);
    if !path.exists() {
        return Err(Error::Missing { path });
    }
    let failed = |error| failure(&path, error);
    let connection =
        Connection::open_with_flags(&path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    version(&connection, &path, schema)?;
    Ok((connection, path))
}

/// The ledger as it is on disk, for whoever only reads: another process than the daemon, or another thread of it.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the ledger in the state directory `directory`. The daemon may be running or not.
    pub fn open(directory: &Path) -> Result<Reader, Error> {
        let (connection, path) = reader(directory, &SCHEMA)?;
        Ok(Reader { connection, path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A number that changes when anybody else has written something.
    pub fn changes(&self) -> Result<i64, Error> {
        let number = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        number.map_err(|error| self.failed(error))
    }

    /// The connection, for the queries of the modules beside this one.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes an error of one of a query.
    pub(super) fn failed(&self, source: rusqlite::Error) -> Error {
        Error::Read { path: self.path.clone(), source }
    }
}
