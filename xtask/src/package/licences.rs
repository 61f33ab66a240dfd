//! The licences of the crates that are linked into the program, as their authors ship them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::documents::{files, name, read};
use crate::{process, toolchain::Toolchain, workspace::Workspace};

/// Names and licences of all crates that the program is built from, each with its licence files. Texts that several
/// crates share stand once.
pub(super) fn third_party(workspace: &Workspace) -> Result<Vec<u8>> {
    let mut metadata = workspace.cargo();
    let host = Toolchain::read()?.host;
    metadata.args(["metadata", "--format-version=1", "--locked", "--filter-platform", &host]);
    let metadata: Value = serde_json::from_str(&process::stdout(&mut metadata)?)?;
    let mut crates = String::from("Rollcall is linked with these crates:\n\n");
    let mut texts: BTreeMap<Vec<u8>, BTreeSet<String>> = BTreeMap::new();
    for package in linked(&metadata)? {
        let field = |key: &str| package[key].as_str().unwrap_or_default();
        let label = format!("{} {}", field("name"), field("version"));
        crates.push_str(&format!("    {label}: {}\n", field("license")));
        let home = Path::new(field("manifest_path")).parent().context("a crate lies nowhere")?;
        for path in files(home)?.into_iter().filter(|path| is_licence(&name(path))) {
            texts.entry(read(&path)?).or_default().insert(label.clone());
        }
    }
    let mut out = crates.into_bytes();
    for (text, users) in texts {
        let users = users.into_iter().collect::<Vec<_>>().join(", ");
        out.extend_from_slice(format!("\n\n=== {users} ===\n\n").as_bytes());
        out.extend_from_slice(&text);
    }
    Ok(out)
}

/// The crates that the program is linked with: what it depends on in turn, but for tests and build scripts.
fn linked(metadata: &Value) -> Result<Vec<&Value>> {
    let list = |value: &'static str, of: &Value| of[value].as_array().cloned().unwrap_or_default();
    let nodes: BTreeMap<String, Vec<Value>> = list("nodes", &metadata["resolve"])
        .into_iter()
        .map(|node| (node["id"].as_str().unwrap_or_default().to_owned(), list("deps", &node)))
        .collect();
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let id = |package: &Value| package["id"].as_str().unwrap_or_default().to_owned();
    let root = packages
        .iter()
        .find(|package| package["name"] == "rollcall")
        .context("there is no crate rollcall")?;
    let mut found = BTreeSet::new();
    let mut open = vec![id(root)];
    while let Some(next) = open.pop() {
        for dependency in nodes.get(&next).into_iter().flatten() {
            let normal = list("dep_kinds", dependency).iter().any(|kind| kind["kind"].is_null());
            let package = dependency["pkg"].as_str().unwrap_or_default().to_owned();
            if normal && found.insert(package.clone()) {
                open.push(package);
            }
        }
    }
    // Our own crates have no source to be fetched from.
    Ok(packages
        .iter()
        .filter(|package| !package["source"].is_null() && found.contains(&id(package)))
        .collect())
}

fn is_licence(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    ["license", "licence", "copying", "notice", "copyright"].iter().any(|start| file.starts_with(start))
}
