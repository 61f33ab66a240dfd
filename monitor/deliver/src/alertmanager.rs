//! Prometheus' Alertmanager, through its API v2: alerts with labels and annotations, told again while they are open.
//!
//! Alertmanager forgets an alert that is not told again; so does Prometheus, and so does this: every minute, each open alert
//! is told to last five more minutes. An alert is known by its labels. Severity is one of them, for that is what operators
//! route by; when it rises, the alert with the old labels is ended in the same request.
//!
//! An alert that is over before Alertmanager has notified anybody of it is never notified. So one that opened and was
//! resolved while Alertmanager could not be reached is told to go on for five minutes from when it first hears of it.

mod postable;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::header::HeaderMap;
use postable::{PostableAlert, postable};
use rollcall_detect::alert::{Alert, AlertState};
use rollcall_model::time::Timestamp;
use rollcall_store::Event;

use super::{
    Endpoint, InvalidUrl,
    destination::{Destination, Problem, Report},
    post::{Answer, Poster},
};

/// Behind the URL of the Alertmanager.
const PATH: &str = "/api/v2/alerts";

/// Alerts in one request.
const BATCH: usize = 64;

/// Open alerts are told again this often.
const AGAIN: Duration = Duration::from_secs(60);

/// And last so long unless they are told again: Alertmanager's own `resolve_timeout`.
const LASTS: Duration = Duration::from_secs(300);

/// Tells alerts to one Alertmanager.
pub struct Alertmanager {
    poster: Poster,
    /// This host, as the label `instance`.
    instance: String,
    /// Touched objects are told too.
    objects: bool,
    open: BTreeMap<String, Firing>,
    again_at: Instant,
}

/// An alert that is open there.
#[derive(Clone, Debug)]
struct Firing {
    alert: Alert,
    /// When it was first told, if that was by this process.
    since: Option<Timestamp>,
}

impl Alertmanager {
    /// Tells those at the end of `poster`, which posts to [`Alertmanager::endpoint`], of which the alerts in `open` are to be
    /// told again. `instance` is this host.
    pub fn new(poster: Poster, instance: impl Into<String>, open: &[Alert], objects: bool) -> Alertmanager {
        let firing = |alert: &Alert| (alert.id.clone(), Firing { alert: alert.clone(), since: None });
        Alertmanager {
            poster: poster.with_reasons(),
            instance: instance.into(),
            objects,
            open: open.iter().map(firing).collect(),
            again_at: Instant::now(),
        }
    }

    /// Where alerts go of the Alertmanager that is at `base`.
    pub fn endpoint(base: &Endpoint) -> Result<Endpoint, InvalidUrl> {
        base.join(PATH)
    }

    /// What to tell of `events`, and what changes by that of what is open: `None` is what no longer is.
    fn news(
        &self,
        events: &[Arc<Event>],
        now: Timestamp,
    ) -> (Vec<PostableAlert>, BTreeMap<String, Option<Firing>>) {
        let mut changes = BTreeMap::<String, Option<Firing>>::new();
        // By id and severity: only the last of several events in one batch is told.
        let mut told = BTreeMap::new();
        for alert in events.iter().map(|event| &event.alert) {
            let before = match changes.get(&alert.id) {
                Some(changed) => changed.as_ref(),
                None => self.open.get(&alert.id),
            };
            let since = match alert.state {
                AlertState::Open => Some(now),
                AlertState::Update | AlertState::Resolved => before.and_then(|before| before.since),
            };
            if let Some(Firing { alert: before, .. }) = before
                && before.severity != alert.severity
            {
                told.insert((before.id.clone(), before.severity), self.tell(before, now));
            }
            let (ends, firing) = if alert.state == AlertState::Resolved {
                (since.map_or(alert.at, |since| alert.at.max(since + LASTS)), None)
            } else {
                (now + LASTS, Some(Firing { alert: alert.clone(), since }))
            };
            told.insert((alert.id.clone(), alert.severity), self.tell(alert, ends));
            changes.insert(alert.id.clone(), firing);
        }
        (told.into_values().collect(), changes)
    }

    fn apply(&mut self, changes: BTreeMap<String, Option<Firing>>) {
        for (id, firing) in changes {
            match firing {
                Some(firing) => drop(self.open.insert(id, firing)),
                None => drop(self.open.remove(&id)),
            }
        }
    }

    fn tell(&self, alert: &Alert, ends: Timestamp) -> PostableAlert {
        postable(alert, &self.instance, self.objects, ends)
    }

    fn post(&mut self, told: &[PostableAlert]) -> Answer {
        // Plain data with string keys always serialises.
        self.poster.post(HeaderMap::new(), serde_json::to_vec(told).unwrap_or_default())
    }

    /// Tells every open alert again.
    fn again(&mut self) -> Report {
        let ends = Timestamp::now() + LASTS;
        let told: Vec<_> = self.open.values().map(|firing| self.tell(&firing.alert, ends)).collect();
        for told in told.chunks(BATCH) {
            match self.post(told) {
                Answer::Taken => {}
                Answer::NotNow { why, asked } => return Report::stopped(0, Problem::NotNow { why, asked }),
                Answer::Refused { why } => return Report::stopped(0, Problem::Refused { why, events: 0 }),
            }
        }
        Report::all(&[])
    }
}

impl Destination for Alertmanager {
    fn batch(&self) -> usize {
        BATCH
    }

    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        if Instant::now() >= self.again_at {
            self.again_at = Instant::now() + AGAIN;
            let report = self.again();
            if report.problem.is_some() {
                return report;
            }
        }
        if events.is_empty() {
            return Report::all(events);
        }
        let (told, changes) = self.news(events, Timestamp::now());
        match self.post(&told) {
            Answer::Taken => {
                self.apply(changes);
                Report::all(events)
            }
            Answer::NotNow { why, asked } => Report::stopped(0, Problem::NotNow { why, asked }),
            Answer::Refused { why } => Report::stopped(0, Problem::Refused { why, events: events.len() }),
        }
    }

    fn due(&self) -> Option<Instant> {
        (!self.open.is_empty()).then_some(self.again_at)
    }
}

#[cfg(test)]
mod tests;
