//! `bench`: the measurements behind docs/BENCHMARKS.md.

use std::{ffi::OsString, fs, process::Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    cargo,
    packages::{self, Program},
    privilege,
    workspace::Workspace,
};

/// What the benchmarks start.
const PROGRAMS: [Program; 2] =
    [Program { name: "nginx", package: "nginx" }, Program { name: "wrk", package: "wrk" }];

#[derive(Args)]
pub(crate) struct Options {
    /// throughput, veth, cost, completeness, idle, connections, bulk, ring; all without names.
    names: Vec<OsString>,
    /// How long each benchmark measures, instead of its own time.
    #[arg(long)]
    seconds: Option<u64>,
    /// Writes docs/BENCHMARKS.md instead of standard output. All benchmarks have to run for it.
    #[arg(long, conflicts_with = "names")]
    write: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    privilege::obtainable("attaching programs to the kernel")?;
    packages::ensure(&PROGRAMS)?;
    let rollcall = build::monitor(workspace, Profile::Release, Linkage::Dynamic)?;
    let mut build = build::host_cargo(workspace, Linkage::Dynamic, "build")?;
    build.args(["--release", "--package", "rollcall-tests", "--bin", "rollcall-bench"]);
    let bench = cargo::executable(&mut build, "rollcall-bench")?;
    let mut arguments = options.names.clone();
    arguments.extend(options.seconds.map(|seconds| format!("--seconds={seconds}").into()));
    let variables = [("ROLLCALL_BIN", rollcall.as_os_str())];
    if !options.write {
        return privilege::exec(&bench, &arguments, &variables);
    }
    // Written by whoever called us, not by root.
    let child = privilege::command(&bench, &arguments, &variables)?.stdout(Stdio::piped()).spawn();
    let output = child
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("start {}", bench.display()))?;
    if !output.status.success() {
        bail!("not every benchmark ended well: nothing is written");
    }
    let document = workspace.root.join("docs").join("BENCHMARKS.md");
    fs::write(&document, output.stdout).with_context(|| format!("write {}", document.display()))?;
    eprintln!("xtask: {} is written", document.display());
    Ok(())
}
