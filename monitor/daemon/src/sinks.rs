//! Who is told of alerts: what is asked for, and the ledger and the sinks at work, started before capture, reopened on demand,
//! and brought to an end after it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_deliver::{
    AlertFile, Alertmanager, Delivery, Destination, Endpoint, Format, JOURNAL_SOCKET, Journal, OwnCalls,
    Poster, Secret, Sink, Webhook, lines::LogStats,
};
use rollcall_metrics::Metrics;
use rollcall_model::hash::HashKey;
use rollcall_store::{self as ledger, Handle, Ledger};
use tokio::sync::watch;

use super::{Error, state::Key};

/// One who is to be told of alerts.
#[derive(Debug)]
pub struct AlertSink {
    /// What he is called in metrics and messages.
    pub label: String,
    /// What tells him from others of his kind, across restarts.
    pub identity: String,
    pub to: AlertsTo,
}

/// Where alerts go.
#[derive(Debug)]
pub enum AlertsTo {
    /// To a file, a line each; `-` is stdout.
    File(PathBuf),
    /// To the journal of systemd.
    Journal,
    Webhook(Endpoint, Format),
    Alertmanager(Endpoint),
}

/// All who are to be told of alerts.
pub struct AlertSinks {
    pub sinks: Vec<AlertSink>,
    /// What webhooks are signed with.
    pub secret: Option<Secret>,
    /// Touched objects are sent too, and not only written to the file.
    pub include_objects: bool,
}

/// What the daemon waits for, when it stops, until all alerts are on disk.
const SETTLE: Duration = Duration::from_secs(5);

/// And then for every sink to make one last attempt.
const LAST_ATTEMPT: Duration = Duration::from_secs(3);

/// What is at work between the engine and those who are told of alerts.
pub(super) struct Sinks {
    pub(super) ledger: Ledger,
    /// Calls by which alerts leave.
    pub(super) own: Arc<OwnCalls>,
    delivery: Delivery,
    reopen: ReopenAlerts,
}

/// Has the alert file opened anew.
#[derive(Clone)]
pub(super) struct ReopenAlerts {
    flag: Arc<AtomicBool>,
    ledger: Handle,
}

impl ReopenAlerts {
    /// Lines that are being written go to the old file, those that come now to the new one.
    pub(super) fn reopen(&self) {
        self.flag.store(true, Relaxed);
        self.ledger.wake_sinks();
    }
}

impl AlertSinks {
    /// Opens the ledger in `directory`, which forgets alerts at that `age` and notes the `windows` that objects are counted in, and
    /// starts every sink. Metrics go to `metrics`.
    pub(super) fn open(
        self,
        directory: &Path,
        key: Key,
        age: Duration,
        windows: &[Duration],
        metrics: &Metrics,
    ) -> Result<Sinks, Error> {
        let AlertSinks { sinks: asked, secret, include_objects: objects } = self;
        let names = asked.iter().map(|asked| name(asked, HashKey::new(key))).collect();
        let windows = windows.to_vec();
        let settings =
            ledger::LedgerSettings { sinks: names, age, windows, ..ledger::LedgerSettings::default() };
        let ledger = Ledger::open(directory, settings)?;
        let instance = nix::unistd::gethostname().map_err(Error::io("ask for the name of this host"))?;
        let (closing, is_closing) = watch::channel(None);
        let own = Arc::<OwnCalls>::default();
        let mut reopen = Arc::default();
        let mut sinks = Vec::new();
        for (index, AlertSink { label, to, .. }) in asked.into_iter().enumerate() {
            let destination: Box<dyn Destination> = match to {
                AlertsTo::File(path) => {
                    let file = AlertFile::open(&path, ledger.stats().sinks[index].bytes.load(Relaxed))?;
                    reopen = file.reopen();
                    let stats = file.stats();
                    metrics.add(move |samples| LogStats::collect(&stats, "alerts", samples));
                    Box::new(file)
                }
                AlertsTo::Journal => Box::new(
                    Journal::new(JOURNAL_SOCKET, objects)
                        .map_err(Error::io("make a socket for the journal"))?,
                ),
                AlertsTo::Webhook(endpoint, format) => {
                    let poster = Poster::new(endpoint, Arc::clone(&own), is_closing.clone())?;
                    Box::new(Webhook::new(poster, format, secret.clone(), objects))
                }
                AlertsTo::Alertmanager(endpoint) => {
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
    pub(super) fn reopen(&self) -> ReopenAlerts {
        self.reopen.clone()
    }

    /// Once the engine has ended: writes all alerts, and lets every sink make one last attempt. What it does not deliver
    /// is left to the next start. What the disk does not take is the error.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Sinks { ledger, delivery, reopen: _, own: _ } = self;
        // Without a positive answer, sinks deliver from memory.
        let _ = ledger.handle().flush().recv_timeout(SETTLE);
        delivery.finish(Instant::now() + LAST_ATTEMPT);
        Ok(ledger.finish(SETTLE)?)
    }
}

/// What a sink is called in the ledger: the same across restarts, in whatever order sinks are given. Of a URL it has a keyed
/// hash.
fn name(AlertSink { identity, to, .. }: &AlertSink, key: HashKey) -> String {
    match to {
        AlertsTo::File(_) => ledger::FILE_SINK.to_owned(),
        AlertsTo::Journal => "journal".to_owned(),
        AlertsTo::Webhook(..) => format!("webhook-{:016x}", key.hash(identity.as_bytes())),
        AlertsTo::Alertmanager(_) => format!("alertmanager-{:016x}", key.hash(identity.as_bytes())),
    }
}
