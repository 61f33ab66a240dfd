//! A host as the documentation has it in mind: an API on port 8080, Rollcall beside it, somebody who has just read the
//! accounts out, a host next door, and the files that commands name.
//!
//! It is the real machine behind a curtain: a network and a view of the files of its own. What commands write to /etc,
//! /var, /tmp and the like goes into memory and is gone with the stage; they find port 9847 free, whoever uses it outside.

mod curtain;
mod neighbour;
mod props;

use std::{
    cell::Cell,
    fs::{self, OpenOptions},
    io::Write,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};
use rollcall_tests::{
    Client, Metrics, MiniServer, Namespace, deadline,
    program::{self, Running},
    server::Behaviour,
};
use serde_json::Value;

use super::commands::spelt_out;
use curtain::Curtain;

/// Where the API listens.
const API: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);
/// Where the daemon does, unless it is told otherwise.
const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9847);
/// Who walks: the address that the documentation's examples have.
const WALKER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The alert that examples show.
const EXAMPLE: &str = "4c5162c3863df409";
/// The daemon's alerts.
const ALERTS: &str = "/var/log/rollcall/alerts.jsonl";

/// What a command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the last command of a pipeline leaves to the others when it has seen enough: 128 and SIGPIPE.
const BROKEN_PIPE: i32 = 141;
/// Runs the command that the variable holds as in a terminal.
const TERMINAL: &str = "exec script -qefc \"$COMMAND\" /dev/null <.keyboard";
/// What Ctrl-C leaves behind: 128 and SIGINT.
const INTERRUPTED: i32 = 130;
/// What would show that a command took the ledger away from the daemon.
const LEDGER_ERRORS: &str = "rollcall_ledger_write_errors_total";
/// What the daemon says once it is attached.
const WATCHING: &str = "watching";

/// The host. What is on it lives as long as this; fields are dropped in this order.
pub struct Stage {
    daemon: Running,
    _neighbour: Running,
    _api: MiniServer,
    curtain: Curtain,
    /// What stands for something else in a command, and what it is here.
    words: Vec<(&'static str, String)>,
    homes: Cell<usize>,
}

impl Stage {
    /// Sets it, behind a curtain that is the calling thread's own.
    pub fn set() -> Result<Stage> {
        let curtain = Curtain::draw()?;
        curtain.add_address(WALKER)?;
        props::place()?;
        let api = MiniServer::listen(API.into(), Behaviour::default())?;
        let mut command = curtain::as_the_service("rollcall");
        // Of its own API alone: who knows what else goes on at this machine.
        command.args(["run", "--port", &API.port().to_string(), "--alert.file", ALERTS]);
        curtain.dress(&mut command);
        let mut daemon = Running::start(command, Path::new("/var/log/rollcall/daemon.log"))?;
        let mut neighbour = neighbour::start(&curtain)?;
        ready(&mut daemon)?;
        ready(&mut neighbour)?;
        let alert = walk()?;
        // The ledger is written by a thread of its own.
        deadline::until("the walk to be in the ledger", || {
            let mut command = Command::new("rollcall");
            curtain.dress(command.args(["exposure", &alert]));
            Ok(program::run(&mut command).ok())
        })?;
        let mut words = vec![("ALERT", alert.clone()), (EXAMPLE, alert), ("CLIENT", WALKER.to_string())];
        // What a page has allowed first.
        words.push(("ALLOWANCE", "a1".to_owned()));
        Ok(Stage { daemon, _neighbour: neighbour, _api: api, curtain, words, homes: Cell::new(0) })
    }

    /// Fails if what commands did has harmed the daemon.
    pub fn expect_well(&self) -> Result<()> {
        // By its address: of names it knows its own only.
        let mut client = Client::connect(WEB.into())?;
        client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        let page = client.response()?;
        let metrics = Metrics::parse(&String::from_utf8_lossy(&page.body))?;
        let errors = metrics.sum(LEDGER_ERRORS, &[]);
        ensure!(
            errors == 0.0,
            "the daemon failed to write its ledger {errors} times: {}",
            self.daemon.output()
        );
        Ok(())
    }

    /// A directory for the commands of a page, with the files that they read.
    pub fn home(&self) -> Result<PathBuf> {
        let number = self.homes.get();
        self.homes.set(number + 1);
        let home = PathBuf::from(format!("/home/operator-{number}"));
        props::furnish(&home)?;
        neighbour::introduce(&home)?;
        Ok(home)
    }

    /// Runs a command to its end.
    pub fn run(&self, home: &Path, command: &str) -> Result<()> {
        let mut running = self.start(home, &spelt_out(command, &self.words), &[])?;
        let status =
            deadline::within(PATIENCE, "its end", || running.ended()).with_context(|| running.output())?;
        ensure!(
            status.success() || status.code() == Some(BROKEN_PIPE),
            "{status}: {}",
            running.output().trim()
        );
        Ok(())
    }

    /// Starts a daemon with a network and a state of its own, calls it, and stops it.
    pub fn run_daemon(&self, home: &Path, command: &str) -> Result<()> {
        let network = Namespace::new()?;
        let _inside = network.inside()?;
        let state = home.join("state");
        let state = state.to_str().context("a path that is no text")?;
        let mut daemon =
            self.start(home, &spelt_out(command, &self.words), &[("ROLLCALL_STATE_DIR", state)])?;
        ready(&mut daemon)?;
        let status = daemon.stop(Signal::SIGTERM)?;
        ensure!(status.success(), "stopped, it ended with {status}: {}", daemon.output());
        Ok(())
    }

    /// Runs a command as in a terminal until it has shown something, and types `keys`, which end it.
    pub fn run_until_it_shows_something(&self, home: &Path, command: &str, keys: &str) -> Result<()> {
        let keyboard = home.join(".keyboard");
        if !keyboard.exists() {
            mkfifo(&keyboard, Mode::S_IRWXU)?;
        }
        // Opened for reading too, so that it has no end before the command has.
        let mut keyboard = OpenOptions::new().read(true).write(true).open(keyboard)?;
        let mut running = self.start(home, TERMINAL, &[("COMMAND", &spelt_out(command, &self.words))])?;
        deadline::within(PATIENCE, "it to show something", || {
            if let Some(status) = running.ended()? {
                bail!("{status}: {}", running.output());
            }
            Ok((!running.output().trim().is_empty()).then_some(()))
        })?;
        keyboard.write_all(keys.as_bytes())?;
        let status =
            deadline::within(PATIENCE, "its end", || running.ended()).with_context(|| running.output())?;
        let is_stopped = status.success() || status.code() == Some(INTERRUPTED);
        ensure!(is_stopped, "{status}: {}", running.output().trim());
        Ok(())
    }

    fn start(&self, home: &Path, command: &str, variables: &[(&str, &str)]) -> Result<Running> {
        let mut shell = Command::new("bash");
        shell.args(["-e", "-u", "-o", "pipefail", "-c", command]);
        self.curtain.dress(&mut shell);
        shell.env("HOME", home).envs(variables.iter().copied()).current_dir(home);
        Running::start(shell, &home.join(".output"))
    }
}

fn ready(daemon: &mut Running) -> Result<()> {
    deadline::until("the daemon to be attached", || {
        if let Some(status) = daemon.ended()? {
            bail!("it ended with {status}: {}", daemon.output());
        }
        Ok(daemon.output().contains(WATCHING).then_some(()))
    })?;
    // An exchange for whoever reads the log of them; with TLS there is none, and nothing to read.
    if let Ok(mut client) = Client::connect(WEB.into()) {
        drop(client.get("/readyz"));
    }
    Ok(())
}

/// Reads the accounts out, and returns the id of the alert about it.
fn walk() -> Result<String> {
    let mut client = Client::connect_from(WALKER, API)?;
    for account in 1001..1061 {
        client.get(&format!("/v1/customers/{account}"))?;
    }
    deadline::until("the alert about the walk", || {
        let lines = fs::read_to_string(ALERTS).unwrap_or_default();
        let mut alerts = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // Not the notice that anybody may read there, nor what goes on elsewhere on this machine.
        let alert = alerts.find(|alert| {
            let is_open = alert["state"] == "open" && alert["severity"] != "info";
            is_open && alert.to_string().contains(&WALKER.to_string())
        });
        Ok(alert.and_then(|alert| alert["id"].as_str().map(str::to_owned)))
    })
}
