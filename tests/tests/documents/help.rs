//! What Rollcall and the repository's tools say of themselves.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use rollcall_tests::program;

/// The repository's tools, which started this test.
pub fn xtask() -> PathBuf {
    std::env::var_os("ROLLCALL_XTASK").map(PathBuf::from).unwrap_or_default()
}

/// The help of one of their verbs, or of all.
pub fn help(program: PathBuf, arguments: &[&str]) -> Result<String> {
    program::run(Command::new(&program).args(arguments).arg("--help")).with_context(|| {
        format!("{} {}: run these tests with `cargo xtask test`", program.display(), arguments.join(" "))
    })
}

/// The verbs that a help text lists under `Commands:`.
pub fn verbs(help: &str) -> BTreeSet<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Each `--flag` of a text.
pub fn flags(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("--").filter_map(|(start, _)| {
        let before = text[..start].chars().next_back();
        let rest = &text[start + 2..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c))).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches(['.', '-', '_']);
        let is_flag = name.starts_with(|c: char| c.is_ascii_lowercase())
            && before.is_none_or(|c| c.is_whitespace() || "`'\"([=|,".contains(c));
        is_flag.then(|| &text[start..start + 2 + name.len()])
    })
}

/// Each `ROLLCALL_VARIABLE` of a text.
pub fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("ROLLCALL_").filter_map(|(start, _)| {
        let rest = &text[start..];
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c == '_')).unwrap_or(rest.len());
        Some(&rest[..end]).filter(|name| name.len() > "ROLLCALL_".len())
    })
}

#[test]
fn names_are_found_wherever_they_stand() {
    assert_eq!(
        flags("`--a.b`, --c=1 x--y [--d] -- --e.").collect::<Vec<_>>(),
        ["--a.b", "--c", "--d", "--e"]
    );
    assert_eq!(
        variables("ROLLCALL_PORT=1 ROLLCALL_… ROLLCALL_A_B").collect::<Vec<_>>(),
        ["ROLLCALL_PORT", "ROLLCALL_A_B"]
    );
}
