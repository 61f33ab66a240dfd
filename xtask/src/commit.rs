//! The daemon of another commit, to compare this tree's with.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    process,
    workspace::{self, Workspace},
};

/// Builds the daemon of `commit` as it is released, by that commit's own xtask in a work tree of its own, and returns where
/// the program is. It is kept, as it never changes; what it was made from goes.
pub(crate) fn monitor(workspace: &Workspace, commit: &str) -> Result<PathBuf> {
    let revision = git(workspace, &["rev-parse", "--verify", &format!("{commit}^{{commit}}")])?;
    let directory = workspace.target.join("commits").join(revision.trim());
    let program = directory.join("rollcall");
    if program.is_file() {
        return Ok(program);
    }
    let other = Workspace { root: directory.join("tree"), target: directory.join("target") };
    remove(workspace, &other)?;
    fs::create_dir_all(&other.target).with_context(|| format!("create {}", other.target.display()))?;
    fs::create_dir_all(workspace.tools())
        .and_then(|()| symlink(workspace.tools(), other.tools()))
        .with_context(|| format!("link {}", other.tools().display()))?;
    let tree = other.root.to_string_lossy();
    git(workspace, &["worktree", "add", "--quiet", "--detach", &tree, revision.trim()])?;
    eprintln!("xtask: building the daemon of {commit}, which takes some minutes");
    let built = process::stdout(other.cargo().args(["xtask", "build", "--release"]))?;
    let partial = directory.join("partial");
    fs::copy(built.trim(), &partial).with_context(|| format!("copy {}", built.trim()))?;
    fs::rename(&partial, &program).with_context(|| format!("write {}", program.display()))?;
    remove(workspace, &other)?;
    Ok(program)
}

/// Removes the work tree, which an interrupted run may have left, too, and what was built in it.
fn remove(workspace: &Workspace, other: &Workspace) -> Result<()> {
    if other.root.exists() {
        git(workspace, &["worktree", "remove", "--force", &other.root.to_string_lossy()])?;
    }
    workspace::remove(&other.target)
}

fn git(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    process::stdout(Command::new("git").current_dir(&workspace.root).args(arguments))
}
