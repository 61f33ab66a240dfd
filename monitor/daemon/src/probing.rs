//! Probes where programs that serve pass the secrets of their TLS connections, as long as the daemon runs.
//!
//! What serves is looked for while the capture thread has privileges. In a process that is confined nothing can be attached
//! afterwards: programs that start again are seen, since probes are in files, and those whose files are new are not. A probe that
//! costs a program too much is taken off in any case.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use monitor_ebpf::secret::Hit;
use rollcall_capture::{How, SecretHits, Sight, Watch};
use rollcall_metrics::{self as metrics, Metrics};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is seen of programs that serve, as metrics and whoever else asks want it.
#[derive(Clone, Default)]
pub(super) struct Sights(Arc<Mutex<Vec<Sight>>>);

impl Sights {
    /// Shows in `metrics` what is seen of programs, and what became of hits.
    pub(super) fn show(&self, hits: Arc<SecretHits>, metrics: &Metrics) {
        let sights = self.clone();
        metrics.add(move |samples| {
            let sights = sights.get();
            for (how, name) in How::ALL {
                let count = sights.iter().filter(|sight| sight.how == how).count();
                samples.push(&metrics::TLS_PROGRAMS, &[name], count as u64);
            }
            samples.push_each(&metrics::TLS_PROBE_HITS, &[], &Hit::NAMES, &hits.read());
        });
    }

    fn get(&self) -> Vec<Sight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, sights: Vec<Sight>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sights;
    }
}

/// Looks for what serves for the first time, which takes privileges, and says what is seen.
pub(super) fn begin(watch: &mut Watch, sights: &Sights) {
    if let Err(error) = watch.look() {
        tracing::warn!("what serves on this host can't be told, so nothing inside TLS is seen: {error}");
    }
    let seen = watch.sights();
    let lines: Vec<_> = seen.iter().map(Sight::to_string).collect();
    tracing::info!(programs = seen.len(), "inside TLS is seen of what serves: {}", lines.join("; "));
    if watch.unreadable() > 0 {
        tracing::warn!(
            processes = watch.unreadable(),
            "whether these serve can't be told without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: nothing inside their TLS is seen"
        );
    }
    if watch.put_off() > 0 {
        tracing::warn!(
            files = watch.put_off(),
            "so many files are mapped by what serves that these were not looked into"
        );
    }
    sights.set(seen);
}

/// The thread that has the probes.
pub(super) struct Probing {
    /// It ends when this is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Probing {
    /// Keeps the probes of `watch`; where this process isn't `confined`, those of what serves as of now.
    pub(super) fn start(mut watch: Box<Watch>, sights: Sights, confined: bool) -> io::Result<Probing> {
        let (stop, stopped) = channel::<()>();
        let mut told: BTreeSet<String> = watch.sights().iter().map(Sight::to_string).collect();
        let run = move || {
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if confined {
                    watch.relieve();
                } else if let Err(error) = watch.look() {
                    tracing::debug!("look for what serves: {error}");
                }
                let seen = watch.sights();
                tell(&seen, &mut told);
                sights.set(seen);
            }
        };
        let thread = Builder::new().name("probes".to_owned()).spawn(run)?;
        Ok(Probing { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Probing {
    /// Takes all probes off.
    fn drop(&mut self) {
        self.stop = None;
        // A panic of the thread has dropped them as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Says what has changed.
fn tell(seen: &[Sight], told: &mut BTreeSet<String>) {
    let now: BTreeSet<_> = seen.iter().map(Sight::to_string).collect();
    for sight in seen.iter().filter(|sight| !told.contains(&sight.to_string())) {
        match sight.how {
            How::Failed | How::TooOften => tracing::warn!("inside TLS: {sight}"),
            _ => tracing::info!("inside TLS: {sight}"),
        }
    }
    *told = now;
}
