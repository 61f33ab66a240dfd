//! `ci`: what a change has to pass before it is merged. All checks run, so that one round tells everything; tests,
//! which take longest, only once the checks have passed.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    bpf,
    build::{self, Linkage, Profile},
    dashboard, manifest, package, process, test,
    tool::{CARGO_DENY, CARGO_MACHETE, Tool},
    workspace::Workspace,
};

type Check = fn(&Workspace) -> Result<()>;

const CHECKS: [(&str, Check); 9] = [
    ("formatting", formatting),
    ("licences, bans, sources", licences),
    ("unused dependencies", unused_dependencies),
    ("dashboard", dashboard::check),
    ("Kubernetes manifest", manifest::check),
    ("eBPF object", bpf::check),
    ("lints of the eBPF programs", bpf::clippy),
    ("lints", lints),
    ("documentation", documentation),
];

/// The fuzz targets are a workspace of their own.
const FUZZ: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

pub(crate) fn verb(workspace: &Workspace) -> Result<()> {
    let mut outcomes = Vec::new();
    for (name, check) in CHECKS {
        outcomes.push(timed(name, || check(workspace)));
    }
    if outcomes.iter().all(Outcome::is_passed) {
        outcomes.push(timed("tests", || test::verb(workspace, &test::Options::default())));
        outcomes.push(timed("package", || package_on_debian(workspace)));
    }
    eprintln!();
    for Outcome { name, took, error } in &outcomes {
        let verdict = if error.is_none() { "passed" } else { "FAILED" };
        eprintln!("{verdict}  {:>5} s  {name}", took.as_secs());
    }
    let failures: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {:#}", outcome.name, outcome.error.as_ref()?)))
        .collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<anyhow::Error>,
}

impl Outcome {
    fn is_passed(&self) -> bool {
        self.error.is_none()
    }
}

fn timed(name: &'static str, check: impl FnOnce() -> Result<()>) -> Outcome {
    eprintln!("\n── {name}");
    let start = Instant::now();
    let error = check().err();
    Outcome { name, took: start.elapsed(), error }
}

fn formatting(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    process::run(workspace.cargo().args(["fmt", FUZZ[0], FUZZ[1], "--check"]))
}

/// Known vulnerabilities are left out: their database is on the internet, which the CI machine cannot reach.
fn licences(workspace: &Workspace) -> Result<()> {
    let deny = obtain(&CARGO_DENY, workspace)?;
    eprintln!("advisories are left out: their database is not within reach here");
    process::run(tool(workspace, &deny).args(["--workspace", "check", "licenses", "bans", "sources"]))
}

fn unused_dependencies(workspace: &Workspace) -> Result<()> {
    let machete = obtain(&CARGO_MACHETE, workspace)?;
    process::run(tool(workspace, &machete).arg("--skip-target-dir"))
}

/// `--locked` makes a forgotten Cargo.lock show here, and not on somebody else's machine.
fn lints(workspace: &Workspace) -> Result<()> {
    let mut clippy = build::host_cargo(workspace, Linkage::Dynamic, "clippy")?;
    process::run(clippy.args(["--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut clippy = build::host_cargo(workspace, Linkage::Dynamic, "clippy")?;
    process::run(clippy.args(FUZZ).args(["--locked", "--", "-D", "warnings"]))
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let mut doc = build::host_cargo(workspace, Linkage::Dynamic, "doc")?;
    process::run(doc.args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// With the program that the tests ran, which is built already.
fn package_on_debian(workspace: &Workspace) -> Result<()> {
    package::test(workspace, &build::monitor(workspace, Profile::Quick, Linkage::Dynamic)?)
}

fn obtain(tool: &Tool, workspace: &Workspace) -> Result<std::path::PathBuf> {
    if let Some(program) = tool.found(workspace) {
        return Ok(program);
    }
    let _lock = workspace.lock_tools()?;
    tool.obtain(workspace)
}

fn tool(workspace: &Workspace, program: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    command
}
