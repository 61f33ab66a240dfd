//! What stands between attribution and detection: a call is attributed once, and what was observed of it can be taken in
//! elsewhere.

use std::collections::VecDeque;

use proptest::prelude::*;
use rollcall_attribute::observation::{self, DecodeError, Stage};

use super::*;

/// Attribution on one side and two detections on the other: one that has what was observed, and one that has it as bytes.
struct Fleet {
    attributor: Attributor,
    here: (Alerting, Vec<Alert>),
    there: (Alerting, Vec<Alert>),
    bytes: Vec<u8>,
    stages: [usize; 3],
}

impl Fleet {
    fn new() -> Fleet {
        let document = ["GET /v1/customers/{x}", "GET /health"].map(|text| text.parse().unwrap());
        let routes = route::Settings { document: Some(document.to_vec()), ..route::Settings::default() };
        let partner = ["198.51.100.200=40/1h".parse().unwrap()];
        let policy = rollcall_detect::Policy::new(&[], &partner).unwrap();
        let detector = rollcall_detect::DetectorSettings {
            policy,
            bytes_limit: 200_000,
            ..rollcall_detect::DetectorSettings::default()
        };
        let key = HashKey::new([5; 16]);
        let alerting = || (Alerting::new(detector.clone(), key), Vec::new());
        Fleet {
            attributor: Attributor::new(client::Settings::default(), routes, key),
            here: alerting(),
            there: alerting(),
            bytes: Vec::new(),
            stages: [0; 3],
        }
    }

    fn call(&mut self, exchange: &Exchange<'_>) {
        self.attributor.call(exchange);
        let observations: Vec<Observation> = self.attributor.observations().cloned().collect();
        observations.iter().for_each(|observation| self.take(observation));
    }

    fn complete(&mut self, exchange: &Exchange<'_>) {
        let observation = self.attributor.complete(exchange).clone();
        self.take(&observation);
    }

    fn take(&mut self, observation: &Observation) {
        self.stages[match observation.stage {
            Stage::Called => 0,
            Stage::Recalled { .. } => 1,
            Stage::Completed { .. } => 2,
        }] += 1;
        self.here.0.take(observation, &mut self.here.1);
        self.bytes.clear();
        observation.encode(&mut self.bytes).unwrap();
        let (read, rest) = Observation::decode(&self.bytes).unwrap();
        assert_eq!((&read, rest), (observation, &[][..]));
        self.there.0.take(&read, &mut self.there.1);
    }

    fn tick(&mut self, now: Timestamp) {
        for (alerting, alerts) in [&mut self.here, &mut self.there] {
            alerting.tick(now, alerts);
        }
    }
}

/// A call on its way.
struct Call {
    peer: &'static str,
    request: Request,
    ns: u64,
    is_late: bool,
    status: u16,
}

impl Call {
    fn exchange(&self, status: Option<u16>) -> Exchange<'_> {
        Exchange { status, response_bytes: 5_000, ..exchange(self.peer, &self.request, self.ns) }
    }
}

fn word(n: u64) -> String {
    (0..4).map(|at| char::from(b'a' + (n * 7_919 / 26_u64.pow(at) % 26) as u8)).collect()
}

/// Walks by addresses and credentials, in batches, over names, past a partner's budget and with answers that come late,
/// among ordinary clients.
#[test]
fn what_was_observed_leads_to_the_same_alerts_elsewhere() {
    let mut fleet = Fleet::new();
    let mut under_way = VecDeque::new();
    for n in 0..6_000_u64 {
        let user = format!("Basic {}", ["dTE6YQ==", "dTI6Yg==", "dTM6Yw=="][n as usize % 3]);
        let credential = [("authorization", user.as_str())];
        let (peer, request) = match n % 8 {
            0 => ("203.0.113.9", request(&format!("/v1/customers/{n}"), None)),
            1 => ("203.0.113.10", request_with_all(&format!("/v1/orders/{}", n * 7 % 977), &credential)),
            2 => ("203.0.113.11", request(&format!("/users/{}", word(n)), None)),
            3 => ("198.51.100.200", request_with_all(&format!("/v1/customers/{n}"), &credential)),
            4 => {
                let ids: Vec<String> = (n..n + 30).map(|id| id.to_string()).collect();
                ("203.0.113.12", request(&format!("/v1/lists?ids={}", ids.join(",")), None))
            }
            5 => ("127.0.0.1", request(&format!("/v1/customers/{}", n % 50), Some("192.0.2.77"))),
            6 => ("203.0.113.13", request("/v1/orders/1", None)),
            _ => ("192.0.2.1", request("/health", None)),
        };
        let status = if n % 8 == 6 { 401 } else { 200 };
        let call = Call { peer, request, ns: n * S / 20, is_late: n % 16 == 1, status };
        fleet.call(&call.exchange(Some(status).filter(|_| !call.is_late)));
        under_way.push_back(call);
        if under_way.len() > 5
            && let Some(call) = under_way.pop_front()
        {
            fleet.complete(&call.exchange(Some(call.status)));
        }
        if n % 20 == 0 {
            fleet.tick(Timestamp(1_700_000_000 * S + n * S / 20));
        }
    }
    fleet.tick(Timestamp(1_700_000_000 * S + 40 * 3_600 * S));
    let Fleet { here: (here, alerts), there: (there, others), stages, .. } = fleet;
    assert_eq!(others, alerts);
    assert_eq!(there.counters(), here.counters());
    let rules: BTreeSet<Rule> = alerts.iter().map(|alert| alert.rule).collect();
    assert!(rules.len() >= 4, "{rules:?}");
    assert!(stages.iter().all(|observed| *observed > 0), "{stages:?}");
}

/// Before, what came between two looks at the same call could change what the second saw.
#[test]
fn a_call_is_attributed_once() {
    let mut detection = detection();
    let mut out = Vec::new();
    let name = |n: usize| format!("/users/{}", word(n as u64 * 31 + 5));
    for n in 0..route::TAKEN - 1 {
        whole(&mut detection, "203.0.113.9", &name(n), n as u64 * S, &mut out);
    }
    let request = request(&name(0), None);
    let slow = exchange("198.51.100.1", &request, 300 * S);
    detection.call(&slow, &mut out);
    whole(&mut detection, "203.0.113.9", &name(route::TAKEN - 1), 301 * S, &mut out);
    let attributed = detection.complete(&slow, &mut out);
    assert_eq!((&**attributed.route, attributed.objects.len()), (&*format!("GET {}", name(0)), 0));
    let routes = detection.routes();
    assert_eq!(routes.iter().map(|route| &*route.route).collect::<Vec<_>>(), ["GET /users/{name}"]);
    assert_eq!(
        routes[0].calls,
        route::TAKEN as u64 + 1,
        "it is in the inventory under what its route is now"
    );
}

#[test]
fn what_is_under_way_takes_bounded_memory() {
    let mut detection = detection();
    let mut out = Vec::new();
    let list: String = (1_000..1_399).map(|id| format!("{id},")).collect();
    let request = request(&format!("/v1/lists?shop_id={}&ids={list}", "x".repeat(100)), None);
    let exchange = |n: u64| exchange("198.51.100.1", &request, n);
    (0..4_000).for_each(|n| detection.call(&exchange(n), &mut out));
    assert!(detection.attributor.held() <= 32 << 20);
    for n in 0..4_000 {
        let attributed = detection.complete(&exchange(n), &mut out);
        assert_eq!((attributed.objects.len(), &**attributed.route), (400, "GET /v1/lists"));
    }
    assert_eq!(detection.attributor.held(), 0);
    assert_eq!(detection.routes()[0].calls, 4_000);
}

proptest! {
    #[test]
    fn bytes_of_others_are_no_observations(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut attributor = Fleet::new().attributor;
        let request = request_with_all("/v1/lists?ids=1,2,3", &[("authorization", "Basic dTE6YQ==")]);
        let mut bytes = Vec::new();
        attributor.call(&exchange("203.0.113.9", &request, 0)).encode(&mut bytes).unwrap();
        prop_assert!(Observation::decode(&bytes[..cut.index(bytes.len())]).is_err());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let read = Observation::decode(&bytes);
        if bytes[0] != observation::VERSION {
            prop_assert_eq!(read, Err(DecodeError::Version(bytes[0])));
        } else if let Ok((observation, _)) = read {
            let (mut alerting, mut out) = Fleet::new().here;
            alerting.take(&observation, &mut out);
        }
    }
}
