//! Root: whether we are, and how to become.

use std::{env, ffi::OsStr, os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Environment variables that mean something to Rollcall, and so follow it through sudo.
const OURS: [&str; 2] = ["ROLLCALL_", "RUST_"];

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Fails unless [`exec`] can make `what` run as root.
pub(crate) fn obtainable(what: &str) -> Result<()> {
    if !is_root() && process::find("sudo").is_none() {
        bail!("{what} needs root: run this as root, or install sudo");
    }
    Ok(())
}

/// Becomes `program`, as root. Replacing this process lets signals reach the program itself.
///
/// Never returns when it succeeds.
pub(crate) fn exec<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    variables: &[(&str, &OsStr)],
) -> Result<()> {
    Err(command(program, arguments, variables)?.exec())
        .with_context(|| format!("start {}", program.display()))
}

/// `program` as root, to be started.
pub(crate) fn command<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    variables: &[(&str, &OsStr)],
) -> Result<Command> {
    let mut command = if is_root() {
        Command::new(program)
    } else {
        obtainable(&program.display().to_string())?;
        let kept = env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| OURS.iter().any(|prefix| name.starts_with(prefix)))
            .chain(variables.iter().map(|(name, _)| (*name).to_owned()));
        let mut sudo = Command::new("sudo");
        sudo.arg(format!("--preserve-env={}", kept.collect::<Vec<_>>().join(","))).arg("--").arg(program);
        sudo
    };
    command.args(arguments).envs(variables.iter().copied());
    Ok(command)
}
