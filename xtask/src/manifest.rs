//! The Kubernetes manifest against the schemas that Kubernetes publishes, strictly: a misspelt field is silently dropped
//! by some clients, and fails here. There is no cluster within reach of a test.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, python, workspace::Workspace};

/// Holds the schemas of the Kubernetes release that it is named after.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let programs = python::ensure(workspace, "kubernetes", &[VALIDATOR])?;
    let manifests = workspace.root.join("xtask/packaging/kubernetes");
    let files = fs::read_dir(&manifests).with_context(|| format!("read {}", manifests.display()))?;
    let files = files.flatten().map(|file| file.path());
    process::run(Command::new(programs.join("kubernetes-validate")).arg("--strict").args(files))
}
