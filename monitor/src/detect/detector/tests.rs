use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    client::{ClientKey, Traits},
    object::Objects,
};

const S: u64 = 1_000_000_000;

/// A detector with its route and the findings so far.
struct Scene {
    detector: Detector,
    route: Arc<str>,
    findings: Vec<Finding>,
}

impl Scene {
    fn new(limits: &[&str], bounds: Bounds) -> Scene {
        let limits = Limits::new(limits.iter().map(|limit| limit.parse().unwrap())).unwrap();
        Scene {
            detector: Detector::new(limits, bounds, HashKey::new([1; 16])),
            route: "GET /v1/customers/{id}".into(),
            findings: Vec::new(),
        }
    }

    fn usual() -> Scene {
        Scene::new(&["20/10s", "30/60s", "60/10min", "100/1h", "300/24h"], Bounds::default())
    }

    fn call(&mut self, ns: u64, client: u32, object: &str) {
        self.sampled_call(ns, client, object, 1.0, Some(200));
    }

    fn sampled_call(&mut self, ns: u64, client: u32, object: &str, sampling: f64, status: Option<u16>) {
        let address = IpAddr::from(client.to_be_bytes());
        let observation = Observation {
            at: Timestamp(ns.saturating_add(1_000_000 * S)),
            clients: &[ClientKey::Peer(address)],
            address,
            route: &self.route,
            traits: Traits::default(),
            objects: &[object].into_iter().collect::<Objects>(),
            status,
            response_bytes: 100,
            sampling,
        };
        self.detector.observe(&observation, &mut self.findings);
    }

    fn batch(&mut self, ns: u64, client: u32, objects: &Objects) {
        let address = IpAddr::from(client.to_be_bytes());
        let observation = Observation {
            at: Timestamp(ns.saturating_add(1_000_000 * S)),
            clients: &[ClientKey::Peer(address)],
            address,
            traits: Traits::default(),
            route: &self.route,
            objects,
            status: Some(200),
            response_bytes: 100,
            sampling: 1.0,
        };
        self.detector.observe(&observation, &mut self.findings);
    }

    fn tick(&mut self, seconds: u64) {
        self.detector.tick(Timestamp((1_000_000 + seconds) * S), &mut self.findings);
    }

    /// What was found, as (phase, limit, distinct).
    fn found(&self) -> Vec<(Phase, u32, u64)> {
        self.findings.iter().map(|finding| (finding.phase, finding.limit, finding.distinct)).collect()
    }
}

#[test]
fn a_batch_is_as_many_objects_and_one_call() {
    let mut scene = Scene::new(&["30/60s"], Bounds::default());
    let ids = |ids: std::ops::Range<u32>| -> Vec<String> { ids.map(|id| id.to_string()).collect() };
    scene.batch(0, 1, &ids(0..30).iter().map(String::as_str).collect());
    assert_eq!(scene.found(), []);
    scene.batch(1, 1, &ids(29..31).iter().map(String::as_str).collect());
    assert_eq!(scene.found(), [(Phase::Begins, 30, 31)]);
    assert_eq!(scene.findings[0].requests, 2);
    scene.batch(2, 2, &ids(0..2_000).iter().map(String::as_str).collect());
    assert_eq!(scene.detector.counters().objects_beyond, 2_000 - 512);
    assert_eq!(scene.detector.counters().objects, 31 + 512);
}

#[test]
fn one_more_than_the_limit_is_a_finding() {
    let mut scene = Scene::new(&["30/60s"], Bounds::default());
    for n in 0..30 {
        scene.call(n * S, 1, &(1_000 + n).to_string());
        scene.call(n * S, 1, &(1_000 + n / 10).to_string());
    }
    assert_eq!(scene.found(), []);
    scene.call(31 * S, 1, "1030");
    let finding = scene.findings.pop().unwrap();
    let client = IpAddr::from([0, 0, 0, 1]);
    let expected = Finding {
        phase: Phase::Begins,
        rule: Rule::DistinctObjects,
        at: Timestamp(1_000_031 * S),
        client: Some(ClientKey::Peer(client)),
        route: scene.route.clone(),
        window: Duration::from_secs(60),
        limit: 30,
        distinct: 31,
        distinct_error: 0,
        // The oldest last touch among the objects is that of 1003, from where on calls are counted.
        requests: 54,
        first_seen: Timestamp(1_000_003 * S),
        last_seen: Timestamp(1_000_031 * S),
        addresses: vec![client],
        sample_objects: (1021..=1030).map(|n| n.to_string()).collect(),
        signals: vec![Rule::SequentialWalk],
        loss: 0.0,
    };
    // 1000, 1001 and 1002 were touched again later: the first that has not been is 1003.
    assert_eq!(finding, Finding { requests: finding.requests, ..expected });
    assert_eq!(finding.requests, 61 - 6);
}

#[test]
fn a_window_slides() {
    let mut scene = Scene::new(&["3/10s"], Bounds::default());
    for n in 0..100 {
        scene.call(n * S * 10 / 3 + n, 1, &n.to_string());
    }
    assert_eq!(scene.found(), [], "never more than three in any ten seconds");
}

#[test]
fn a_count_that_doubles_is_told_once() {
    let mut scene = Scene::usual();
    for n in 0..1_000 {
        scene.call(n * S / 10, 1, &n.to_string());
    }
    use Phase::{Begins, Grows};
    // Ten seconds hold 100, which is under 8 * 20; a minute holds 600, which is under 32 * 30.
    let expected = [(Begins, 20, 21), (Grows, 20, 41), (Grows, 20, 81), (Grows, 30, 241), (Grows, 30, 481)];
    assert_eq!(scene.found(), expected);
    assert!(scene.findings.iter().all(|finding| finding.first_seen == Timestamp(1_000_000 * S)));
    assert_eq!(scene.findings[4].requests, 481);
}

#[test]
fn quiet_ends_it_and_more_of_the_same_begins_anew() {
    let mut scene = Scene::usual();
    for n in 0..400 {
        scene.call(n * S / 10, 1, &n.to_string());
    }
    scene.tick(40 + 299);
    assert_ne!(scene.findings.last().unwrap().phase, Phase::Ends);
    scene.tick(40 + 300);
    let end = scene.findings.last().unwrap().clone();
    assert_eq!((end.phase, end.limit, end.distinct, end.requests), (Phase::Ends, 30, 400, 400));
    assert_eq!(end.last_seen, Timestamp(1_000_039 * S + 9 * S / 10));
    assert_eq!(scene.detector.counters().open, 0);

    // The day's window still holds 400, but a few more objects are no news.
    scene.findings.clear();
    for n in 0..20 {
        scene.call((400 + n) * S, 1, &(400 + n * 7).to_string());
        scene.call((400 + n) * S, 1, "3");
    }
    assert_eq!(scene.found(), []);
    // Going on as before is.
    for n in 0..30 {
        scene.call(500 * S + n * S / 10, 1, &(2_000 + n).to_string());
    }
    assert_eq!(scene.found(), [(Phase::Begins, 20, 21)]);
}

#[test]
fn a_slow_walk_goes_on_after_a_pause_and_is_found_again() {
    let mut scene = Scene::new(&["300/24h"], Bounds::default());
    for n in 0..1_440 {
        scene.call(n * 60 * S, 1, &n.to_string());
    }
    let day = 86_400;
    for n in 0..400 {
        scene.call((2 * day - 60 + n * 60) * S, 1, &(5_000 + n).to_string());
    }
    let found: Vec<Phase> = scene.findings.iter().map(|finding| finding.phase).collect();
    use Phase::{Begins, Ends, Grows};
    assert_eq!(found, [Begins, Grows, Grows, Ends, Begins]);
}

#[test]
fn refusals_read_nothing() {
    let mut scene = Scene::usual();
    for (nth, status) in [301, 302, 400, 401, 403, 404, 405, 410, 429, 500, 503].into_iter().enumerate() {
        for n in 0..100 {
            scene.sampled_call(nth as u64 * S, 1, &n.to_string(), 1.0, Some(status));
        }
    }
    assert_eq!(scene.found(), []);
    assert_eq!(scene.detector.counters().refused, 1_100);
    for (nth, status) in [None, Some(200), Some(206), Some(304)].into_iter().enumerate() {
        (0..21).for_each(|n| scene.sampled_call(20 * S, 5 + nth as u32, &n.to_string(), 1.0, status));
    }
    assert_eq!(scene.findings.len(), 4);
}

#[test]
fn a_walk_among_ordinary_clients_is_the_only_finding() {
    let mut scene = Scene::usual();
    let mut calls: Vec<(u64, u32, String)> =
        (0..50).map(|n| (n * S / 10, 999, (1_000 + n).to_string())).collect();
    for client in 0..200 {
        for n in 0..40_u64 {
            let object = 10_000 * u64::from(client) + (n * 7_919 + u64::from(client)) % 10;
            calls.push((n * S / 8 + u64::from(client) * 1_000, client, object.to_string()));
        }
    }
    calls.sort();
    calls.iter().for_each(|(at, client, object)| scene.call(*at, *client, object));
    assert_eq!(scene.found(), [(Phase::Begins, 20, 21), (Phase::Grows, 20, 41)]);
    assert!(scene.findings.iter().all(|finding| finding.client.unwrap().id() == "0.0.3.231"));
    assert_eq!(scene.findings[0].at, Timestamp(1_000_002 * S));
    assert_eq!(scene.detector.counters().pairs, 201);
}

#[test]
fn memory_stays_within_its_bounds() {
    let mut scene = Scene::new(&["20/10s"], Bounds { pairs: 100, objects: 1_000, open: 10 });
    // 50 clients walk, among 10,000 that come and go.
    for n in 0..30_000_u32 {
        scene.call(u64::from(n) * S / 1_000, 100_000 + n % 10_000, "1");
        scene.call(u64::from(n) * S / 1_000, n % 50, &n.to_string());
    }
    let counters = scene.detector.counters();
    assert!(counters.pairs <= 100 && counters.objects <= 1_000, "{counters:?}");
    assert!(counters.open <= 10 && counters.findings_suppressed > 0, "{counters:?}");
    assert!(counters.pairs_evicted > 10_000, "{counters:?}");
    assert!(counters.watched <= 100, "{counters:?}");
    let begun = scene.findings.iter().filter(|finding| finding.phase == Phase::Begins).count();
    assert_eq!(begun, 10, "open findings are not pushed out");
}

#[test]
fn one_greedy_client_does_not_push_the_others_out() {
    let mut scene = Scene::new(&["20/10s"], Bounds { pairs: 100, objects: 1_000, open: 10 });
    (0..10).for_each(|n| scene.call(n, 1, &n.to_string()));
    (0..10_000).for_each(|n| scene.call(10 + n, 2, &n.to_string()));
    (10..21).for_each(|n| scene.call(S + n, 1, &n.to_string()));
    let last = scene.findings.last().unwrap();
    assert_eq!((last.client.unwrap().id().as_str(), last.distinct), ("0.0.0.1", 21));
    assert_eq!(scene.detector.counters().pairs_evicted, 0);
}

#[test]
fn under_sampling_the_estimate_must_be_sure() {
    let mut scene = Scene::new(&["20/10s"], Bounds::default());
    for n in 0..8 {
        scene.sampled_call(n, 1, &n.to_string(), 0.25, Some(200));
    }
    // Eight stand for 32, but may be chance: 32 - 2 * 9.8 < 20.
    assert_eq!(scene.found(), []);
    for n in 8..12 {
        scene.sampled_call(n, 1, &n.to_string(), 0.25, Some(200));
    }
    assert_eq!(scene.found(), [(Phase::Begins, 20, 44)]);
    assert_eq!(scene.findings[0].distinct_error, 11);
}

#[test]
fn idle_pairs_are_forgotten() {
    let mut scene = Scene::usual();
    (0..50).for_each(|client| scene.call(0, client, "1"));
    scene.tick(86_399);
    assert_eq!(scene.detector.counters().pairs, 50);
    scene.tick(86_401);
    let counters = scene.detector.counters();
    assert_eq!((counters.pairs, counters.objects, counters.pairs_evicted), (0, 0, 0));
}

/// The levels by brute force: the first time that any window holds more than its limit.
fn first_excess(calls: &[(u64, u32, u8)], limits: &[Limit]) -> BTreeMap<u32, (u64, u32, u64)> {
    let mut found = BTreeMap::new();
    for (upto, &(now, client, _)) in calls.iter().enumerate() {
        for limit in limits {
            let mut held: Vec<u8> = calls[..=upto]
                .iter()
                .filter(|call| call.1 == client && u128::from(now - call.0) < limit.window.as_nanos())
                .map(|call| call.2)
                .collect();
            held.sort();
            held.dedup();
            if held.len() > limit.distinct as usize {
                found.entry(client).or_insert((now, limit.distinct, held.len() as u64));
                break;
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn the_first_finding_comes_when_brute_force_says(
        pauses in prop::collection::vec((0_u64..4, 0_u32..3, 0_u8..12), 0..150),
    ) {
        let mut scene = Scene::new(&["2/2s", "4/6s", "6/20s"], Bounds::default());
        let mut now = 0;
        let calls: Vec<_> = pauses
            .into_iter()
            .map(|(pause, client, object)| {
                now += pause * S;
                (now, client, object)
            })
            .collect();
        calls.iter().for_each(|(at, client, object)| scene.call(*at, *client, &object.to_string()));
        let mut first = BTreeMap::new();
        for finding in &scene.findings {
            let Some(ClientKey::Peer(IpAddr::V4(client))) = finding.client else { unreachable!() };
            let at = finding.at.0 - 1_000_000 * S;
            first.entry(u32::from(client)).or_insert((at, finding.limit, finding.distinct));
        }
        prop_assert_eq!(first, first_excess(&calls, scene.detector.limits.as_slice()));
    }

    #[test]
    fn no_times_and_no_bounds_are_trouble(
        calls in prop::collection::vec((any::<u64>(), 0_u32..8, 0_u8..12, any::<f64>()), 0..200),
        pairs in 0_usize..6,
        objects in 0_usize..20,
        open in 0_usize..8,
    ) {
        let mut scene = Scene::new(&["1/2s", "4/6s"], Bounds { pairs, objects, open });
        for (at, client, object, sampling) in calls {
            scene.sampled_call(at >> (client * 8), client, &object.to_string(), sampling, Some(200));
            let counters = scene.detector.counters();
            prop_assert!(counters.pairs <= pairs.max(1) as u64);
            prop_assert!(counters.objects <= objects.max(1) as u64);
            prop_assert!(counters.open <= open as u64);
        }
    }
}
