//! Prometheus' alerting rules, as its own tool judges them.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use rollcall_tests::program;

use super::packaged;

/// The rule that hands Rollcall's alerts on.
pub const ALERT_OPEN: &str = "RollcallAlertOpen";

const RULES: &str = "prometheus/rollcall.rules.yml";
const TESTS: &str = "prometheus/rollcall.rules.test.yml";

/// The file with the rules.
pub fn file() -> PathBuf {
    packaged(RULES)
}

#[test]
fn each_rule_fires_and_does_not() -> Result<()> {
    let promtool = program::find("promtool")?;
    program::run(Command::new(&promtool).args(["check", "rules"]).arg(file()))?;
    program::run(Command::new(&promtool).args(["test", "rules"]).arg(packaged(TESTS)))?;

    let rules = fs::read_to_string(file())?;
    let tests = fs::read_to_string(packaged(TESTS))?;
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let cases = cases(&tests)?;
    for name in names {
        let (fires, quiet) = cases.get(name).copied().unwrap_or_default();
        ensure!(fires > 0 && quiet > 0, "{TESTS} shows {name} fire {fires} times and be quiet {quiet} times");
    }
    Ok(())
}

#[test]
fn each_rule_says_how_severe_it_is_and_what_to_do() -> Result<()> {
    let rules = fs::read_to_string(file())?;
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap_or_default();
        for part in ["severity: ", "summary: ", "description: ", "runbook: docs/"] {
            ensure!(rule.contains(part), "{name} has no `{part}`");
        }
    }
    Ok(())
}

/// How often the tests see a rule fire, and how often they see it quiet.
fn cases(tests: &str) -> Result<BTreeMap<&str, (usize, usize)>> {
    let mut cases = BTreeMap::<_, (usize, usize)>::new();
    for case in tests.split("alertname: ").skip(1) {
        let name = case.split([',', '\n']).next().context("a case without a name")?;
        let (fires, quiet) = cases.entry(name).or_default();
        *(if case.contains("exp_alerts: []") { quiet } else { fires }) += 1;
    }
    Ok(cases)
}
