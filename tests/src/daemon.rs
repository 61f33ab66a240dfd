//! The daemon under test: `rollcall run` with its own state directory, logs and metrics port.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    calls::{self, Call},
    deadline,
    journald::Journald,
    metrics::Metrics,
    port,
    privileges::{self, Capability, NOBODY},
    program::{self, Running},
};

/// Puts the folder `$0` in the place of the journal's sockets, by way of the folder `$1`, and runs what follows. The host
/// may have no journal of its own, and then no such place.
const OTHER_JOURNAL: &str = r#"
    mount --bind "$0" "$1" && mount -t tmpfs none /run/systemd && mkdir /run/systemd/journal || exit
    mount --move "$1" /run/systemd/journal && shift && exec "$@"
"#;

/// A client walks from one number to the next.
pub const SEQUENTIAL_WALK: &str = "sequential-walk";

/// So does somebody, whoever it is.
pub const BLOCK_DENSITY: &str = "block-density";

/// The rule about clients that read too many accounts.
pub const DISTINCT_OBJECTS: &str = "distinct-objects";
/// The notice that a route gives data to whoever asks.
pub const OPEN_DOOR: &str = "open-door";
/// The notice that a route is missing in the OpenAPI document.
pub const UNKNOWN_ROUTE: &str = "unknown-route";

/// What a daemon answers that is ready: to everybody, to whoever has a password, or to whoever speaks TLS.
const GUARDED: [u16; 3] = [200, 401, 400];

/// A running daemon. Stopped with [`Daemon::stop`]; when dropped before, it is killed and its log is shown.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    folder: TempDir,
    web: SocketAddr,
    ports: Vec<u16>,
    stopped: bool,
}

/// What a daemon left behind.
#[derive(Debug)]
pub struct Report {
    /// The lines of the exchange log.
    pub exchanges: Vec<Value>,
    /// The lines of the alert file.
    pub alerts: Vec<Value>,
    /// The last page of metrics before the daemon was told to stop.
    pub metrics: Metrics,
    /// Its stderr and stdout.
    pub log: String,
    ports: Vec<u16>,
    folder: TempDir,
}

/// What one daemon leaves to the next: its state directory.
#[derive(Debug)]
pub struct State {
    folder: TempDir,
    /// It is a file system of its own.
    is_mount: bool,
}

impl State {
    /// An empty one.
    pub fn new() -> Result<State> {
        let folder = tempfile::Builder::new().prefix("rollcall-state-").tempdir();
        Ok(State { folder: folder.context("make a state directory")?, is_mount: false })
    }

    /// An empty one on a disk of `size` bytes.
    pub fn on_small_disk(size: u64) -> Result<State> {
        program::require_root()?;
        let mut state = State::new()?;
        let options = format!("size={size},mode=700");
        mount(Some("tmpfs"), state.folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .context("mount a small disk")?;
        state.is_mount = true;
        Ok(state)
    }

    /// The directory that daemons are given as `--state-dir`.
    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Runs another command of `rollcall` on it.
    pub fn ask(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--state-dir").arg(self.directory());
        command.output().context("run rollcall")
    }

    /// Each of its files, as a failure may show its path, with its content.
    pub fn files(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        files(self.folder.path())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.is_mount {
            // What still uses it keeps it; its name goes in any case.
            let _ = umount2(self.folder.path(), MntFlags::MNT_DETACH);
        }
    }
}

/// The binary under test.
///
/// # Panics
///
/// When `ROLLCALL_BIN` does not name it.
pub fn binary() -> PathBuf {
    let Some(binary) = std::env::var_os("ROLLCALL_BIN").map(PathBuf::from) else {
        panic!(
            "ROLLCALL_BIN is not set: run these tests with `cargo xtask test`, which builds the daemon and names it"
        );
    };
    assert!(binary.is_file(), "ROLLCALL_BIN names {}, which is not a file", binary.display());
    binary
}

impl Daemon {
    /// Watches the servers on one port.
    pub fn watching(port: u16) -> Result<Daemon> {
        Daemon::start(&[port], &[])
    }

    /// Starts `rollcall run`, watching `ports` (all if empty), with further arguments, and waits for `/readyz`.
    pub fn start(ports: &[u16], arguments: &[&str]) -> Result<Daemon> {
        Daemon::launch(ports, arguments, true, None)
    }

    /// As [`Daemon::start`], with the state of the daemons that ran on it before.
    pub fn start_with(state: &State, ports: &[u16], arguments: &[&str]) -> Result<Daemon> {
        Daemon::launch(ports, arguments, true, Some(state))
    }

    /// As [`Daemon::start_with`], but for the log of exchanges and the wait: it may not be ready yet.
    pub fn begin_with(state: &State, ports: &[u16], arguments: &[&str]) -> Result<Daemon> {
        program::require_root()?;
        Daemon::spawn(Command::new(binary()), folder()?, ports, arguments, false, Some(state))
    }

    /// Starts `rollcall run` as it runs by default, save for its ports: without a log of exchanges.
    pub fn by_default(ports: &[u16]) -> Result<Daemon> {
        Daemon::built_as(&binary(), ports)
    }

    /// As [`Daemon::by_default`], of another build of the program.
    pub fn built_as(binary: &Path, ports: &[u16]) -> Result<Daemon> {
        program::require_root()?;
        Daemon::launch_by(Command::new(binary), folder()?, ports, &[], false, None)
    }

    /// As [`Daemon::start`], by a service manager that listens at `notify`, and loses patience after `watchdog`.
    pub fn as_service(notify: &Path, watchdog: Duration, ports: &[u16]) -> Result<Daemon> {
        program::require_root()?;
        let mut command = Command::new(binary());
        command.env("NOTIFY_SOCKET", notify).env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        Daemon::launch_by(command, folder()?, ports, &[], true, None)
    }

    /// As [`Daemon::start`], but as the user nobody with no more than `capabilities`.
    pub fn unprivileged(ports: &[u16], capabilities: &[Capability]) -> Result<Daemon> {
        program::require_root()?;
        let folder = folder()?;
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).context("give a folder to nobody")?;
        // That user may not reach the directory that the program was built in.
        let program = folder.path().join("rollcall");
        fs::copy(binary(), &program).context("copy the daemon")?;
        let mut command = Command::new(program);
        privileges::reduce(&mut command, capabilities);
        Daemon::launch_by(command, folder, ports, &[], true, None)
    }

    /// As [`Daemon::start`], on a host that trusts the authorities in the file `authorities` and no other.
    pub fn start_trusting(authorities: &Path, ports: &[u16], arguments: &[&str]) -> Result<Daemon> {
        program::require_root()?;
        let mut command = Command::new(binary());
        command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
        Daemon::launch_by(command, folder()?, ports, arguments, true, None)
    }

    /// As [`Daemon::start`], with the sockets of `journald` in place of the host's.
    pub fn start_with_journal(journald: &Journald, ports: &[u16], arguments: &[&str]) -> Result<Daemon> {
        program::require_root()?;
        let folder = folder()?;
        let aside = folder.path().join("journal");
        fs::create_dir(&aside)?;
        let mut command = Command::new(program::find("unshare")?);
        command.args(["--mount", "sh", "-c", OTHER_JOURNAL]);
        command.arg(journald.folder()).arg(aside).arg(binary());
        Daemon::launch_by(command, folder, ports, arguments, true, None)
    }

    fn launch(
        ports: &[u16],
        arguments: &[&str],
        exchange_log: bool,
        state: Option<&State>,
    ) -> Result<Daemon> {
        let binary = binary();
        program::require_root()?;
        Daemon::launch_by(Command::new(binary), folder()?, ports, arguments, exchange_log, state)
    }

    /// Has `command` run the daemon, with its files in `folder`, and waits until it is ready.
    fn launch_by(
        command: Command,
        folder: TempDir,
        ports: &[u16],
        arguments: &[&str],
        exchange_log: bool,
        state: Option<&State>,
    ) -> Result<Daemon> {
        let mut daemon = Daemon::spawn(command, folder, ports, arguments, exchange_log, state)?;
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    fn spawn(
        mut command: Command,
        folder: TempDir,
        ports: &[u16],
        arguments: &[&str],
        exchange_log: bool,
        state: Option<&State>,
    ) -> Result<Daemon> {
        let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?));
        command.arg("run").arg("--web.listen-address").arg(web.to_string());
        let state = state.map_or_else(|| folder.path().join("state"), State::directory);
        command.arg("--state-dir").arg(state);
        if exchange_log {
            command.arg("--exchange-log").arg(folder.path().join("exchanges.jsonl"));
        }
        if !arguments.contains(&"--alert.file") {
            command.arg("--alert.file").arg(folder.path().join("alerts.jsonl"));
        }
        for port in ports {
            command.arg("--port").arg(port.to_string());
        }
        command.args(arguments);
        // A group of its own: the terminal's Ctrl-C is for whoever started the daemon, who then stops it.
        command.process_group(0);
        let process = Running::start(command, &folder.path().join("log"))?;
        Ok(Daemon { process, folder, web, ports: ports.to_vec(), stopped: false })
    }

    /// Waits for `/readyz`.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        deadline::until("the daemon's /readyz", || {
            if let Some(status) = self.process.ended()? {
                bail!("the daemon ended before it was ready: {status}");
            }
            // Of one that is guarded all that can be told from here is that it answers.
            Ok(self.page("/readyz").ok().filter(|(status, _)| GUARDED.contains(status)).map(drop))
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where the daemon's web pages are.
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// Status and body of one of its web pages.
    pub fn page(&self, path: &str) -> Result<(u16, String)> {
        fetch(self.web, path)
    }

    /// A fresh page of metrics.
    pub fn metrics(&self) -> Result<Metrics> {
        let (status, body) = self.page("/metrics")?;
        ensure!(status == 200, "/metrics answers {status}: {body}");
        Metrics::parse(&body)
    }

    /// The exchanges logged so far.
    pub fn exchanges(&self) -> Result<Vec<Value>> {
        self.lines("exchanges.jsonl")
    }

    /// The alerts so far.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        self.lines("alerts.jsonl")
    }

    /// Waits for an alert of `rule`.
    pub fn wait_for_alert(&self, rule: &str) -> Result<Value> {
        deadline::until(&format!("an alert of {rule}"), || {
            Ok(self.alerts()?.into_iter().find(|alert| alert["rule"] == rule))
        })
    }

    /// Where the alerts are written.
    pub fn alert_file(&self) -> PathBuf {
        self.folder.path().join("alerts.jsonl")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// The log of exchanges.
    pub fn exchange_log(&self) -> PathBuf {
        self.folder.path().join("exchanges.jsonl")
    }

    /// Its stderr and stdout so far.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Stops the daemon as an operator would, which drains what was captured; fails unless its accounting adds
    /// up and it ends well.
    pub fn stop(self) -> Result<Report> {
        let metrics = self.metrics()?;
        metrics.check_accounting()?;
        self.stop_now(metrics)
    }

    /// As [`Daemon::stop`], but with metrics that were read before.
    pub fn stop_now(self, metrics: Metrics) -> Result<Report> {
        self.stop_with(metrics, 0)
    }

    /// As [`Daemon::stop_now`], of a daemon that is to exit with `code`.
    pub fn stop_with(mut self, metrics: Metrics, code: i32) -> Result<Report> {
        let status = self.process.stop(Signal::SIGTERM)?;
        ensure!(status.code() == Some(code), "the daemon ended on SIGTERM with {status}");
        self.stopped = true;
        let (exchanges, alerts) = (self.exchanges()?, self.alerts()?);
        let (log, ports) = (self.log(), std::mem::take(&mut self.ports));
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        Ok(Report { exchanges, alerts, metrics, log, ports, folder })
    }

    /// Kills the daemon as the kernel would, which leaves it no time for anything. Returns the alerts that it had written.
    pub fn kill(mut self) -> Result<Vec<Value>> {
        self.stopped = true;
        self.process.stop(Signal::SIGKILL)?;
        self.alerts()
    }

    /// The complete lines of a file of its folder; none while there is no such file.
    fn lines(&self, file: &str) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("{file}: {line}")))
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.stopped {
            eprintln!("── the daemon's log ──\n{}──", self.process.output());
        }
    }
}

impl Report {
    /// The calls to the server on `port`.
    pub fn calls(&self, port: u16) -> Result<Vec<Call>> {
        let mut found = Vec::new();
        for exchange in &self.exchanges {
            if calls::port(exchange, "server_port")? == port {
                found.push(Call::from_exchange(exchange)?);
            }
        }
        Ok(found)
    }

    /// Fails unless the calls to the server on `port` are exactly `served`, and nothing was reported from a
    /// port that the daemon was not to watch.
    pub fn expect_exactly(&self, port: u16, served: &[Call]) -> Result<()> {
        for exchange in &self.exchanges {
            let server = calls::port(exchange, "server_port")?;
            ensure!(
                self.ports.is_empty() || self.ports.contains(&server),
                "an exchange with a server that is not watched: {exchange}"
            );
        }
        calls::compare(&self.calls(port)?, served)
            .with_context(|| format!("{}\nthe daemon's log:\n{}", self.metrics.summary(), self.log))
    }

    /// The exchanges with the server on `port`, in the order in which they began.
    pub fn exchanges_of(&self, port: u16) -> Result<Vec<&Value>> {
        let mut found = Vec::new();
        for exchange in &self.exchanges {
            if calls::port(exchange, "server_port")? == port {
                found.push(exchange);
            }
        }
        found.sort_by_key(|exchange| exchange["at"].as_str());
        Ok(found)
    }

    /// Each file that the daemon wrote, with its content: logs, alerts, and state unless it was given.
    pub fn files(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        files(self.folder.path())
    }

    /// Alerts of `rule` in `state`.
    pub fn alerts_of(&self, rule: &str, state: &str) -> Vec<&Value> {
        self.alerts.iter().filter(|alert| alert["rule"] == rule && alert["state"] == state).collect()
    }
}

/// A folder for one daemon's files.
fn folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("rollcall-test-").tempdir().context("make a folder for the daemon")
}

/// The files in a folder and in those below it.
fn files(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            found.push((path, content));
        }
    }
    Ok(found)
}

/// Status and body of a small page.
fn fetch(server: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(deadline::patience()))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    let (head, body) = page.split_once("\r\n\r\n").with_context(|| format!("no head in {page:?}"))?;
    let status = head.split(' ').nth(1).with_context(|| format!("no status in {head:?}"))?;
    ensure!(
        !head.to_ascii_lowercase().contains("transfer-encoding"),
        "{path} is chunked, which this small client does not read"
    );
    Ok((status.parse()?, body.to_owned()))
}
