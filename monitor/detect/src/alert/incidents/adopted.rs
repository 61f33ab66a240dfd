//! Incidents that nothing found here stands behind: of those that others were told of, what a restart has left over.
//!
//! What was told last may be newer than what was written down for the restart. An incident that was told to be open and is
//! not known goes on under its id as soon as the detector finds again what it was about. One that nobody speaks for is
//! resolved after a while, with what was told of it last: it must not stay open for ever.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rollcall_attribute::client::ClientKey;
use rollcall_model::time::Timestamp;

use super::{
    Alerts, Lead, home,
    incident::{Incident, Name, Told},
    stands_alone,
};
use crate::{
    alert::{Alert, State},
    {Finding, Phase, Rule, notice},
};

/// How long an incident waits to be found again. Whoever goes on with what led to an alert is over a limit by then.
const PATIENCE: Duration = Duration::from_secs(3_600);

impl Alerts {
    /// Goes by what others were told: `told`, the latest lines of alerts that are open to them, and `resolved`, those that
    /// are no longer. They will be told of no alert's end twice, nor of one's beginning.
    pub fn reconcile(&mut self, told: &[Alert], resolved: &BTreeSet<String>, now: Timestamp) {
        let over: BTreeSet<u64> = resolved.iter().filter_map(|id| number(id)).collect();
        self.members.retain(|_, id| !over.contains(id));
        over.into_iter().for_each(|id| drop(self.close(id)));
        for alert in told {
            let Some(id) = number(&alert.id) else { continue };
            match self.incidents.get_mut(&id) {
                Some(incident) => incident.recall(alert),
                None => self.adopt(id, alert, now),
            }
        }
    }

    /// The findings of `gone` are known no more, though they have not ended.
    pub fn forsake(&mut self, gone: impl Fn(Rule, Option<ClientKey>) -> bool, now: Timestamp) {
        for (_, id) in self.members.extract_if(.., |(rule, client, _), _| gone(*rule, *client)) {
            let Some(incident) = self.incidents.get_mut(&id) else { continue };
            incident.members = incident.members.saturating_sub(1);
            if incident.members == 0 {
                incident.silent_since = now;
                self.silent.insert(id);
            }
        }
    }

    /// Lets time pass: appends the end of what nobody has spoken for.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Alert>) {
        let is_over = |id: &u64| self.incidents.get(id).is_none_or(|incident| incident.is_forsaken(now));
        let over: Vec<u64> = self.silent.iter().copied().filter(is_over).collect();
        for id in over {
            let Some(mut incident) = self.close(id) else { continue };
            self.counters.resolved += 1;
            // Without it nobody was told of the alert.
            if let Some(ended) = incident.ended.take() {
                out.push(incident.line(id, Finding { at: now, ..*ended }, State::Resolved));
            }
        }
    }

    /// The incident that waits for a finding that stands for itself.
    pub(super) fn waiting_for(&self, finding: &Finding) -> Option<u64> {
        self.silent.iter().copied().find(|id| {
            let incident = self.incidents.get(id);
            incident.is_some_and(|open| open.opened_by == finding.rule && open.is_on(&finding.route))
        })
    }

    /// Takes in an alert that is open to others, and not known here.
    fn adopt(&mut self, id: u64, alert: &Alert, now: Timestamp) {
        let mut incident = Incident::adopted(alert, now);
        for &client in &incident.clients {
            // On which routes each was is not told: on all of them, for whoever goes on is to be found again.
            for Name(route) in &incident.named {
                let key = (Arc::clone(route), client);
                self.clients.entry(key.clone()).or_insert_with(|| {
                    incident.leads.push(key);
                    Lead { incident: id, is_member: true }
                });
            }
            if let Some(client) = client.filter(|_| !incident.is_everybodys()) {
                self.homes.entry(home(client)).or_insert(id);
            }
        }
        self.open_as(id, incident);
        self.silent.insert(id);
    }
}

impl Incident {
    /// What `alert` says of one.
    fn adopted(alert: &Alert, now: Timestamp) -> Incident {
        let clients = alert.scope.clients.iter().filter_map(|client| client.key());
        let clients = if stands_alone(alert.scope.opened_by) { Vec::new() } else { clients.collect() };
        let mut incident = Incident {
            opened_by: alert.scope.opened_by,
            opened_at: alert.scope.opened_at,
            client_count: alert.scope.client_count,
            known: clients.iter().copied().collect(),
            clients,
            gathers: alert.scope.opened_by.is_notice() && alert.scope.route_count > 1,
            silent_since: now,
            ..Incident::new(&finding(alert))
        };
        if !alert.scope.routes.is_empty() {
            incident.named = alert.all_routes().map(|route| Name(Arc::from(&*route))).collect();
            incident.routes.extend(incident.named.iter().map(|name| (name.clone(), Told::new())));
        }
        incident.recall(alert);
        incident
    }

    /// Takes in what others were told.
    fn recall(&mut self, alert: &Alert) {
        let finding = finding(alert);
        self.severity = self.severity.max(alert.severity);
        self.tell(&finding);
        if self.members == 0 {
            self.ended.get_or_insert_with(|| Box::new(finding));
        }
    }

    fn is_forsaken(&self, now: Timestamp) -> bool {
        let patience = if self.opened_by.is_notice() { notice::QUIET } else { PATIENCE };
        now.since(self.silent_since) >= patience
    }
}

/// An alert's number.
fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

/// The finding that an alert's line is about.
fn finding(alert: &Alert) -> Finding {
    Finding {
        phase: Phase::Grows,
        rule: alert.rule,
        at: alert.at,
        client: alert.client.key().flatten(),
        route: Arc::clone(&alert.route),
        window: Duration::from_secs(alert.window_s),
        figures: alert.figures.clone(),
        sample_objects: alert.sample_objects.clone(),
        signals: alert.signals.clone(),
        loss: alert.loss,
    }
}

#[cfg(test)]
mod tests;
