//! Detection as it is written down.
//!
//! Settings are not: those of now hold. Nor is what only saves time, such as what tokens claim, or what is handed on within
//! one call. Connections that are under way end with the process.

use std::{borrow::Cow, collections::BTreeSet, io};

use rollcall_attribute::{
    client,
    route::service::{self, Services},
};
use rollcall_detect::{
    self, Detector, Kept, Notices, Rule,
    alert::{self, Alert, Alerts},
    notice,
};
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{super::alerting::OPEN_ALERTS, Alerting, Attributor, Detection, Settings};
use crate::checkpoint::{self, Draft, RestoreError};

/// [`Detection`], written down. Whoever changes what this holds, at any depth, raises [`checkpoint::FORMAT`].
#[derive(Debug, Serialize, Deserialize)]
struct State<'a, D> {
    counted: client::ClientCounters,
    /// Written down because a restart must not be the moment at which a client's own header is believed, or its calls are
    /// the proxy's.
    writers: Cow<'a, client::Writers>,
    #[serde(borrow)]
    services: service::StoredServices<'a>,
    /// A reference to it when it is written.
    detector: D,
    #[serde(borrow)]
    notices: notice::StoredNotices<'a>,
    #[serde(borrow)]
    alerts: alert::StoredAlerts<'a>,
}

impl Detection {
    /// All that a detection with the same key needs to go on as this one would, as it is now.
    ///
    /// # Errors
    ///
    /// If it can't be told in the format, which is a defect.
    pub fn checkpoint(&self) -> io::Result<Draft> {
        let state = State {
            counted: self.attributor.counted,
            writers: Cow::Borrowed(self.attributor.lenses.writers()),
            services: self.attributor.services().checkpoint(),
            detector: self.alerting.detector.state(),
            notices: self.alerting.notices.checkpoint(),
            alerts: self.alerting.alerts.checkpoint(),
        };
        Draft::of(&state, self.key)
    }

    /// Detection that goes on at `now` from `checkpoint`, under `settings`, which may have changed: see [`Services::restore`]
    /// and [`Detector::restore`].
    ///
    /// # Errors
    ///
    /// If it is no checkpoint, not whole, not what was written, or of another format or key.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        checkpoint: &[u8],
        now: Timestamp,
    ) -> Result<(Detection, Kept), RestoreError> {
        let state = checkpoint::read(checkpoint, key)?;
        Ok(Detection::resume(settings, key, state, now)?)
    }

    /// Goes by what others were told of alerts: see [`Alerts::reconcile`].
    pub fn reconcile(&mut self, told: &[Alert], resolved: &BTreeSet<String>, now: Timestamp) {
        self.alerting.alerts.reconcile(told, resolved, now);
    }

    fn resume(
        settings: Settings,
        key: HashKey,
        state: State<'_, rollcall_detect::DetectorState>,
        now: Timestamp,
    ) -> Result<(Detection, Kept), Inconsistent> {
        let Settings { clients, routes, detector: limits } = settings;
        let State { counted, writers, services, detector, notices, alerts } = state;
        let writers = writers.into_owned();
        if !writers.is_sound() {
            return Err(Inconsistent("more proxies than are remembered"));
        }
        let mut names = Names::default();
        let services = Services::restore(routes, key, services, &mut names)?;
        let notices = Notices::restore(key, notices, now, &mut names)?;
        let mut alerts = Alerts::restore(OPEN_ALERTS, key, alerts, &mut names)?;
        let (detector, kept) = Detector::restore(limits, key, detector, now, &mut names)?;
        // With the tables, findings are gone.
        alerts.forget_findings(
            |rule, client| match client {
                _ if rule.is_notice() || rule == Rule::Blind => false,
                Some(_) => !kept.clients,
                None => !kept.routes,
            },
            now,
        );
        let mut attributor = Attributor::with(clients, services, key);
        attributor.lenses.resume(writers);
        attributor.counted = counted;
        let alerting = Alerting::with(detector, notices, alerts);
        Ok((Detection { key, attributor, alerting }, kept))
    }
}

#[cfg(test)]
mod tests;
