//! `build`: the daemon, with the eBPF object inside.
//!
//! Each combination of flags has a target directory of its own, so that none makes cargo throw another's work away,
//! and cargo decides what is stale.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;
use clap::Args;

use crate::{bpf, cargo, toolchain::Toolchain, workspace::Workspace};

#[derive(Args)]
pub(crate) struct Options {
    /// As it is released, which takes minutes.
    #[arg(long)]
    release: bool,
    /// Statically linked, for machines that have nothing but a kernel.
    #[arg(long = "static")]
    linked_static: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Profile {
    /// Built in the least time.
    Dev,
    /// Optimised, but built anew within seconds.
    Quick,
    /// As it is released.
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

/// Builds the daemon and returns where its program is.
pub(crate) fn monitor(workspace: &Workspace, profile: Profile, linkage: Linkage) -> Result<PathBuf> {
    let [monitor] = programs(workspace, profile, linkage, ["rollcall"])?;
    Ok(monitor)
}

/// Builds these programs of the daemon and the tests, and returns where they are.
///
/// Both packages are always named: cargo unites the features of what it is asked for, and what was built
/// for one verb would not do for the next.
pub(crate) fn programs<const N: usize>(
    workspace: &Workspace,
    profile: Profile,
    linkage: Linkage,
    names: [&str; N],
) -> Result<[PathBuf; N]> {
    bpf::ensure(workspace)?;
    let mut command = host_cargo(workspace, linkage, "build")?;
    command.args(["--package", "rollcall", "--package", "rollcall-tests"]);
    command.args(names.iter().flat_map(|name| ["--bin", name]));
    match profile {
        Profile::Dev => &mut command,
        Profile::Quick => command.args(["--profile", "quick"]),
        Profile::Release => command.arg("--release"),
    };
    cargo::executables(&mut command, names)
}

/// Builds the daemon as it is packed, and returns where its program is: it names its `revision`, and no path of this machine,
/// so that the same source gives the same program wherever it lies.
pub(crate) fn packaged(workspace: &Workspace, linkage: Linkage, revision: &str) -> Result<PathBuf> {
    bpf::ensure(workspace)?;
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
pub(crate) fn remapping(workspace: &Workspace) -> Vec<String> {
    // Below it, a directory for each registry; its name differs from machine to machine.
    let registries = cargo::home().and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let crates = registries.into_iter().flatten().flatten().map(|registry| (registry.path(), "/crates"));
    let remap = |(path, name): (PathBuf, &str)| format!("--remap-path-prefix={}={name}", path.display());
    [(workspace.root.clone(), "/rollcall")].into_iter().chain(crates).map(remap).collect()
}

/// `cargo <subcommand>` for the host, linked as asked.
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
