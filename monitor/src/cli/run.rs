//! `rollcall run`: the daemon.
//!
//! The main thread serves the web and waits for signals; a thread of its own captures and evaluates, so that neither waits
//! for the other. Everything that can fail is set up first, cheapest first, and nothing is attached before all of it stands.
//! Only the thread that will capture has privileges, until it has attached the programs; then the process is confined.
//! Stopping is one event: the capture thread detaches, evaluates what the kernel had already captured, writes it, and ends;
//! then every sink makes a last attempt to deliver.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rollcall::{
    api::{Inquiries, Pulse, Setup},
    capture::{self, Attachment, Programs, Stop},
    checkpoints::{CheckpointFile, CheckpointWriter},
    hash::HashKey,
    health::Health,
    ledger::{AckWatch, exposure::Recorder},
    lines::Reopen,
    metrics::Metrics,
    sandbox,
    time::Timestamp,
    web::{self, Access, Hosts, Site},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use super::{
    check,
    exit::{Exit, Failure},
    keep::Checkpoints,
    ledger::LedgerArgs,
    live::{Live, Shared},
    logging,
    options::{EngineArgs, KernelArgs, LogArgs, OutputArgs},
    pipeline::{self, Outputs},
    privileged::Privileged,
    resume, service,
    sinks::{ReopenAlerts, SinkArgs},
    state::{self, Key},
    values,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) engine: EngineArgs,

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
    let settings = pipeline::settings(&args.engine)?;
    let plan = args.sinks.plan(&args.outputs.alert_file)?;
    let hosts = Hosts::of_this_host(&args.allowed_hosts);
    let access = Arc::new(Access::open(args.web_config.as_deref(), hosts)?);
    check::permitted()?;
    capture::probe()?;
    let key = state::open(&args.state_dir)?;
    let _ours = state::lock(&args.state_dir)?;
    let listener = web::listen(args.listen_address)?;
    let privileged = Privileged::start("capture")?;
    if args.sandbox == Sandbox::On {
        sandbox::seal()?;
        sandbox::give_up_capabilities()?;
    }
    let metrics = Metrics::new().context("set up metrics")?;
    let sinks = plan.open(&args.state_dir, key, args.ledger.age, &metrics)?;
    let (mut outputs, exchanges) = Outputs::live(
        &args.outputs,
        sinks.ledger.handle(),
        Arc::clone(&sinks.own),
        args.listen_address,
        &metrics,
    )?;
    outputs.record(
        Recorder::open(
            &args.state_dir,
            args.ledger.settings(args.sample),
            HashKey::new(key),
            Some(sinks.ledger.handle()),
        )?,
        &metrics,
    );
    let board = Arc::clone(&outputs.board);
    let now = Timestamp::now();
    let (detection, restored) =
        resume::detection(&args.state_dir, &settings.detection, key, &sinks.ledger, now);
    let mut engine = pipeline::resumed(settings.http, detection, outputs);
    let open_alerts = engine.open_alerts();
    let told = sinks.ledger.open_alerts();
    engine.output().resume(told, &open_alerts);
    told.iter().for_each(|alert| board.note(alert));
    board.watch(AckWatch::new(&args.state_dir));
    let writer = CheckpointWriter::start(
        CheckpointFile::new(&args.state_dir),
        args.checkpoint_interval,
        restored,
        now,
    )?;
    let checkpoints = Checkpoints::new(writer, sinks.ledger.handle(), &metrics);
    let options = options(&args, &key);
    let (programs, capture) = privileged.call(move || capture::load(&options))??;
    let health = Arc::new(Health::default());
    let inquiries = Arc::new(Inquiries::default());
    let pulse = Arc::new(Pulse::new(setup(&args)));
    let shared = Shared {
        health: Arc::clone(&health),
        inquiries: Arc::clone(&inquiries),
        pulse: Arc::clone(&pulse),
        encrypts: access.is_encrypted(),
    };
    let live = Live::new(engine, checkpoints, shared, &capture, &metrics, &args);

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let mut signals = {
        let _runtime = runtime.enter();
        let hangup = signal(SignalKind::hangup()).context("handle signals")?;
        runtime.spawn(reopen_on(hangup, sinks.reopen(), exchanges));
        Signals::new().context("handle signals")?
    };
    let stop = Stop::new().context("prepare for the stop")?;
    // From here on the kernel fills the ring; everything else stands.
    let sandbox = args.sandbox;
    let (programs, attachment) = privileged.call(move || attach(programs, sandbox))??;
    if sandbox == Sandbox::On {
        let calls = sandbox::filter_calls()?;
        tracing::info!(calls, "confined to the system calls that watching takes");
    }
    let status = format!("watching {}", programs.cgroup());
    tracing::info!(cgroup = programs.cgroup(), ports = ?args.engine.ports, "watching");
    let (done, capture_done) = oneshot::channel();
    let capture = {
        let stop = stop.clone();
        privileged.finish(move || {
            // Dropped even when the thread panics, which the main thread then learns.
            let _done: oneshot::Sender<()> = done;
            live.run(capture, attachment, &stop)
        })
    };
    let signs = service::keep_alive(Arc::clone(&health));
    let telemetry_path = args.telemetry_path;
    let site = Arc::new(Site { telemetry_path, metrics, health, inquiries, pulse, board });
    tracing::info!(address = %args.listen_address, tls = access.is_encrypted(), "serving the web");
    runtime.block_on(async {
        tokio::pin!(capture_done);
        let first = async {
            tokio::select! {
                name = signals.next() => tracing::info!(signal = name, "stopping: writing what was captured"),
                _ = &mut capture_done => {}
            }
        };
        service::ready(&status);
        tokio::select! {
            served = web::serve(listener, site, access, first) => served.context("serve the web")?,
            never = signs => match never {},
        }
        service::stopping();
        stop.stop();
        // An error is the thread's end as well.
        signals.unless_again(capture_done).await.map(drop)
    })?;
    let mut failures = capture.join()?;
    let (done, sinks_done) = oneshot::channel();
    let work = move || {
        // Whoever does not wait has been stopped by a second signal.
        let _ = done.send(sinks.finish());
    };
    thread::Builder::new().name("stop".to_owned()).spawn(work).context("start a thread to stop")?;
    let outcome = runtime.block_on(signals.unless_again(sinks_done))?;
    failures.extend(outcome.context("stop the sinks")?.err());
    Failure::all(failures)
}

/// Attaches the programs, and takes from this thread all that this took.
fn attach(mut programs: Programs, sandbox: Sandbox) -> Result<(Programs, Attachment), Failure> {
    let attachment = programs.attach()?;
    capture::go_ahead();
    if sandbox == Sandbox::On {
        sandbox::give_up_capabilities()?;
    }
    Ok((programs, attachment))
}

/// Opens the alert file and the exchange log anew whenever they may have been rotated.
async fn reopen_on(mut hangup: Signal, alerts: ReopenAlerts, exchanges: Option<Reopen>) {
    while hangup.recv().await.is_some() {
        tracing::info!(signal = "SIGHUP", "opening the logs anew");
        alerts.reopen();
        if let Some(exchanges) = &exchanges {
            exchanges.reopen();
        }
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

/// What the status page says of how the daemon was started.
fn setup(args: &RunArgs) -> Setup {
    Setup {
        started_at: Timestamp::now(),
        ports: args.engine.ports.clone(),
        ring_size: args.kernel.ring_size.into(),
        sampling: args.sample,
    }
}

/// What the command line asks of the kernel.
fn options(args: &RunArgs, key: &Key) -> capture::Options {
    capture::Options {
        ports: args.engine.ports.clone(),
        ring_size: args.kernel.ring_size,
        sampling: args.sample,
        // Half of the key: whether a target is sampled shows in no output that a client sees.
        sampling_key: u64::from_le_bytes(*key.first_chunk().unwrap_or(&[0; 8])),
        cgroup: args.kernel.cgroup.clone(),
    }
}
