//! `cargo xtask`: everything that is done to Rollcall's source tree, one module a verb.
//!
//! What a verb needs and does not find it gets by itself, and keeps under the target directory: removing that
//! directory undoes all of it, save the Debian packages that `test` and `vm-test` install when they run as root.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod archive;
mod bench;
mod bpf;
mod btf;
mod build;
mod cargo;
mod ci;
mod commit;
mod core_source;
mod dashboard;
mod differential;
mod documents;
mod eval;
mod first_run;
mod fuzz;
mod golden;
mod manifest;
mod npm;
mod package;
mod packages;
mod privilege;
mod process;
mod python;
mod run;
mod sections;
mod setup;
mod sources;
mod test;
mod tool;
mod toolchain;
mod vm_test;
mod workspace;

use workspace::Workspace;

/// Builds, runs and tests Rollcall.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Finds or builds what it takes to change the eBPF programs: the source of core, and bpf-linker.
    Setup,
    /// Builds the eBPF object in the tree anew, or checks that it is what its sources give.
    Bpf(bpf::Options),
    /// Builds the daemon, and first the eBPF object if its sources have changed.
    Build(build::Options),
    /// Builds the daemon and runs it, as root, with the flags given.
    Run(run::Options),
    /// Runs every test, those on the real kernel too, which takes root.
    Test(test::Options),
    /// Measures Rollcall's cost and completeness on this machine, as root.
    Bench(bench::Options),
    /// Evaluates detection: attacks amid ordinary traffic, and ordinary traffic alone.
    Eval(eval::Options),
    /// Sends odd byte sequences to real servers, and compares what they served with what is reported, as root.
    Differential(differential::Options),
    /// Measures how long a newcomer waits for the demonstration's alert, as root.
    FirstRun(first_run::Options),
    /// Feeds the parsers what an attacker might, for a while each.
    Fuzz(fuzz::Options),
    /// Replays all that is recorded, and compares what comes of it with what came before.
    Golden(golden::Options),
    /// Runs what a change has to pass: formatting, lints, licences, documentation, tests.
    Ci,
    /// Makes the Debian package and the tarball.
    Package(package::Options),
    /// Boots Debian kernels in virtual machines and runs the capture tests in each.
    VmTest(vm_test::Options),
}

fn main() -> ExitCode {
    if let Some(error) = bpf::become_rustc() {
        eprintln!("xtask: error: start rustc: {error:#}");
        return ExitCode::FAILURE;
    }
    match perform(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<()> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Setup => setup::verb(&workspace),
        Verb::Bpf(options) => bpf::verb(&workspace, &options),
        Verb::Build(options) => build::verb(&workspace, &options),
        Verb::Run(options) => run::verb(&workspace, &options),
        Verb::Test(options) => test::verb(&workspace, &options),
        Verb::Bench(options) => bench::verb(&workspace, &options),
        Verb::Eval(options) => eval::verb(&workspace, &options),
        Verb::Differential(options) => differential::verb(&workspace, &options),
        Verb::FirstRun(options) => first_run::verb(&workspace, &options),
        Verb::Fuzz(options) => fuzz::verb(&workspace, &options),
        Verb::Golden(options) => golden::verb(&workspace, &options),
        Verb::Ci => ci::verb(&workspace),
        Verb::Package(options) => package::verb(&workspace, &options),
        Verb::VmTest(options) => vm_test::verb(&workspace, &options),
    }
}
