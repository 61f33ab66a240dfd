//! The file system of a small Debian, made once and kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    archive::Archive,
    process,
    workspace::{self, Workspace},
};

/// The current Debian.
pub(super) const SUITE: &str = "trixie";

/// An init, a server and a client, and what the package suggests.
const PACKAGES: &str = "systemd-sysv,python3,curl,logrotate,procps";

/// The system that was made before, or a new one. Removing its directory has the next run make it anew.
pub(super) fn obtain(workspace: &Workspace, home: &Path) -> Result<PathBuf> {
    let root = home.join(format!("debian-{SUITE}"));
    if root.is_dir() {
        return Ok(root);
    }
    eprintln!("xtask: making a Debian {SUITE}, which takes a minute");
    let archive = Archive::open(workspace.tools().join("apt"))?;
    let partial = home.join("debian-partial");
    workspace::remove(&partial)?;
    fs::create_dir_all(home).with_context(|| format!("create {}", home.display()))?;
    let sources = home.join("debian.sources");
    fs::write(&sources, archive.stanza(SUITE)?).with_context(|| format!("write {}", sources.display()))?;
    let mut make = Command::new("mmdebstrap");
    make.args(["--quiet", "--mode=root", "--variant=essential", "--include", PACKAGES, SUITE]);
    process::run(make.arg(&partial).arg(&sources))?;
    fs::rename(&partial, &root).with_context(|| format!("name {}", root.display()))?;
    Ok(root)
}
