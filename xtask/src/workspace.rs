//! Where the source tree is, and where what is made from it goes.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process;

/// The source tree and its target directory, both absolute.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows about `CARGO_TARGET_DIR` and `build.target-dir`.
    pub(crate) fn find() -> Result<Self> {
        let metadata =
            process::stdout(Command::new(program()).args(["metadata", "--no-deps", "--format-version=1"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("read what `cargo metadata` says")?;
        let path = |key: &str| {
            let path = metadata[key].as_str().with_context(|| format!("`cargo metadata` names no {key}"))?;
            Ok::<_, anyhow::Error>(PathBuf::from(path))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// Cargo, to be run on this tree.
    ///
    /// What a verb builds depends on the flags that the verb gives; flags that the caller's environment holds
    /// for the compiler still apply to host builds, as they do for plain `cargo build`.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(program());
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// Tools and sources that xtask fetches: `<target>/tools`.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Held while anything under [`Self::tools`] is made, so that concurrent runs wait instead of clashing. The
    /// kernel lets go of it when the process ends, however it ends.
    pub(crate) fn lock_tools(&self) -> Result<File> {
        let path = self.tools().join("lock");
        fs::create_dir_all(self.tools()).with_context(|| format!("create {}", self.tools().display()))?;
        let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => eprintln!("xtask: waiting for another `cargo xtask` to finish"),
            Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("lock {}", path.display())),
        }
        lock.lock().with_context(|| format!("lock {}", path.display()))?;
        Ok(lock)
    }
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    Ok(())
}

/// The cargo that runs this program, hence the same toolchain.
fn program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Appends every file below `directory`.
pub(crate) fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("read {}", directory.display()))?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
