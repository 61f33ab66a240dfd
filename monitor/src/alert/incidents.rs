//! Findings, grouped: what is one attack is one alert.
//!
//! An attack shows in many ways at once: through the caller's address and through its token, by how many objects it touched
//! and by their order, within a minute and within a day. Each is a finding with a life of its own, told apart by rule, client
//! and route; they are **members** of one incident if the same calls led to them. It opens with the first member and is
//! resolved when the last one has ended.
//!
//! A member joins an incident on its route when its client sent a call that led to an earlier member, or when the call that
//! led to it came from a client that is a member already. What opened by everybody's calls together takes in every client of
//! its route. Else it opens an incident: a decoy can't take in an attack by others, for they share no member's key.

mod adopted;
mod incident;
mod stored;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec,
};

use serde::{Deserialize, Serialize};

pub use stored::Stored;

use super::{Alert, Severity, State};
use crate::{
    client::{ClientKey, KEY_BYTES},
    detect::{Finding, Phase, Rule},
    hash::HashKey,
    time::Timestamp,
};
use incident::{Incident, News};

/// Members are tracked up to so many for each incident that may be open. Those beyond still join, and end unnoticed.
const MEMBERS: usize = 4;

/// And so many clients that lead to one.
const LEADS: usize = 8;

/// Makes alerts of findings.
#[derive(Debug)]
pub struct Alerts {
    key: HashKey,
    incidents: BTreeMap<u64, Incident>,
    /// The incident of each finding that has begun and not ended.
    members: BTreeMap<Member, u64>,
    /// Who leads to which incident.
    clients: BTreeMap<(Arc<str>, Option<ClientKey>), Lead>,
    /// Incidents without members: see [`adopted`].
    silent: BTreeSet<u64>,
    capacity: usize,
    counters: Counters,
    joined: Vec<Joined>,
}

/// A client that became one of an alert, and that no line names: it has too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The alert's id.
    pub alert: String,
    pub route: Arc<str>,
    pub client: ClientKey,
}

/// What tells findings apart.
type Member = (Rule, Option<ClientKey>, Arc<str>);

/// Where a client leads to on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lead {
    incident: u64,
    /// A finding is about it. Otherwise it only sent a call that led to one.
    is_member: bool,
}

/// What became of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
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

impl Counters {
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
            silent: BTreeSet::new(),
            capacity,
            counters: Counters::default(),
            joined: Vec::new(),
        }
    }

    /// The line that a finding leads to; `None` if it tells nothing new, or there is no room for it. `callers` are the keys
    /// of the call that led to it, if it was one.
    pub fn alert(&mut self, finding: Finding, callers: &[ClientKey]) -> Option<Alert> {
        let member = (finding.rule, finding.client, Arc::clone(&finding.route));
        let known = self.members.get(&member).copied();
        if finding.phase == Phase::Ends {
            return self.end(&member, known?, finding);
        }
        if let Some(id) = known {
            return self.tell(id, finding, false);
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
                self.incidents.insert(id, Incident::new(&finding));
                id
            }
        };
        let is_new = self.join(id, member, callers, opens);
        let alert = self.tell(id, finding, is_new);
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
    pub fn counters(&self) -> Counters {
        let mut open = [0; 3];
        for incident in self.incidents.values() {
            open[incident.severity as usize] += 1;
        }
        Counters { open, ..self.counters }
    }

    /// The incident that a finding without one belongs to.
    fn incident_of(&self, finding: &Finding, callers: &[ClientKey]) -> Option<u64> {
        if stands_alone(finding.rule) {
            return self.waiting_for(finding);
        }
        let lead = |client| self.clients.get(&(Arc::clone(&finding.route), client));
        let about = || finding.client.and_then(|client| lead(Some(client)));
        let by = || callers.iter().filter_map(|&key| lead(Some(key))).find(|lead| lead.is_member);
        about().or_else(by).or_else(|| lead(None)).map(|lead| lead.incident)
    }

    /// Makes the finding a member, and remembers who leads to it. Returns whether its client is new to the incident.
    fn join(&mut self, id: u64, member: Member, callers: &[ClientKey], opens: bool) -> bool {
        let (rule, client, route) = member.clone();
        let Some(incident) = self.incidents.get_mut(&id) else { return false };
        if opens || self.members.len() < MEMBERS * self.capacity {
            self.members.insert(member, id);
            incident.members += 1;
            self.silent.remove(&id);
        }
        if stands_alone(rule) {
            return false;
        }
        let has_room = self.clients.len() < LEADS * self.capacity;
        // Everybody is a client only of what everybody's calls opened: to the others such a finding is one more sign.
        let mut is_new = false;
        if opens || client.is_some() && (has_room || self.clients.contains_key(&(Arc::clone(&route), client)))
        {
            let lead = self.clients.entry((Arc::clone(&route), client)).or_insert_with(|| {
                incident.leads.push(client);
                Lead { incident: id, is_member: false }
            });
            if lead.incident == id && !lead.is_member {
                lead.is_member = true;
                is_new = incident.add(client);
                if let Some(client) = client.filter(|_| !incident.clients.contains(&client)) {
                    self.joined.push(Joined { alert: incident::id(id), route: Arc::clone(&route), client });
                }
            }
        }
        for &key in callers {
            if has_room && incident.has_room_for_callers() {
                self.clients.entry((Arc::clone(&route), Some(key))).or_insert_with(|| {
                    incident.callers += 1;
                    incident.leads.push(Some(key));
                    Lead { incident: id, is_member: false }
                });
            }
        }
        is_new && !opens
    }

    /// The line about a member that begins or grows.
    fn tell(&mut self, id: u64, finding: Finding, has_new_client: bool) -> Option<Alert> {
        let incident = self.incidents.get_mut(&id)?;
        let state = match incident.take(&finding, has_new_client) {
            News::Opened => State::Open,
            News::More => {
                self.counters.updated += 1;
                State::Update
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
        Some(incident.line(id, *ended, State::Resolved))
    }

    /// Takes out an incident without members.
    fn close(&mut self, id: u64) -> Option<Incident> {
        let mut incident = self.incidents.remove(&id)?;
        self.silent.remove(&id);
        for client in incident.leads.drain(..) {
            self.clients.remove(&(Arc::clone(&incident.route), client));
        }
        Some(incident)
    }

    fn id(&self, (rule, client, route): &Member, opened: Timestamp) -> u64 {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(rule.name().as_bytes());
        bytes.push(0);
        // No key's kind is 0xff.
        bytes.extend_from_slice(&client.map_or([0xff; KEY_BYTES], ClientKey::to_bytes));
        bytes.extend_from_slice(route.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&opened.0.to_be_bytes());
        self.key.hash(&bytes)
    }
}

/// Facts stand for themselves, whoever called.
fn stands_alone(rule: Rule) -> bool {
    rule.is_notice() || rule == Rule::Blind
}

#[cfg(test)]
mod tests;
