//! A real Alertmanager.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
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

/// A running Alertmanager that notifies nobody, killed when dropped.
#[derive(Debug)]
pub struct Alertmanager {
    _process: Running,
    _folder: TempDir,
    web: SocketAddr,
}

impl Alertmanager {
    /// Starts it, and waits until it is ready.
    pub fn start() -> Result<Alertmanager> {
        let folder = tempfile::Builder::new().prefix("rollcall-alertmanager-").tempdir()?;
        let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?));
        let configuration = folder.path().join("alertmanager.yml");
        fs::write(&configuration, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")?;
        let mut command = Command::new(program::find("prometheus-alertmanager")?);
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={web}"));
        command.arg("--cluster.listen-address=");
        let mut process = Running::start(command, &folder.path().join("output"))?;
        deadline::until("Alertmanager to be ready", || {
            if let Some(status) = process.ended()? {
                bail!("Alertmanager ended with {status}: {}", process.output());
            }
            let Ok(mut client) = Client::connect(web) else { return Ok(None) };
            Ok((client.get("/-/ready")?.status == 200).then_some(()))
        })?;
        Ok(Alertmanager { _process: process, _folder: folder, web })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.web)
    }

    /// The alerts that are active.
    pub fn active(&self) -> Result<Vec<Value>> {
        let response = Client::connect(self.web)?.get("/api/v2/alerts?active=true")?;
        ensure!(response.status == 200, "Alertmanager answers {}", response.status);
        serde_json::from_slice(&response.body).context("what Alertmanager answers")
    }

    /// Waits until the alerts that are active are as `wanted`, and returns them.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        deadline::until(what, || Ok(Some(self.active()?).filter(|alerts| wanted(alerts))))
            .with_context(|| format!("active: {:?}", self.active()))
    }
}
