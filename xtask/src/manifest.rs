//! The Kubernetes manifest against the schemas that Kubernetes publishes, strictly: a misspelt field is silently dropped
//! by some clients, and fails here. There is no cluster within reach of a test.

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

/// Holds the schemas of the Kubernetes release that it is named after.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let modules = validator(workspace)?;
    let manifests = workspace.root.join("xtask/packaging/kubernetes");
    let files = fs::read_dir(&manifests).with_context(|| format!("read {}", manifests.display()))?;
    let files = files.flatten().map(|file| file.path());
    let mut validate = Command::new(modules.join("bin/kubernetes-validate"));
    process::run(validate.arg("--strict").args(files).env("PYTHONPATH", &modules))
}

/// The directory with the validator and what it needs, installed unless it is there in this version.
fn validator(workspace: &Workspace) -> Result<PathBuf> {
    packages::ensure(&PROGRAMS)?;
    let home = workspace.target.join("kubernetes");
    let mark = home.join("version");
    let _lock = workspace.lock_tools()?;
    if !fs::read_to_string(&mark).is_ok_and(|found| found == VALIDATOR) {
        eprintln!("xtask: fetching {VALIDATOR}");
        install(&home)?;
        fs::write(&mark, VALIDATOR).with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(home)
}

fn install(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("empty {}", home.display()))?;
    }
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--target"]);
    process::run(pip.arg(home).arg(VALIDATOR))
}
