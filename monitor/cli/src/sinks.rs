//! The flags that say where alerts go.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use clap::{Args, builder::FalseyValueParser};
use rollcall_daemon::{AlertSink, AlertSinks, AlertsTo};
use rollcall_deliver::{Alertmanager, Endpoint, Format, Secret};

use super::exit::{Exit, Failure};

#[derive(Clone, Debug, Args)]
pub(crate) struct SinkArgs {
    /// Send alerts to the journal of systemd too, with fields to search by.
    #[arg(
        long = "alert.journal",
        env = "ROLLCALL_ALERT_JOURNAL",
        value_parser = FalseyValueParser::new(),
        help_heading = "Alerts"
    )]
    journal: bool,

    /// POST each alert to this URL too; repeatable, or a list. slack=URL posts a message as Slack takes it.
    /// @FILE in place of the URL reads it from a file.
    #[arg(
        long = "alert.webhook",
        env = "ROLLCALL_ALERT_WEBHOOK",
        hide_env_values = true,
        value_name = "[FORMAT=]URL",
        value_delimiter = ',',
        help_heading = "Alerts"
    )]
    webhooks: Vec<String>,

    /// Sign webhooks with the secret in this file.
    #[arg(
        long = "alert.webhook-secret-file",
        env = "ROLLCALL_ALERT_WEBHOOK_SECRET_FILE",
        value_name = "FILE",
        help_heading = "Alerts"
    )]
    secret_file: Option<PathBuf>,

    /// Tell the Alertmanager at this URL of alerts too; repeatable, or a list. @FILE in place of the URL reads it
    /// from a file.
    #[arg(
        long = "alert.alertmanager",
        env = "ROLLCALL_ALERT_ALERTMANAGER",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ',',
        help_heading = "Alerts"
    )]
    alertmanagers: Vec<String>,

    /// Send touched objects too, and not only write them to the alert file.
    #[arg(
        long = "alert.include-objects",
        env = "ROLLCALL_ALERT_INCLUDE_OBJECTS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Alerts"
    )]
    include_objects: bool,
}

impl SinkArgs {
    /// What is asked for, beside the alert file.
    pub(crate) fn sinks(&self, file: &Path) -> Result<AlertSinks, Failure> {
        let to = AlertsTo::File(file.to_owned());
        let mut asked = vec![AlertSink { label: "file".to_owned(), identity: "file".to_owned(), to }];
        if self.journal {
            let label = "journal".to_owned();
            asked.push(AlertSink { identity: label.clone(), label, to: AlertsTo::Journal });
        }
        for (index, text) in self.webhooks.iter().filter(|text| !text.is_empty()).enumerate() {
            let (format, url) = match text.split_once('=') {
                Some(("slack", url)) => (Format::Slack, url),
                Some(("rollcall", url)) => (Format::Rollcall, url),
                _ => (Format::Rollcall, text.as_str()),
            };
            let (endpoint, url) = endpoint(url, "--alert.webhook", index)?;
            let (label, identity) = (format!("webhook-{}", index + 1), format!("webhook {format:?} {url}"));
            asked.push(AlertSink { label, identity, to: AlertsTo::Webhook(endpoint, format) });
        }
        for (index, url) in self.alertmanagers.iter().filter(|text| !text.is_empty()).enumerate() {
            let (base, url) = endpoint(url, "--alert.alertmanager", index)?;
            let endpoint = Alertmanager::endpoint(&base).map_err(|error| Failure::new(Exit::Usage, error))?;
            let (label, identity) = (format!("alertmanager-{}", index + 1), format!("alertmanager {url}"));
            asked.push(AlertSink { label, identity, to: AlertsTo::Alertmanager(endpoint) });
        }
        let mut seen = HashSet::new();
        if let Some(twice) = asked.iter().find(|asked| !seen.insert(&asked.identity)) {
            let error = anyhow!("send alerts to {}: it is the same as one before", twice.label);
            return Err(Failure::new(Exit::Usage, error).advise("give each URL once"));
        }
        let secret = self.secret_file.as_deref().map(secret).transpose()?;
        Ok(AlertSinks { sinks: asked, secret, include_objects: self.include_objects })
    }
}

/// An endpoint, and its URL. The latter may be a secret, and is in no message.
fn endpoint(text: &str, flag: &str, index: usize) -> Result<(Endpoint, String), Failure> {
    let url = match text.strip_prefix('@') {
        Some(path) => String::from_utf8_lossy(&read(Path::new(path), flag)?).trim().to_owned(),
        None => text.to_owned(),
    };
    let endpoint = Endpoint::parse(&url).with_context(|| format!("use URL number {} of {flag}", index + 1));
    match endpoint {
        Ok(endpoint) => Ok((endpoint, url)),
        Err(error) => Err(Failure::new(Exit::Usage, error).advise("give http://HOST[:PORT]/… or https://…")),
    }
}

fn secret(path: &Path) -> Result<Secret, Failure> {
    const FLAG: &str = "--alert.webhook-secret-file";
    Secret::new(&read(path, FLAG)?).ok_or_else(|| {
        let empty = anyhow!("read {} of {FLAG}: it is empty", path.display());
        Failure::new(Exit::Config, empty).advise("put a long random text in it")
    })
}

fn read(path: &Path, flag: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .with_context(|| format!("read {} of {flag}", path.display()))
        .map_err(|error| Failure::new(Exit::Config, error).advise("check the path and its permissions"))
}
