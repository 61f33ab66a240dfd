//! The engine under evaluation, with its defaults. Nothing else here touches the engine's API: what changes there
//! changes this file only.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::Result;
use rollcall_attribute::{
    client::{self, ClientKey, Clients, Credential, CredentialKind, Lenses},
    observation::Observation,
};
use rollcall_detect::{
    self as detect, Budget, Detector, Finding, LimitRule, Partner, PartnerKey, Phase, Policy, Rule,
    alert::{Alert, AlertState, Severity},
};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_http::exchange::{Exchange, Request};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::access_log;
use rollcall_stream::{ConnectionId, Endpoints};
use serde::{Deserialize, Serialize};

use crate::{call::Call, world};

/// Tables are keyed; replay hands in a fixed key so that figures can be had again.
const KEY: [u8; 16] = [7; 16];

const SECOND: Duration = Duration::from_secs(1);

/// An alert when it became one that somebody has to look at: a warning, or critical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Raised {
    pub(crate) at: u64,
    pub(crate) rule: String,
    pub(crate) severity: String,
    /// The client's kind, `all` if it is everybody.
    pub(crate) kind: String,
    pub(crate) client: String,
    pub(crate) route: String,
    pub(crate) distinct: u64,
    pub(crate) window_s: u64,
}

/// Whose call it was, and of what route.
pub(crate) struct Seen {
    clients: Clients,
    pub(crate) route: Arc<str>,
}

impl Seen {
    /// Every key that an alert about this client may name.
    pub(crate) fn keys(&self) -> &[ClientKey] {
        self.clients.keys()
    }
}

/// What an operator of the API declares, as `tune` suggests and as contracts say.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Routes with limits of their own.
    pub(crate) limits: Vec<(&'static str, &'static str)>,
    /// The tokens of partners, with what they may read.
    pub(crate) partners: Vec<(u64, &'static str)>,
}

impl Declared {
    fn policy(&self) -> Policy {
        let limits: Vec<LimitRule> = self
            .limits
            .iter()
            .map(|(route, limit)| format!("{route}={limit}").parse().expect("limits are in order"))
            .collect();
        let partner = |&(token, budget): &(u64, &str)| Partner {
            key: PartnerKey::Credential(credential_of(token)),
            budget: budget.parse().expect("budgets are in order"),
        };
        let partners: Vec<Partner> = self.partners.iter().map(partner).collect();
        Policy::new(&limits, &partners).expect("limits and budgets agree")
    }
}

/// A token as alerts would show it, and an operator name it.
fn credential_of(token: u64) -> Credential {
    let mut request = Request::default();
    let call =
        Call { token: Some(token), ..Call::get(Timestamp(0), Ipv4Addr::LOCALHOST.into(), "/".to_owned()) };
    call.write(&mut request);
    let mut lenses = Lenses::new(client::Settings::default(), HashKey::new(KEY));
    let clients = lenses.of(&exchange(&call, &request), b"");
    match clients.by_credential() {
        [ClientKey::Credential(credential)] => *credential,
        others => unreachable!("a call with a token has one credential: {others:?}"),
    }
}

/// The exchange that a call and its request are.
fn exchange<'a>(call: &Call, request: &'a Request) -> Exchange<'a> {
    Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: SocketAddr::new(call.peer, 40_000),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        },
        proxied_for: None,
        request,
        start: 0,
        at: call.at,
        status: Some(call.status),
        request_bytes: request.head.len() as u64,
        response_bytes: call.response_bytes,
        first_byte_at: None,
        last_byte_at: None,
        response_type: None,
        response_length: None,
        sampling: 1.0,
    }
}

/// Attribution, detection and alerts, driven as live capture drives them.
pub(crate) struct Engine {
    detection: Detection,
    request: Request,
    alerts: Vec<Alert>,
    next_tick: Timestamp,
    /// Alerts that have been raised and not resolved.
    open: HashSet<String>,
    /// Alerts that are or were critical.
    critical: HashSet<String>,
    /// Routes about which the operator has been asked.
    questions: HashSet<String>,
}

/// Objects that a client may touch within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InForce {
    pub(crate) window_s: u64,
    pub(crate) limit: Option<u32>,
}

impl Engine {
    /// With what is declared of the synthetic API.
    pub(crate) fn new() -> Engine {
        Engine::with(&Engine::declared())
    }

    /// As on the day of the installation.
    pub(crate) fn undeclared() -> Engine {
        Engine::with(&Declared { limits: Vec::new(), partners: Vec::new() })
    }

    fn with(declared: &Declared) -> Engine {
        let policy = declared.policy();
        let detector = detect::DetectorSettings { policy, ..detect::DetectorSettings::default() };
        let settings = Settings { detector, ..Settings::default() };
        Engine {
            detection: Detection::new(settings, HashKey::new(KEY)),
            request: Request::default(),
            alerts: Vec::new(),
            next_tick: Timestamp::default(),
            open: HashSet::new(),
            critical: HashSet::new(),
            questions: HashSet::new(),
        }
    }

    /// What is declared of the synthetic API.
    pub(crate) fn declared() -> Declared {
        Declared {
            limits: vec![(world::REPORT_ROUTE, "75/10s"), (world::REPORT_ROUTE, "75/1min")],
            partners: vec![(world::PARTNER_TOKEN, "25000/24h")],
        }
    }

    /// One call with its answer. Appends the alerts that are raised.
    pub(crate) fn exchange(&mut self, call: &Call, raised: &mut Vec<Raised>) -> Seen {
        let mut request = std::mem::take(&mut self.request);
        call.write(&mut request);
        let seen = self.take(&exchange(call, &request), raised);
        self.request = request;
        seen
    }

    /// The same with a call as a log has it.
    pub(crate) fn logged(&mut self, call: &access_log::Call, raised: &mut Vec<Raised>) -> Seen {
        self.take(&call.exchange(), raised)
    }

    fn take(&mut self, exchange: &Exchange<'_>, raised: &mut Vec<Raised>) -> Seen {
        if exchange.at >= self.next_tick {
            self.next_tick = exchange.at + SECOND;
            self.detection.tick(exchange.at, &mut self.alerts);
        }
        self.detection.call(exchange, &mut self.alerts);
        let attributed = self.detection.complete(exchange, &mut self.alerts);
        let seen = Seen { clients: attributed.clients, route: Arc::clone(attributed.route) };
        for alert in self.alerts.drain(..) {
            if alert.rule == Rule::BusyRoute {
                self.questions.insert(alert.route.to_string());
            }
            if alert.severity == Severity::Critical && !self.critical.contains(&alert.id) {
                self.critical.insert(alert.id.clone());
            }
            if alert.state == AlertState::Resolved {
                self.open.remove(&alert.id);
            } else if alert.severity >= Severity::Warning && self.open.insert(alert.id.clone()) {
                raised.push(Raised::of(&alert));
            }
        }
        seen
    }

    /// How many alerts were critical, from the start or in the end.
    pub(crate) fn critical(&self) -> u64 {
        self.critical.len() as u64
    }

    /// How many routes the operator has been asked about.
    pub(crate) fn questions(&self) -> u64 {
        self.questions.len() as u64
    }

    /// The limits in force on a route of any service, shortest window first, and whether it is known what is usual there.
    pub(crate) fn in_force(&self, route: &str) -> Option<(Vec<InForce>, bool)> {
        let is_of = |name: &str| {
            name.strip_suffix(route).is_some_and(|service| service.is_empty() || service.ends_with(' '))
        };
        let summary = self.detection.routes().into_iter().find(|summary| is_of(&summary.route))?;
        let norm = summary.norm?;
        let limits =
            norm.windows.iter().map(|window| InForce { window_s: window.window_s, limit: window.limit });
        Some((limits.collect(), !norm.learning))
    }
}

impl Raised {
    fn of(alert: &Alert) -> Raised {
        Raised {
            at: alert.at.0,
            rule: alert.rule.name().to_owned(),
            severity: if alert.severity == Severity::Critical { "critical" } else { "warning" }.to_owned(),
            kind: alert.client.kind.to_string(),
            client: alert.client.id.clone(),
            route: alert.route.to_string(),
            distinct: alert.figures.distinct,
            window_s: alert.window_s,
        }
    }

    /// As [`ClientKey`] shows itself.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}", self.kind, self.client)
    }
}

/// A call of the scale tests: one object, read by an address and maybe with a credential.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) at: Timestamp,
    pub(crate) address: u32,
    pub(crate) credential: Option<u64>,
    pub(crate) object: u64,
}

/// Whom a finding of distinct objects is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flagged {
    Address(u32),
    Credential(u64),
}

/// The detector by itself, without attribution in front or alerts behind.
pub(crate) struct Direct {
    detector: Detector,
    findings: Vec<Finding>,
}

impl Direct {
    /// With these limits only; the usual ones without any.
    pub(crate) fn new(limits: &[&str]) -> Result<Direct> {
        let limits: Result<Vec<LimitRule>, _> = limits.iter().map(|limit| limit.parse()).collect();
        let settings = detect::DetectorSettings {
            policy: Policy::new(&limits?, &[])?,
            budget: Budget::default(),
            bytes_limit: u64::MAX,
        };
        Ok(Direct { detector: Detector::new(settings, HashKey::new(KEY)), findings: Vec::new() })
    }

    /// The observation of a call, made outside of what is timed.
    pub(crate) fn prepare(observed: &Observed) -> Observation {
        static ROUTE: LazyLock<Arc<str>> = LazyLock::new(|| "GET /v1/customers/{id}".into());
        let credential = observed.credential.map(|number| {
            let mut hash = [0; 16];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            Credential { kind: CredentialKind::Bearer, hash }
        });
        let address = IpAddr::V4(Ipv4Addr::from_bits(observed.address));
        let clients = Clients::new(address, credential.as_slice());
        let objects = std::iter::once(observed.object.to_string().as_str()).collect();
        let mut observation = Observation::new(observed.at, clients, Arc::clone(&ROUTE), objects);
        observation.outcome.response_bytes = 900;
        observation
    }

    /// One observation. Appends who is found to have touched too many objects.
    pub(crate) fn observe(&mut self, observation: &Observation, out: &mut Vec<Flagged>) {
        self.detector.observe(observation, &mut self.findings);
        for finding in self.findings.drain(..) {
            if finding.phase == Phase::Begins && finding.rule == Rule::DistinctObjects {
                out.extend(flagged(finding.client));
            }
        }
    }
}

fn flagged(client: Option<ClientKey>) -> Option<Flagged> {
    match client? {
        ClientKey::Peer(IpAddr::V4(address)) => Some(Flagged::Address(address.to_bits())),
        ClientKey::Credential(credential) => {
            let number = credential.hash.first_chunk().copied().map(u64::from_be_bytes);
            number.map(Flagged::Credential)
        }
        _ => None,
    }
}
