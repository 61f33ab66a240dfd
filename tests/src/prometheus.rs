//! A real Prometheus that scrapes daemons under test, evaluates rules, and is asked through its API.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::Client,
    deadline, port,
    program::{self, Running},
};

/// How often it scrapes and evaluates: a test has seconds where an operator has minutes.
const INTERVAL: &str = "250ms";

/// Where the dashboard and the rules are that Rollcall brings.
pub fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/packaging")
}

/// A running Prometheus, killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    _process: Running,
    _folder: TempDir,
    web: SocketAddr,
}

/// One value that a query gives.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// An alert that a rule has raised.
#[derive(Clone, Debug)]
pub struct Raised {
    /// The rule's name.
    pub name: String,
    /// The label `severity`.
    pub severity: String,
    /// Whether it fires, or still has to stand for a while.
    pub is_firing: bool,
}

impl Prometheus {
    /// Scrapes `targets` as job `rollcall`, evaluates the rules of the file `rules`, and waits until it is ready.
    pub fn start(targets: &[SocketAddr], rules: &Path) -> Result<Prometheus> {
        let folder = tempfile::Builder::new().prefix("rollcall-prometheus-").tempdir()?;
        let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?));
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let configuration = folder.path().join("prometheus.yml");
        let rules = rules.canonicalize().with_context(|| format!("find {}", rules.display()))?;
        fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
                 rule_files: ['{}']\n\
                 scrape_configs: [{{job_name: rollcall, static_configs: [{{targets: [{}]}}]}}]\n",
                rules.display(),
                targets.join(", "),
            ),
        )?;
        let mut command = Command::new(program::find("prometheus")?);
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={web}"));
        let mut process = Running::start(command, &folder.path().join("output"))?;
        deadline::until("Prometheus to be ready", || {
            if let Some(status) = process.ended()? {
                bail!("Prometheus ended with {status}: {}", process.output());
            }
            let Ok(mut client) = Client::connect(web) else { return Ok(None) };
            Ok((client.get("/-/ready")?.status == 200).then_some(()))
        })?;
        Ok(Prometheus { _process: process, _folder: folder, web })
    }

    /// What an expression gives now.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.get(&format!("/api/v1/query?query={}", escaped(expression)))?;
        let result = data["result"].as_array().context("no result")?;
        result.iter().map(sample).collect()
    }

    /// The alerts that rules have raised.
    pub fn alerts(&self) -> Result<Vec<Raised>> {
        let data = self.get("/api/v1/alerts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let raised = |alert: &Value| Raised {
            name: text(&alert["labels"]["alertname"]),
            severity: text(&alert["labels"]["severity"]),
            is_firing: alert["state"] == "firing",
        };
        Ok(data["alerts"].as_array().context("no alerts")?.iter().map(raised).collect())
    }

    /// The expressions of its rules, by rule.
    pub fn rules(&self) -> Result<Vec<(String, String)>> {
        let data = self.get("/api/v1/rules")?;
        let groups = data["groups"].as_array().context("no groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
        let rule =
            |rule: &Value| Some((rule["name"].as_str()?.to_owned(), rule["query"].as_str()?.to_owned()));
        Ok(rules.filter_map(rule).collect())
    }

    fn get(&self, target: &str) -> Result<Value> {
        let response = Client::connect(self.web)?.get(target)?;
        let answer: Value = serde_json::from_slice(&response.body)
            .with_context(|| format!("what Prometheus answers to {target}"))?;
        ensure!(answer["status"] == "success", "Prometheus answers to {target}: {answer}");
        Ok(answer["data"].clone())
    }
}

fn sample(sample: &Value) -> Result<Sample> {
    let labels = sample["metric"].as_object().context("no labels")?;
    let labels = labels.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let value = sample["value"][1].as_str().context("no value")?;
    Ok(Sample { labels: labels.collect(), value: value.parse()? })
}

/// Percent-encoded, as much as a value in a query needs.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
