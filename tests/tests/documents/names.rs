//! Flags, variables and metrics that the documentation names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rollcall::output::metrics;
use rollcall_tests::{daemon, program, prometheus, selector};

use super::{commands::words, page};

/// Flags of other programs, that the text speaks of. Those in commands are tried by running them.
const FOREIGN_FLAGS: [&str; 1] = ["--cgroupns"];

/// Variables of the tests and of the repository's tools.
const FOREIGN_VARIABLES: [&str; 5] =
    ["ROLLCALL_BIN", "ROLLCALL_BLESS", "ROLLCALL_SHARED", "ROLLCALL_VM", "ROLLCALL_XTASK"];

/// What looks like a metric and is none: the kernel programs.
const PROGRAMS: [&str; 2] = ["rollcall_in", "rollcall_out"];

/// What exists.
pub struct Names {
    flags: BTreeSet<String>,
    variables: BTreeSet<String>,
    verbs: BTreeSet<String>,
    metrics: BTreeMap<&'static str, &'static [&'static str]>,
    rules: BTreeSet<String>,
}

impl Names {
    /// Asks the daemon and the repository's tools for their help.
    pub fn ask() -> Result<Names> {
        let mut names = Names {
            flags: FOREIGN_FLAGS.map(str::to_owned).into(),
            variables: FOREIGN_VARIABLES.map(str::to_owned).into(),
            verbs: verbs(&help(daemon::binary(), &[])?),
            metrics: metrics::ALL.iter().map(|def| (def.name, def.labels)).collect(),
            rules: rules()?,
        };
        let mut texts = vec![help(daemon::binary(), &[])?];
        for verb in &names.verbs {
            texts.push(help(daemon::binary(), &[verb])?);
        }
        for verb in &verbs(&help(xtask(), &[])?) {
            texts.push(help(xtask(), &[verb])?);
        }
        for text in &texts {
            names.flags.extend(flags(text).map(str::to_owned));
            names.variables.extend(variables(text).map(str::to_owned));
        }
        Ok(names)
    }

    /// What a piece of code names and is not there.
    pub fn unknown_in(&self, code: &str) -> Vec<String> {
        let mut unknown = self.unknown_metrics_in(code);
        for flag in flags(code).filter(|flag| !self.flags.contains(*flag)) {
            unknown.push(format!("there is no flag {flag}"));
        }
        for variable in variables(code).filter(|name| !self.variables.contains(*name)) {
            unknown.push(format!("there is no variable {variable}"));
        }
        let words = words(code);
        if let ["rollcall", verb, ..] = words[..]
            && verb.chars().all(|c| c.is_ascii_lowercase())
            && !self.verbs.contains(verb)
        {
            unknown.push(format!("there is no `rollcall {verb}`"));
        }
        if is_rule(code) && !self.rules.contains(code) {
            unknown.push(format!("there is no rule {code}"));
        }
        unknown
    }

    /// The metrics among it.
    pub fn unknown_metrics_in(&self, code: &str) -> Vec<String> {
        selector::selectors(code).into_iter().filter_map(|selector| self.unknown_metric(selector)).collect()
    }

    fn unknown_metric(&self, selector: selector::Selector<'_>) -> Option<String> {
        if PROGRAMS.contains(&selector.name) {
            return None;
        }
        let Some(labels) = self.metrics.get(selector.name) else {
            return Some(format!("there is no metric {}", selector.name));
        };
        let asked = selector.braces.split(',').filter_map(|label| label.split(['=', '!']).next());
        let scraped = ["job", "instance"];
        let mut asked = asked.map(str::trim).filter(|label| !label.is_empty() && !scraped.contains(label));
        let label = asked.find(|label| !labels.contains(label))?;
        Some(format!("{} has no label {label}", selector.name))
    }
}

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
        if name.contains("packaging/") {
            ensure!(page::root().join(name).exists(), "there is no {name}");
        }
    }
    ensure!(fs::exists(&packaging)?, "{} is missing", packaging.display());
    Ok(())
}

/// The repository's tools, which started this test.
fn xtask() -> PathBuf {
    std::env::var_os("ROLLCALL_XTASK").map(PathBuf::from).unwrap_or_default()
}

/// The names of Prometheus' rules.
pub fn rules() -> Result<BTreeSet<String>> {
    let file = prometheus::packaging().join("prometheus/rollcall.rules.yml");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    Ok(names.map(str::to_owned).collect())
}

fn is_rule(code: &str) -> bool {
    code.strip_prefix("Rollcall").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_uppercase()) && rest.chars().all(|c| c.is_ascii_alphabetic())
    })
}

fn help(program: PathBuf, arguments: &[&str]) -> Result<String> {
    program::run(Command::new(&program).args(arguments).arg("--help")).with_context(|| {
        format!("{} {}: run these tests with `cargo xtask test`", program.display(), arguments.join(" "))
    })
}

/// The verbs that a help text lists under `Commands:`.
fn verbs(help: &str) -> BTreeSet<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Each `--flag` of a text.
fn flags(text: &str) -> impl Iterator<Item = &str> {
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
fn variables(text: &str) -> impl Iterator<Item = &str> {
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
