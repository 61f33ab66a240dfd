//! What bounds a server: a cgroup of its own with little memory. Some take all that there is when a chunk is said to be large.
//!
//! The cgroup is also how each of a server's processes is found at its end.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rollcall_tests::deadline;

/// Java takes a third of it when idle.
const MEMORY: u64 = 512 * 1024 * 1024;

/// Where cgroups with a memory controller are, and the file that bounds one: version 2, then version 1.
const HIERARCHIES: [(&str, &str); 2] =
    [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];

/// What the names of ours begin with; the id of the process that made it follows.
const PREFIX: &str = "rollcall-differential-";

/// Removes the cgroups of earlier runs that were killed, with what still runs in them.
pub(crate) fn clear_leftovers() {
    for (root, limit) in HIERARCHIES {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            let left = maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists());
            if left && entry.path().join(limit).exists() {
                drop(Bound { folder: entry.path() });
            }
        }
    }
}

/// A cgroup, removed with all that runs in it when dropped.
#[derive(Debug)]
pub(crate) struct Bound {
    folder: PathBuf,
}

impl Bound {
    pub(crate) fn new(name: &str) -> Result<Bound> {
        for (root, limit) in HIERARCHIES {
            let folder = Path::new(root).join(format!("{PREFIX}{}-{name}", std::process::id()));
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&folder).is_err() {
                continue;
            }
            let bound = Bound { folder };
            if fs::write(bound.folder.join(limit), MEMORY.to_string()).is_ok() {
                return Ok(bound);
            }
        }
        bail!("there is no cgroup with a memory controller to bound {name} with")
    }

    /// Has `command` run inside.
    pub(crate) fn hold(&self, command: &mut Command) -> Result<()> {
        let procs = self.folder.join("cgroup.procs");
        let procs: File = OpenOptions::new()
            .write(true)
            .open(&procs)
            .with_context(|| format!("open {}", procs.display()))?;
        // SAFETY: write(2) on a descriptor that is open is async-signal-safe.
        unsafe {
            // 0 is whoever writes.
            command.pre_exec(move || (&procs).write_all(b"0"));
        }
        Ok(())
    }

    fn processes(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok().map(Pid::from_raw)).collect()
    }

    /// Ends what runs inside.
    pub(crate) fn clear(&self) -> Result<()> {
        deadline::until("a server's processes to end", || {
            let processes = self.processes();
            for process in &processes {
                // It may have ended meanwhile.
                let _ = kill(*process, Signal::SIGKILL);
            }
            Ok(processes.is_empty().then_some(()))
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = self.clear();
        // What has ended may not be reaped yet: then the cgroup stays a moment longer.
        let _ = deadline::until("the cgroup to be empty", || Ok(fs::remove_dir(&self.folder).ok()));
    }
}
