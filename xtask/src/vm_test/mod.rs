//! `vm-test`: the tests of the capture on every kernel that Rollcall promises to run on.
//!
//! Debian's own kernels, under qemu's emulator: hardware virtualisation is not to be had on every machine, and on
//! some that offer it these kernels hang. The test programs and the daemon are linked statically, and are all that
//! runs in the machine beside busybox and a few kernel modules.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    archive::Archive,
    build::{self, Linkage, Profile},
    cargo,
    packages::{self, Program},
    workspace::Workspace,
};

mod initramfs;
mod kernel;
mod machine;
mod modules;

use initramfs::Contents;
use kernel::Kernel;
use machine::Outcome;

/// The oldest kernel promised, those of Debian's releases since, the newest with long-term support, the newest.
const SERIES: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7"];

/// The test programs, of `tests/tests`: those that need no other program.
const TESTS: [&str; 2] = ["capture", "unreadable"];

const QEMU: Program = Program { name: "qemu-system-x86_64", package: "qemu-system-x86" };

#[derive(Args)]
pub(crate) struct Options {
    /// Kernel series, such as `6.1`, or `7` for the newest 7.x [default: 5.10 6.1 6.12 6.18 7].
    kernels: Vec<String>,
    /// Seconds that one test may take. All of them take up to half an hour on each kernel, as emulated machines are slow.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Only tests whose name contains this; may be given several times.
    #[arg(long)]
    filter: Vec<String>,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        bail!("the kernels that vm-test knows are for x86_64");
    }
    let asked: Vec<&str> = options.kernels.iter().map(String::as_str).collect();
    let asked = if asked.is_empty() { SERIES.to_vec() } else { asked };
    packages::ensure(&[QEMU])?;
    let directory = workspace.target.join("vm");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let rollcall = build::monitor(workspace, Profile::Quick, Linkage::Static)?;
    let tests = TESTS.map(|name| test_program(workspace, name)).into_iter().collect::<Result<Vec<_>>>()?;
    let archive = Archive::open(workspace.tools().join("apt"))?;
    let busybox = kernel::busybox(&archive, &directory)?;
    let initrd = directory.join("initramfs.cpio");

    let mut rows = Vec::new();
    for series in asked {
        let tested = Kernel::obtain(&archive, &directory, series).and_then(|kernel| {
            let contents = Contents {
                busybox: &busybox,
                rollcall: &rollcall,
                tests: &tests,
                modules: &kernel.modules,
                filters: &options.filter,
            };
            initramfs::write(&contents, &initrd)?;
            eprintln!("xtask: booting {}", kernel.release);
            let log = directory.join(format!("{}.log", kernel.release));
            let outcome = machine::boot(&kernel.image, &initrd, Duration::from_secs(options.timeout), &log)?;
            if !outcome.passed {
                let console = fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))?;
                eprintln!("── {0}\n{console}\n── end of {0}", kernel.release);
            }
            Ok((kernel.release, outcome))
        });
        rows.push((series, tested));
    }
    report(&rows)
}

/// Builds a test program.
fn test_program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let mut build = build::host_cargo(workspace, Linkage::Static, "test")?;
    cargo::executable(build.args(["--no-run", "--package", "rollcall-tests", "--test", name]), name)
}

fn report(rows: &[(&str, Result<(String, Outcome)>)]) -> Result<()> {
    println!("{:<8} {:<32} {:>6}  outcome", "series", "kernel", "time");
    for (series, tested) in rows {
        match tested {
            Ok((release, Outcome { passed, took, said, .. })) => {
                let verdict = if *passed { "passed" } else { "FAILED" };
                println!("{series:<8} {release:<32} {:>4} s  {verdict}: {said}", took.as_secs());
            }
            Err(error) => println!("{series:<8} {:<32} {:>6}  FAILED: {error:#}", "-", "-"),
        }
    }
    let failed =
        rows.iter().filter(|(_, tested)| !matches!(tested, Ok((_, outcome)) if outcome.passed)).count();
    if failed > 0 {
        bail!("{failed} of {} kernels failed", rows.len());
    }
    Ok(())
}
