//! `rollcall run`: the daemon.
//!
//! The main thread serves the web and waits for signals; a thread of its own captures and evaluates, so that neither waits
//! for the other. Everything that can fail is set up first, cheapest first, and nothing is attached before all of it stands.
//! Stopping is one flag: the capture thread detaches, evaluates what the kernel had already captured, writes it, and ends.

use std::{
    net::{SocketAddr, TcpListener},
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::Context;
use clap::Args;
use rollcall::output::{
    Health,
    metrics::Metrics,
    web::{self, Site},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::{
    exit::{Exit, Failure},
    logging,
    options::{EngineArgs, KernelArgs, LogArgs},
    pipeline::{Outputs, Pipeline, Writing},
    state::{self, Key},
    values,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    kernel: KernelArgs,

    /// Share of request targets to capture, greater than 0 and at most 1. Distinct counts stay unbiased.
    #[arg(
        long,
        env = "ROLLCALL_SAMPLE",
        value_name = "RATE",
        value_parser = values::sample,
        default_value = "1"
    )]
    sample: f64,

    /// Directory of what must survive a restart; made if it does not exist.
    #[arg(long, env = "ROLLCALL_STATE_DIR", value_name = "DIR", default_value = "/var/lib/rollcall")]
    state_dir: PathBuf,

    /// Address to serve /metrics, /healthz and /readyz on.
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

    #[command(flatten)]
    log: LogArgs,
}

/// Where segments come from while the daemon runs.
pub(crate) trait Source: Send {
    /// Feeds `pipeline` until `stop` is set, then detaches, feeds it what is left, and returns. Calls [`Health::tick`] and
    /// [`Pipeline::tick`] whenever it comes round.
    fn run(self: Box<Self>, pipeline: &mut Pipeline, health: &Health, stop: &Stop) -> Result<(), Failure>;
}

/// Set when it is time to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[cfg_attr(not(test), expect(dead_code, reason = "for the capture loop"))]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Sets everything up, runs until told to stop, and takes it down again.
pub(crate) fn run(args: RunArgs) -> Result<Exit, Failure> {
    logging::start(&args.log);
    let key = state::open(&args.state_dir)?;
    let listener = web::listen(args.listen_address)?;
    let metrics = Metrics::new().context("set up metrics")?;
    let outputs = Outputs::open(&args.engine, Writing::Queued, Some(&metrics))?;
    let pipeline = Pipeline::new(&args.engine, outputs);
    let source = source(&args, &key, &metrics)?;

    tracing::info!(address = %args.listen_address, "serving metrics");
    let site = Site { telemetry_path: args.telemetry_path, metrics, health: Arc::default() };
    supervise(listener, site, source, pipeline)
}

/// Runs `source` and the web server until a signal or the source ends it.
fn supervise(
    listener: TcpListener,
    site: Site,
    source: Box<dyn Source>,
    pipeline: Pipeline,
) -> Result<Exit, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let mut signals = {
        let _runtime = runtime.enter();
        Signals::new().context("handle signals")?
    };
    let stop = Stop::default();
    let (done, mut ended) = watch::channel(());
    let work = {
        let (stop, health) = (stop.clone(), Arc::clone(&site.health));
        move || {
            // Dropped even when the thread panics, which the main thread then learns.
            let _done = done;
            capture(source, pipeline, &health, &stop)
        }
    };
    let capture =
        thread::Builder::new().name("capture".to_owned()).spawn(work).context("start the capture thread")?;
    runtime.block_on(async {
        let first = async {
            tokio::select! {
                name = signals.next() => tracing::info!(signal = name, "stopping: writing what was captured"),
                _ = ended.changed() => {}
            }
        };
        web::serve(listener, Arc::new(site), first).await.context("serve the web")?;
        stop.set();
        tokio::select! {
            _ = ended.changed() => Ok(()),
            name = signals.next() => Err(anyhow::anyhow!("stopped at once by a second signal ({name})")),
        }
    })?;
    let failures =
        capture.join().map_err(|_| anyhow::anyhow!("the capture thread panicked while it stopped"))?;
    Failure::all(failures)
}

/// What the capture thread does. Whatever ends it, the logs are written to their end.
fn capture(source: Box<dyn Source>, mut pipeline: Pipeline, health: &Health, stop: &Stop) -> Vec<Failure> {
    health.set_attached(true);
    let run = AssertUnwindSafe(|| source.run(&mut pipeline, health, stop));
    let outcome = panic::catch_unwind(run)
        .unwrap_or_else(|_| Err(Failure::new(Exit::Failed, anyhow::anyhow!("the capture thread panicked"))));
    health.set_attached(false);
    let (_, lost) = pipeline.finish();
    outcome.err().into_iter().chain(lost.into_iter().map(Failure::from)).collect()
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

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The kernel as a source.
fn source(args: &RunArgs, key: &Key, metrics: &Metrics) -> Result<Box<dyn Source>, Failure> {
    // GLUE: open kernel::Capture with args.kernel, args.sample, args.engine.ports and the key; add its counters to
    // the metrics; map kernel::Error in exit.rs.
    let _ = (&args.kernel, args.sample, key, metrics);
    Err(Failure::new(Exit::Host, anyhow::anyhow!("attach to the kernel: this build has no kernel programs"))
        .advise("build with cargo xtask build"))
}

#[cfg(test)]
mod tests;
