//! Packages of Python in fixed versions: those of a purpose in an environment of their own under the target directory.

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

const PROGRAMS: [Program; 2] =
    [Program { name: "python3", package: "python3" }, Program { name: "pip3", package: "python3-pip" }];

/// Makes sure that the environment `name` has `packages`, each as `name==version`, and returns the directory of its programs,
/// of which `python` is one.
pub(crate) fn ensure(workspace: &Workspace, name: &str, packages: &[&str]) -> Result<PathBuf> {
    packages::ensure(&PROGRAMS)?;
    let home = workspace.target.join("python").join(name);
    let mark = home.join("versions");
    let wanted = packages.join("\n");
    let _lock = workspace.lock_tools()?;
    if !fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        eprintln!("xtask: fetching {}", packages.join(", "));
        install(packages, &home)?;
        fs::write(&mark, wanted).with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(home.join("bin"))
}

fn install(packages: &[&str], home: &Path) -> Result<()> {
    // Without a pip of its own: Debian has what makes one in a package that no program tells of.
    process::run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(home))?;
    let mut pip = Command::new("pip3");
    pip.arg("--python").arg(home.join("bin/python"));
    process::run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))
}
