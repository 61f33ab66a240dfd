//! wrk as the client: one thread, keep-alive connections, full speed; it can be paused.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rollcall_tests::{
    deadline,
    program::{self, Running},
};
use tempfile::TempDir;

/// Connections, as in the design's measurements.
pub(crate) const CONNECTIONS: usize = 64;

/// Different accounts that one client asks for: detection has all its work, and no reason for an alert.
const ACCOUNTS: usize = 10;

/// Bytes of a request: what a browser or an API client with a bearer token sends.
const REQUEST: usize = 525;

/// A running wrk, killed when dropped.
pub(crate) struct Wrk {
    process: Running,
    time: Duration,
    #[expect(dead_code, reason = "kept for its Drop, which removes the script")]
    folder: TempDir,
}

impl Wrk {
    /// Starts asking `server` for accounts, from the network namespace that the calling thread is in.
    pub(crate) fn start(server: SocketAddr, time: Duration) -> Result<Wrk> {
        let folder = tempfile::Builder::new().prefix("rollcall-wrk-").tempdir()?;
        let script = folder.path().join("requests.lua");
        fs::write(&script, lua())?;
        let mut command = Command::new(program::find("wrk")?);
        command.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()]);
        command.args(["--duration", &format!("{}s", time.as_secs().max(1))]);
        command.arg("--script").arg(&script).arg(format!("http://{server}/"));
        // Any milder signal would wait for a paused process to go on.
        let process = Running::start_tied(command, &folder.path().join("output"), Signal::SIGKILL)?;
        Ok(Wrk { process, time, folder })
    }

    /// Stops its clock, as far as it can tell.
    pub(crate) fn pause(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Waits for its end and returns how many answers it has had.
    pub(crate) fn finish(mut self) -> Result<u64> {
        let status =
            deadline::within(self.time + Duration::from_secs(20), "wrk to end", || self.process.ended())?;
        let output = self.process.output();
        ensure!(status.success(), "wrk ended with {status}: {output}");
        ensure!(!output.contains("Non-2xx"), "not every answer was 200: {output}");
        let line = output.lines().find(|line| line.contains(" requests in "));
        let count = line.and_then(|line| line.split_whitespace().next());
        count.with_context(|| format!("no count in {output}"))?.parse().context("wrk's count")
    }
}

/// The requests of one round over the accounts, each of [`REQUEST`] bytes.
pub(crate) fn requests() -> Vec<String> {
    (1..=ACCOUNTS)
        .map(|account| {
            let head = format!(
                "GET /v1/customers/{account} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: shop-backend/3.14\r\n\
                 Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n\
                 Cache-Control: no-cache\r\nX-Request-Source: storefront\r\nAuthorization: Bearer "
            );
            let token = REQUEST - head.len() - "\r\n\r\n".len();
            format!("{head}{}\r\n\r\n", "eyJhbGciOiJFUzI1NiJ9".chars().cycle().take(token).collect::<String>())
        })
        .collect()
}

/// The requests are made before the run, so that all that is left to do for each is to look it up.
fn lua() -> String {
    let list: Vec<String> = requests().iter().map(|request| format!("{request:?}")).collect();
    format!(
        "local requests = {{ {} }}\nlocal turn = 0\n\
         function request()\n  turn = turn % #requests + 1\n  return requests[turn]\nend\n",
        list.join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_the_same_length() {
        assert!(requests().iter().all(|request| request.len() == REQUEST && request.ends_with("\r\n\r\n")));
    }
}
