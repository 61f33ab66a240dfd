//! One incident: what has been found about it, and what of that has been reported.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use rollcall_attribute::{client::ClientKey, route::full_name};
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, AlertState, Client, Scope, Severity, VERSION},
    {Finding, Phase, Rule, notice},
};

/// Clients that an alert names. Further ones are counted.
pub const CLIENTS: usize = 16;

/// Routes that an alert names, and those whose growth is reported by themselves.
const ROUTES: usize = 16;
const ROUTES_REPORTED: usize = 64;

/// Routes of an alert that are kept apart: one more and its number says no more.
pub const ROUTES_COUNTED: usize = 1_024;

/// Keys of calls that led to members, beside the members' own: what few calls carry.
const CALLERS: u8 = 32;

/// How long an incident waits to be found again. Whoever goes on with what led to an alert is over a limit by then.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a finding adds to what has been reported.
pub(super) enum News {
    Opened,
    More,
    Nothing,
}

/// Findings that belong together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incident {
    /// The routes that it is about, in order, and those that it names: the one that it opened on first.
    pub routes: BTreeMap<Name, Reported>,
    pub named: Vec<Name>,
    /// Of the routes that are not reported by themselves, the most that has been reported.
    pub reported_of_others: Reported,
    pub opened_by: Rule,
    pub opened_at: Timestamp,
    pub severity: Severity,
    /// Findings that have begun and not ended.
    pub members: u32,
    /// Rules that have found something.
    pub rules: BTreeSet<Rule>,
    /// The first few that findings are about.
    pub clients: Vec<Option<ClientKey>>,
    pub client_count: u64,
    /// All of them.
    #[serde(skip)]
    pub known: BTreeSet<Option<ClientKey>>,
    /// Of notices: the client that showed the first, and whether it takes in those that are too many to be reported one by one.
    pub shown_by: Option<ClientKey>,
    pub gathers: bool,
    /// How many others lead here.
    pub callers: u8,
    /// All who lead here, and on which route.
    #[serde(skip)]
    pub leads: Vec<Key>,
    /// Of the members that have ended, the one that says most.
    pub ended: Option<Box<Finding>>,
    /// Since when there are no members, if there are none.
    pub silent_since: Timestamp,
}

/// A route's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Name(pub Arc<str>);

/// By rule, the most that has been reported.
pub(super) type Reported = BTreeMap<Rule, u64>;

/// Who leads to an incident, and on which route.
pub(super) type Key = (Arc<str>, Option<ClientKey>);

impl Incident {
    /// An incident that `finding` opens.
    pub fn new(finding: &Finding) -> Incident {
        Incident {
            routes: BTreeMap::from([(Name(Arc::clone(&finding.route)), Reported::new())]),
            named: vec![Name(Arc::clone(&finding.route))],
            reported_of_others: Reported::new(),
            opened_by: finding.rule,
            opened_at: finding.at,
            severity: Severity::Info,
            members: 0,
            rules: BTreeSet::new(),
            clients: Vec::new(),
            client_count: 0,
            known: BTreeSet::new(),
            shown_by: finding.client.filter(|_| finding.rule.is_notice()),
            gathers: false,
            callers: 0,
            leads: Vec::new(),
            ended: None,
            silent_since: Timestamp::default(),
        }
    }

    pub fn has_room_for_callers(&self) -> bool {
        self.callers < CALLERS
    }

    /// Whether everybody's calls together opened it.
    pub fn is_everybodys(&self) -> bool {
        self.clients.first() == Some(&None)
    }

    pub fn is_on(&self, route: &Arc<str>) -> bool {
        self.routes.contains_key(&Name(Arc::clone(route)))
    }

    /// A finding is about `client`. Returns whether that is worth a line: the first few that no earlier one was about are,
    /// then each time that they have doubled.
    pub fn add(&mut self, client: Option<ClientKey>) -> bool {
        if !self.known.insert(client) {
            return false;
        }
        self.client_count += 1;
        if self.clients.len() < CLIENTS {
            self.clients.push(client);
            return true;
        }
        self.client_count.is_power_of_two()
    }

    /// A finding is about `route`. Returns whether that is worth a line, as of clients; of notices that it gathers, only each
    /// time that the routes have doubled.
    fn add_route(&mut self, route: &Arc<str>) -> bool {
        if self.routes.len() >= ROUTES_COUNTED || self.is_on(route) {
            return false;
        }
        let name = Name(Arc::clone(route));
        let is_named = self.named.len() < ROUTES;
        if is_named {
            self.named.push(name.clone());
        }
        self.routes.insert(name, Reported::new());
        is_named && !self.gathers || self.routes.len().is_power_of_two()
    }

    /// Takes in what begins or grows.
    ///
    /// Growth is reported when a rule's figure on a route has doubled since it was reported last, through whichever lens: the same calls
    /// show in all of them. So a route that is read faster hides none of the first 64; of those beyond, what has grown most
    /// counts for all, or a client could fill pages with them.
    pub fn take(&mut self, finding: &Finding, has_new_client: bool) -> News {
        let opens = self.rules.is_empty();
        let is_new_route = !self.is_on(&finding.route);
        let is_worth_it = self.add_route(&finding.route);
        let figure = figure(finding);
        let reported = self.reported(&finding.route).get(&finding.rule).copied();
        let has_grown =
            reported.is_none_or(|reported| figure > reported && figure >= (2 * reported).saturating_sub(1));
        if has_grown {
            self.report(finding);
        }
        let has_grown = if is_new_route { is_worth_it } else { has_grown };
        let severity = self.severity.max(self.severity_of(finding));
        let has_risen = severity > self.severity;
        self.severity = severity;
        self.rules.insert(finding.rule);
        match opens {
            true => News::Opened,
            false if has_grown || has_risen || has_new_client => News::More,
            false => News::Nothing,
        }
    }

    /// Others know of the finding.
    pub fn report(&mut self, finding: &Finding) {
        self.rules.insert(finding.rule);
        let reported = self.reported(&finding.route).entry(finding.rule).or_default();
        *reported = figure(finding).max(*reported);
    }

    /// What has been reported of a route.
    fn reported(&mut self, route: &Arc<str>) -> &mut Reported {
        let is_reported = self.routes.len() <= ROUTES_REPORTED;
        match self.routes.get_mut(&Name(Arc::clone(route))) {
            Some(reported) if is_reported || !reported.is_empty() => reported,
            _ => &mut self.reported_of_others,
        }
    }

    /// Takes in what ends: a member's last figures.
    pub fn end(&mut self, finding: Finding) {
        self.members = self.members.saturating_sub(1);
        self.severity = self.severity.max(self.severity_of(&finding));
        let weight = |finding: &Finding| {
            (finding.client.is_some(), finding.figures.distinct, finding.figures.requests)
        };
        let at = finding.at;
        match &mut self.ended {
            Some(ended) if weight(ended) >= weight(&finding) => ended.at = at,
            ended => *ended = Some(Box::new(finding)),
        }
    }

    /// One that is about a route is for information; one about a client is critical when another rule agrees, or when its
    /// count leaves no doubt.
    fn severity_of(&self, finding: &Finding) -> Severity {
        if finding.rule.is_notice() {
            return Severity::Info;
        }
        let agreed = !finding.signals.is_empty() || self.rules.iter().any(|&rule| rule != finding.rule);
        // All that one call named came together: that agrees with itself.
        let is_one_call = finding.client.is_some() && finding.figures.requests == 1;
        // On a route that is not known yet, others may well do the same.
        if finding.is_far || agreed && !is_one_call && !finding.figures.learning {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    /// What `alert` says of one.
    pub fn adopted(alert: &Alert, now: Timestamp) -> Incident {
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
            incident.routes.extend(incident.named.iter().map(|name| (name.clone(), Reported::new())));
        }
        incident.recall(alert);
        incident
    }

    /// Takes in what others were reported.
    pub fn recall(&mut self, alert: &Alert) {
        let finding = finding(alert);
        self.severity = self.severity.max(alert.severity);
        self.report(&finding);
        if self.members == 0 {
            self.ended.get_or_insert_with(|| Box::new(finding));
        }
    }

    /// Whether nobody has spoken for it for so long that it is resolved.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let patience = if self.opened_by.is_notice() { notice::QUIET } else { PATIENCE };
        now.since(self.silent_since) >= patience
    }

    /// The line about `finding`.
    pub fn line(&self, id: u64, finding: Finding, state: AlertState) -> Alert {
        // A field that is added to findings must find its place here.
        let Finding {
            phase: _,
            rule,
            at,
            client,
            route,
            window,
            figures,
            sample_objects,
            mut signals,
            is_far: _,
            part: _,
            loss,
        } = finding;
        signals.extend(self.rules.iter().filter(|&&found| found != rule));
        signals.sort_unstable();
        signals.dedup();
        // A notice names who showed it; nothing is said about them.
        let clients = if self.clients.is_empty() { &[client] } else { &self.clients[..] };
        let routes =
            self.named.iter().map(|Name(name)| full_name::relative(name, &route).to_owned()).collect();
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
            figures,
            sample_objects,
            signals,
            scope: Scope {
                clients: clients.iter().map(|&client| Client::of(client)).collect(),
                client_count: self.client_count.max(1),
                routes,
                route_count: self.routes.len() as u64,
                opened_by: self.opened_by,
                opened_at: self.opened_at,
            },
            loss,
            allowed: None,
            allow: None,
            keys: self.clients.iter().filter_map(|&client| client).collect(),
        }
    }
}

/// The number in an alert's id.
pub(super) fn number(id: &str) -> Option<u64> {
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
        is_far: false,
        part: 0,
        loss: alert.loss,
    }
}

/// An incident's number as its lines show it.
pub(super) fn id(number: u64) -> String {
    format!("{number:016x}")
}

/// What grows of a finding.
fn figure(finding: &Finding) -> u64 {
    if finding.rule == Rule::Volume { finding.figures.bytes } else { finding.figures.distinct }
}

/// Facts stand for themselves, whoever called.
pub(super) fn stands_alone(rule: Rule) -> bool {
    rule.is_notice() || rule == Rule::Blind
}
