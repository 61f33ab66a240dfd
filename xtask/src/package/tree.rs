//! Files to be packed: paths, modes and contents, in the order of their paths.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

use crate::workspace;

pub(super) const FILE: u32 = 0o644;
pub(super) const PROGRAM: u32 = 0o755;

#[derive(Clone, Default)]
pub(super) struct Tree {
    files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
}

impl Tree {
    /// Adds a file, or replaces it.
    pub(super) fn add(&mut self, path: impl Into<PathBuf>, mode: u32, content: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), (mode, content.into()));
    }

    /// Adds a file, packed with gzip; the same content gives the same bytes.
    pub(super) fn add_packed(&mut self, path: impl AsRef<Path>, content: &[u8]) -> Result<()> {
        let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
        packed.write_all(content)?;
        let mut name = path.as_ref().as_os_str().to_owned();
        name.push(".gz");
        self.add(name, FILE, packed.finish()?);
        Ok(())
    }

    /// Paths, modes and contents.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, u32, &[u8])> {
        self.files.iter().map(|(path, (mode, content))| (path.as_path(), *mode, content.as_slice()))
    }

    /// Kibibytes on disk, as dpkg estimates them: each file and directory takes whole kibibytes.
    pub(super) fn installed_size(&self) -> u64 {
        let directories = self.files.keys().filter_map(|path| path.parent()).flat_map(Path::ancestors);
        let directories: std::collections::BTreeSet<_> = directories.collect();
        let files = self.files.values().map(|(_, content)| (content.len() as u64).div_ceil(1024));
        files.sum::<u64>() + directories.len() as u64
    }

    /// Writes all files below `directory`, which is emptied first, and dates them, and the directories, to `epoch`.
    pub(super) fn write(&self, directory: &Path, epoch: u64) -> Result<()> {
        workspace::remove(directory)?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
        for (path, mode, content) in self.files() {
            let place = directory.join(path);
            let write = || -> Result<()> {
                fs::create_dir_all(place.parent().unwrap_or(directory))?;
                fs::write(&place, content)?;
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
                Ok(File::open(&place)?.set_times(FileTimes::new().set_modified(time))?)
            };
            write().with_context(|| format!("write {}", place.display()))?;
        }
        date_directories(directory, time).with_context(|| format!("date {}", directory.display()))
    }
}

/// Directories are open to all, whatever this user's umask says.
fn date_directories(directory: &Path, time: SystemTime) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            date_directories(&entry.path(), time)?;
        }
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(PROGRAM))?;
    Ok(File::open(directory)?.set_times(FileTimes::new().set_modified(time))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_as_they_were_added() {
        let scratch = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        tree.add("usr/bin/x", PROGRAM, "#!");
        tree.add_packed("usr/share/y", b"text").unwrap();
        let root = scratch.path().join("root");
        tree.write(&root, 1_000_000_000).unwrap();
        for path in ["usr/bin/x", "usr/share/y.gz", "usr/share", "usr"] {
            let modified = fs::metadata(root.join(path)).unwrap().modified().unwrap();
            assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000), "{path}");
        }
        assert_eq!(fs::metadata(root.join("usr/bin/x")).unwrap().permissions().mode() & 0o777, PROGRAM);
        // Two files, and the directories `usr/bin`, `usr/share`, `usr` and the root.
        assert_eq!(tree.installed_size(), 6);
    }
}
