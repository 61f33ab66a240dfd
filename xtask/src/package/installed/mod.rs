//! Whether the package does well on the current Debian: installed, upgraded, removed and purged on a system that runs
//! systemd, and watching in between.
//!
//! The system is a container: Debian's own packages, its systemd as init, the kernel of this machine. It has a network
//! and a cgroup hierarchy of its own, so that nothing outside is watched or touched.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};

use super::{contents::Parts, deb, release::Release};
use crate::{
    packages::{self, Program},
    workspace::Workspace,
};

mod container;
mod scenario;
mod system;

const PROGRAMS: [Program; 3] = [
    Program { name: "mmdebstrap", package: "mmdebstrap" },
    Program { name: "systemd-nspawn", package: "systemd-container" },
    Program { name: "nsenter", package: "util-linux" },
];

/// Packs `program` twice, as one version and the next, and tries both; what is made for this stands in `home`.
pub(super) fn test(workspace: &Workspace, program: &Path, home: &Path) -> Result<()> {
    packages::ensure(&super::PROGRAMS)?;
    packages::ensure(&PROGRAMS)?;
    let system = system::obtain(workspace, home)?;
    let debs = home.join("tested");
    fs::create_dir_all(&debs).with_context(|| format!("create {}", debs.display()))?;
    let [old, new] = versions(workspace, program, home, &debs)?;
    let start = Instant::now();
    let container = container::Container::boot(&system, &debs, home)?;
    let outcome = scenario::play(&container, &old, &new);
    if outcome.is_err() {
        eprintln!("── the container's journal\n{}\n──", container.journal());
    }
    outcome?;
    eprintln!("xtask: the package does well on Debian {} ({} s)", system::SUITE, start.elapsed().as_secs());
    Ok(())
}

/// File names of the two packages.
fn versions(workspace: &Workspace, program: &Path, home: &Path, debs: &Path) -> Result<[String; 2]> {
    let release = Release::of(workspace)?;
    let parts = Parts::gather(workspace, program, home)?;
    let next = Release { debian: format!("{}+next", release.debian), ..release.clone() };
    let pack = |release: &Release| -> Result<String> {
        let file: PathBuf = deb::write(&parts, release, home, debs)?;
        Ok(super::documents::name(&file))
    };
    Ok([pack(&release)?, pack(&next)?])
}
