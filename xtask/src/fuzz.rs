//! `fuzz`: feeds the parsers what an attacker might, one target after the other.
//!
//! What cargo-fuzz does is done here, without it and but for the sanitizers: libFuzzer comes with `libfuzzer-sys`, and
//! the flags that instrument the code are stable. Corpora stay under the target directory, so that each run begins where the last one
//! ended.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{bpf, process, toolchain::Toolchain, workspace::Workspace};

/// What cargo-fuzz 0.13 has rustc do: counters at each edge, tables of where they stand, and what comparisons compare.
const INSTRUMENTATION: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
    "-Ccodegen-units=1",
];

/// Longer inputs are not tried: heads and bodies are capped there.
const LONGEST: usize = 16 * 1024;

/// One input may take this long. A parser takes microseconds; a virtual machine that is paused takes seconds.
const TIMEOUT_S: u64 = 30;

#[derive(Args)]
pub(crate) struct Options {
    /// Names of files in fuzz/targets; all without names.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Passed on to libFuzzer: flags, or files to be tried again instead of new ones.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    let targets = chosen(all(&workspace.root.join("fuzz").join("targets"))?, &options.targets)?;
    bpf::ensure(workspace)?;
    let programs = build(workspace, &targets)?;
    let mut found = Vec::new();
    for target in &targets {
        eprintln!("\n── {target}");
        if let Err(error) = run(workspace, &programs.join(target), target, options) {
            eprintln!("xtask: {error:#}");
            found.push(&**target);
        }
    }
    if !found.is_empty() {
        let kept = directory(workspace).join("findings");
        bail!("{} did not end well; what led there is in {}", found.join(", "), kept.display());
    }
    Ok(())
}

/// The targets that there are.
fn all(sources: &Path) -> Result<Vec<String>> {
    let listed = || format!("list {}", sources.display());
    let mut targets = Vec::new();
    for entry in fs::read_dir(sources).with_context(listed)? {
        let path = entry.with_context(listed)?.path();
        targets.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

fn chosen(all: Vec<String>, wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|target| !all.contains(target)) {
        bail!("no fuzz target {unknown}: there are {}", all.join(", "));
    }
    Ok(if wanted.is_empty() { all } else { wanted.to_vec() })
}

/// Builds targets and returns the directory that their programs are in.
fn build(workspace: &Workspace, targets: &[String]) -> Result<PathBuf> {
    let host = Toolchain::read()?.host;
    let directory = directory(workspace).join("build");
    let mut cargo = workspace.cargo();
    // A target has to be named, even the host's own: otherwise build scripts would be instrumented, too.
    cargo
        .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\x1f"));
    for target in targets {
        cargo.args(["--bin", target]);
    }
    process::run(&mut cargo)?;
    Ok(directory.join(host).join("release"))
}

fn run(workspace: &Workspace, program: &Path, target: &str, options: &Options) -> Result<()> {
    let directory = directory(workspace);
    let (corpus, findings) = (directory.join("corpus").join(target), directory.join("findings").join(target));
    let words = directory.join(format!("{target}.words"));
    for path in [&corpus, &findings] {
        fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
    }
    let mut command = Command::new(program);
    command
        .env("ROLLCALL_FUZZ_SEEDS", &corpus)
        .env("ROLLCALL_FUZZ_WORDS", &words)
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={TIMEOUT_S}"))
        .args(["-report_slow_units=1", "-print_final_stats=1"])
        .arg(format!("-dict={}", words.display()))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(&options.arguments);
    if options.arguments.iter().all(|argument| argument.starts_with('-')) {
        command.arg(&corpus);
    }
    process::run(&mut command)
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_that_there_are_can_be_chosen() {
        let all = || vec!["json".to_owned(), "path".to_owned()];
        assert_eq!(chosen(all(), &[]).unwrap(), all());
        assert_eq!(chosen(all(), &["path".to_owned()]).unwrap(), ["path"]);
        let error = chosen(all(), &["pat".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "no fuzz target pat: there are json, path");
    }
}
