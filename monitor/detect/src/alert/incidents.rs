//! Findings, grouped: what is one attack is one alert.
//!
//! An attack shows in many ways at once: through the caller's address and through its token, by how many objects it touched
//! and by their order, within a minute and within a day. Each is a finding with a life of its own, told apart by rule, client
//! and route; they are **members** of one incident if the same calls led to them. It opens with the first member and is
//! resolved when the last one has ended.
//!
//! A member joins an incident on its route when its client sent a call that led to an earlier member, or when the call that
//! led to it came from a client that is a member already. What opened by everybody's calls together takes in every client of
//! its route. Else it joins the incident that its own client is a member of on another route: one client that is over its
//! limits on many is one attack. Else it opens one: a decoy can't take in an attack by others, for they share no member's key.
//! Across routes the same key is asked for, not one that came with the same call: two who share an address are two, unless
//! that address is over its limits on the routes of both. It is one address whether it opened the connection or a trusted proxy
//! vouched for it: to a proxy and to the server behind it, each a service of its own, the same client walks.
//!
//! Notices stand for themselves, for each is a fact about a route; but a server that answers whatever it is asked for has any
//! number of routes. So those that are too many for one client or in all are gathered in one incident a rule.
//!
//! What was told last may be newer than what was written down for a restart. An incident that was told to be open and is not
//! known goes on under its id as soon as the detector finds again what it was about. One that nobody speaks for is resolved
//! after a while, with what was told of it last: it must not stay open for ever.

mod incident;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec,
};

use serde::{Deserialize, Serialize};

pub use incident::ROUTES_COUNTED;

use incident::{Incident, Key, Name, News, number, stands_alone};
use rollcall_attribute::client::{ClientKey, KEY_BYTES};
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
    time::Timestamp,
};

use super::{Alert, AlertState, Severity};
use crate::{Finding, Rule};

/// Members are tracked up to so many for each incident that may be open. Those beyond still join, and end unnoticed.
const MEMBERS: usize = 4;

/// And so many clients that lead to one.
const LEADS: usize = 8;

/// Notices of a rule that are open by themselves because one client showed them, and in all.
const NOTICES_EACH: usize = 8;
const NOTICES: usize = 64;

/// Makes alerts of findings.
#[derive(Debug)]
pub struct Alerts {
    key: HashKey,
    incidents: BTreeMap<u64, Incident>,
    /// The incident of each finding that has begun and not ended.
    members: BTreeMap<Member, u64>,
    /// Who leads to which incident.
    clients: BTreeMap<Key, Lead>,
    /// The incident that a client's findings on further routes belong to, by its name [across routes](across_routes).
    by_client: BTreeMap<ClientKey, u64>,
    /// Notices that are open by themselves, by who showed them.
    notices: BTreeMap<(Rule, Option<ClientKey>), usize>,
    /// The incidents that gather the others.
    gathering: BTreeMap<Rule, u64>,
    /// Incidents without members: see the [module](self).
    silent: BTreeSet<u64>,
    capacity: usize,
    counters: AlertCounters,
    joined: Vec<Joined>,
}

/// A client that became one of an alert, or one on a further route of it, and no line says so: it has too many.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    pub client: ClientKey,
    /// The line that would tell of it, and on which route.
    pub line: Box<Alert>,
}

/// What tells findings apart.
type Member = (Rule, Option<ClientKey>, Arc<str>, u32);

/// Where a client leads to on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lead {
    incident: u64,
    /// A finding is about it. Otherwise it only sent a call that led to one.
    is_member: bool,
}

/// What a finding is to its incident.
#[derive(Clone, Copy, Debug, Default)]
struct Joins {
    /// The first about its client on its route.
    is_member: bool,
    /// And about its client at all, which is worth a line.
    is_worth_it: bool,
}

/// [`Alerts`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredAlerts<'a> {
    incidents: Vec<Incidents<'a>>,
    counters: AlertCounters,
}

/// An incident with all that leads to it, on which routes.
#[derive(Debug, Serialize, Deserialize)]
struct Incidents<'a> {
    id: u64,
    incident: Cow<'a, Incident>,
    members: Vec<(Rule, Option<ClientKey>, Name, u32)>,
    leads: Vec<(Name, Option<ClientKey>, bool)>,
    /// The clients whose findings on further routes belong to it.
    by_client: Vec<ClientKey>,
}

/// What became of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCounters {
    /// Findings that have begun, by rule, in the order of [`Rule::ALL`].
    pub findings: [u64; Rule::ALL.len()],
    /// Alerts, by the rule that opened them, and by severity.
    pub opened: [[u64; 3]; Rule::ALL.len()],
    pub updated: u64,
    pub resolved: u64,
    /// Findings that became no alert because too many were open.
    pub suppressed: u64,
    /// Alerts open now, by severity.
    pub open: [u64; 3],
}

impl AlertCounters {
    /// Alerts opened about clients, by whatever rule.
    pub fn about_clients(&self) -> u64 {
        self.opened.iter().flat_map(|opened| &opened[Severity::Warning as usize..]).sum()
    }

    /// Alerts opened about routes.
    pub fn about_routes(&self) -> u64 {
        self.opened.iter().map(|opened| opened[Severity::Info as usize]).sum()
    }
}

impl Alerts {
    /// At most `capacity` alerts are open at once.
    pub fn new(capacity: usize, key: HashKey) -> Alerts {
        Alerts {
            key,
            incidents: BTreeMap::new(),
            members: BTreeMap::new(),
            clients: BTreeMap::new(),
            by_client: BTreeMap::new(),
            notices: BTreeMap::new(),
            gathering: BTreeMap::new(),
            silent: BTreeSet::new(),
            capacity,
            counters: AlertCounters::default(),
            joined: Vec::new(),
        }
    }

    /// The line that a finding leads to; `None` if it tells nothing new, or there is no room for it. `callers` are the keys
    /// of the call that led to it, if it was one.
    pub fn alert(&mut self, finding: Finding, callers: &[ClientKey]) -> Option<Alert> {
        let member = (finding.rule, finding.client, Arc::clone(&finding.route), finding.part);
        let known = self.members.get(&member).copied();
        if finding.phase.is_end() {
            return self.end(&member, known?, finding);
        }
        if let Some(id) = known {
            return self.report(id, finding, false);
        }
        self.counters.findings[finding.rule as usize] += 1;
        let joined = self.incident_of(&finding, callers);
        let opens = joined.is_none();
        let id = match joined {
            Some(id) => id,
            None if self.incidents.len() >= self.capacity => {
                self.counters.suppressed += 1;
                return None;
            }
            None => {
                let id = self.id(&member, finding.at);
                let gathers = finding.rule.is_notice() && !self.has_room_for_notice(&finding);
                self.open_as(id, Incident { gathers, ..Incident::new(&finding) });
                id
            }
        };
        let Joins { is_member, is_worth_it } = self.join(id, member, callers, opens);
        let would_tell = finding.clone();
        let alert = self.report(id, finding, is_worth_it);
        if let Some(client) = would_tell.client.filter(|_| is_member)
            && let Some(incident) = self.incidents.get(&id)
            && (alert.is_none() || !incident.clients.contains(&Some(client)))
        {
            let line = Box::new(incident.line(id, would_tell, AlertState::Update));
            self.joined.push(Joined { client, line });
        }
        if let Some(alert) = alert.as_ref().filter(|_| opens) {
            self.counters.opened[alert.rule as usize][alert.severity as usize] += 1;
        }
        alert
    }

    /// Moves out the clients that have joined since the last call and that no line names.
    pub fn joined(&mut self) -> vec::Drain<'_, Joined> {
        self.joined.drain(..)
    }

    /// The ids of the alerts that are open.
    pub fn open(&self) -> BTreeSet<String> {
        self.incidents.keys().map(|&id| incident::id(id)).collect()
    }

    /// What has been counted.
    pub fn counters(&self) -> AlertCounters {
        let mut open = [0; 3];
        for incident in self.incidents.values() {
            open[incident.severity as usize] += 1;
        }
        AlertCounters { open, ..self.counters }
    }

    /// The incident that a finding without one belongs to.
    fn incident_of(&self, finding: &Finding, callers: &[ClientKey]) -> Option<u64> {
        if stands_alone(finding.rule) {
            let gathers = finding.rule.is_notice() && !self.has_room_for_notice(finding);
            let gathering = || self.gathering.get(&finding.rule).copied().filter(|_| gathers);
            return self.waiting_for(finding).or_else(gathering);
        }
        let lead = |client| self.clients.get(&(Arc::clone(&finding.route), client));
        let about = || finding.client.and_then(|client| lead(Some(client)));
        let by = || callers.iter().filter_map(|&key| lead(Some(key))).find(|lead| lead.is_member);
        // What everybody's calls have opened takes in those clients whose own calls are a part of it.
        let agrees = |lead: &&Lead| {
            let incident = self.incidents.get(&lead.incident);
            finding.client.is_none()
                || incident.is_some_and(|open| finding.signals.iter().any(|rule| open.rules.contains(rule)))
        };
        let all = || lead(None).filter(agrees);
        let here = about().or_else(by).or_else(all).map(|lead| lead.incident);
        here.or_else(|| self.by_client.get(&across_routes(finding.client?)).copied())
    }

    /// Whether a notice is told by itself.
    fn has_room_for_notice(&self, finding: &Finding) -> bool {
        let shown = self.notices.get(&(finding.rule, finding.client)).copied().unwrap_or_default();
        let all =
            self.notices.range((finding.rule, None)..).take_while(|((rule, _), _)| *rule == finding.rule);
        shown < NOTICES_EACH && all.map(|(_, count)| count).sum::<usize>() < NOTICES
    }

    /// Opens an incident.
    fn open_as(&mut self, id: u64, incident: Incident) {
        let rule = incident.opened_by;
        if incident.gathers {
            self.gathering.insert(rule, id);
        } else if rule.is_notice() {
            *self.notices.entry((rule, incident.shown_by)).or_default() += 1;
        }
        self.incidents.insert(id, incident);
    }

    /// Makes the finding a member, and remembers who leads to it.
    fn join(&mut self, id: u64, member: Member, callers: &[ClientKey], opens: bool) -> Joins {
        let (rule, client, route, _) = member.clone();
        let Some(incident) = self.incidents.get_mut(&id) else { return Joins::default() };
        if opens || self.members.len() < MEMBERS * self.capacity {
            self.members.insert(member, id);
            incident.members += 1;
            self.silent.remove(&id);
        }
        if stands_alone(rule) {
            return Joins::default();
        }
        let has_room = self.clients.len() < LEADS * self.capacity;
        // Everybody is a client only of what everybody's calls opened: to the others such a finding is one more sign.
        let mut joins = Joins::default();
        let key = (Arc::clone(&route), client);
        if opens || client.is_some() && (has_room || self.clients.contains_key(&key)) {
            let lead = self.clients.entry(key.clone()).or_insert_with(|| {
                incident.leads.push(key);
                Lead { incident: id, is_member: false }
            });
            if lead.incident == id && !lead.is_member {
                lead.is_member = true;
                joins = Joins { is_member: true, is_worth_it: incident.add(client) && !opens };
                if let Some(client) = client.filter(|_| !incident.is_everybodys()) {
                    self.by_client.entry(across_routes(client)).or_insert(id);
                }
            }
        }
        for &caller in callers {
            if has_room && incident.has_room_for_callers() {
                let key = (Arc::clone(&route), Some(caller));
                self.clients.entry(key.clone()).or_insert_with(|| {
                    incident.callers += 1;
                    incident.leads.push(key);
                    Lead { incident: id, is_member: false }
                });
            }
        }
        joins
    }

    /// The line about a member that begins or grows.
    fn report(&mut self, id: u64, finding: Finding, has_new_client: bool) -> Option<Alert> {
        let incident = self.incidents.get_mut(&id)?;
        let state = match incident.take(&finding, has_new_client) {
            News::Opened => AlertState::Open,
            News::More => {
                self.counters.updated += 1;
                AlertState::Update
            }
            News::Nothing => return None,
        };
        Some(incident.line(id, finding, state))
    }

    /// The line about the end of the last member.
    fn end(&mut self, member: &Member, id: u64, finding: Finding) -> Option<Alert> {
        self.members.remove(member);
        let incident = self.incidents.get_mut(&id)?;
        incident.end(finding);
        if incident.members > 0 {
            return None;
        }
        let mut incident = self.close(id)?;
        self.counters.resolved += 1;
        let ended = incident.ended.take()?;
        Some(incident.line(id, *ended, AlertState::Resolved))
    }

    /// Takes out an incident without members.
    fn close(&mut self, id: u64) -> Option<Incident> {
        let mut incident = self.incidents.remove(&id)?;
        self.silent.remove(&id);
        for lead in incident.leads.drain(..) {
            self.clients.remove(&lead);
        }
        for client in incident.known.iter().flatten() {
            let client = across_routes(*client);
            if self.by_client.get(&client) == Some(&id) {
                self.by_client.remove(&client);
            }
        }
        let shown = (incident.opened_by, incident.shown_by);
        if incident.gathers {
            self.gathering.remove(&incident.opened_by);
        } else if let Some(count) = self.notices.get_mut(&shown) {
            *count -= 1;
            if *count == 0 {
                self.notices.remove(&shown);
            }
        }
        Some(incident)
    }

    /// Goes by what others were told: `open`, the latest lines of alerts that are open to them, and `resolved`, those that
    /// are no longer. They will be told of no alert's end twice, nor of one's beginning.
    pub fn reconcile(&mut self, open: &[Alert], resolved: &BTreeSet<String>, now: Timestamp) {
        let over: BTreeSet<u64> = resolved.iter().filter_map(|id| number(id)).collect();
        self.members.retain(|_, id| !over.contains(id));
        over.into_iter().for_each(|id| drop(self.close(id)));
        for alert in open {
            let Some(id) = number(&alert.id) else { continue };
            match self.incidents.get_mut(&id) {
                Some(incident) => incident.recall(alert),
                None => self.adopt(id, alert, now),
            }
        }
    }

    /// The findings of `gone` are known no more, though they have not ended.
    pub fn forget_findings(&mut self, gone: impl Fn(Rule, Option<ClientKey>) -> bool, now: Timestamp) {
        for (_, id) in self.members.extract_if(.., |(rule, client, ..), _| gone(*rule, *client)) {
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
        let is_over = |id: &u64| self.incidents.get(id).is_none_or(|incident| incident.is_over(now));
        let over: Vec<u64> = self.silent.iter().copied().filter(is_over).collect();
        for id in over {
            let Some(mut incident) = self.close(id) else { continue };
            self.counters.resolved += 1;
            // Without it nobody was told of the alert.
            if let Some(ended) = incident.ended.take() {
                out.push(incident.line(id, Finding { at: now, ..*ended }, AlertState::Resolved));
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
                self.by_client.entry(across_routes(client)).or_insert(id);
            }
        }
        self.open_as(id, incident);
        self.silent.insert(id);
    }

    /// What is to be written down.
    pub fn checkpoint(&self) -> StoredAlerts<'_> {
        let mut members = BTreeMap::<u64, Vec<_>>::new();
        for ((rule, client, route, part), id) in &self.members {
            members.entry(*id).or_default().push((*rule, *client, Name(Arc::clone(route)), *part));
        }
        let mut leads = BTreeMap::<u64, Vec<_>>::new();
        for ((route, client), lead) in &self.clients {
            leads.entry(lead.incident).or_default().push((Name(Arc::clone(route)), *client, lead.is_member));
        }
        let mut by_client = BTreeMap::<u64, Vec<_>>::new();
        for (client, id) in &self.by_client {
            by_client.entry(*id).or_default().push(*client);
        }
        let incidents = self.incidents.iter().map(|(&id, incident)| Incidents {
            id,
            incident: Cow::Borrowed(incident),
            members: members.remove(&id).unwrap_or_default(),
            leads: leads.remove(&id).unwrap_or_default(),
            by_client: by_client.remove(&id).unwrap_or_default(),
        });
        StoredAlerts { incidents: incidents.collect(), counters: self.counters }
    }

    /// The alerts that `stored` says are open. If more are than `capacity`, all stay, for whoever was told that one opened
    /// waits for its end; no others open until there is room.
    pub fn restore(
        capacity: usize,
        key: HashKey,
        stored: StoredAlerts<'_>,
        names: &mut Names,
    ) -> Result<Alerts, Inconsistent> {
        let StoredAlerts { incidents, counters } = stored;
        let mut alerts = Alerts { counters, ..Alerts::new(capacity, key) };
        for Incidents { id, incident, members, leads, by_client } in incidents {
            let mut incident = incident.into_owned();
            let mut shared = |Name(name): Name| names.share(&name);
            incident.named =
                std::mem::take(&mut incident.named).into_iter().map(|name| Name(shared(name))).collect();
            incident.routes = std::mem::take(&mut incident.routes)
                .into_iter()
                .map(|(name, reported)| (Name(shared(name)), reported))
                .collect();
            check(!incident.named.is_empty(), "an alert is about no route")?;
            check(incident.members as usize == members.len(), "an alert lacks findings")?;
            if members.is_empty() {
                alerts.silent.insert(id);
            }
            for (rule, client, route, part) in members {
                let member: Member = (rule, client, shared(route), part);
                check(alerts.members.insert(member, id).is_none(), "a finding belongs to two alerts")?;
            }
            incident.known.extend(&incident.clients);
            for (route, client, is_member) in leads {
                if is_member {
                    incident.known.insert(client);
                }
                let key = (shared(route), client);
                incident.leads.push(key.clone());
                let before = alerts.clients.insert(key, Lead { incident: id, is_member });
                check(before.is_none(), "a client leads to two alerts")?;
            }
            for client in by_client {
                let is_its_own = incident.known.contains(&Some(client))
                    || matches!(client, ClientKey::Peer(address) if incident.known.contains(&Some(ClientKey::Forwarded(address))));
                check(
                    is_its_own && alerts.by_client.insert(client, id).is_none(),
                    "a client has two alerts",
                )?;
            }
            check(!alerts.incidents.contains_key(&id), "an alert is open twice")?;
            alerts.open_as(id, incident);
        }
        Ok(alerts)
    }

    fn id(&self, (rule, client, route, part): &Member, opened: Timestamp) -> u64 {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(rule.name().as_bytes());
        bytes.push(0);
        // No key's kind is 0xff.
        bytes.extend_from_slice(&client.map_or([0xff; KEY_BYTES], ClientKey::to_bytes));
        bytes.extend_from_slice(route.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&opened.0.to_be_bytes());
        if *part > 0 {
            bytes.extend_from_slice(&part.to_be_bytes());
        }
        self.key.hash(&bytes)
    }
}

/// What a client is known by across routes.
fn across_routes(client: ClientKey) -> ClientKey {
    match client {
        ClientKey::Forwarded(address) => ClientKey::Peer(address),
        other => other,
    }
}

#[cfg(test)]
mod tests;
