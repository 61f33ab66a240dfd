//! `bench`: the measurements behind docs/BENCHMARKS.md.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    cargo, commit, documents,
    packages::{self, Program},
    privilege, sections, test,
    workspace::Workspace,
};

/// What the benchmarks start.
const PROGRAMS: [Program; 2] =
    [Program { name: "nginx", package: "nginx" }, Program { name: "wrk", package: "wrk" }];

/// The benchmarks that need no kernel, no servers and no daemon.
const IN_PROCESS: [&str; 5] = ["ring", ATTRIBUTION, ROUTES, "checkpoint", "hostile"];
const ATTRIBUTION: &str = "attribution";
const ROUTES: &str = "routes";
const AGAINST: &str = "against";

#[derive(Args)]
pub(crate) struct Options {
    /// throughput, veth, cost, completeness, idle, connections, bulk, ring, attribution, routes, checkpoint, ledger, hostile,
    /// counters, losses, against; all without names, `against` only with --commit.
    names: Vec<OsString>,
    /// How long each benchmark measures, instead of its own time.
    #[arg(long)]
    seconds: Option<u64>,
    /// How many accounts `ledger` writes down [default: 37 million].
    #[arg(long)]
    objects: Option<u64>,
    /// Only cases of `hostile` whose names contain this.
    #[arg(long)]
    filter: Option<String>,
    /// The commit whose daemon `against` compares this tree's with.
    #[arg(long)]
    commit: Option<String>,
    /// Writes docs/BENCHMARKS.md instead of standard output: all of it, or the sections of the benchmarks named.
    #[arg(long)]
    write: bool,
}

impl Options {
    /// Whether the benchmark called `name` is to run.
    fn has(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|named| named == name)
    }

    fn are_in_process(&self) -> bool {
        let in_process = |name: &OsString| IN_PROCESS.iter().any(|known| name == known);
        !self.names.is_empty() && self.names.iter().all(in_process)
    }
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    if !options.are_in_process() {
        privilege::obtainable("attaching programs to the kernel")?;
        packages::ensure(&PROGRAMS)?;
    }
    let names = ["rollcall", "rollcall-bench"];
    let [rollcall, bench] = build::programs(workspace, Profile::Release, Linkage::Dynamic, names)?;
    let mut variables = prepare(workspace, options)?;
    variables.push(("ROLLCALL_BIN", rollcall));
    let mut arguments = options.names.clone();
    arguments.extend(options.seconds.map(|seconds| format!("--seconds={seconds}").into()));
    arguments.extend(options.objects.map(|objects| format!("--objects={objects}").into()));
    arguments.extend(options.filter.as_ref().map(|filter| format!("--filter={filter}").into()));
    arguments.extend(options.commit.as_ref().map(|commit| format!("--commit={commit}").into()));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    let mut command = if options.are_in_process() {
        let mut command = Command::new(&bench);
        command.args(&arguments).envs(variables.iter().copied());
        command
    } else {
        privilege::command(&bench, &arguments, &variables)?
    };
    if !options.write {
        return Err(command.exec()).with_context(|| format!("start {}", bench.display()));
    }
    // Written by whoever called us, not by root.
    let child = command.stdout(Stdio::piped()).spawn();
    let output = child
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("start {}", bench.display()))?;
    if !output.status.success() {
        bail!("not every benchmark ended well: nothing is written");
    }
    let found = String::from_utf8(output.stdout).context("read what the benchmarks found")?;
    sections::write(&workspace.root.join("docs").join("BENCHMARKS.md"), &found, options.names.is_empty())
}

/// Makes what else the benchmarks need, and names the variables that say where it is.
fn prepare(workspace: &Workspace, options: &Options) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut variables = Vec::new();
    if options.has(AGAINST) {
        if let Some(commit) = &options.commit {
            variables.push(("ROLLCALL_BASE_BIN", commit::monitor(workspace, commit)?));
        } else if !options.names.is_empty() {
            bail!("`against` wants --commit");
        }
    }
    if options.has(ATTRIBUTION) {
        let mut build = build::host_cargo(workspace, Linkage::Dynamic, "bench")?;
        build.args(["--no-run", "--package", "rollcall-engine", "--bench", ATTRIBUTION]);
        variables.push(("ROLLCALL_ATTRIBUTION_BENCH", cargo::executable(&mut build, ATTRIBUTION)?));
    }
    if options.has(ROUTES) {
        variables.push(("ROLLCALL_OPENAPI_DOCUMENTS", documents::ensure(workspace)?));
        variables.extend(test::shared_data(workspace).map(|shared| (test::SHARED, shared)));
    }
    Ok(variables)
}
