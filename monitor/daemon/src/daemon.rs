//! The daemon's life: built, started, serving, drained.

use std::{future::Future, net::SocketAddr, sync::Arc, thread};

use rollcall_attribute::route::NeverMatches;
use rollcall_capture::{
    self as capture, Attachment, Capture, Fed, Loaded, Programs, Statistics, Stop, Watch,
};
use rollcall_deliver::lines::Reopen;
use rollcall_engine::Engine;
use rollcall_metrics::Metrics;
use rollcall_model::{error::with_causes, hash::HashKey, time::Timestamp};
use rollcall_serve::{
    api::{Inquiries, Pulse, Setup},
    health::Health,
    web::{self, Access, Site},
};
use rollcall_store::{
    AckWatch,
    checkpoints::{CheckpointFile, CheckpointWriter},
    exposure::Recorder,
};
use tokio::sync::oneshot;

use super::{
    Config, Error, Outputs, Traffic,
    allowed::Allowed,
    checkpoints::Checkpoints,
    crawlers::Crawlers,
    live::{Live, Shared, Source},
    privileged::{Finishing, Privileged},
    prober::{Followed, Prober},
    probing::{self, Sights},
    resume, sandbox,
    sinks::{ReopenAlerts, Sinks},
    state::{self, Key, Lock},
};

/// A daemon that stands: nothing is attached, and all else that can fail has been set up.
pub struct Daemon {
    privileged: Privileged<Vec<Error>>,
    stand: Stand,
    live: Live,
    listener: std::net::TcpListener,
    serving: Serving,
    ending: Ending,
    reopen: ReopenLogs,
    sights: Sights,
    confine: bool,
}

/// Where its segments will come from.
enum Stand {
    Kernel(Programs, Box<Capture>, Option<Box<Watch>>),
    Fed(Fed),
}

/// What the web server needs.
struct Serving {
    site: Arc<Site>,
    access: Arc<Access>,
    address: SocketAddr,
}

/// What is brought to an end after the engine.
struct Ending {
    sinks: Sinks,
    stop: Stop,
    /// The state directory is taken as long as it lives.
    lock: Lock,
}

impl Daemon {
    /// Sets up all that `config` asks for, but attaches nothing. With [`Config::confine`] the calling thread has no
    /// capabilities from then on; threads that other code has started keep theirs.
    pub fn build(mut config: Config) -> Result<Daemon, Error> {
        if let Traffic::Kernel(_) = &config.traffic {
            capture::probe()?;
        }
        let key = state::open(&config.state_directory)?;
        let lock = state::lock(&config.state_directory)?;
        let listener = web::listen(config.web.address)?;
        let address = listener.local_addr().map_err(Error::io("ask for the address of the web server"))?;
        let setup = Setup {
            started_at: Timestamp::now(),
            ports: config.ports.clone(),
            ring_size: config.ring_size().into(),
            sampling: config.sampling(),
        };
        let privileged = Privileged::start("capture")?;
        if config.confine {
            sandbox::seal()?;
            sandbox::give_up_capabilities()?;
        }
        let metrics = Metrics::new().map_err(|source| Error::Metrics { source: source.into() })?;
        if !config.crawlers.is_empty() {
            config.engine.detection.detector.policy.ask_whose();
        }
        let windows = config.engine.detection.detector.policy.windows();
        let sinks =
            config.sinks.open(&config.state_directory, key, config.exposure.age, windows, &metrics)?;
        let (mut outputs, exchanges) = Outputs::live(
            config.exchange_log.as_deref(),
            sinks.ledger.handle(),
            Arc::clone(&sinks.own),
            address,
            &metrics,
        )?;
        let recorder = Recorder::open(
            &config.state_directory,
            config.exposure,
            HashKey::new(key),
            Some(sinks.ledger.handle()),
        )?;
        outputs.record(recorder, &metrics);
        let board = Arc::clone(&outputs.board);
        let now = Timestamp::now();
        let (mut detection, restored) =
            resume::detection(&config.state_directory, &config.engine.detection, key, &sinks.ledger, now);
        let crawlers = match config.crawlers {
            none if none.is_empty() => None,
            crawlers => Some(
                Crawlers::start(crawlers, config.resolver)
                    .map_err(Error::io("start a thread that looks up names"))?,
            ),
        };
        let mut allowed = Allowed::new(sinks.ledger.handle(), crawlers);
        allowed.turn(&mut detection, now);
        let mut engine = Engine::with(config.engine.http, detection, outputs);
        let open_alerts = engine.detection().open_alerts();
        let told = sinks.ledger.open_alerts();
        engine.output().resume(told, &open_alerts);
        told.iter().for_each(|alert| board.note(alert));
        board.watch(AckWatch::new(&config.state_directory));
        let writer = CheckpointWriter::start(
            CheckpointFile::new(&config.state_directory),
            config.checkpoint_interval,
            restored,
            now,
        )?;
        let checkpoints = Checkpoints::new(writer, sinks.ledger.handle(), &metrics);
        let sights = Sights::default();
        let (stand, statistics) = match config.traffic {
            Traffic::Kernel(kernel) => {
                let options = capture::Options {
                    ports: config.ports,
                    ring_size: kernel.ring_size,
                    sampling: kernel.sampling,
                    sampling_key: sampling_key(&key),
                    cgroup: kernel.cgroup,
                    tls: kernel.tls,
                };
                let Loaded { programs, capture, watch } =
                    privileged.call(move || capture::load(&options))??;
                sights.show(capture.secret_hits(), &metrics);
                let watch = watch.and_then(|watch| {
                    let told = |error| tracing::warn!("nothing inside TLS is seen: {}", with_causes(&error));
                    watch.map(Box::new).map_err(told).ok()
                });
                if watch.is_some() {
                    engine.expect_secrets();
                }
                let statistics = capture.statistics();
                (Stand::Kernel(programs, Box::new(capture), watch), statistics)
            }
            Traffic::Fed(fed) => (Stand::Fed(fed), Arc::new(Statistics::none())),
        };
        let shared = Shared {
            health: Arc::new(Health::default()),
            inquiries: Arc::new(Inquiries::default()),
            pulse: Arc::new(Pulse::new(setup.clone())),
            encrypts: config.web.access.is_encrypted(),
            allowed,
        };
        let site = Arc::new(Site {
            telemetry_path: config.web.telemetry_path,
            metrics: metrics.clone(),
            health: Arc::clone(&shared.health),
            inquiries: Arc::clone(&shared.inquiries),
            pulse: Arc::clone(&shared.pulse),
            board,
        });
        let live = Live::new(engine, checkpoints, shared, statistics, &metrics, &setup);
        let stop = Stop::new().map_err(Error::io("prepare for the stop"))?;
        Ok(Daemon {
            privileged,
            stand,
            live,
            listener,
            serving: Serving { site, access: Arc::new(config.web.access), address },
            reopen: ReopenLogs { alerts: sinks.reopen(), exchanges },
            ending: Ending { sinks, stop, lock },
            sights,
            confine: config.confine,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Routes of the configuration that no call can ever be on.
    pub fn never_match(&self) -> &[NeverMatches] {
        self.live.never_match()
    }

    /// What has its files of lines opened anew.
    pub fn reopen(&self) -> ReopenLogs {
        self.reopen.clone()
    }

    /// Attaches the programs: from then on the kernel hands over traffic, and the capture thread evaluates it. With
    /// [`Config::confine`] no thread of this process has capabilities afterwards, nor the system calls that watching doesn't
    /// take.
    pub fn start(self) -> Result<Running, Error> {
        let Daemon { privileged, stand, live, listener, serving, ending, reopen: _, sights, confine } = self;
        let (source, programs, prober) = match stand {
            Stand::Kernel(programs, capture, watch) => {
                let told = sights.clone();
                let attached = privileged.call(move || attach(programs, watch, &told, confine))??;
                (Source::Kernel(capture, attached.attachment), Some(attached.programs), attached.prober)
            }
            Stand::Fed(fed) => (Source::Fed(fed), None, None),
        };
        let probing = prober.map(|prober| probing::follow(prober, sights)).transpose()?;
        if confine {
            let calls = sandbox::filter_calls()?;
            tracing::info!(calls, "confined to the system calls that watching takes");
        }
        let (ended, capture_ended) = oneshot::channel();
        let stop = ending.stop.clone();
        let capture = privileged.finish(move || {
            // Dropped even when the thread panics, which joining it then tells.
            let _ended: oneshot::Sender<()> = ended;
            live.run(source, &stop)
        });
        Ok(Running { programs, probing, capture, capture_ended, listener: Some(listener), serving, ending })
    }
}

/// A daemon at work. Whoever drops it without draining it has its capture thread go on until the process ends.
pub struct Running {
    /// They outlive their attachment, which the capture thread has.
    programs: Option<Programs>,
    probing: Option<Followed>,
    capture: Finishing<Vec<Error>>,
    /// An error once the capture thread has ended.
    capture_ended: oneshot::Receiver<()>,
    listener: Option<std::net::TcpListener>,
    serving: Serving,
    ending: Ending,
}

impl Running {
    /// The cgroup whose sockets are watched, if it is this host's.
    pub fn cgroup(&self) -> Option<&str> {
        self.programs.as_ref().map(Programs::cgroup)
    }

    /// How the capture thread is.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.serving.site.health)
    }

    /// Answers on the web until `stop` resolves, or the capture has ended by itself. Must run within a tokio runtime.
    pub async fn serve(&mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let Serving { site, access, address } = &self.serving;
        tracing::info!(%address, tls = access.is_encrypted(), "serving the web");
        let ended = &mut self.capture_ended;
        let first = async {
            tokio::select! {
                () = stop => {}
                _ = ended => {}
            }
        };
        let served = web::serve(listener, Arc::clone(site), Arc::clone(access), first).await;
        served.map_err(Error::io("serve the web"))
    }

    /// Detaches, evaluates what had been captured, writes everything, and has every sink make a last attempt to deliver;
    /// whatever was lost of it on the way. Dropped before that is over, it stops at once.
    pub async fn drain(self) -> Vec<Error> {
        let Running { programs, probing, capture, capture_ended, ending, .. } = self;
        let Ending { sinks, stop, lock: _lock } = ending;
        stop.stop();
        // Its sender is dropped when the thread ends.
        let _ = capture_ended.await;
        let mut errors = capture.join().unwrap_or_else(|error| vec![error]);
        drop((probing, programs));
        let (done, sinks_done) = oneshot::channel();
        // Whoever does not wait has been told to stop at once.
        let work = move || drop(done.send(sinks.finish()));
        match thread::Builder::new().name("stop".to_owned()).spawn(work) {
            Ok(_) => errors.extend(match sinks_done.await {
                Ok(outcome) => outcome.err(),
                Err(_) => Some(Error::Panicked("stop")),
            }),
            Err(source) => errors.push(Error::Io { what: "start a thread to stop", source }),
        }
        errors
    }
}

/// Has the alert file and the exchange log opened anew, as after a rotation.
#[derive(Clone)]
pub struct ReopenLogs {
    alerts: ReopenAlerts,
    exchanges: Option<Reopen>,
}

impl ReopenLogs {
    /// Lines that are being written go to the old files, those that come now to the new ones.
    pub fn reopen(&self) {
        self.alerts.reopen();
        if let Some(exchanges) = &self.exchanges {
            exchanges.reopen();
        }
    }
}

/// What was attached.
struct Attached {
    programs: Programs,
    attachment: Attachment,
    prober: Option<Prober>,
}

/// Attaches the programs, and takes from this thread all that this took.
fn attach(
    mut programs: Programs,
    watch: Option<Box<Watch>>,
    sights: &Sights,
    confine: bool,
) -> Result<Attached, Error> {
    // First, so that whose secret is taken is seen from its first byte on.
    let attachment = programs.attach()?;
    let prober = watch.map(|watch| probing::start(watch, sights)).transpose();
    let prober = prober.map_err(Error::io("start the process that puts probes into programs"))?;
    capture::go_ahead();
    if confine {
        sandbox::give_up_capabilities()?;
    }
    Ok(Attached { programs, attachment, prober })
}

/// Half of the key: whether a target is sampled shows in no output that a client sees.
fn sampling_key(key: &Key) -> u64 {
    u64::from_le_bytes(*key.first_chunk().unwrap_or(&[0; 8]))
}
