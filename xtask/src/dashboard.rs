//! The Grafana dashboard against the types that Grafana publishes: a misspelt option is silently ignored there, and
//! fails here. Grafana itself is in no archive that a test can reach, so the dashboard is not drawn.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    npm::{self, Package},
    packages::{self, Program},
    process,
    workspace::Workspace,
};

const NODE: Program = Program { name: "node", package: "nodejs" };
const SCHEMA: Package = Package { name: "@grafana/schema", version: "13.2.3" };
const TYPESCRIPT: Package = Package { name: "typescript", version: "5.9.3" };

/// Strict, so that a field which no type knows is an error.
const FLAGS: [&str; 9] = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "--target",
    "es2022",
];

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("grafana");
    let lock = workspace.lock_tools()?;
    let schema = npm::ensure(&SCHEMA, &folder)?;
    let typescript = npm::ensure(&TYPESCRIPT, &folder)?;
    drop(lock);
    packages::ensure(&[NODE])?;
    link(&schema, &folder.join("node_modules/@grafana/schema"))?;

    let sources = workspace.root.join("xtask/packaging/grafana");
    let read = |name: &str| {
        let file = sources.join(name);
        fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
    };
    let program = format!(
        "{}\nexport const dashboard: Json<Rollcall> = {};\n",
        read("schema.ts")?,
        read("rollcall.json")?
    );
    let file = folder.join("dashboard.ts");
    fs::write(&file, program).with_context(|| format!("write {}", file.display()))?;
    process::run(Command::new("node").arg(typescript.join("bin/tsc")).args(FLAGS).arg(file))
}

/// Where a module is looked for.
fn link(package: &Path, link: &Path) -> Result<()> {
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    if link.exists() {
        return Ok(());
    }
    symlink(package, link).with_context(|| format!("create {}", link.display()))
}
