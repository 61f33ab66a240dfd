//! Flags, variables and metrics that the documentation names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result};
use rollcall_metrics as metrics;
use rollcall_tests::{daemon, prometheus, selector};

use super::{
    commands::words,
    help::{flags, help, variables, verbs, xtask},
};

/// Flags of other programs, that the text speaks of. Those in commands are tried by running them.
const FOREIGN_FLAGS: [&str; 4] = ["--cgroupns", "--inject-secrets", "--prefix", "--unit"];

/// Variables of the tests and of the repository's tools.
const FOREIGN_VARIABLES: [&str; 5] =
    ["ROLLCALL_BIN", "ROLLCALL_BLESS", "ROLLCALL_SHARED", "ROLLCALL_VM", "ROLLCALL_XTASK"];

/// Fields of entries in the journal, that docs name one by one.
const JOURNAL_FIELDS: [&str; 4] = ["ROLLCALL_CLIENT", "ROLLCALL_ID", "ROLLCALL_SEQ", "ROLLCALL_SEVERITY"];

/// What looks like a metric and is none: the kernel programs, and a label of alerts in Alertmanager.
const NO_METRICS: [&str; 3] = ["rollcall_in", "rollcall_out", "rollcall_id"];

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
            variables: FOREIGN_VARIABLES.into_iter().chain(JOURNAL_FIELDS).map(str::to_owned).collect(),
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

    /// What code within text names and is not there.
    pub fn unknown_in(&self, code: &str) -> Vec<String> {
        let mut unknown = self.unknown_anywhere_in(code);
        unknown.extend(self.unknown_flags_in(code));
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

    /// What a block that holds no commands names and is not there. Flags are Rollcall's where its name stands before them.
    pub fn unknown_in_block(&self, text: &str) -> Vec<String> {
        let mut unknown = self.unknown_anywhere_in(text);
        for line in text.lines().filter(|line| line.contains("rollcall ")) {
            unknown.extend(self.unknown_flags_in(line));
        }
        unknown
    }

    /// Of metrics and variables, whose names are nobody else's.
    pub fn unknown_anywhere_in(&self, text: &str) -> Vec<String> {
        let metrics =
            selector::selectors(text).into_iter().filter_map(|selector| self.unknown_metric(selector));
        let variables = variables(text).filter(|name| !self.variables.contains(*name));
        metrics.chain(variables.map(|name| format!("there is no variable {name}"))).collect()
    }

    fn unknown_flags_in(&self, text: &str) -> Vec<String> {
        let unknown = flags(text).filter(|flag| !self.flags.contains(*flag));
        unknown.map(|flag| format!("there is no flag {flag}")).collect()
    }

    fn unknown_metric(&self, selector: selector::Selector<'_>) -> Option<String> {
        if NO_METRICS.contains(&selector.name) {
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
