//! Cargo builds whose products the verbs go on to use.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::process;

/// Where cargo keeps its configuration, and what it fetches.
pub(crate) fn home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".cargo")))
}

/// Runs a `cargo build` or `cargo test --no-run` and returns the executable that it made of target `name`, where
/// cargo says it is.
pub(crate) fn executable(cargo: &mut Command, name: &str) -> Result<PathBuf> {
    let [executable] = executables(cargo, [name])?;
    Ok(executable)
}

/// The same with several targets.
pub(crate) fn executables<const N: usize>(cargo: &mut Command, names: [&str; N]) -> Result<[PathBuf; N]> {
    let messages = process::stdout(cargo.arg("--message-format=json-render-diagnostics"))?;
    let mut executables = [const { PathBuf::new() }; N];
    for (executable, name) in executables.iter_mut().zip(names) {
        *executable = find(&messages, name).with_context(|| format!("cargo made no executable of {name}"))?;
    }
    Ok(executables)
}

fn find(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == name)
            .then(|| message["executable"].as_str().map(PathBuf::from))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_of_a_target_is_found_among_its_libraries() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"rollcall","kind":["lib"]},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"rollcall","kind":["bin"]},"executable":"/t/rollcall"}"#,
        );
        assert_eq!(find(messages, "rollcall"), Some("/t/rollcall".into()));
        assert_eq!(find(messages, "capture"), None);
    }
}
