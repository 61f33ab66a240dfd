//! The file: read, replaced as a whole, set aside.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use rollcall_engine::checkpoint::Draft;
use rollcall_model::time::Timestamp;

/// The checkpoint, within the state directory.
pub const FILE: &str = "checkpoint";

/// What is being written, until it is whole. One daemon at a time uses a state directory.
const DRAFT: &str = "checkpoint.new";

/// Hashes of clients and names of routes are in it.
const MODE: u32 = 0o600;

/// Checkpoints that were set aside, the latest, are kept for whoever wants to know why.
const ASIDE: usize = 3;

/// The checkpoint can't be read, replaced or set aside.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("read checkpoint {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write checkpoint {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write checkpoint {path}: it knows of alerts that the ledger does not have yet")]
    Ahead { path: PathBuf },
    #[error("set checkpoint {path} aside")]
    SetAside {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("start the thread that writes checkpoints")]
    Thread {
        #[source]
        source: io::Error,
    },
}

/// Where the checkpoint is.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    directory: PathBuf,
    path: PathBuf,
}

impl CheckpointFile {
    /// That of the state directory `directory`, which belongs to this user alone.
    pub fn new(directory: &Path) -> CheckpointFile {
        CheckpointFile { directory: directory.to_owned(), path: directory.join(FILE) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` if there is none. What is larger than `most` is none of ours.
    pub fn read(&self, most: u64) -> Result<Option<Vec<u8>>, CheckpointError> {
        let failed = |source| CheckpointError::Read { path: self.path.clone(), source };
        // Neither what a link leads to, nor a pipe that nobody writes to.
        let file = match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(&self.path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > most {
            return Err(failed(io::Error::other("no file that a daemon with these settings wrote")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// Writes a new one beside it.
    pub(super) fn draft(&self, draft: &Draft) -> Result<(), CheckpointError> {
        let path = self.directory.join(DRAFT);
        let write = || {
            // Left behind by a daemon that was killed.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path)?;
            let mut writer = BufWriter::new(file);
            draft.write(&mut writer)?;
            writer.into_inner()?.sync_all()
        };
        write().map_err(|source| {
            // It would take room from others on a full disk.
            drop(fs::remove_file(&path));
            CheckpointError::Write { path: self.path.clone(), source }
        })
    }

    /// Puts what was written in its place.
    pub(super) fn replace(&self) -> Result<(), CheckpointError> {
        let replaced = fs::rename(self.directory.join(DRAFT), &self.path).and_then(|()| self.sync());
        replaced.map_err(|source| CheckpointError::Write { path: self.path.clone(), source })
    }

    /// Gives it a name that says `why` and when, which is returned. Of those there are, the latest few are kept.
    pub fn set_aside(&self, why: &str, now: Timestamp) -> Result<PathBuf, CheckpointError> {
        let at: String = now.to_string().chars().filter(|part| !"-:".contains(*part)).collect();
        let aside = self.directory.join(format!("{FILE}.{why}-{at}"));
        let failed = |source| CheckpointError::SetAside { path: self.path.clone(), source };
        fs::rename(&self.path, &aside).and_then(|()| self.sync()).map_err(failed)?;
        let mut others = self.aside().map_err(failed)?;
        others.sort_by(|a, b| set_aside_at(b).cmp(&set_aside_at(a)));
        for other in others.split_off(ASIDE.min(others.len())) {
            // One too many does no harm.
            drop(fs::remove_file(other));
        }
        Ok(aside)
    }

    /// Those that were set aside.
    fn aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if set_aside_at(&path).is_some() {
                found.push(path);
            }
        }
        Ok(found)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

/// The time in the name of a checkpoint that was set aside.
fn set_aside_at(path: &Path) -> Option<&str> {
    let (_, at) = path.file_name().and_then(OsStr::to_str)?.strip_prefix("checkpoint.")?.rsplit_once('-')?;
    at.ends_with('Z').then_some(at)
}

#[cfg(test)]
mod tests;
