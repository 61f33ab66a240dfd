//! Commands that are not run: what can be said of them all the same.

use std::{collections::BTreeSet, fs};

use anyhow::{Result, ensure};
use rollcall_tests::daemon;

use super::{
    commands::words,
    help::{flags, help, verbs, xtask},
    page,
};

/// All packages of the workspace have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Fails unless a command of this repository's tools has a verb and flags that exist. It is not run: it would build, or
/// test what runs right now.
pub fn expect_xtask(command: &str) -> Result<()> {
    let words = words(command);
    let ["cargo", "xtask", verb, rest @ ..] = &words[..] else {
        ensure!(
            words.starts_with(&["cargo", "build"]) || words.starts_with(&["cargo", "test"]),
            "not a verb of xtask"
        );
        return Ok(());
    };
    ensure!(verbs(&help(xtask(), &[])?).contains(*verb), "there is no `cargo xtask {verb}`");
    let mut known = help(xtask(), &[verb])?;
    if *verb == "run" {
        known.push_str(&help(daemon::binary(), &["run"])?);
    }
    let known: BTreeSet<&str> = flags(&known).collect();
    let unknown: Vec<_> =
        flags(&rest.join(" ")).filter(|flag| !known.contains(flag)).map(str::to_owned).collect();
    ensure!(unknown.is_empty(), "`cargo xtask {verb}` has no {}", unknown.join(", "));
    Ok(())
}

/// Fails unless the units that a command names are Rollcall's own, and the files of this repository exist.
pub fn expect_package(command: &str) -> Result<()> {
    let packaging = page::root().join("xtask/packaging");
    for word in words(command).into_iter().skip(1) {
        let name = word.trim_start_matches("./");
        if let Some(unit) = name.strip_suffix(".service") {
            ensure!(unit == "rollcall", "there is no unit {name}");
        }
        if name.ends_with(".deb") {
            ensure!(
                name.starts_with(&format!("rollcall_{VERSION}-")),
                "this version's package is not called {name}"
            );
        }
        if name.contains("packaging/") {
            ensure!(page::root().join(name).exists(), "there is no {name}");
        }
    }
    ensure!(fs::exists(&packaging)?, "{} is missing", packaging.display());
    Ok(())
}
