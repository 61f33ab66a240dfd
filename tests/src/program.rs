//! The programs that some tests need: found, or named in the error; run, and stopped by their process id.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};

use crate::deadline;

/// Where Debian keeps daemons; not always in root's PATH.
const SYSTEM: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Fails unless this process is root: capture needs the kernel.
pub fn require_root() -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "these tests attach programs to the kernel and make network namespaces: run them as root (`sudo cargo xtask test`)"
    );
    Ok(())
}

/// The path of a program, or an error that names it and its Debian package.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = SYSTEM.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).with_context(|| {
        format!("the program `{name}` is missing: install the package `{name}`, or let `cargo xtask test` do it as root")
    })
}

/// Runs a command that bounds itself, and returns what it wrote to stdout; fails unless it ends well.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} ended with {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A running child that is killed when dropped. It does not outlive the thread that started it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its stderr in `log`, and its stdout too unless it was set by the caller.
    pub fn start(command: Command, log: &Path) -> Result<Running> {
        Running::start_tied(command, log, Signal::SIGTERM)
    }

    /// As [`Running::start`], with the signal that the child gets should this process be killed.
    pub fn start_tied(mut command: Command, log: &Path, end: Signal) -> Result<Running> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
        // SAFETY: prctl(2) is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(move || {
                // Should this process be killed, its children are told to end as well.
                Errno::result(libc::prctl(libc::PR_SET_PDEATHSIG, end as libc::c_int))?;
                Ok(())
            });
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Running { child, name, log: log.to_owned() })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal)
            .with_context(|| format!("{signal} to {}", self.name))
    }

    /// Sends `signal` and waits for the end.
    pub fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(signal)?;
        let name = self.name.clone();
        deadline::until(&format!("{name} to end on {signal}"), || self.ended())
    }

    /// What it wrote so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Already gone is as good as killed; there is nobody to tell otherwise.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
