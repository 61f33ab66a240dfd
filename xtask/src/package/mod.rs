//! `package`: a Debian package, and a tarball with a static program for other systems.
//!
//! Both are made of one tree of files, and the same commit gives the same bytes: times come from the commit,
//! owners are root, paths of this machine are kept out of the program. What they hold stands in [`contents`].

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Linkage},
    packages::{self, Program},
    privilege,
    workspace::Workspace,
};

mod contents;
mod deb;
mod documents;
mod installed;
mod licences;
mod release;
mod tarball;
mod tree;

#[cfg(test)]
mod tests;

use contents::Parts;
use release::Release;

/// What makes the packages.
pub(crate) const PROGRAMS: [Program; 2] =
    [Program { name: "dpkg-deb", package: "dpkg" }, Program { name: "dpkg-shlibdeps", package: "dpkg-dev" }];

#[derive(Args)]
pub(crate) struct Options {
    /// Directory that the packages go to [default: target/package].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Installs, upgrades, removes and purges the package on a Debian in a container as well, as root.
    #[arg(long)]
    test: bool,
    /// Tests a package of this program, and makes none to keep: for who works on packaging.
    #[arg(long, value_name = "FILE", requires = "test")]
    program: Option<PathBuf>,
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(program) = &options.program {
        return test(workspace, program);
    }
    packages::ensure(&PROGRAMS)?;
    let home = workspace.target.join("package");
    let out = options.out.clone().unwrap_or_else(|| home.clone());
    for directory in [&home, &out] {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    }
    let release = Release::of(workspace)?;
    // The program of the package is linked dynamically: libc gets its fixes, and names are looked up as the host is set up.
    let program = build::packaged(workspace, Linkage::Dynamic, &release.revision)?;
    let parts = Parts::gather(workspace, &program, &home)?;
    let deb = deb::write(&parts, &release, &home, &out)?;
    // That of the tarball is static, for systems with an older libc or none.
    let parts = parts.with(build::packaged(workspace, Linkage::Static, &release.revision)?);
    let tarball = tarball::write(&parts, &release, &home, &out)?;
    for file in [deb, tarball] {
        println!("{}", file.display());
    }
    if options.test { test(workspace, &program) } else { Ok(()) }
}

/// Tries the package of `program` on a Debian.
pub(crate) fn test(workspace: &Workspace, program: &Path) -> Result<()> {
    if !privilege::is_root() {
        bail!("containers need root: run this as root");
    }
    installed::test(workspace, program, &workspace.target.join("package"))
}
