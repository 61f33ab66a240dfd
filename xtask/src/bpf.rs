//! `bpf`: the eBPF object, which the daemon embeds.
//!
//! The tree has it built, so that nothing but a Rust toolchain is needed to run and to test. Beside it stands a digest of
//! what it was built from: once that no longer fits, the next build of the daemon makes the object anew, for
//! which `setup` gets what it takes.

use std::{
    env, fs,
    hash::Hasher as _,
    os::unix::process::CommandExt as _,
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::{
    btf, build, cargo,
    core_source::CoreSource,
    process,
    setup::{self, Ready},
    tool::BPF_LINKER,
    toolchain::BPF_TARGET,
    workspace::{self, Workspace},
};

#[derive(Args)]
pub(crate) struct Options {
    /// Changes nothing, and fails if the object in the tree isn't what its sources give.
    #[arg(long)]
    check: bool,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check { check(workspace) } else { rebuild(workspace) }
}

/// Sees to it that the object in the tree is that of the sources, as far as their digest tells.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let place = Place::of(workspace);
    if place.object.is_file() && fs::read_to_string(&place.digest).ok().as_ref() == Some(&digest(workspace)?)
    {
        return Ok(());
    }
    eprintln!("xtask: building the eBPF programs, as their sources have changed");
    rebuild(workspace)
}

/// Builds the object anew and compares it with the one in the tree, byte for byte.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let Place { object, digest: recorded } = Place::of(workspace);
    let built = built(workspace)?;
    let same = fs::read(&object).ok() == Some(built)
        && fs::read_to_string(&recorded).ok() == Some(digest(workspace)?);
    ensure!(same, "{} is not what its sources give: run `cargo xtask bpf` and commit it", object.display());
    Ok(())
}

/// Checks the eBPF programs with clippy: on the host most of their code is compiled out.
pub(crate) fn clippy(workspace: &Workspace) -> Result<()> {
    let ready = setup::ready(workspace)?;
    process::run(command(workspace, &ready, "clippy")?.args(["--", "-D", "warnings"]))
}

/// Where the object is and the digest of what it was built from. That of the other byte order is not part of the tree.
struct Place {
    object: PathBuf,
    digest: PathBuf,
}

impl Place {
    fn of(workspace: &Workspace) -> Self {
        let path = sources(workspace).join("object").join(BPF_TARGET);
        Self { object: path.with_extension("o"), digest: path.with_extension("digest") }
    }
}

fn sources(workspace: &Workspace) -> PathBuf {
    workspace.root.join("monitor-ebpf")
}

/// The digest is written last: an object without it is built again.
fn rebuild(workspace: &Workspace) -> Result<()> {
    let Place { object, digest: recorded } = Place::of(workspace);
    let built = built(workspace)?;
    // Untouched if it is the same: the daemon stays fresh.
    if fs::read(&object).ok().as_ref() != Some(&built) {
        replace(&object, &built)?;
    }
    replace(&recorded, digest(workspace)?.as_bytes())
}

fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&partial, content)?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn built(workspace: &Workspace) -> Result<Vec<u8>> {
    let ready = setup::ready(workspace)?;
    let built = cargo::executable(&mut command(workspace, &ready, "build")?, "rollcall-ebpf")?;
    let mut object = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    btf::sort_forward_declarations(&mut object)?;
    Ok(object)
}

/// Of all files that the programs are made of but for those of other crates, whose versions are pinned.
fn digest(workspace: &Workspace) -> Result<String> {
    let root = sources(workspace);
    let mut files = vec![root.join("Cargo.toml")];
    workspace::list(&root.join("src"), &mut files)?;
    files.sort();
    let mut hasher = SipHasher13::new();
    hasher.write(BPF_LINKER.version.as_bytes());
    for file in files {
        let content = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let name = file.strip_prefix(&root).unwrap_or(&file).as_os_str().as_encoded_bytes();
        for part in [name, &content] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
    }
    Ok(format!("{:032x}\n", hasher.finish128().as_u128()))
}

/// Set where cargo starts this program in the place of rustc.
const AS_RUSTC: &str = "ROLLCALL_XTASK_AS_RUSTC";

/// Becomes rustc if cargo started this program in its place, so that the object is the same wherever tree, target directory and
/// core's source lie: names of symbols depend on the last by way of `-C metadata`, and debug information on
/// the directory that rustc is started in.
pub(crate) fn become_rustc() -> Option<anyhow::Error> {
    env::var_os(AS_RUSTC)?;
    let mut arguments = env::args().skip(1);
    let mut rustc = Command::new(arguments.next()?);
    for argument in arguments {
        if argument.starts_with("metadata=") {
            // One crate of a name is in the object, and one version of it.
            rustc.arg(format!("metadata={}", env::var("CARGO_PKG_NAME").unwrap_or_default()));
        } else if argument.ends_with(".rs") {
            rustc.arg(path::absolute(&argument).unwrap_or_else(|_| argument.into()));
        } else {
            rustc.arg(argument);
        }
    }
    Some(rustc.env_remove(AS_RUSTC).current_dir("/").exec().into())
}

/// `cargo <subcommand>` for the eBPF programs. `-Z build-std` is unstable, hence `RUSTC_BOOTSTRAP`; everything else is stable.
fn command(workspace: &Workspace, ready: &Ready, subcommand: &str) -> Result<Command> {
    let Ready { toolchain, core, linker } = ready;
    let mut command = workspace.cargo();
    let mut flags = build::remapping(workspace);
    // The last that fits is taken: it may lie below the workspace.
    flags.push(format!("--remap-path-prefix={}=/rust", core.library(toolchain).display()));
    flags.extend(["-Cdebuginfo=2", "-Clink-arg=--btf"].map(str::to_owned));
    let linker_variable = format!("CARGO_TARGET_{}_LINKER", BPF_TARGET.to_uppercase().replace('-', "_"));
    command
        .args([subcommand, "--release", "--package", "monitor-ebpf", "--bin", "rollcall-ebpf"])
        .args(["--target", BPF_TARGET, "-Z", "build-std=core"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env(linker_variable, linker)
        .env("LD_LIBRARY_PATH", toolchain.library_path())
        .env("CARGO_TARGET_DIR", workspace.target.join("bpf"))
        .env("RUSTC_WRAPPER", env::current_exe().context("find this program")?)
        .env(AS_RUSTC, "1");
    if let CoreSource::Unpacked(library) = core {
        command.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    Ok(command)
}
