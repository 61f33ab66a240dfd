//! A real application (`tests/apps/accounts.py`), which says of each call by its own routing what it was, whose
//! account it read and who asked.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    calls::Call,
    deadline, port,
    program::{self, Running},
};

/// A running application, killed when dropped.
#[derive(Debug)]
pub struct Accounts {
    _process: Running,
    folder: TempDir,
    address: SocketAddr,
}

/// A call as the application took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The call.
    pub call: Call,
    /// Which operation it is; `None` if there is no such thing.
    pub operation: Option<String>,
    /// Whose accounts were read, or which part of a list.
    pub accounts: Vec<String>,
    /// Who asked; `None` without a credential.
    pub caller: Option<String>,
}

impl Accounts {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> Result<Accounts> {
        let folder = tempfile::Builder::new().prefix("rollcall-accounts-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port::free()?));
        let mut command = Command::new(program::find("python3")?);
        command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/accounts.py"));
        command.arg(address.port().to_string()).arg(folder.path().join("served.jsonl"));
        let mut process = Running::start(command, &folder.path().join("output"))?;
        deadline::until("the application to listen", || {
            if let Some(status) = process.ended()? {
                bail!("the application ended with {status}: {}", process.output());
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(Accounts { _process: process, folder, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it has served so far, in order. A call is written down before its answer leaves.
    pub fn served(&self) -> Result<Vec<Served>> {
        let text = fs::read_to_string(self.folder.path().join("served.jsonl")).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| parse(line).with_context(|| format!("served: {line}"))).collect()
    }
}

fn parse(line: &str) -> Result<Served> {
    let line: Value = serde_json::from_str(line)?;
    let text = |field: &str| line[field].as_str().map(str::to_owned);
    let number = |field: &str| line[field].as_u64().with_context(|| format!("no {field}"));
    let accounts = line["accounts"].as_array().context("no accounts")?;
    Ok(Served {
        call: Call {
            port: number("port")?.try_into()?,
            method: text("method").context("no method")?,
            target: text("target").context("no target")?,
            status: Some(number("status")?.try_into()?),
        },
        operation: text("operation"),
        accounts: accounts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        caller: text("caller"),
    })
}
