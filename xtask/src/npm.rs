//! Packages of npm that are read and not installed: kept under the target directory, and nothing in them is run by npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    packages::{self, Program},
    process, workspace,
};

const NPM: Program = Program { name: "npm", package: "npm" };

/// A package in one version.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Makes sure that the package is below `folder`, and returns the directory that has its content. The caller holds the
/// lock on tools.
pub(crate) fn ensure(package: &Package, folder: &Path) -> Result<PathBuf> {
    let directory = folder.join(package.name);
    let mark = directory.join("version");
    if !fs::read_to_string(&mark).is_ok_and(|found| found == package.version) {
        packages::ensure(&[NPM])?;
        fetch(package, &directory)?;
        fs::write(&mark, package.version).with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(directory.join("package"))
}

/// Fetches a package and unpacks it into `directory`, which is emptied first.
fn fetch(Package { name, version }: &Package, directory: &Path) -> Result<()> {
    eprintln!("xtask: fetching {name} {version}");
    workspace::remove(directory)?;
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--ignore-scripts", &format!("{name}@{version}")]).current_dir(directory);
    let archive = process::stdout(&mut npm)?;
    let archive = directory.join(archive.trim().lines().last().unwrap_or_default());
    process::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(directory))?;
    fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))
}
