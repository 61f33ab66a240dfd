//! `rollcall run`: the daemon, with signals and a service manager around it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rollcall_daemon::{
    Config, Daemon, Kernel, ReopenLogs, Traffic, Web,
    crawlers::{Crawler, Dns},
};
use rollcall_serve::web::{Access, Hosts};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    attribution, check,
    exit::{Exit, Failure},
    ledger::LedgerArgs,
    logging,
    options::{EngineArgs, KernelArgs, LogArgs, OutputArgs},
    service,
    sinks::SinkArgs,
    values,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    /// Budget of each address of a crawler that is known by name: one that DNS calls by it, and which the name leads back to. NAME
    /// is a host's, or *. and a domain. Addresses are looked up once they come near a limit. Repeatable, or a list. By its
    /// network it is a --partner.
    #[arg(
        long = "crawler",
        env = "ROLLCALL_CRAWLER",
        value_name = "NAME=N/WINDOW",
        value_delimiter = ',',
        help_heading = "Detection"
    )]
    crawlers: Vec<Crawler>,

    #[command(flatten)]
    pub(crate) outputs: OutputArgs,

    #[command(flatten)]
    sinks: SinkArgs,

    #[command(flatten)]
    pub(crate) kernel: KernelArgs,

    /// Share of request targets to capture, greater than 0 and at most 1. Distinct counts stay unbiased.
    #[arg(
        long,
        env = "ROLLCALL_SAMPLE",
        value_name = "RATE",
        value_parser = values::sample,
        default_value = "1"
    )]
    pub(crate) sample: f64,

    /// Read inside TLS: take the secrets of connections where programs that serve pass them to the function that would log them. It
    /// changes nothing in these programs. Where that can't be done, the rest is.
    #[arg(long, env = "ROLLCALL_TLS", value_enum, default_value_t = Tls::On)]
    tls: Tls,

    /// Directory of what must survive a restart; made if it does not exist.
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR", default_value = "/var/lib/rollcall")]
    state_dir: PathBuf,

    /// How often what is known is written there. A crash loses what was learned since; alerts are written at once.
    #[arg(
        long = "checkpoint.interval",
        env = "ROLLCALL_CHECKPOINT_INTERVAL",
        value_name = "DURATION",
        value_parser = values::checkpoint_interval,
        default_value = "1min"
    )]
    checkpoint_interval: Duration,

    /// Address to serve the status page, /metrics, /healthz, /readyz and /api/v1 on.
    #[arg(
        long = "web.listen-address",
        env = "ROLLCALL_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_parser = values::listen_address,
        default_value = "127.0.0.1:9847"
    )]
    listen_address: SocketAddr,

    /// Path to serve the metrics on.
    #[arg(
        long = "web.telemetry-path",
        env = "ROLLCALL_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        value_parser = values::telemetry_path,
        default_value = "/metrics"
    )]
    telemetry_path: String,

    /// Name by which the web server may be asked, beside those of this host and addresses; several with commas, or the flag
    /// again. Other names are refused, as a page in a browser could read everything by them (DNS rebinding).
    #[arg(
        long = "web.allowed-host",
        env = "ROLLCALL_WEB_ALLOWED_HOST",
        value_name = "NAME",
        value_parser = values::host_name,
        value_delimiter = ','
    )]
    allowed_hosts: Vec<String>,

    /// File that turns on TLS, basic authentication and a rate limit, in the format of Prometheus' exporters.
    #[arg(long = "web.config.file", env = "ROLLCALL_WEB_CONFIG_FILE", value_name = "FILE")]
    web_config: Option<PathBuf>,

    /// Give up what isn't needed once the programs are attached: capabilities, and system calls. Off is for debuggers.
    #[arg(long, env = "ROLLCALL_SANDBOX", value_enum, default_value_t = Sandbox::On)]
    sandbox: Sandbox,

    #[command(flatten)]
    ledger: LedgerArgs,

    #[command(flatten)]
    log: LogArgs,
}

/// Whether what is inside TLS is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tls {
    On,
    Off,
}

/// Whether the daemon confines itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sandbox {
    On,
    Off,
}

/// Sets everything up, runs until told to stop, and takes it down again.
pub(crate) fn run(args: RunArgs) -> Result<Exit, Failure> {
    logging::start(&args.log);
    // What is wrong with the command line is said before anything on this host is.
    let config = args.config()?;
    check::permitted()?;
    let daemon = Daemon::build(config)?;
    attribution::warn_of(daemon.never_match());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::new().context("handle signals")?;
        let hangup = signal(SignalKind::hangup()).context("handle signals")?;
        tokio::spawn(reopen_on(hangup, daemon.reopen()));
        let mut running = daemon.start()?;
        let cgroup = running.cgroup().unwrap_or_default().to_owned();
        tracing::info!(cgroup, ports = ?args.engine.ports, "watching");
        let signs = tokio::spawn(service::keep_alive(running.health()));
        service::ready(&format!("watching {cgroup}"));
        let stop = async {
            let name = signals.next().await;
            tracing::info!(signal = name, "stopping: writing what was captured");
        };
        running.serve(stop).await?;
        signs.abort();
        service::stopping();
        let errors = signals.unless_again(running.drain()).await?;
        Failure::all(errors.into_iter().map(Failure::from).collect())
    })
}

impl RunArgs {
    fn config(&self) -> Result<Config, Failure> {
        let engine = self.engine.settings()?;
        let sinks = self.sinks.sinks(&self.outputs.alert_file)?;
        let longest = engine.detection.detector.policy.longest();
        if let Some(crawler) = self.crawlers.iter().find(|crawler| crawler.limit.window > longest) {
            let error = anyhow::anyhow!("crawler {crawler}: its window is longer than those of all limits");
            return Err(Failure::new(Exit::Usage, error).advise("give a --limit with this window, too"));
        }
        let access = Access::open(self.web_config.as_deref(), Hosts::of_this_host(&self.allowed_hosts))?;
        Ok(Config {
            engine,
            traffic: Traffic::Kernel(Kernel {
                ring_size: self.kernel.ring_size,
                sampling: self.sample,
                cgroup: self.kernel.cgroup.clone(),
                tls: self.tls == Tls::On,
            }),
            crawlers: self.crawlers.clone(),
            resolver: Box::new(Dns),
            ports: self.engine.ports.clone(),
            state_directory: self.state_dir.clone(),
            exposure: self.ledger.settings(self.sample),
            checkpoint_interval: self.checkpoint_interval,
            sinks,
            exchange_log: self.outputs.exchange_log.clone(),
            web: Web { address: self.listen_address, telemetry_path: self.telemetry_path.clone(), access },
            confine: self.sandbox == Sandbox::On,
        })
    }
}

/// Opens the alert file and the exchange log anew whenever they may have been rotated.
async fn reopen_on(mut hangup: Signal, logs: ReopenLogs) {
    while hangup.recv().await.is_some() {
        tracing::info!(signal = "SIGHUP", "opening the logs anew");
        logs.reopen();
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for `end`, unless there is one more signal: then the daemon stops at once.
    async fn unless_again<T>(&mut self, end: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            outcome = end => Ok(outcome),
            name = self.next() => Err(anyhow::anyhow!("stopped at once by a second signal ({name})")),
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
