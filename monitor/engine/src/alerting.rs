//! From observations to alerts: the part of the engine that knows limits, and nothing of HTTP.
//!
//! It takes observations from wherever they come, in the order in which they were made.

use std::{collections::BTreeSet, vec};

use rollcall_attribute::{
    client::ClientKey,
    observation::{Observation, Stage},
    route::{Origin, Read},
};
use rollcall_detect::{
    self, Allowance, Detector, Finding, Notices, Peaks, Phase, Rule,
    alert::{self, Alert, Alerts, Allowed, Joined},
    notice::Shown,
};
use rollcall_model::{hash::HashKey, time::Timestamp};

/// Alerts that are open at once.
pub(super) const OPEN_ALERTS: usize = 10_000;

/// See the [module](self).
#[derive(Debug)]
pub struct Alerting {
    pub(super) detector: Detector,
    pub(super) notices: Notices,
    pub(super) alerts: Alerts,
    findings: Vec<Finding>,
    peaks: Option<Peaks>,
}

/// What alerting counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertingCounters {
    pub detector: rollcall_detect::DetectorCounters,
    pub alerts: alert::AlertCounters,
}

impl Alerting {
    /// Alerting as `settings` say; `key` keys every table that traffic fills.
    pub fn new(settings: rollcall_detect::DetectorSettings, key: HashKey) -> Alerting {
        let (notices, alerts) = (Notices::new(key), Alerts::new(OPEN_ALERTS, key));
        Alerting::with(Detector::new(settings, key), notices, alerts)
    }

    /// Alerting that goes on from what is known.
    pub(super) fn with(detector: Detector, notices: Notices, alerts: Alerts) -> Alerting {
        Alerting { detector, notices, alerts, findings: Vec::new(), peaks: None }
    }

    /// Hands `peaks` what the detector gets, from now on.
    pub fn keep_peaks(&mut self, peaks: Peaks) {
        self.peaks = Some(peaks);
    }

    /// The peaks, if they are kept.
    pub fn peaks(&self) -> Option<&Peaks> {
        self.peaks.as_ref()
    }

    /// What observations are handed to.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The same, to tell it of what is no observation.
    pub fn detector_mut(&mut self) -> &mut Detector {
        &mut self.detector
    }

    /// Takes in one observation and appends the alerts that it leads to.
    pub fn take(&mut self, observation: &Observation, out: &mut Vec<Alert>) {
        match observation.stage {
            Stage::Called => self.count(observation),
            // The detector's time never runs backwards: an older call would count as one of now. One from the future is
            // from before the clock was set back.
            Stage::Recalled { by } => {
                let (at, shortest) = (observation.at, self.detector.policy().shortest());
                if by.since(at).max(at.since(by)) <= shortest {
                    self.count(observation);
                }
            }
            Stage::Completed { late } => {
                if late {
                    self.detector.answered_late(observation);
                }
                self.detector.answered(observation, &mut self.findings);
                self.note(observation);
            }
        }
        self.raise(observation.client_keys(), out);
    }

    /// Moves out the clients that became some of an alert and that no line names.
    pub fn joined(&mut self) -> vec::Drain<'_, Joined> {
        self.alerts.joined()
    }

    /// Lets time pass: resolves alerts. Once a second is enough.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        self.detector.tick(now, &mut self.findings);
        self.notices.tick(now, &mut self.findings);
        self.raise(&[], out);
        self.alerts.tick(now, out);
    }

    /// The ids of the alerts that are open.
    pub fn open_alerts(&self) -> BTreeSet<String> {
        self.alerts.open()
    }

    /// What has been counted.
    pub fn counters(&self) -> AlertingCounters {
        let mut alerts = self.alerts.counters();
        alerts.suppressed += self.notices.suppressed();
        AlertingCounters { detector: self.detector.counters(), alerts }
    }

    /// A call counts.
    fn count(&mut self, observation: &Observation) {
        self.detector.observe(observation, &mut self.findings);
        if self.detector.is_question() {
            let Observation { at, clients, route, objects, .. } = observation;
            let (client, object) = (clients.keys()[0], objects.iter().next());
            let address = clients.address();
            let shown = Shown { rule: Rule::BusyRoute, at: *at, route, client, address, object };
            self.notices.show(&shown, &mut self.findings);
        }
        if let Some(peaks) = &mut self.peaks {
            peaks.observe(observation);
        }
    }

    /// Takes note of what a complete call says about its route, whoever made it.
    fn note(&mut self, observation: &Observation) {
        let Observation { at, clients, route, known, objects, outcome, .. } = observation;
        if known.is_static {
            return;
        }
        let (client, object) = (clients.keys()[0], objects.iter().next());
        let mut show = |rule| {
            let shown = Shown { rule, at: *at, route, client, address: clients.address(), object };
            self.notices.show(&shown, &mut self.findings);
        };
        if !clients.authenticated && outcome.has_data && outcome.read == Read::Data && object.is_some() {
            show(Rule::OpenDoor);
        }
        let is_answered = matches!(outcome.status, Some(200..=299));
        if is_answered && known.has_document && known.origin == Origin::Learned {
            show(Rule::UnknownRoute);
        }
    }

    /// Makes alerts of what has been found, by a call with the keys `callers` if it was one.
    fn raise(&mut self, callers: &[ClientKey], out: &mut Vec<Alert>) {
        for finding in self.findings.drain(..) {
            let allowed = match finding.phase {
                Phase::Allowed(id) => self.detector.policy().allowed(id),
                _ => None,
            };
            let Some(mut alert) = self.alerts.alert(finding, callers) else { continue };
            alert.allowed = allowed.map(|Allowance { id, by, why, .. }| Allowed {
                id: id.to_string(),
                by: by.clone(),
                why: why.clone(),
            });
            out.push(alert);
        }
    }
}
