//! The state directory: whose it is, and the key in it.
//!
//! Who is called what, who touched which account, and the key that hides it from others are there: so nobody else may read
//! it or write to it, nor any of its files, and a link in a file's place might lead anywhere. It is refused then, and not
//! mended: what others could read they may have read, and what they could write they may have written.
//!
//! The key seeds every hash of what an attacker can choose, so that nobody outside can aim for collisions or predict
//! which targets a sample leaves out. It is made at the first start and stays, so that figures compare across restarts.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    libc::O_NOFOLLOW,
    unistd::geteuid,
};
use rollcall_model::hex;
use rollcall_store::{self as ledger, checkpoints, exposure};

/// The file of the key.
const KEY_FILE: &str = "key";

/// What others must not be able to use: the key, the checkpoint, and the databases with their logs.
const FILES: [&str; 8] = [
    KEY_FILE,
    checkpoints::FILE,
    ledger::FILE,
    "ledger.db-wal",
    "ledger.db-shm",
    exposure::FILE,
    "exposure.db-wal",
    "exposure.db-shm",
];

/// 16 random bytes.
pub type Key = [u8; 16];

/// The state directory, taken for as long as this lives.
pub type Lock = Flock<File>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("create state directory {path}")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("use {path} as state directory: it is not a directory")]
    NotDirectory { path: PathBuf },
    #[error("use {path}: it is a symbolic link")]
    Link { path: PathBuf },
    #[error("look at {path}")]
    Look {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("use {path}: it belongs to user {owner}, and this is user {user}")]
    Owner { path: PathBuf, owner: u32, user: u32 },
    #[error("use {path}: others may {may} it (mode {mode:03o})")]
    Mode { path: PathBuf, mode: u32, may: &'static str },
    #[error("use {path}: another rollcall runs on it")]
    InUse { path: PathBuf },
    #[error("lock {path}")]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read key {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write key {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read key {path}: it does not hold 32 hexadecimal digits")]
    Corrupt { path: PathBuf },
}

impl Error {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Error::Create { .. } | Error::NotDirectory { .. } | Error::Lock { .. } => {
                "choose another --state-dir".to_owned()
            }
            Error::InUse { .. } => "stop that one, or choose another --state-dir".to_owned(),
            Error::Owner { path, .. } => {
                format!(
                    "chown {} if it is meant to be this user's, or choose another --state-dir",
                    path.display()
                )
            }
            Error::Mode { path, .. } => format!("chmod go-rwx {}", path.display()),
            Error::Link { path } => format!("put the file itself there, or remove {}", path.display()),
            Error::Look { .. } => "check its permissions, or choose another --state-dir".to_owned(),
            Error::Read { .. } => "check its permissions, or choose another --state-dir".to_owned(),
            Error::Write { .. } => "make room or check permissions, or choose another --state-dir".to_owned(),
            Error::Corrupt { path } => {
                format!("restore it from a backup, or remove {} to have a new one made", path.display())
            }
        }
    }
}

/// Opens the state directory, making it if need be, and returns its key.
pub fn open(directory: &Path) -> Result<Key, Error> {
    prepare(directory)?;
    for file in FILES {
        let path = directory.join(file);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => return Err(Error::Link { path }),
            Ok(metadata) => {
                ours(&path, &metadata)?;
                private(&path, &metadata)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Look { path, source }),
        }
    }
    let path = directory.join(KEY_FILE);
    match read(&path, false)? {
        Some(key) => Ok(key),
        None => create(directory, &path),
    }
}

/// Takes the state directory for one daemon, as long as what is returned lives: two would write over each other's state.
pub fn lock(directory: &Path) -> Result<Lock, Error> {
    let path = || directory.to_owned();
    let opened = File::open(directory).map_err(|source| Error::Lock { path: path(), source })?;
    Flock::lock(opened, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        Errno::EWOULDBLOCK => Error::InUse { path: path() },
        error => Error::Lock { path: path(), source: error.into() },
    })
}

/// The key of a daemon's state directory, if it has one. Changes nothing. The daemon may be another user's than root, who
/// asks.
pub fn existing(directory: &Path) -> Result<Option<Key>, Error> {
    read(&directory.join(KEY_FILE), geteuid().is_root())
}

/// The key of a daemon's state directory; one is made where there is none.
pub fn shared(directory: &Path) -> Result<Key, Error> {
    existing(directory)?.map_or_else(|| open(directory), Ok)
}

fn prepare(path: &Path) -> Result<(), Error> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.and_then(|()| fs::metadata(path))
        }
        known => known,
    };
    let metadata = metadata.map_err(|source| Error::Create { path: path.to_owned(), source })?;
    if !metadata.is_dir() {
        return Err(Error::NotDirectory { path: path.to_owned() });
    }
    // A link to it may be root's: so are those of service managers.
    let link = fs::symlink_metadata(path).map_err(|source| Error::Look { path: path.to_owned(), source })?;
    if link.uid() != 0 {
        ours(path, &link)?;
    }
    ours(path, &metadata)?;
    private(path, &metadata)
}

/// Refuses what another user owns.
fn ours(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let (owner, user) = (metadata.uid(), geteuid().as_raw());
    if owner == user { Ok(()) } else { Err(Error::Owner { path: path.to_owned(), owner, user }) }
}

/// Refuses what others than its owner could use.
fn private(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let mode = metadata.mode() & 0o777;
    let may = match mode & 0o077 {
        0 => return Ok(()),
        others if others & 0o022 != 0 => "write to",
        _ => "read",
    };
    Err(Error::Mode { path: path.to_owned(), mode, may })
}

/// Reads the key; `None` if there is none yet. It has to be this user's, unless it may be `anybodys`.
fn read(path: &Path, anybodys: bool) -> Result<Option<Key>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !anybodys {
        ours(path, &metadata)?;
    }
    private(path, &metadata)?;
    let mut text = Vec::new();
    // A key and its newline, and one byte more to tell that there is more.
    file.take(34).read_to_end(&mut text).map_err(failed)?;
    decode(&text).map(Some).ok_or_else(|| Error::Corrupt { path: path.to_owned() })
}

/// Makes a key. The file appears whole or not at all, and whoever comes first wins.
fn create(directory: &Path, path: &Path) -> Result<Key, Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let draft = directory.join(format!("{KEY_FILE}.{}", std::process::id()));
    let linked = write(&draft).and_then(|()| fs::hard_link(&draft, path));
    // Gone already, or never there: both as it should be.
    drop(fs::remove_file(&draft));
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(failed(source)),
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    read(path, false)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

fn write(draft: &Path) -> io::Result<()> {
    // Left behind by a daemon that died right here, and had the same process id.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut key = Key::default();
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(encode(&key).as_bytes())?;
    file.sync_all()
}

fn encode(key: &Key) -> String {
    hex::text(key) + "\n"
}

fn decode(text: &[u8]) -> Option<Key> {
    let mut key = Key::default();
    hex::fill(&mut key, text.strip_suffix(b"\n").unwrap_or(text))?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// A directory that is this user's alone.
    fn scratch() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let root = scratch();
        let directory = root.path().join("a/state");
        let key = open(&directory).unwrap();
        assert_ne!(key, Key::default());
        assert_eq!(open(&directory).unwrap(), key);
        assert_eq!((mode(&directory), mode(&directory.join("key"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no draft is left");
        assert_eq!(fs::read_to_string(directory.join("key")).unwrap(), encode(&key));
    }

    #[test]
    fn first_starts_at_the_same_time_agree() {
        let root = scratch();
        let path = root.path().join("key");
        let key = create(root.path(), &path).unwrap();
        assert_eq!(create(root.path(), &path).unwrap(), key);
    }

    #[test]
    fn a_corrupt_key_is_not_used() {
        let root = scratch();
        let path = root.path().join("key");
        for text in ["", "00", "zz112233445566778899aabbccddeeff\n", "00112233445566778899aabbccddeeff00\n"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(open(root.path()), Err(Error::Corrupt { .. })), "{text:?}");
        }
        fs::write(&path, "00112233445566778899AABBccddeeff").unwrap();
        assert_eq!(open(root.path()).unwrap()[1..3], [0x11, 0x22]);
    }

    #[test]
    fn what_others_could_use_is_refused() {
        let root = scratch();
        open(root.path()).unwrap();
        let key = root.path().join("key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(root.path()).unwrap_err().to_string().ends_with("others may read it (mode 644)"));
        assert!(
            matches!(existing(root.path()), Err(Error::Mode { mode: 0o644, .. })),
            "by whoever reads the key"
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        for (mode, may) in
            [(0o777, "write to"), (0o755, "read"), (0o750, "read"), (0o701, "read"), (0o720, "write to")]
        {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = open(root.path()).unwrap_err();
            let path = root.path().display();
            assert_eq!(error.to_string(), format!("use {path}: others may {may} it (mode {mode:03o})"));
            assert_eq!(error.advice(), format!("chmod go-rwx {path}"));
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        open(root.path()).unwrap();
        fs::remove_file(&key).unwrap();
        symlink("/dev/zero", &key).unwrap();
        assert!(matches!(open(root.path()), Err(Error::Link { .. })));
        assert!(matches!(existing(root.path()), Err(Error::Read { .. })));
    }

    #[test]
    fn files_that_others_could_use_are_refused() {
        assert!(geteuid().is_root(), "this test gives files away, which needs root");
        let root = scratch();
        open(root.path()).unwrap();
        for file in FILES.into_iter().filter(|file| *file != KEY_FILE) {
            let path = root.path().join(file);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(open(root.path()), Err(Error::Mode { mode: 0o640, .. })), "{file}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            open(root.path()).unwrap();
            chown(&path, Some(4711), None).unwrap();
            assert!(matches!(open(root.path()), Err(Error::Owner { owner: 4711, .. })), "{file}");
            fs::remove_file(&path).unwrap();
            symlink("/nowhere", &path).unwrap();
            assert!(matches!(open(root.path()), Err(Error::Link { .. })), "{file}");
            fs::remove_file(&path).unwrap();
        }
        fs::write(root.path().join("notes"), "not the daemon's").unwrap();
        open(root.path()).unwrap();
    }

    #[test]
    fn a_link_to_the_directory_is_followed_if_nobody_else_made_it() {
        assert!(geteuid().is_root(), "this test gives a link away, which needs root");
        let root = scratch();
        let (directory, link) = (root.path().join("private"), root.path().join("state"));
        open(&directory).unwrap();
        symlink(&directory, &link).unwrap();
        open(&link).unwrap();
        std::os::unix::fs::lchown(&link, Some(4711), None).unwrap();
        assert!(matches!(open(&link), Err(Error::Owner { owner: 4711, .. })));
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        assert!(geteuid().is_root(), "this test gives a directory away, which needs root");
        let root = scratch();
        chown(root.path(), Some(4711), None).unwrap();
        assert!(matches!(open(root.path()), Err(Error::Owner { owner: 4711, .. })));
    }

    #[test]
    fn root_reads_the_key_of_a_daemon_that_is_another_users() {
        assert!(geteuid().is_root(), "this test gives a key away, which needs root");
        let root = scratch();
        let key = open(root.path()).unwrap();
        chown(root.path(), Some(4711), None).unwrap();
        chown(root.path().join("key"), Some(4711), None).unwrap();
        assert_eq!(existing(root.path()).unwrap(), Some(key));
        assert_eq!(shared(root.path()).unwrap(), key);
    }

    #[test]
    fn one_daemon_at_a_time_has_a_state_directory() {
        let root = scratch();
        let held = lock(root.path()).unwrap();
        let error = lock(root.path()).unwrap_err();
        assert!(error.to_string().ends_with("another rollcall runs on it"), "{error}");
        assert!(open(root.path()).is_ok(), "what only reads the key may");
        drop(held);
        lock(root.path()).unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(open(file.path()), Err(Error::NotDirectory { .. })));
    }
}
