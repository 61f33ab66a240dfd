//! Man pages, shell completions and the settings file: `rollcall documents` writes them from its own command line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, workspace};

pub(super) struct Documents {
    /// File names, such as `rollcall-run.1`, with their contents.
    pub(super) man: Vec<(String, Vec<u8>)>,
    pub(super) bash: Vec<u8>,
    pub(super) fish: Vec<u8>,
    pub(super) zsh: Vec<u8>,
    /// For systemd's `EnvironmentFile=`.
    pub(super) settings: Vec<u8>,
}

impl Documents {
    /// Those of `program`, written into `directory`.
    pub(super) fn of(program: &Path, directory: &Path) -> Result<Self> {
        workspace::remove(directory)?;
        process::run(Command::new(program).arg("documents").arg(directory))?;
        let man = files(&directory.join("man"))?
            .into_iter()
            .map(|path| Ok((name(&path), read(&path)?)))
            .collect::<Result<_>>()?;
        let completions = directory.join("completions");
        Ok(Self {
            man,
            bash: read(&completions.join("rollcall.bash"))?,
            fish: read(&completions.join("rollcall.fish"))?,
            zsh: read(&completions.join("_rollcall"))?,
            settings: read(&directory.join("default"))?,
        })
    }
}

/// The files of a directory, by name.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut files: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
