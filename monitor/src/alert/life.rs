//! The alerts that are open.

mod stored;

use std::sync::Arc;

use hashbrown::{HashTable, hash_table::Entry};
use serde::{Deserialize, Serialize};

pub use stored::Stored;

use super::{Alert, Client, Severity, State, VERSION};
use crate::{
    client::{ClientKey, KEY_BYTES},
    detect::{Finding, Phase, Rule},
    hash::HashKey,
    state::shared,
    time::Timestamp,
};

/// So many times its limit corroborates a count: no limit that was chosen with care is that far off.
const FAR_OVER: u64 = 10;

/// Makes alerts of findings. One about a route is for information; one about a client is critical when the objects form a sequential walk, or their number is
/// at least ten times the limit.
#[derive(Debug)]
pub struct Alerts {
    key: HashKey,
    open: HashTable<OpenAlert>,
    capacity: usize,
    counters: Counters,
}

/// What became of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// By rule, in the order of [`Rule::ALL`], and by severity.
    pub opened: [[u64; 3]; Rule::ALL.len()],
    pub updated: u64,
    pub resolved: u64,
    /// Findings that became no alert because too many were open.
    pub suppressed: u64,
    /// Alerts open now.
    pub open: u64,
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

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenAlert {
    /// Follows from the three that come next.
    #[serde(skip)]
    hash: u64,
    rule: Rule,
    client: Option<ClientKey>,
    #[serde(with = "shared")]
    route: Arc<str>,
    id: u64,
    severity: Severity,
}

impl Alerts {
    /// At most `capacity` alerts are open at once.
    pub fn new(capacity: usize, key: HashKey) -> Alerts {
        Alerts { key, open: HashTable::new(), capacity, counters: Counters::default() }
    }

    /// The alert that a finding leads to; `None` if there is no room for it, or what ends had never begun.
    pub fn alert(&mut self, finding: Finding) -> Option<Alert> {
        let hash = self.key.hash(&identity(finding.rule, finding.client, &finding.route, None));
        let severity = severity(&finding);
        let room = self.open.len() < self.capacity;
        let same = |open: &OpenAlert| {
            open.hash == hash
                && open.rule == finding.rule
                && open.client == finding.client
                && open.route == finding.route
        };
        let (state, severity, id) = match (self.open.entry(hash, same, |open| open.hash), finding.phase) {
            (Entry::Occupied(entry), Phase::Ends) => {
                let (open, _) = entry.remove();
                self.counters.resolved += 1;
                (State::Resolved, open.severity.max(severity), open.id)
            }
            (Entry::Occupied(mut entry), Phase::Begins | Phase::Grows) => {
                let open = entry.get_mut();
                open.severity = open.severity.max(severity);
                self.counters.updated += 1;
                (State::Update, open.severity, open.id)
            }
            (Entry::Vacant(_), Phase::Ends) => return None,
            (Entry::Vacant(_), _) if !room => {
                self.counters.suppressed += 1;
                return None;
            }
            (Entry::Vacant(entry), Phase::Begins | Phase::Grows) => {
                let id =
                    self.key.hash(&identity(finding.rule, finding.client, &finding.route, Some(finding.at)));
                let (rule, client, route) = (finding.rule, finding.client, Arc::clone(&finding.route));
                entry.insert(OpenAlert { hash, rule, client, route, id, severity });
                self.counters.opened[rule as usize][severity as usize] += 1;
                (State::Open, severity, id)
            }
        };
        Some(render(finding, state, severity, id))
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        Counters { open: self.open.len() as u64, ..self.counters }
    }
}

/// Rule, client, route, and when it opened, as bytes of which no two are alike.
fn identity(rule: Rule, client: Option<ClientKey>, route: &str, opened: Option<Timestamp>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(rule.name().as_bytes());
    bytes.push(0);
    // No key's kind is 0xff.
    bytes.extend_from_slice(&client.map_or([0xff; KEY_BYTES], ClientKey::to_bytes));
    bytes.extend_from_slice(route.as_bytes());
    if let Some(opened) = opened {
        bytes.push(0);
        bytes.extend_from_slice(&opened.0.to_be_bytes());
    }
    bytes
}

fn severity(finding: &Finding) -> Severity {
    if finding.rule.is_notice() {
        return Severity::Info;
    }
    let far_over =
        finding.rule == Rule::DistinctObjects && finding.distinct >= FAR_OVER * u64::from(finding.limit);
    if far_over || !finding.signals.is_empty() { Severity::Critical } else { Severity::Warning }
}

fn render(finding: Finding, state: State, severity: Severity, id: u64) -> Alert {
    // A field that is added to findings must find its place here.
    let Finding {
        phase: _,
        rule,
        at,
        client,
        route,
        window,
        limit,
        distinct,
        distinct_error,
        requests,
        bytes,
        first_seen,
        last_seen,
        addresses,
        sample_objects,
        signals,
        loss,
    } = finding;
    Alert {
        v: VERSION,
        id: format!("{id:016x}"),
        state,
        severity,
        rule,
        at,
        client: Client::of(client),
        route,
        window_s: window.as_secs(),
        limit,
        distinct,
        distinct_error,
        requests,
        bytes,
        first_seen,
        last_seen,
        addresses,
        sample_objects,
        signals,
        clients: vec![Client::of(client)],
        opened_by: rule,
        opened_at: at,
        loss,
        keys: client.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
