//! `build`: the eBPF object, then the daemon with the object inside.
//!
//! Each combination of flags has a target directory of its own, so that none makes cargo throw another's work away,
//! and cargo decides what is stale.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    cargo,
    core_source::CoreSource,
    process,
    setup::{self, Ready},
    toolchain::{BPF_TARGET, Toolchain},
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Optimised, as it is released.
    #[arg(long)]
    release: bool,
    /// Statically linked, for machines that have nothing but a kernel.
    #[arg(long = "static")]
    linked_static: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Linkage {
    Dynamic,
    Static,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    let profile = if options.release { Profile::Release } else { Profile::Dev };
    let linkage = if options.linked_static { Linkage::Static } else { Linkage::Dynamic };
    let program = monitor(workspace, profile, linkage)?;
    println!("{}", program.display());
    Ok(())
}

/// Builds the eBPF object and returns where it is.
///
/// The copy that the daemon's build script reads is written only when its content changes, so that an unchanged
/// object leaves the daemon fresh.
pub(crate) fn bpf(workspace: &Workspace) -> Result<PathBuf> {
    let ready = setup::ready(workspace)?;
    let built = cargo::executable(&mut bpf_cargo(workspace, &ready, "build"), "rollcall-ebpf")?;
    let content = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    let object = workspace.bpf_object();
    if fs::read(&object).ok().as_ref() != Some(&content) {
        let partial = object.with_extension("partial");
        fs::write(&partial, content).with_context(|| format!("write {}", partial.display()))?;
        fs::rename(&partial, &object).with_context(|| format!("write {}", object.display()))?;
    }
    Ok(object)
}

/// Checks the eBPF programs with clippy: on the host most of their code is compiled out.
pub(crate) fn clippy_bpf(workspace: &Workspace) -> Result<()> {
    let ready = setup::ready(workspace)?;
    process::run(bpf_cargo(workspace, &ready, "clippy").args(["--", "-D", "warnings"]))
}

/// Builds the daemon, and the eBPF object first, and returns where its program is.
pub(crate) fn monitor(workspace: &Workspace, profile: Profile, linkage: Linkage) -> Result<PathBuf> {
    bpf(workspace)?;
    let mut command = host_cargo(workspace, linkage, "build")?;
    command.args(["--package", "rollcall", "--bin", "rollcall"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    cargo::executable(&mut command, "rollcall")
}

/// Builds the daemon as it is packed, and returns where its program is: it names its `revision`, and no path of this machine,
/// so that the same source gives the same program wherever it lies.
pub(crate) fn packaged(workspace: &Workspace, linkage: Linkage, revision: &str) -> Result<PathBuf> {
    bpf(workspace)?;
    let (folder, crt) = match linkage {
        Linkage::Dynamic => ("dynamic", "-Ctarget-feature=-crt-static"),
        Linkage::Static => ("static", "-Ctarget-feature=+crt-static"),
    };
    let mut flags = remapping(workspace);
    flags.push(crt.to_owned());
    let mut command = workspace.cargo();
    command
        .args(["build", "--release", "--locked", "--package", "rollcall", "--bin", "rollcall"])
        .args(["--target", &Toolchain::read()?.host, "--target-dir"])
        .arg(workspace.target.join("package").join(folder))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("ROLLCALL_REVISION", revision);
    cargo::executable(&mut command, "rollcall")
}

/// Flags by which rustc names files as if the source tree and those of crates lay elsewhere.
fn remapping(workspace: &Workspace) -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    // Below it, a directory for each registry; its name differs from machine to machine.
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let crates = registries.into_iter().flatten().flatten().map(|registry| (registry.path(), "/crates"));
    let remap = |(path, name): (PathBuf, &str)| format!("--remap-path-prefix={}={name}", path.display());
    [(workspace.root.clone(), "/rollcall")].into_iter().chain(crates).map(remap).collect()
}

/// `cargo <subcommand>` for the host, linked as asked. The eBPF object is built already.
pub(crate) fn host_cargo(workspace: &Workspace, linkage: Linkage, subcommand: &str) -> Result<Command> {
    let mut command = workspace.cargo();
    command.arg(subcommand);
    if linkage == Linkage::Static {
        // A target has to be named, even the host's own: otherwise the flag would reach procedural macros, which
        // can't be static.
        command
            .args(["--target", &Toolchain::read()?.host, "--target-dir"])
            .arg(workspace.target.join("static"))
            .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    }
    Ok(command)
}

/// `cargo <subcommand>` for the eBPF programs. `-Z build-std` is unstable, hence `RUSTC_BOOTSTRAP`; everything else is stable.
fn bpf_cargo(workspace: &Workspace, ready: &Ready, subcommand: &str) -> Command {
    let Ready { toolchain, core, linker } = ready;
    let mut command = workspace.cargo();
    let mut flags = remapping(workspace);
    flags.extend(["-Cdebuginfo=2", "-Clink-arg=--btf"].map(str::to_owned));
    let linker_variable = format!("CARGO_TARGET_{}_LINKER", BPF_TARGET.to_uppercase().replace('-', "_"));
    command
        .args([subcommand, "--release", "--package", "monitor-ebpf", "--bin", "rollcall-ebpf"])
        .args(["--target", BPF_TARGET, "-Z", "build-std=core"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env(linker_variable, linker)
        .env("LD_LIBRARY_PATH", toolchain.library_path())
        .env("CARGO_TARGET_DIR", workspace.target.join("bpf"));
    if let CoreSource::Unpacked(library) = core {
        command.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    command
}
