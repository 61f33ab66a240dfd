//! `first-run`: how long it takes from a clean clone to the demonstration's alert, and again after a change.
//!
//! The clone and a home of cargo's own, without any crate, lie below the target directory. What is here besides is what a
//! newcomer has too: a Rust toolchain, a C compiler, and cargo's configuration, which names the registry.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::{
    cargo, privilege, process, sections,
    workspace::{self, Workspace},
};

/// How the demonstration's alert begins.
const ALERT: &str = "ALERT";

const GOAL: Duration = Duration::from_secs(240);
const GOAL_AFTER_A_CHANGE: Duration = Duration::from_secs(30);

/// Changes are tried so often, and the median counts.
const CHANGES: usize = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// Writes the section of docs/BENCHMARKS.md instead of standard output.
    #[arg(long)]
    write: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    ensure!(privilege::is_root(), "the demonstration attaches programs to the kernel: run this as root");
    let place = workspace.target.join("first-run");
    workspace::remove(&place)?;
    let (clone, home) = (place.join("rollcall"), place.join("cargo"));
    fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    copy_configuration(&home)?;
    process::run(Command::new("git").args(["clone", "--quiet"]).arg(&workspace.root).arg(&clone))?;

    let first = time_to_alert(&clone, &home)?;
    let mut changes = Vec::new();
    for number in 0..CHANGES {
        change(&clone, number)?;
        changes.push(time_to_alert(&clone, &home)?);
    }
    changes.sort();
    let section = section(first, changes[CHANGES / 2], changes[0], changes[CHANGES - 1]);
    workspace::remove(&place)?;
    if !options.write {
        print!("{section}");
        return Ok(());
    }
    sections::write(&workspace.root.join("docs").join("BENCHMARKS.md"), &section, false)
}

/// Cargo's configuration as the user has it: where crates come from.
fn copy_configuration(home: &Path) -> Result<()> {
    let Some(theirs) = cargo::home() else { return Ok(()) };
    for name in ["config.toml", "config", "credentials.toml"] {
        let file = theirs.join(name);
        if file.is_file() {
            fs::copy(&file, home.join(name)).with_context(|| format!("copy {}", file.display()))?;
        }
    }
    Ok(())
}

/// Changes what detection is compiled from, as somebody does who works on it.
fn change(clone: &Path, number: usize) -> Result<()> {
    let file = clone.join("monitor/detect/src/lib.rs");
    let mut source = fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .with_context(|| format!("open {}", file.display()))?;
    writeln!(source, "\n/// A change.\npub const CHANGE_{number}: usize = {number};")
        .with_context(|| format!("write {}", file.display()))
}

/// Runs the demonstration in `clone` to its end.
fn time_to_alert(clone: &Path, home: &Path) -> Result<Duration> {
    let mut command = Command::new("cargo");
    command.args(["xtask", "run", "--demo"]).current_dir(clone).stdout(Stdio::piped());
    // What the cargo that runs this program has set would reach the one that is measured.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO") {
            command.env_remove(name);
        }
    }
    command.env("CARGO_HOME", home);
    let start = Instant::now();
    let mut child = command.spawn().context("start cargo")?;
    let output = child.stdout.take().context("no output to read")?;
    let mut alert = None;
    for line in BufReader::new(output).lines() {
        let line = line.context("read what the demonstration says")?;
        eprintln!("{line}");
        if alert.is_none() && line.starts_with(ALERT) {
            alert = Some(start.elapsed());
        }
    }
    let status = child.wait().context("wait for the demonstration")?;
    match alert {
        Some(alert) if status.success() => Ok(alert),
        _ => bail!("the demonstration did not end well ({status})"),
    }
}

fn section(first: Duration, again: Duration, least: Duration, most: Duration) -> String {
    let row = |name: &str, time: Duration, spread: &str, goal: Duration| {
        let verdict = if time <= goal { "met" } else { "**not met**" };
        format!("| {name} | {} s | {spread} |  | ≤ {} s | {verdict} |\n", time.as_secs(), goal.as_secs())
    };
    let spread = format!("{} s to {} s", least.as_secs(), most.as_secs());
    format!(
        "## The first run\n\n\
         `cargo xtask first-run --write`: from a clean clone without a crate in cargo's cache to the alert of `cargo xtask run \
         --demo`, and to the same again after a change in detection, {CHANGES} times.\n\n\
         | figure | median or value | p10 to p90 | 95 % interval of the median | goal | result |\n\
         |---|---|---|---|---|---|\n\
         {}{}",
        row("**from a clean clone**", first, "", GOAL),
        row("**after a change in detection**", again, &spread, GOAL_AFTER_A_CHANGE),
    )
}
