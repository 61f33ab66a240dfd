//! The ledger and the sinks at work: started before capture, reopened on SIGHUP, and brought to an end after it.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rollcall::{
    delivery::{
        AlertFile, Alertmanager, Delivery, Destination, JOURNAL_SOCKET, Journal, OwnCalls, Poster, Sink,
        Webhook,
    },
    hash::HashKey,
    ledger::{self, Handle, Ledger},
    lines::Stats,
    metrics::Metrics,
};
use tokio::sync::watch;

use super::{Asked, Plan, To};
use crate::cli::{
    exit::{Exit, Failure},
    state::Key,
};

/// What the daemon waits for, when it stops, until all alerts are on disk.
const SETTLE: Duration = Duration::from_secs(5);

/// And then for every sink to make one last attempt.
const LAST_ATTEMPT: Duration = Duration::from_secs(3);

/// What is at work between the engine and those who are told of alerts.
pub(crate) struct Sinks {
    pub(crate) ledger: Ledger,
    /// Calls by which alerts leave.
    pub(crate) own: Arc<OwnCalls>,
    delivery: Delivery,
    reopen: ReopenAlerts,
}

/// Has the alert file opened anew.
#[derive(Clone)]
pub(crate) struct ReopenAlerts {
    flag: Arc<AtomicBool>,
    ledger: Handle,
}

impl ReopenAlerts {
    /// Lines that are being written go to the old file, those that come now to the new one.
    pub(crate) fn reopen(&self) {
        self.flag.store(true, Relaxed);
        self.ledger.wake_sinks();
    }
}

impl Plan {
    /// Opens the ledger in `directory`, which forgets alerts at that `age`, and starts every sink. Metrics go to `metrics`.
    pub(crate) fn open(
        self,
        directory: &Path,
        key: Key,
        age: Duration,
        metrics: &Metrics,
    ) -> Result<Sinks, Failure> {
        let Plan { asked, secret, objects } = self;
        let names = asked.iter().map(|asked| name(asked, HashKey::new(key))).collect();
        let settings = ledger::Settings { sinks: names, age, ..ledger::Settings::default() };
        let ledger = Ledger::open(directory, settings)?;
        let instance = nix::unistd::gethostname().context("ask for the name of this host")?;
        let (closing, is_closing) = watch::channel(None);
        let own = Arc::<OwnCalls>::default();
        let mut reopen = Arc::default();
        let mut sinks = Vec::new();
        for (index, Asked { label, to, .. }) in asked.into_iter().enumerate() {
            let destination: Box<dyn Destination> = match to {
                To::File(path) => {
                    let file = AlertFile::open(&path, ledger.stats().sinks[index].bytes.load(Relaxed))?;
                    reopen = file.reopen();
                    let stats = file.stats();
                    metrics.add(move |samples| Stats::collect(&stats, "alerts", samples));
                    Box::new(file)
                }
                To::Journal => {
                    Box::new(Journal::new(JOURNAL_SOCKET, objects).context("make a socket for the journal")?)
                }
                To::Webhook(endpoint, format) => {
                    let poster = Poster::new(endpoint, Arc::clone(&own), is_closing.clone())?;
                    Box::new(Webhook::new(poster, format, secret.clone(), objects))
                }
                To::Alertmanager(endpoint) => {
                    let poster = Poster::new(endpoint, Arc::clone(&own), is_closing.clone())?;
                    let instance = instance.to_string_lossy();
                    Box::new(Alertmanager::new(poster, instance, ledger.open_alerts(), objects))
                }
            };
            sinks.push(Sink { label, destination });
        }
        let delivery = Delivery::start(sinks, &ledger, closing)?;
        metrics.add(delivery.metrics());
        let reopen = ReopenAlerts { flag: reopen, ledger: ledger.handle() };
        Ok(Sinks { ledger, delivery, reopen, own })
    }
}

impl Sinks {
    /// What has the alert file opened anew.
    pub(crate) fn reopen(&self) -> ReopenAlerts {
        self.reopen.clone()
    }

    /// Once the engine has ended: writes all alerts, and lets every sink make one last attempt. What it does not deliver
    /// is left to the next start. What the disk does not take is printed on stderr, unless it is in the alert file.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Sinks { ledger, delivery, reopen: _, own: _ } = self;
        // Without a positive answer, sinks deliver from memory.
        let _ = ledger.handle().flush().recv_timeout(SETTLE);
        delivery.finish(Instant::now() + LAST_ATTEMPT);
        let Err(lost) = ledger.finish(SETTLE) else { return Ok(()) };
        let mut stderr = io::stderr().lock();
        for line in &lost.lines {
            // Without stderr there is nowhere left.
            drop(writeln!(stderr, "{line}"));
        }
        let advice = match (lost.elsewhere, lost.lines.len()) {
            (elsewhere, 0) => format!("make room; all {elsewhere} are in the alert file"),
            (0, lines) => format!("make room, and keep the {lines} lines of JSON above"),
            (elsewhere, lines) => {
                format!(
                    "make room, and keep the {lines} lines of JSON above; {elsewhere} are in the alert file"
                )
            }
        };
        Err(Failure::new(Exit::Output, lost).advise(advice))
    }
}

/// What a sink is called in the ledger: the same across restarts, in whatever order sinks are given. Of a URL it has a keyed
/// hash.
fn name(Asked { identity, to, .. }: &Asked, key: HashKey) -> String {
    match to {
        To::File(_) => ledger::FILE_SINK.to_owned(),
        To::Journal => "journal".to_owned(),
        To::Webhook(..) => format!("webhook-{:016x}", key.hash(identity.as_bytes())),
        To::Alertmanager(_) => format!("alertmanager-{:016x}", key.hash(identity.as_bytes())),
    }
}
