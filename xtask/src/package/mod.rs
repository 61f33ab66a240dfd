//! `package`: a Debian package, and a tarball with a static program for other systems.
//!
//! Both are made of one [`Tree`] of files, and the same commit gives the same bytes: times come from the commit,
//! owners are root, paths of this machine are kept out of the program. What they hold stands in [`contents`].

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    build::{self, Linkage},
    packages::{self, Program},
    workspace::Workspace,
};

mod contents;
mod deb;
mod documents;
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
}

pub(crate) fn verb(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(&PROGRAMS)?;
    let home = workspace.target.join("package");
    let out = options.out.clone().unwrap_or_else(|| home.clone());
    for directory in [&home, &out] {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    }
    for file in build_all(workspace, &home, &out)? {
        println!("{}", file.display());
    }
    Ok(())
}

/// Builds the programs and packs them; what is on its way stands in `home`.
fn build_all(workspace: &Workspace, home: &Path, out: &Path) -> Result<[PathBuf; 2]> {
    let release = Release::of(workspace)?;
    let program = build::packaged(workspace, Linkage::Dynamic, &release.revision)?;
    let parts = Parts::gather(workspace, &program, home)?;
    // The program of the package is linked dynamically: libc gets its fixes, and names are looked up as the host is set up.
    let deb = deb::write(&parts, &release, home, out)?;
    // That of the tarball is static, for systems with an older libc or none.
    let parts = parts.with(build::packaged(workspace, Linkage::Static, &release.revision)?);
    let tarball = tarball::write(&parts, &release, home, out)?;
    Ok([deb, tarball])
}
