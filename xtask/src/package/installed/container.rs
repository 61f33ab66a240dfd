//! A container in which systemd runs: booted by systemd-nspawn, entered by nsenter.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Booting takes four seconds; this is for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(100);

/// A running container, which ends with this value; what it wrote goes as well.
pub(super) struct Container {
    nspawn: Child,
    /// Its init, seen from here.
    init: String,
    console: PathBuf,
}

impl Container {
    /// Boots a copy of `system`, with `packages` at `/packages`.
    pub(super) fn boot(system: &Path, packages: &Path, home: &Path) -> Result<Self> {
        let console = home.join("console.log");
        let log = File::create(&console).with_context(|| format!("create {}", console.display()))?;
        let nspawn = Command::new("systemd-nspawn")
            // Whatever this machine has mounted, the container gets cgroup v2, as Debian does.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .args(["--quiet", "--boot", "--ephemeral", "--register=no", "--keep-unit", "--private-network"])
            .args(["--console=read-only", "--machine=rollcall-package"])
            // A container may not load programs into the kernel unless told so; a host may.
            .args(["--capability=CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON,CAP_CHECKPOINT_RESTORE"])
            .args(["--system-call-filter=bpf"])
            .arg(format!("--bind-ro={}:/packages", packages.display()))
            .arg("--directory")
            .arg(system)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start systemd-nspawn")?;
        let mut container = Self { nspawn, init: String::new(), console };
        container.wait_for_init()?;
        container.until("the container's systemd to be up", || {
            Ok(container.run(&["systemctl", "is-system-running"]).is_ok().then_some(()))
        })?;
        Ok(container)
    }

    /// Its init is the only child that systemd-nspawn keeps.
    fn wait_for_init(&mut self) -> Result<()> {
        let nspawn = self.nspawn.id();
        let children = format!("/proc/{nspawn}/task/{nspawn}/children");
        self.init = self.until("systemd-nspawn to start an init", || {
            let children = fs::read_to_string(&children).unwrap_or_default();
            let init = children.split_whitespace().next_back().unwrap_or_default();
            let name = fs::read_to_string(format!("/proc/{init}/comm")).unwrap_or_default();
            Ok((name.trim() == "systemd").then(|| init.to_owned()))
        })?;
        Ok(())
    }

    /// Runs a program in the container, and returns what it wrote; fails unless it ends well.
    pub(super) fn run(&self, command: &[&str]) -> Result<String> {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.init, "--all", "--wd=/", "--"]).args(command);
        nsenter
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive");
        process::stdout(nsenter.stderr(Stdio::null()))
    }

    /// As [`Self::run`], for scripts.
    pub(super) fn shell(&self, script: &str) -> Result<String> {
        self.run(&["sh", "-euc", script])
    }

    /// Looks until there is something to be seen; errors end the wait.
    pub(super) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(seen) = look()? {
                return Ok(seen);
            }
            if start.elapsed() > PATIENCE {
                let console = fs::read_to_string(&self.console).unwrap_or_default();
                bail!("waited in vain for {what}; the console says:\n{console}");
            }
            thread::sleep(LOOK);
        }
    }

    /// What its services have said.
    pub(super) fn journal(&self) -> String {
        self.run(&["journalctl", "--no-pager", "--lines=200"]).unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // An ephemeral system needs no orderly end. Its copy goes with systemd-nspawn, which ends when its init does.
        let killed = Command::new("kill").args(["-KILL", &self.init]).status();
        if self.init.is_empty() || !killed.is_ok_and(|status| status.success()) {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
    }
}
