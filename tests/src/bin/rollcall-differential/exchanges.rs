//! What Rollcall reported, read from its exchange log as it grows.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use rollcall_tests::calls::{self, Call};
use serde_json::Value;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) call: Call,
    /// The head was cut.
    pub(crate) truncated: bool,
    pub(crate) line: String,
}

/// A connection: the ports of server and client.
pub(crate) type Connection = (u16, u16);

/// The lines so far, by connection, in the order of the log.
pub(crate) struct Exchanges {
    file: PathBuf,
    offset: u64,
    of: HashMap<Connection, Vec<Exchange>>,
    /// Connections by the server's port and a target.
    asked: HashMap<(u16, String), Vec<Connection>>,
}

impl Exchanges {
    pub(crate) fn in_file(file: PathBuf) -> Exchanges {
        Exchanges { file, offset: 0, of: HashMap::new(), asked: HashMap::new() }
    }

    /// Reads the lines that are new.
    pub(crate) fn update(&mut self) -> Result<()> {
        let Ok(mut file) = File::open(&self.file) else { return Ok(()) };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { return Ok(()) };
        self.offset += end as u64 + 1;
        for line in String::from_utf8_lossy(&text[..end]).lines() {
            let value: Value = serde_json::from_str(line).with_context(|| format!("exchange {line}"))?;
            let call = Call::from_exchange(&value)?;
            let connection = (calls::port(&value, "server_port")?, call.port);
            self.asked.entry((connection.0, call.target.clone())).or_default().push(connection);
            let truncated = value["truncated"] == true;
            let exchange = Exchange { call, truncated, line: line.to_owned() };
            self.of.entry(connection).or_default().push(exchange);
        }
        Ok(())
    }

    /// Exchanges with the server on `port` about one of these targets, on whatever connection, in the order of the targets.
    pub(crate) fn about(&self, port: u16, targets: &[String]) -> Vec<Exchange> {
        let mut found = Vec::new();
        for target in targets {
            let connections = self.asked.get(&(port, target.clone())).into_iter().flatten();
            let exchanges = connections.flat_map(|&connection| self.of(connection));
            found.extend(exchanges.filter(|exchange| exchange.call.target == *target).cloned());
        }
        found
    }

    pub(crate) fn of(&self, connection: Connection) -> &[Exchange] {
        self.of.get(&connection).map_or(&[], Vec::as_slice)
    }
}
