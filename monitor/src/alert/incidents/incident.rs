//! One incident: what has been found about it, and what of that has been told.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, Client, Severity, State, VERSION},
    client::ClientKey,
    detect::{Finding, Rule},
    state::shared,
    time::Timestamp,
};

/// So many times its limit corroborates a count: no limit that was chosen with care is that far off.
const FAR_OVER: u64 = 10;

/// Clients that an alert names. Further ones are counted.
pub const CLIENTS: usize = 16;

/// Keys of calls that led to members, beside the members' own: what few calls carry.
const CALLERS: u8 = 32;

/// What a finding adds to what has been told.
pub(super) enum News {
    Opened,
    More,
    Nothing,
}

/// Findings that belong together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incident {
    #[serde(with = "shared")]
    pub route: Arc<str>,
    pub opened_by: Rule,
    #[serde(with = "crate::time::nanoseconds")]
    pub opened_at: Timestamp,
    pub severity: Severity,
    /// Findings that have begun and not ended.
    pub members: u32,
    /// By rule, the most that has been told.
    pub told: BTreeMap<Rule, u64>,
    /// The first few that findings are about.
    pub clients: Vec<Option<ClientKey>>,
    pub client_count: u64,
    /// How many others lead here.
    pub callers: u8,
    /// All who lead here.
    #[serde(skip)]
    pub leads: Vec<Option<ClientKey>>,
    /// Of the members that have ended, the one that says most.
    pub ended: Option<Box<Finding>>,
    /// Since when there are no members, if there are none.
    #[serde(with = "crate::time::nanoseconds")]
    pub silent_since: Timestamp,
}

impl Incident {
    /// An incident that `finding` opens.
    pub fn new(finding: &Finding) -> Incident {
        Incident {
            route: Arc::clone(&finding.route),
            opened_by: finding.rule,
            opened_at: finding.at,
            severity: Severity::Info,
            members: 0,
            told: BTreeMap::new(),
            clients: Vec::new(),
            client_count: 0,
            callers: 0,
            leads: Vec::new(),
            ended: None,
            silent_since: Timestamp::default(),
        }
    }

    pub fn has_room_for_callers(&self) -> bool {
        self.callers < CALLERS
    }

    /// A finding is about `client`, which no earlier one was. Returns whether that is worth a line: the first few are, then
    /// each time that they have doubled.
    pub fn add(&mut self, client: Option<ClientKey>) -> bool {
        self.client_count += 1;
        if self.clients.len() < CLIENTS {
            self.clients.push(client);
            return true;
        }
        self.client_count.is_power_of_two()
    }

    /// Takes in what begins or grows.
    ///
    /// Growth is told when a rule's figure has doubled since it was told last, through whichever lens: the same calls show in
    /// all of them.
    pub fn take(&mut self, finding: &Finding, has_new_client: bool) -> News {
        let opens = self.told.is_empty();
        let figure = figure(finding);
        let told = self.told.get(&finding.rule).copied();
        let has_grown = told.is_none_or(|told| figure > told && figure >= (2 * told).saturating_sub(1));
        if has_grown {
            self.tell(finding);
        }
        let severity = self.severity.max(self.severity_of(finding));
        let has_risen = severity > self.severity;
        self.severity = severity;
        match opens {
            true => News::Opened,
            false if has_grown || has_risen || has_new_client => News::More,
            false => News::Nothing,
        }
    }

    /// Others know of the finding.
    pub fn tell(&mut self, finding: &Finding) {
        let told = self.told.entry(finding.rule).or_default();
        *told = figure(finding).max(*told);
    }

    /// Takes in what ends: a member's last figures.
    pub fn end(&mut self, finding: Finding) {
        self.members = self.members.saturating_sub(1);
        self.severity = self.severity.max(self.severity_of(&finding));
        let weight = |finding: &Finding| (finding.client.is_some(), finding.distinct, finding.requests);
        let at = finding.at;
        match &mut self.ended {
            Some(ended) if weight(ended) >= weight(&finding) => ended.at = at,
            ended => *ended = Some(Box::new(finding)),
        }
    }

    /// One that is about a route is for information; one about a client is critical when another rule agrees, or when the
    /// number of objects is at least ten times the limit.
    fn severity_of(&self, finding: &Finding) -> Severity {
        if finding.rule.is_notice() {
            return Severity::Info;
        }
        let far_over =
            finding.rule == Rule::DistinctObjects && finding.distinct >= FAR_OVER * u64::from(finding.limit);
        let agreed = !finding.signals.is_empty() || self.told.keys().any(|&rule| rule != finding.rule);
        if far_over || agreed { Severity::Critical } else { Severity::Warning }
    }

    /// The line about `finding`.
    pub fn line(&self, id: u64, finding: Finding, state: State) -> Alert {
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
            mut signals,
            loss,
        } = finding;
        signals.extend(self.told.keys().filter(|&&told| told != rule));
        signals.sort_unstable();
        signals.dedup();
        // A notice names who showed it; nothing is said about them.
        let clients = if self.clients.is_empty() { &[client] } else { &self.clients[..] };
        Alert {
            v: VERSION,
            id: self::id(id),
            state,
            severity: self.severity,
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
            clients: clients.iter().map(|&client| Client::of(client)).collect(),
            client_count: self.client_count.max(1),
            opened_by: self.opened_by,
            opened_at: self.opened_at,
            loss,
            keys: self.clients.iter().filter_map(|&client| client).collect(),
        }
    }
}

/// An incident's number as its lines show it.
pub(super) fn id(number: u64) -> String {
    format!("{number:016x}")
}

/// What grows of a finding.
fn figure(finding: &Finding) -> u64 {
    if finding.rule == Rule::Volume { finding.bytes } else { finding.distinct }
}
