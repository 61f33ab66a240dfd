//! The source of Rust's `core` library, which is compiled anew for the BPF target: no toolchain ships it built.
//!
//! It has to be of the compiler's very version. Looked for in this order: in the toolchain; where an earlier run
//! unpacked it; in Debian's package `rust-src`, downloaded and unpacked without being installed; in rustup's
//! component, which changes the toolchain and therefore comes last for root, but first for a user of rustup.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    archive::{self, Archive},
    privilege, process,
    toolchain::Toolchain,
    workspace::Workspace,
};

/// Suites that may hold `rust-src` of a recent stable compiler, besides the running release and its backports.
const SUITES: [&str; 2] = ["trixie-backports", "sid"];

/// Where a toolchain has it, below its root.
const IN_TOOLCHAIN: &str = "lib/rustlib/src/rust/library";

type Way = fn(&Workspace, &Toolchain) -> Result<()>;

/// Where the source is.
pub(crate) enum CoreSource {
    /// Where cargo looks by itself.
    Toolchain,
    /// In this `library` directory, which cargo must be told.
    Unpacked(PathBuf),
}

impl CoreSource {
    /// The source, if it is already here.
    pub(crate) fn found(workspace: &Workspace, toolchain: &Toolchain) -> Option<Self> {
        if holds_core(&toolchain.sysroot.join(IN_TOOLCHAIN)) {
            return Some(Self::Toolchain);
        }
        let unpacked = unpacked(workspace, toolchain);
        holds_core(&unpacked).then_some(Self::Unpacked(unpacked))
    }

    /// The `library` directory that holds it.
    pub(crate) fn library(&self, toolchain: &Toolchain) -> PathBuf {
        match self {
            Self::Toolchain => toolchain.sysroot.join(IN_TOOLCHAIN),
            Self::Unpacked(library) => library.clone(),
        }
    }

    /// Gets the source if it isn't here. The caller holds the lock on the tools.
    pub(crate) fn obtain(workspace: &Workspace, toolchain: &Toolchain) -> Result<Self> {
        if let Some(source) = Self::found(workspace, toolchain) {
            return Ok(source);
        }
        let mut ways: [(&str, Way); 2] = [("Debian", from_debian), ("rustup", from_rustup)];
        if !privilege::is_root() {
            ways.reverse();
        }
        let mut failures = Vec::new();
        for (name, way) in ways {
            match way(workspace, toolchain) {
                Ok(()) => match Self::found(workspace, toolchain) {
                    Some(source) => return Ok(source),
                    None => failures.push(format!("{name}: what was fetched holds no core")),
                },
                Err(error) => failures.push(format!("{name}: {error:#}")),
            }
        }
        bail!(
            "there is no source of core for rustc {} ({}): install it with `rustup component add rust-src`",
            toolchain.release,
            failures.join("; ")
        )
    }
}

fn holds_core(library: &Path) -> bool {
    library.join("core/src/lib.rs").is_file()
}

fn unpacked(workspace: &Workspace, toolchain: &Toolchain) -> PathBuf {
    workspace.tools().join(format!("rust-src-{}", toolchain.release)).join("library")
}

fn from_debian(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let archive = Archive::open(workspace.tools().join("apt"))?;
    let backports = format!("{}-backports", archive.codename);
    let mut suites = SUITES.to_vec();
    for suite in [&backports, &archive.codename] {
        if !suites.contains(&suite.as_str()) {
            suites.push(suite);
        }
    }
    for suite in suites {
        let Ok(suite) = archive.suite(suite) else { continue };
        let versions = suite.versions("rust-src")?;
        let Some(version) = versions.iter().find(|version| upstream(version) == toolchain.release) else {
            continue;
        };
        eprintln!("xtask: fetching rust-src {version} from {}", suite.name);
        return unpack(&suite.download(&format!("rust-src={version}"))?, workspace, toolchain);
    }
    bail!("no suite has rust-src {}", toolchain.release)
}

/// Moves `library` into place as the last step, so that what is there is whole.
fn unpack(package: &Path, workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let library = unpacked(workspace, toolchain);
    let parent = library.parent().context("the library directory has no parent")?;
    let partial = parent.join("partial");
    let inside = format!("usr/src/rustc-{}/library", toolchain.release);
    archive::unpack(package, Some(&inside), &partial)?;
    fs::rename(partial.join(inside), &library).with_context(|| format!("fill {}", library.display()))?;
    let _ = fs::remove_dir_all(partial);
    fs::remove_file(package).with_context(|| format!("remove {}", package.display()))
}

/// The upstream part of a Debian version: `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

fn from_rustup(_: &Workspace, _: &Toolchain) -> Result<()> {
    if process::find("rustup").is_none() {
        bail!("not installed");
    }
    eprintln!("xtask: adding rust-src to the toolchain");
    process::run(Command::new("rustup").args(["component", "add", "rust-src"]))
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn upstream_version_of_a_debian_version() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("1.95.0-1"), "1.95.0");
        assert_eq!(upstream("1.95.0"), "1.95.0");
    }
}
