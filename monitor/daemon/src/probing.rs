//! What is seen of programs that serve TLS, as long as the daemon runs: told in the log, and shown in metrics.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use monitor_ebpf::secret::Hit;
use rollcall_capture::{How, SecretHits, Sight, Watch};
use rollcall_metrics::{self as metrics, Metrics};

use super::{
    Error,
    prober::{Followed, Prober},
};

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

/// Looks for what serves for the first time, says what is seen, and starts the [process](Prober) that goes on looking.
pub(super) fn start(mut watch: Box<Watch>, sights: &Sights) -> io::Result<Prober> {
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
    sights.set(seen);
    // Should a look fail, what was seen before stands.
    Prober::start(move || {
        let _ = watch.look();
        watch.sights()
    })
}

/// Follows what it finds.
pub(super) fn follow(prober: Prober, sights: Sights) -> Result<Followed, Error> {
    let mut told: BTreeSet<String> = sights.get().iter().map(Sight::to_string).collect();
    prober.follow(move |seen: Option<Vec<Sight>>| {
        if seen.is_none() {
            tracing::error!(
                "what puts probes into programs has ended: nothing inside TLS is seen from now on"
            );
        }
        let seen = seen.unwrap_or_default();
        tell(&seen, &mut told);
        sights.set(seen);
    })
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
