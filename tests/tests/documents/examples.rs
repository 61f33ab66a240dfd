//! Examples of data: read by what would read them.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use rollcall_detect::alert::Alert;
use rollcall_tests::program;
use serde_json::Value;

use super::page::Block;

/// Fails if a block is not what its language says. Languages that nothing here reads are taken at their word.
pub fn check(block: &Block) -> Result<()> {
    let text = &block.piece.text;
    match block.language.as_deref() {
        Some("json") => json(text),
        Some("promql") => promql(text),
        Some("yaml") if text.contains("scrape_configs:") => {
            by(text, "prometheus.yml", "promtool", &["check", "config", "--syntax-only"])
        }
        Some("yaml") if text.contains("inhibit_rules:") || text.contains("receivers:") => {
            // What such a file can't be without, where the example leaves it away.
            let rest = if text.contains("receivers:") {
                ""
            } else {
                "route: {receiver: x}\nreceivers: [{name: x}]\n"
            };
            by(&format!("{text}{rest}"), "alertmanager.yml", "amtool", &["check-config"])
        }
        Some("nginx") => {
            by(&format!("events {{}}\nhttp {{\n{text}\n}}\n"), "nginx.conf", "nginx", &["-q", "-t", "-c"])
        }
        _ => Ok(()),
    }
}

/// One value, or one a line. An alert has all fields of one, in their order.
fn json(text: &str) -> Result<()> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let values = values.collect::<Result<Vec<_>, _>>().context("not JSON")?;
    for (value, line) in values.iter().zip(text.lines()) {
        if value.get("opened_at").is_some() || value.get("distinct_error").is_some() {
            let alert: Alert = serde_json::from_str(line).context("not an alert as docs/alerts.md has it")?;
            ensure!(
                serde_json::to_string(&alert)? == line,
                "an alert would be written as {}",
                serde_json::to_string(&alert)?
            );
        }
    }
    Ok(())
}

/// Each line is an expression, which a rule could have.
fn promql(text: &str) -> Result<()> {
    let rule = |line: &str| format!("      - {{record: x, expr: {}}}\n", Value::from(line));
    let rules: String = text.lines().filter(|line| !line.is_empty()).map(rule).collect();
    by(&format!("groups:\n  - name: x\n    rules:\n{rules}"), "rules.yml", "promtool", &["check", "rules"])
}

/// Has a program read it from a file.
fn by(text: &str, name: &str, reader: &str, arguments: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(name);
    fs::write(&file, text)?;
    program::run(Command::new(program::find(reader)?).args(arguments).arg(file))?;
    Ok(())
}
