//! A real journald, for a namespace of its own: it shares nothing with the host's.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    deadline,
    program::{self, Running},
};

/// Where distributions keep it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"];

/// Below which journals lie, whichever of them there is.
const STORES: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running journald; stopped, and its journal removed, when dropped.
#[derive(Debug)]
pub struct Journald {
    process: Running,
    namespace: String,
    _folder: TempDir,
}

impl Journald {
    /// Starts it, and waits until it listens.
    pub fn start() -> Result<Journald> {
        program::require_root()?;
        let program = PROGRAMS.into_iter().map(Path::new).find(|program| program.is_file());
        let program = program.context("systemd-journald is missing: install the package `systemd`")?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("rollcall-test-{}-{number}", std::process::id());
        let folder = tempfile::Builder::new().prefix("rollcall-journald-").tempdir()?;
        let mut command = Command::new(program);
        command.arg(&namespace);
        let process = Running::start(command, &folder.path().join("output"))?;
        let mut journald = Journald { process, namespace, _folder: folder };
        deadline::until("journald to listen", || {
            if let Some(status) = journald.process.ended()? {
                bail!("journald ended with {status}: {}", journald.process.output());
            }
            Ok(journald.folder().join("socket").exists().then_some(()))
        })?;
        Ok(journald)
    }

    /// The folder of its sockets, as `/run/systemd/journal` is of the host's.
    pub fn folder(&self) -> PathBuf {
        Path::new("/run/systemd").join(format!("journal.{}", self.namespace))
    }

    /// The entries that journalctl finds for `matches`.
    pub fn entries(&self, matches: &[&str]) -> Result<Vec<Value>> {
        let mut command = Command::new(program::find("journalctl")?);
        command.arg(format!("--namespace={}", self.namespace)).args(["--output=json", "--all", "--quiet"]);
        let lines = program::run(command.args(matches))?;
        lines.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Waits until journalctl finds an entry for `matches`.
    pub fn wait_for(&self, matches: &[&str]) -> Result<Vec<Value>> {
        deadline::until(&format!("entries with {matches:?}"), || {
            Ok(Some(self.entries(matches)?).filter(|entries| !entries.is_empty()))
        })
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        // Whatever stays behind is in nobody's way.
        let _ = self.process.stop(Signal::SIGTERM);
        let _ = fs::remove_dir_all(self.folder());
        for store in STORES {
            for journal in fs::read_dir(store).into_iter().flatten().flatten() {
                if journal.path().extension() == Some(OsStr::new(&self.namespace)) {
                    let _ = fs::remove_dir_all(journal.path());
                }
            }
        }
    }
}
