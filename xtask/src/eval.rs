//! `eval`: the evaluation of detection behind docs/EVALUATION.md. Needs neither root nor a kernel of its own.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Linkage, Profile},
    sections, test,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Attacks by their names, and `benign`, `logs`, `field`, `forms`, `known`, `taught`, `scale` and `speed`; all without names.
    scenarios: Vec<String>,
    /// Seeds that each scenario is run with.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The tests of scale in full size: some minutes more.
    #[arg(long)]
    full: bool,
    /// Writes docs/EVALUATION.md instead of standard output, from a run in full size.
    #[arg(long, conflicts_with = "scenarios")]
    write: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    let [eval] = build::programs(workspace, Profile::Release, Linkage::Dynamic, ["rollcall-eval"])?;
    let mut command = Command::new(&eval);
    command.args(&options.scenarios).arg(format!("--seeds={}", options.seeds));
    if options.full || options.write {
        command.arg("--full");
    }
    command.envs(test::shared_data(workspace).map(|shared| (test::SHARED, shared)));
    if !options.write {
        return Err(command.exec()).with_context(|| format!("start {}", eval.display()));
    }
    let child = command.stdout(Stdio::piped()).spawn();
    let output = child
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("start {}", eval.display()))?;
    if !output.status.success() {
        bail!("the evaluation did not end well: nothing is written");
    }
    let document = workspace.root.join("docs").join("EVALUATION.md");
    let found = String::from_utf8(output.stdout).context("read what the evaluation found")?;
    sections::write(&document, &found, true)
}
