mod norms;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use proptest::prelude::*;
use rollcall_attribute::{
    client::{ClientKey, Clients, Credential, CredentialKind},
    object::Objects,
};

use super::*;
use crate::{AllowanceId, Figures, Limit, LimitRule, Partner, Phase, Rule};

const S: u64 = 1_000_000_000;

/// A detector with its route and the findings so far.
struct Scene {
    detector: Detector,
    route: Arc<str>,
    findings: Vec<Finding>,
}

/// A call, two hundred and without credentials unless it says so.
#[derive(Clone)]
struct Call<'a> {
    ns: u64,
    client: u32,
    credential: Option<u32>,
    objects: &'a [&'a str],
    status: Option<u16>,
    bytes: u64,
    sampling: f64,
}

impl<'a> Call<'a> {
    fn new(ns: u64, client: u32, objects: &'a [&'a str]) -> Call<'a> {
        Call { ns, client, credential: None, objects, status: Some(200), bytes: 3_000, sampling: 1.0 }
    }
}

fn settings(limits: &[&str], partners: &[&str], budget: usize) -> DetectorSettings {
    let limits: Vec<LimitRule> = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    let partners: Vec<Partner> = partners.iter().map(|partner| partner.parse().unwrap()).collect();
    DetectorSettings {
        policy: Policy::new(&limits, &partners).unwrap(),
        budget: Budget::new(budget),
        bytes_limit: 256 << 20,
    }
}

impl Scene {
    fn with(settings: DetectorSettings) -> Scene {
        Scene {
            detector: Detector::new(settings, HashKey::new([1; 16])),
            route: "GET /v1/customers/{id}".into(),
            findings: Vec::new(),
        }
    }

    fn new(limits: &[&str]) -> Scene {
        Scene::with(settings(limits, &[], 4 << 20))
    }

    fn usual() -> Scene {
        Scene::new(&["20/10s", "30/60s", "60/10min", "100/1h", "300/24h"])
    }

    fn call(&mut self, ns: u64, client: u32, object: &str) {
        self.make(&Call::new(ns, client, &[object]));
    }

    fn make(&mut self, call: &Call<'_>) {
        let hash = |n: u32| HashKey::new([2; 16]).identity(1, &n.to_be_bytes());
        let credential = |n| Credential { kind: CredentialKind::Bearer, hash: hash(n) };
        let credentials: Vec<Credential> = call.credential.map(credential).into_iter().collect();
        let clients = Clients::new(IpAddr::from(call.client.to_be_bytes()), &credentials);
        let at = Timestamp(call.ns.saturating_add(1_000_000 * S));
        let objects: Objects = call.objects.iter().copied().collect();
        let mut observation = Observation::new(at, clients, Arc::clone(&self.route), objects);
        observation.outcome =
            Outcome { status: call.status, has_data: true, read: Read::Data, response_bytes: call.bytes };
        observation.sampling = call.sampling;
        self.detector.observe(&observation, &mut self.findings);
        self.detector.answered(&observation, &mut self.findings);
    }

    fn tick(&mut self, seconds: u64) {
        self.detector.tick(Timestamp((1_000_000 + seconds) * S), &mut self.findings);
    }

    /// What was found by a rule, as (phase, limit, distinct).
    fn found_by(&self, rule: Rule) -> Vec<(Phase, u32, u64)> {
        let found = self.findings.iter().filter(|finding| finding.rule == rule);
        found.map(|finding| (finding.phase, finding.figures.limit, finding.figures.distinct)).collect()
    }

    fn found(&self) -> Vec<(Phase, u32, u64)> {
        self.found_by(Rule::DistinctObjects)
    }

    /// The findings about distinct objects.
    fn distinct(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.rule == Rule::DistinctObjects).collect()
    }

    /// Findings of each rule that began.
    fn rules(&self) -> Vec<Rule> {
        let begun = self.findings.iter().filter(|finding| finding.phase == Phase::Begins);
        begun.map(|finding| finding.rule).collect()
    }
}

#[test]
fn a_batch_is_as_many_objects_and_one_call() {
    let mut scene = Scene::new(&["30/60s"]);
    let ids = |ids: std::ops::Range<u32>| -> Vec<String> { ids.map(|id| id.to_string()).collect() };
    let mut batch = |ns, client, range| {
        let ids = ids(range);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        scene.make(&Call::new(ns, client, &ids));
        (scene.found(), scene.detector.counters())
    };
    assert_eq!(batch(0, 1, 0..30).0, []);
    let (found, _) = batch(1, 1, 29..31);
    assert_eq!(found, [(Phase::Begins, 30, 31)]);
    let (_, counters) = batch(2, 2, 0..2_000);
    let kept = counters.tally.objects - 31;
    assert!(kept <= 80 && counters.objects_beyond == 2_000 - kept, "{counters:?}");
    let [first, second] = scene.distinct()[..] else { panic!("each is one finding") };
    assert_eq!((first.figures.requests, first.figures.distinct_error), (2, 0));
    let off = second.figures.distinct.abs_diff(2_000);
    assert!(off <= 3 * second.figures.distinct_error && second.figures.distinct_error < 500, "{second:?}");
}

#[test]
fn one_more_than_the_limit_is_a_finding() {
    let mut scene = Scene::new(&["30/60s"]);
    for n in 0..30 {
        scene.call(n * S, 1, &(1_000 + n).to_string());
        scene.call(n * S, 1, &(1_000 + n / 10).to_string());
    }
    assert_eq!(scene.found(), []);
    scene.call(31 * S, 1, "1030");
    let finding = scene.distinct()[0].clone();
    let client = IpAddr::from([0, 0, 0, 1]);
    let expected = Finding {
        phase: Phase::Begins,
        rule: Rule::DistinctObjects,
        at: Timestamp(1_000_031 * S),
        client: Some(ClientKey::Peer(client)),
        route: scene.route.clone(),
        window: Duration::from_secs(60),
        figures: Figures {
            limit: 30,
            distinct: 31,
            distinct_error: 0,
            requests: 54, // The oldest last touch among the objects is that of 1003, from where on calls are counted.
            bytes: 0,
            first_seen: Timestamp(1_000_003 * S),
            last_seen: Timestamp(1_000_031 * S),
            addresses: vec![client],
            usual: None,
            learning: false,
        },
        sample_objects: (1021..=1030).map(|n| n.to_string()).collect(),
        signals: vec![Rule::SequentialWalk],
        is_far: false,
        part: 0,
        loss: 0.0,
    };
    // 1000, 1001 and 1002 were touched again later: the first that has not been is 1003.
    let requests = finding.figures.requests;
    assert_eq!(finding, Finding { figures: Figures { requests, ..expected.figures.clone() }, ..expected });
    assert_eq!(requests, 61 - 6);
}

#[test]
fn a_window_slides() {
    let mut scene = Scene::new(&["3/10s"]);
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
    assert!(scene.distinct().iter().all(|finding| finding.figures.first_seen == Timestamp(1_000_000 * S)));
    assert_eq!(scene.distinct()[4].figures.requests, 481);
}

#[test]
fn quiet_ends_it_and_more_of_the_same_begins_anew() {
    let mut scene = Scene::usual();
    for n in 0..400 {
        scene.call(n * S / 10, 1, &n.to_string());
    }
    scene.tick(40 + 299);
    assert_ne!(scene.distinct().last().unwrap().phase, Phase::Ends);
    scene.tick(40 + 300);
    let end = (*scene.distinct().last().unwrap()).clone();
    assert_eq!(
        (end.phase, end.figures.limit, end.figures.distinct, end.figures.requests),
        (Phase::Ends, 30, 400, 400)
    );
    assert_eq!(end.figures.last_seen, Timestamp(1_000_039 * S + 9 * S / 10));
    assert_eq!(scene.detector.counters().tally.open, 0);

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
    let mut scene = Scene::new(&["300/24h"]);
    for n in 0..1_440 {
        scene.call(n * 60 * S, 1, &n.to_string());
    }
    let day = 86_400;
    for n in 0..400 {
        scene.call((2 * day - 60 + n * 60) * S, 1, &(5_000 + n).to_string());
    }
    let found: Vec<Phase> = scene.distinct().iter().map(|finding| finding.phase).collect();
    use Phase::{Begins, Ends, Grows};
    assert_eq!(found, [Begins, Grows, Grows, Ends, Begins]);
}

#[test]
fn refusals_read_nothing() {
    let mut scene = Scene::usual();
    for (nth, status) in [301, 302, 400, 401, 403, 404, 405, 410, 429, 500, 503].into_iter().enumerate() {
        for n in 0..100 {
            let object = n.to_string();
            scene.make(&Call { status: Some(status), ..Call::new(nth as u64 * S, 1, &[&object]) });
        }
    }
    assert_eq!(scene.found(), []);
    assert_eq!(scene.detector.counters().refused, 1_100);
    for (nth, status) in [None, Some(200), Some(206), Some(304)].into_iter().enumerate() {
        for n in 0..21 {
            let object = n.to_string();
            scene.make(&Call { status, ..Call::new(20 * S, 5 + nth as u32, &[&object]) });
        }
    }
    assert_eq!(scene.found().len(), 4);
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
    assert!(scene.distinct().iter().all(|finding| finding.client.unwrap().id() == "0.0.3.231"));
    assert_eq!(scene.distinct()[0].at, Timestamp(1_000_002 * S));
    assert_eq!(scene.detector.counters().tally.pairs, 201);
}

#[test]
fn under_sampling_the_estimate_must_be_sure() {
    let mut scene = Scene::new(&["20/10s"]);
    for n in 0..8 {
        scene.make(&Call { sampling: 0.25, ..Call::new(n, 1, &[&n.to_string()]) });
    }
    // Eight stand for 32, but may be chance: 32 - 2 * 9.8 < 20.
    assert_eq!(scene.found(), []);
    for n in 8..12 {
        scene.make(&Call { sampling: 0.25, ..Call::new(n, 1, &[&n.to_string()]) });
    }
    assert_eq!(scene.found(), [(Phase::Begins, 20, 44)]);
    assert_eq!(scene.distinct()[0].figures.distinct_error, 11);
}

#[test]
fn idle_pairs_are_forgotten() {
    let mut scene = Scene::usual();
    (0..50).for_each(|client| scene.call(0, client, "1"));
    scene.tick(86_399);
    assert_eq!(scene.detector.counters().tally.pairs, 50);
    scene.tick(86_401);
    let counters = scene.detector.counters();
    assert_eq!((counters.tally.pairs, counters.tally.objects, counters.tally.evicted_idle), (0, 0, 0));
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
        let mut scene = Scene::new(&["2/2s", "4/6s", "6/20s"]);
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
        for finding in scene.distinct() {
            let Some(ClientKey::Peer(IpAddr::V4(client))) = finding.client else { unreachable!() };
            let at = finding.at.0 - 1_000_000 * S;
            first.entry(u32::from(client)).or_insert((at, finding.figures.limit, finding.figures.distinct));
        }
        prop_assert_eq!(first, first_excess(&calls, &["2/2s", "4/6s", "6/20s"].map(|limit| limit.parse().unwrap())));
    }

    #[test]
    fn no_times_are_trouble(
        calls in prop::collection::vec((any::<u64>(), 0_u32..8, 0_u8..12, any::<f64>(), 0_u8..4), 0..200),
    ) {
        let mut scene = Scene::new(&["1/2s", "4/6s"]);
        for (at, client, object, sampling, kind) in calls {
            let object = object.to_string();
            let status = [Some(200), Some(404), Some(500), None][usize::from(kind)];
            let (ns, credential) = (at >> (client * 8), Some(client / 2));
            scene.make(&Call { sampling, status, bytes: at, credential, ..Call::new(ns, client, &[&object]) });
        }
    }
}

#[test]
fn a_flood_of_keys_does_not_push_a_walker_out() {
    let mut scene = Scene::new(&["100/1h"]);
    let mut walked = 0_u32;
    for n in 0..600_000_u32 {
        let at = u64::from(n) * S / 1_000;
        scene.call(at, 100_000 + n, "1");
        // One in five thousand calls, so that the flood fills every table in between.
        if n % 5_000 == 0 {
            walked += 1;
            scene.call(at + 1, 7, &(n * 17).to_string());
        }
    }
    let counters = scene.detector.counters().tally;
    assert!(counters.sketches_cleared > 0 && counters.not_admitted > 100_000, "{counters:?}");
    let [found] = scene.distinct()[..] else { panic!("{:?}", scene.rules()) };
    assert_eq!(found.client, Some(ClientKey::Peer(IpAddr::from([0, 0, 0, 7]))));
    assert!(found.figures.distinct + found.figures.distinct_error > 100, "{found:?}");
    assert!(walked >= 101);
}

#[test]
fn busy_keys_in_any_number_stay_within_memory() {
    let mut scene = Scene::new(&["20/10s"]);
    for n in 0..400_000_u32 {
        scene.call(u64::from(n) * S / 10_000, n / 15, &(n % 15).to_string());
    }
    let counters = scene.detector.counters().tally;
    assert_eq!(scene.rules(), [Rule::Blind], "and it is said that busy clients were forgotten");
    assert!(counters.evicted_busy > 0, "{counters:?}");
}

#[test]
fn one_client_may_read_millions() {
    let mut scene = Scene::new(&["300/24h"]);
    (0..10).for_each(|n| scene.call(n, 1, &n.to_string()));
    let mix = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    (0..300_000).for_each(|n| scene.call(10 + n * S / 1_000, 2, &mix(n).to_string()));
    let counters = scene.detector.counters().tally;
    assert!(counters.objects < 10_000 && counters.thinned > 0, "{counters:?}");
    let last = *scene.distinct().last().unwrap();
    let (limit, distinct) = (u64::from(last.figures.limit), last.figures.distinct as f64);
    // Reported at 300 * 512.
    assert_eq!((limit, last.window.as_secs()), (300, 86_400));
    assert!((distinct / 153_600.0 - 1.0).abs() < 0.1 && last.figures.distinct_error > 0, "{last:?}");
    // The quiet client is still known.
    (10..21).for_each(|n| scene.call(301 * S + n, 1, &n.to_string()));
    assert_eq!(scene.detector.counters().tally.evicted_busy, 0);
}

#[test]
fn a_slow_walk_is_told_within_the_hour() {
    let mut scene = Scene::usual();
    (0..60).for_each(|n| scene.call(n * 60 * S, 1, &(5_000 + n).to_string()));
    let [found, whoever] = &scene.findings[..] else { panic!("{:?}", scene.rules()) };
    assert_eq!((whoever.rule, whoever.client), (Rule::BlockDensity, None));
    assert_eq!((found.rule, found.figures.limit), (Rule::SequentialWalk, 50));
    assert!(found.figures.distinct <= 56, "{found:?}");
    // In random order it is no walk.
    let mut scene = Scene::usual();
    (0..60).for_each(|n| scene.call(n * 60 * S, 1, &(5_000 + n * 37 % 61).to_string()));
    assert_eq!(scene.rules(), []);
}

#[test]
fn a_walk_at_speed_is_two_findings_that_agree() {
    let mut scene = Scene::usual();
    (0..100).for_each(|n| scene.call(n * S / 10, 1, &(5_000 + n).to_string()));
    assert_eq!(scene.rules(), [Rule::DistinctObjects, Rule::SequentialWalk, Rule::BlockDensity]);
    let walk = scene.findings.iter().find(|found| found.rule == Rule::SequentialWalk).unwrap();
    assert_eq!(walk.signals, [Rule::DistinctObjects]);
    scene.tick(700);
    assert_eq!(scene.detector.counters().tally.open, 0);
}

#[test]
fn guessing_is_found_and_dead_links_are_not() {
    let mut scene = Scene::usual();
    for n in 0..40 {
        let object = (n * 7_919).to_string();
        let status = Some(if n % 20 == 3 { 200 } else { 404 });
        scene.make(&Call { status, ..Call::new(n * S, 1, &[&object]) });
        // The same dead link again and again, and one in five of many.
        scene.make(&Call { status: Some(404), ..Call::new(n * S, 2, &["5"]) });
        let status = Some(if n % 5 == 0 { 404 } else { 200 });
        scene.make(&Call { status, ..Call::new(n * 30 * S, 3, &[&object]) });
    }
    let [found] = &scene.findings[..] else { panic!("{:?}", scene.rules()) };
    assert_eq!((found.rule, found.figures.limit), (Rule::MissProbing, 24));
    assert!((25..=27).contains(&found.figures.distinct), "{found:?}");
    assert_eq!(found.client, Some(ClientKey::Peer(IpAddr::from([0, 0, 0, 1]))));
    assert_eq!(found.sample_objects.len(), 10);
}

#[test]
fn answers_that_look_empty_are_misses() {
    let mut scene = Scene::usual();
    for n in 0..200 {
        scene.make(&Call { bytes: 8_000, ..Call::new(n * S, 100 + n as u32, &[&(n * 104_729).to_string()]) });
    }
    for n in 0..19 {
        let object = (n * 7_919).to_string();
        scene.make(&Call { bytes: 180, ..Call::new((200 + n) * 20 * S, 1, &[&object]) });
        let object = (n * 7_919 + 50).to_string();
        scene.make(&Call { bytes: 180, ..Call::new((200 + n) * 20 * S, 1, &[&object]) });
    }
    assert_eq!(scene.rules(), [Rule::MissProbing]);
}

#[test]
fn much_data_is_found_and_so_is_that_of_a_batch() {
    let mut scene = Scene::usual();
    let mebibytes = |n: u64| n << 20;
    for n in 0..14 {
        let object = n.to_string();
        scene.make(&Call { bytes: mebibytes(20), ..Call::new(n * 100 * S, 1, &[&object]) });
        // The same object again is nothing new.
        scene.make(&Call { bytes: mebibytes(20), ..Call::new(n * 100 * S, 2, &["7"]) });
        // Slowly.
        scene.make(&Call { bytes: mebibytes(20), ..Call::new(n * 300 * S, 3, &[&object]) });
    }
    assert_eq!(scene.rules(), [Rule::Volume]);
    let found = &scene.findings[0];
    assert_eq!((found.rule, found.figures.bytes), (Rule::Volume, mebibytes(260)));
    assert_eq!((found.window, found.figures.distinct), (Duration::from_secs(3_600), 13));
}

#[test]
fn people_behind_one_address_read_their_own() {
    let mut scene = Scene::usual();
    // The route checks who calls.
    scene.make(&Call { status: Some(401), ..Call::new(0, 50, &["1"]) });
    for n in 0..2_000_u32 {
        let (at, object) = (u64::from(n) * S, (n * 7_919 % 100_003).to_string());
        scene.make(&Call { credential: Some(n), ..Call::new(at, 1, &[&object]) });
    }
    assert_eq!(scene.rules(), []);
    // An office: forty read fifty each a day.
    for n in 0..2_000_u32 {
        let (at, object) = (2_000 * S + u64::from(n) * 30 * S, (n * 7_901 % 100_043).to_string());
        scene.make(&Call { credential: Some(n / 3 % 40), ..Call::new(at, 2, &[&object]) });
    }
    assert_eq!(scene.rules(), []);
    // One of them reads more than is in order: found by credential at once.
    for n in 0..40_u32 {
        let (at, object) = (62_000 * S + u64::from(n) * S / 10, (n * 7_907 % 100_019).to_string());
        scene.make(&Call { credential: Some(7), ..Call::new(at, 1, &[&object]) });
    }
    let found = scene.findings.iter().filter_map(|found| found.client);
    let found: Vec<&str> = found.map(|client| client.kind()).collect();
    assert!(found.contains(&"credential"), "{found:?}");
}

#[test]
fn made_up_tokens_make_no_people() {
    let mut scene = Scene::usual();
    for n in 0..60_u32 {
        let (at, object) = (u64::from(n) * S / 10, (n * 7_919 % 100_003).to_string());
        scene.make(&Call { credential: Some(n), ..Call::new(at, 1, &[&object]) });
    }
    assert!(!scene.found().is_empty(), "nobody was ever refused: tokens prove nothing");
}

#[test]
fn a_route_and_a_partner_have_limits_of_their_own() {
    let route = "GET /v1/customers/{id}=50/10s";
    let mut scene = Scene::with(settings(&["20/10s", route], &["0.0.0.9=100/1h"], 4 << 20));
    (0..45).for_each(|n| scene.call(n * S / 10, 1, &(n * 7_919).to_string()));
    (0..100).for_each(|n| scene.call(n * S / 100, 9, &(5_000 + n).to_string()));
    assert_eq!(scene.rules(), [], "a partner may walk within its budget");
    (45..51).for_each(|n| scene.call(n * S / 10, 1, &(n * 7_919).to_string()));
    (100..101).for_each(|n| scene.call(6 * S, 9, &(5_000 + n).to_string()));
    assert_eq!(scene.found(), [(Phase::Begins, 50, 51), (Phase::Begins, 100, 101)]);
}

/// What ada allows, for some time from the start.
fn allowance(id: u64, clients: &[&str], routes: &[&str], limit: &str, until: u64) -> Allowance {
    Allowance {
        id: AllowanceId(id),
        clients: clients.iter().map(|client| client.parse().unwrap()).collect(),
        routes: routes.iter().map(|&route| route.to_owned()).collect(),
        limit: limit.parse().unwrap(),
        until: Timestamp((1_000_000 + until) * S),
        by: "ada".to_owned(),
        why: "the nightly job".to_owned(),
    }
}

const ROUTE: &str = "GET /v1/customers/{id}";

impl Scene {
    fn allow(&mut self, seconds: u64, allowances: &[Allowance]) {
        self.detector.allow(allowances, Timestamp((1_000_000 + seconds) * S));
        self.tick(seconds + 1);
    }

    /// Client 1 reads that many accounts that it has not read, in no order, from then on.
    fn read(&mut self, seconds: u64, from: u64, count: u64) -> Vec<Phase> {
        let before = self.findings.len();
        (from..from + count).for_each(|n| self.call(seconds * S + n, 1, &(n * 7_919 % 100_003).to_string()));
        self.findings[before..].iter().map(|finding| finding.phase).collect()
    }
}

/// What is found ends at once, comes back beyond the budget, and as soon as nothing is allowed any more.
#[test]
fn what_is_allowed_is_a_budget_until_it_is_revoked() {
    for (clients, routes) in [
        (&["0.0.0.1"][..], &[][..]),
        (&["peer:0.0.0.1", "bearer:0123456789abcdef0123456789abcdef"], &[ROUTE]),
        (&["0.0.0.0/24"], &[ROUTE]),
        (&[], &[ROUTE]),
    ] {
        let mut scene = Scene::new(&["20/10s", "30/60s"]);
        let mine = allowance(1, clients, routes, "100/60s", 1_000);
        assert_eq!(scene.read(0, 0, 25), [Phase::Begins]);
        scene.allow(1, std::slice::from_ref(&mine));
        assert_eq!(scene.findings[1].phase, Phase::Allowed(AllowanceId(1)), "{clients:?}");
        assert_eq!(scene.read(2, 100, 75), [], "{clients:?}: 100 in a minute");
        assert_eq!(scene.read(3, 200, 1), [Phase::Begins], "{clients:?}");
        assert_eq!((scene.distinct()[2].figures.limit, scene.distinct()[2].figures.distinct), (100, 101));
        // Of what is beyond nothing ends when the same is allowed under another name, or again.
        scene.allow(4, &[mine]);
        scene.allow(5, &[allowance(2, clients, routes, "100/60s", 1_000)]);
        assert_eq!(scene.findings.len(), 3);
        scene.tick(500);
        assert_eq!(scene.read(600, 300, 60), []);
        scene.allow(601, &[]);
        assert_eq!(scene.read(602, 400, 1), [Phase::Begins], "{clients:?}: nothing is allowed any more");
    }
}

#[test]
fn what_is_allowed_ends_by_itself() {
    let mut scene = Scene::new(&["20/10s"]);
    scene.allow(0, &[allowance(1, &["0.0.0.1"], &[], "50/10s", 100)]);
    assert_eq!(scene.read(95, 0, 40), []);
    assert_eq!(scene.read(100, 50, 1), [Phase::Begins], "it holds until then, and not then");
    // What is over when it is said is not in force at all.
    let mut scene = Scene::new(&["20/10s"]);
    scene.allow(200, &[allowance(1, &["0.0.0.1"], &[], "50/10s", 100)]);
    assert_eq!(scene.read(201, 0, 40), [Phase::Begins]);
}

#[test]
fn what_is_allowed_to_one_on_a_route_is_not_allowed_to_others_nor_elsewhere() {
    let mut scene = Scene::new(&["20/10s"]);
    scene.allow(0, &[allowance(1, &["0.0.0.1"], &[ROUTE], "50/10s", 9_999)]);
    assert_eq!(scene.read(10, 0, 40), []);
    (0..21).for_each(|n| scene.call(20 * S + n, 2, &(n * 7_919).to_string()));
    assert_eq!(scene.found().len(), 1, "somebody else");
    scene.route = "GET /v1/orders/{id}".into();
    assert_eq!(scene.read(30, 0, 21), [Phase::Begins], "elsewhere");
    // A window that is not counted is the next longer one; where none is, nothing is allowed.
    for (limit, allowed) in [("50/5s", true), ("50/11s", false)] {
        let mut scene = Scene::new(&["20/10s"]);
        scene.allow(0, &[allowance(1, &["0.0.0.1"], &[], limit, 9_999)]);
        assert_eq!(scene.read(10, 0, 50).is_empty(), allowed, "{limit}");
    }
}

/// A budget takes the place of every rule about the client, more room on a route that of none.
#[test]
fn a_walk_is_allowed_to_a_client_and_to_nobody_in_particular() {
    for (clients, walks) in [(&["0.0.0.1"][..], false), (&[], true)] {
        let mut scene = Scene::new(&["20/10s"]);
        scene.allow(0, &[allowance(1, clients, &[ROUTE], "100/10s", 9_999)]);
        (0..90).for_each(|n| scene.call(S + n, 1, &(1_000 + n).to_string()));
        assert_eq!(scene.rules().contains(&Rule::SequentialWalk), walks);
    }
}

#[test]
fn room_on_a_route_holds_beside_what_is_usual_there() {
    let mut scene = Scene::with(settings(&[], &[], 4 << 20));
    scene.allow(0, &[allowance(1, &[], &[ROUTE], "100/10s", 9_999)]);
    assert_eq!(scene.read(10, 0, 100), []);
    let limits = |scene: &Scene| scene.detector.busiest(Timestamp((1_000_010) * S), 1)[0].limits[0];
    assert_eq!(limits(&scene), Some(100));
    assert_eq!(scene.read(11, 200, 1), [Phase::Begins]);
    assert_eq!(scene.distinct()[0].figures.limit, 100);
    scene.allow(12, &[]);
    assert!(limits(&scene).is_some_and(|limit| limit < 100));
}

/// Of each client that has it, what one touched on a route counts; and of room, what one of everybody did.
#[test]
fn how_far_an_allowance_is_made_use_of_is_noted() {
    let mut scene = Scene::usual();
    let until = 10_000;
    scene.allow(0, &[allowance(1, &["0.0.0.1", "0.0.0.2"], &[], "100/10min", until)]);
    let uses = |scene: &mut Scene| -> Vec<(u64, u64, u64)> {
        let uses = scene.detector.take_uses();
        let seconds = |at: Timestamp| at.0 / S - 1_000_000;
        uses.iter().map(|(id, used)| (id.0, used.most, seconds(used.at))).collect()
    };
    assert_eq!(uses(&mut scene), []);
    scene.read(10, 0, 30);
    scene.call(20 * S, 2, "a");
    scene.call(30 * S, 3, "b");
    assert_eq!(uses(&mut scene), [(1, 30, 20)]);
    assert_eq!(uses(&mut scene), []);
    // Its window has passed.
    scene.read(2_000, 100, 5);
    assert_eq!(uses(&mut scene), [(1, 5, 2_000)]);
    scene.read(2_010, 200, 5);
    scene.allow(2_020, &[allowance(2, &[], &[ROUTE], "100/10s", until)]);
    assert_eq!(uses(&mut scene), [], "what ended is taken before");
    (0..40).for_each(|n| scene.call(3_000 * S + n, 3, &format!("c{n}")));
    scene.call(3_001 * S, 4, "d");
    assert_eq!(uses(&mut scene), [(2, 40, 3_001)]);
    let crawler =
        Allowance { id: AllowanceId::of_crawler(0), ..allowance(3, &["0.0.0.1"], &[], "50/10s", until) };
    scene.allow(4_000, &[crawler]);
    scene.read(4_010, 300, 5);
    assert_eq!(uses(&mut scene), [], "nobody has said so");
}

#[test]
fn limits_in_force_are_told_with_by_what_they_are() {
    let told = |scene: &Scene, route: &str| {
        let norm = scene.detector.norm(route)?;
        Some((norm.by, norm.learning, norm.windows.iter().map(|window| window.limit).collect::<Vec<_>>()))
    };
    let read = |limits: &[&str]| {
        let mut scene = Scene::new(limits);
        scene.call(0, 7, "a");
        scene
    };
    let usual = [20, 30, 60, 100, 300].map(Some).to_vec();
    let mut scene = read(&[]);
    assert_eq!(told(&scene, ROUTE), Some((LimitsBy::Learning, true, usual)));
    assert_eq!(told(&scene, "GET /other"), None);
    scene.allow(1, &[allowance(1, &[], &[ROUTE], "70/1min", 1_000)]);
    let roomier = [70, 70, 70, 100, 300].map(Some).to_vec();
    assert_eq!(told(&scene, ROUTE), Some((LimitsBy::Allowed, true, roomier)));
    let scene = read(&[&format!("{ROUTE}=5/10s")]);
    let own = [5, 30, 60, 100, 300].map(Some).to_vec();
    assert_eq!(told(&scene, ROUTE), Some((LimitsBy::Set, false, own)));
    assert_eq!(told(&read(&["6/10s"]), ROUTE), Some((LimitsBy::Set, false, vec![Some(6)])));
}

/// Who looks up whose an address is, hears of it before it is over a limit, and not of those who are far from one.
#[test]
fn addresses_that_come_near_a_limit_are_noted() {
    for asks in [false, true] {
        let mut settings = settings(&["20/10s"], &["0.0.0.9=100/1h"], 4 << 20);
        if asks {
            settings.policy.ask_whose();
        }
        let mut scene = Scene::with(settings);
        scene.allow(0, &[allowance(1, &["0.0.0.8"], &[], "100/10s", 9_999)]);
        (0..2).for_each(|n| scene.call(2 * S + n, 2, &n.to_string()));
        (0..15).for_each(|n| {
            scene.make(&Call { credential: Some(n), ..Call::new(2 * S, 1, &[&n.to_string()]) })
        });
        (0..15).for_each(|n| scene.call(2 * S, 8, &n.to_string()));
        (0..15).for_each(|n| scene.call(2 * S, 9, &n.to_string()));
        assert_eq!(scene.findings, []);
        let near: Vec<String> = scene.detector.near_limits().map(|address| address.to_string()).collect();
        assert_eq!(near, if asks { vec!["0.0.0.1"] } else { vec![] });
        assert_eq!(scene.detector.near_limits().count(), 0, "once");
    }
}

#[test]
fn a_restored_detector_finds_what_the_uninterrupted_one_does() {
    let settings = || settings(&["GET /v1/customers/{id}=40/10s"], &["0.0.0.9=100/1h"], 4 << 20);
    let calls = |scene: &mut Scene, range: std::ops::Range<u64>| {
        for n in range {
            let (at, random) = (n * S / 20, (n * 7_919 % 100_003).to_string());
            scene.call(at, (n % 1_500) as u32 + 1_000, &random);
            scene.make(&Call { credential: Some(n as u32 % 7), ..Call::new(at, n as u32 % 13, &[&random]) });
            scene.call(at, 400, &(n / 40).to_string());
            let status = if n % 20 == 0 { Some(404) } else { Some(200) };
            scene.make(&Call { status, bytes: 100 << 10, ..Call::new(at, 500, &[&random]) });
        }
    };
    let mut straight = Scene::with(settings());
    calls(&mut straight, 0..12_000);
    let expected = format!("{:?}", straight.findings);
    assert!(straight.rules().len() > 10);
    for step in [1_999, 3_000, 5_555] {
        let mut scene = Scene::with(settings());
        let mut from = 0;
        while from < 12_000 {
            let to = (from + step).min(12_000);
            calls(&mut scene, from..to);
            from = to;
            let saved = postcard::to_allocvec(scene.detector.state()).unwrap();
            let state = postcard::from_bytes(&saved).unwrap();
            let (detector, kept) = restored(settings(), state, Timestamp((1_000_000 + from / 20) * S));
            assert_eq!(kept, Kept { clients: true, routes: true });
            scene.detector = detector;
        }
        assert_eq!(format!("{:?}", scene.findings), expected);
        assert_eq!(scene.detector.counters(), straight.detector.counters());
    }
}

fn restored(settings: DetectorSettings, state: DetectorState, now: Timestamp) -> (Detector, Kept) {
    Detector::restore(settings, HashKey::new([1; 16]), state, now, &mut state::Names::default()).unwrap()
}

#[test]
fn tables_of_other_sizes_or_for_other_windows_begin_anew() {
    let mut scene = Scene::new(&["20/10s"]);
    (0..10).for_each(|n| scene.call(n * S, 1, &n.to_string()));
    let saved = postcard::to_allocvec(scene.detector.state()).unwrap();
    let held = |settings| {
        let (detector, kept) =
            restored(settings, postcard::from_bytes(&saved).unwrap(), Timestamp(1_000_010 * S));
        let DetectorCounters { observations, tally, crowd, .. } = detector.counters();
        assert_eq!(observations, 10);
        ((kept.clients, tally.objects > 0), (kept.routes, crowd.routes))
    };
    assert_eq!(held(settings(&["30/10s"], &["0.0.0.9=100/10s"], 4 << 20)), ((true, true), (true, 1)));
    assert_eq!(held(settings(&["20/11s"], &[], 4 << 20)), ((false, false), (true, 1)));
    assert_eq!(held(settings(&["20/10s"], &[], 8 << 20)), ((false, false), (false, 0)));
}

#[test]
fn the_busiest_are_those_that_touched_most_and_looking_changes_nothing() {
    let scene = |look: bool| {
        let mut scene = Scene::new(&["20/10s", "100/1h"]);
        for n in 0..50 {
            scene.call(n * S / 10, 7, &n.to_string());
            if n < 10 {
                scene.make(&Call { credential: Some(8), ..Call::new(n * S / 10, 8, &[&n.to_string()]) });
            }
            if look {
                scene.detector.busiest(Timestamp((1_000_000 + 30) * S), 3);
            }
        }
        scene
    };
    let (looked_at, left_alone) = (scene(true), scene(false));
    assert_eq!(looked_at.findings, left_alone.findings);
    let busiest = |seconds: u64, most| looked_at.detector.busiest(Timestamp((1_000_000 + seconds) * S), most);
    let shown: Vec<_> = busiest(5, 10).into_iter().map(|busy| (busy.client.kind(), busy.distinct)).collect();
    assert_eq!(shown, [("peer", vec![50, 50]), ("peer", vec![10, 10]), ("credential", vec![10, 10])]);
    let first = &busiest(5, 1)[..];
    assert!(
        matches!(first, [busy] if busy.open && busy.exact && busy.limits == [Some(20), Some(100)]),
        "{first:?}"
    );
    // The short window has passed since.
    assert_eq!(busiest(60, 1)[0].distinct, [0, 50]);
    assert_eq!(looked_at.detector.hour(&looked_at.route).map(|hour| hour.limit), Some(None));
    let hour = looked_at.detector.hour(&looked_at.route).unwrap().distinct;
    assert!((45..=55).contains(&hour), "{hour}");
}
