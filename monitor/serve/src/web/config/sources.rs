//! The files that a configuration was made of, and whether they still are what they were.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Files that have been read, each with what tells one version of it from the next. A file that is replaced, as secrets of
/// Kubernetes are, has another inode; one that is written over has other times.
#[derive(Debug, Default)]
pub struct Sources(Vec<(PathBuf, Option<Stamp>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Sources {
    /// Reads a file and remembers what it was.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let index = self.0.len();
        self.0.push((path.to_owned(), None));
        let mut file = File::open(path)?;
        // Taken before its content: what changes meanwhile is another version.
        self.0[index].1 = Some(Stamp::of(&file.metadata()?));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether one of the files is no longer what it was.
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, stamp)| fs::metadata(path).ok().as_ref().map(Stamp::of) != *stamp)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
