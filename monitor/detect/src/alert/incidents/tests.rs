mod adopted;

use std::time::Duration;

use rollcall_attribute::client::{Credential, CredentialKind};

use super::*;
use crate::{Figures, Phase};

fn finding(phase: Phase, seconds: u64, distinct: u64) -> Finding {
    let at = Timestamp((1_700_000_000 + seconds) * 1_000_000_000);
    Finding {
        phase,
        rule: Rule::DistinctObjects,
        at,
        client: Some(ClientKey::Peer("198.51.100.7".parse().unwrap())),
        route: "GET /v1/customers/{id}".into(),
        window: Duration::from_secs(60),
        figures: Figures {
            limit: 30,
            distinct,
            distinct_error: 0,
            requests: 33,
            bytes: 0,
            first_seen: Timestamp(1_700_000_000_000_000_000),
            last_seen: at,
            addresses: vec!["198.51.100.7".parse().unwrap()],
            usual: None,
            learning: false,
        },
        sample_objects: vec!["1030".into(), "ab\"c".into()],
        signals: vec![],
        is_far: distinct >= 300,
        part: 0,
        loss: 0.0,
    }
}

/// What it is about is a part of what everybody walks through.
fn part_of_it(finding: Finding) -> Finding {
    Finding { signals: vec![Rule::BlockDensity], ..finding }
}

pub(super) fn alerts(capacity: usize) -> Alerts {
    Alerts::new(capacity, HashKey::new([3; 16]))
}

#[test]
fn an_alert_is_a_line_of_json() {
    let alert = alerts(1)
        .alert(Finding { signals: vec![Rule::SequentialWalk], ..finding(Phase::Begins, 9, 31) }, &[]);
    assert_eq!(
        serde_json::to_string(&alert).unwrap(),
        concat!(
            r#"{"v":1,"id":"f9f5e7d5b9a0177d","state":"open","severity":"critical","rule":"distinct-objects","#,
            r#""at":"2023-11-14T22:13:29.000000Z","client":{"kind":"peer","id":"198.51.100.7"},"#,
            r#""route":"GET /v1/customers/{id}","window_s":60,"limit":30,"distinct":31,"distinct_error":0,"#,
            r#""requests":33,"bytes":0,"first_seen":"2023-11-14T22:13:20.000000Z","#,
            r#""last_seen":"2023-11-14T22:13:29.000000Z","addresses":["198.51.100.7"],"usual":null,"learning":false,"#,
            r#""sample_objects":["1030","ab\"c"],"signals":["sequential-walk"],"#,
            r#""clients":[{"kind":"peer","id":"198.51.100.7"}],"client_count":1,"routes":["GET /v1/customers/{id}"],"#,
            r#""route_count":1,"opened_by":"distinct-objects","#,
            r#""opened_at":"2023-11-14T22:13:29.000000Z","loss":0.0}"#
        )
    );
}

#[test]
fn an_alert_opens_is_updated_and_resolved() {
    let mut alerts = alerts(10);
    let mut event = |finding| alerts.alert(finding, &[]).map(|alert| (alert.state, alert.severity, alert.id));
    let (state, severity, id) = event(finding(Phase::Begins, 0, 31)).unwrap();
    assert_eq!((state, severity), (AlertState::Open, Severity::Warning));
    let walk = Finding { signals: vec![Rule::SequentialWalk], ..finding(Phase::Grows, 1, 61) };
    assert_eq!(event(walk), Some((AlertState::Update, Severity::Critical, id.clone())));
    let grows = finding(Phase::Grows, 2, 121);
    assert_eq!(
        event(grows),
        Some((AlertState::Update, Severity::Critical, id.clone())),
        "it does not calm down"
    );
    let ends = finding(Phase::Ends, 600, 121);
    assert_eq!(event(ends.clone()), Some((AlertState::Resolved, Severity::Critical, id.clone())));
    assert_eq!(event(ends), None);
    let (state, severity, again) = event(finding(Phase::Begins, 700, 31)).unwrap();
    assert_eq!((state, severity), (AlertState::Open, Severity::Warning));
    assert_ne!(again, id);
}

#[test]
fn far_over_the_limit_is_critical() {
    let severity = |distinct| alerts(1).alert(finding(Phase::Begins, 0, distinct), &[]).unwrap().severity;
    assert_eq!(severity(299), Severity::Warning);
    assert_eq!(severity(300), Severity::Critical);
}

#[test]
fn ids_depend_on_everything_that_tells_alerts_apart() {
    let id = |finding| alerts(1).alert(finding, &[]).unwrap().id;
    let base = finding(Phase::Begins, 0, 31);
    let figures = Figures { distinct: 99, ..base.figures.clone() };
    assert_eq!(id(base.clone()), id(Finding { figures, ..base.clone() }));
    assert_ne!(id(base.clone()), id(finding(Phase::Begins, 1, 31)));
    let forwarded = ClientKey::Forwarded("198.51.100.7".parse().unwrap());
    assert_ne!(id(base.clone()), id(Finding { client: Some(forwarded), ..base.clone() }));
    assert_ne!(id(base.clone()), id(Finding { route: "GET /".into(), ..base }));
}

/// A finding by `rule` about `client`; nobody in particular if there is none.
pub(super) fn found(phase: Phase, rule: Rule, client: Option<ClientKey>, distinct: u64) -> Finding {
    Finding { rule, client, ..finding(phase, distinct, distinct) }
}

pub(super) fn peer(last: u8) -> ClientKey {
    ClientKey::Peer([203, 0, 113, last].into())
}

pub(super) fn token(number: u8) -> ClientKey {
    ClientKey::Credential(Credential { kind: CredentialKind::Bearer, hash: [number; 16] })
}

/// Hands over findings with their callers, and returns of each line its id, state, severity, rule, and number of clients.
pub(super) fn lines(
    alerts: &mut Alerts,
    findings: &[(Finding, &[ClientKey])],
) -> Vec<(String, AlertState, Severity, Rule, u64)> {
    let lines = findings.iter().filter_map(|(finding, callers)| alerts.alert(finding.clone(), callers));
    lines.map(|line| (line.id, line.state, line.severity, line.rule, line.scope.client_count)).collect()
}

#[test]
fn one_walk_through_several_lenses_and_rules_is_one_alert() {
    use Phase::{Begins, Ends, Grows};
    use Rule::{BlockDensity, DistinctObjects, SequentialWalk};
    let call = &[peer(7), token(1)][..];
    let mut alerts = alerts(10);
    let told = lines(
        &mut alerts,
        &[
            (found(Begins, DistinctObjects, Some(peer(7)), 31), call),
            (found(Begins, DistinctObjects, Some(token(1)), 31), call),
            (found(Begins, SequentialWalk, Some(peer(7)), 40), call),
            (found(Begins, SequentialWalk, Some(token(1)), 40), call),
            (found(Begins, BlockDensity, None, 60), call),
            // Both lenses show the same doubling.
            (found(Grows, DistinctObjects, Some(peer(7)), 61), call),
            (found(Grows, DistinctObjects, Some(token(1)), 61), call),
            (found(Ends, DistinctObjects, Some(peer(7)), 61), &[]),
            (found(Ends, SequentialWalk, Some(peer(7)), 61), &[]),
            (found(Ends, BlockDensity, None, 99), &[]),
            (found(Ends, SequentialWalk, Some(token(1)), 61), &[]),
            (found(Ends, DistinctObjects, Some(token(1)), 61), &[]),
        ],
    );
    let id = told[0].0.clone();
    let expected = [
        (AlertState::Open, Severity::Warning, DistinctObjects, 1),
        (AlertState::Update, Severity::Warning, DistinctObjects, 2),
        (AlertState::Update, Severity::Critical, SequentialWalk, 2),
        (AlertState::Update, Severity::Critical, BlockDensity, 2),
        (AlertState::Update, Severity::Critical, DistinctObjects, 2),
        (AlertState::Resolved, Severity::Critical, DistinctObjects, 2),
    ];
    assert_eq!(
        told,
        expected.map(|(state, severity, rule, clients)| (id.clone(), state, severity, rule, clients))
    );
    assert_eq!(alerts.counters().open, [0; 3]);
    assert!(alerts.members.is_empty() && alerts.clients.is_empty(), "nothing is left of it");
}

#[test]
fn tokens_behind_one_address_are_one_alert_and_other_callers_another() {
    let mut alerts = alerts(10);
    let begins = |client| found(Phase::Begins, Rule::DistinctObjects, Some(client), 31);
    let told = lines(
        &mut alerts,
        &[
            (begins(token(1)), &[peer(7), token(1)]),
            (begins(peer(7)), &[peer(7), token(2)]),
            (begins(token(3)), &[peer(7), token(3)]),
            (begins(peer(8)), &[peer(8), token(4)]),
        ],
    );
    let ids: Vec<_> = told.iter().map(|line| &line.0).collect();
    assert_eq!((ids[0], ids[1]), (ids[1], ids[2]));
    assert_ne!(ids[0], ids[3]);
}

/// The same on another route.
fn on(route: u32, finding: Finding) -> Finding {
    Finding { route: format!("GET /v{route}/customers/{{id}}").into(), ..finding }
}

#[test]
fn one_client_over_its_limits_on_many_routes_is_one_alert() {
    let call = &[peer(7), token(1)][..];
    let mut alerts = alerts(1_000);
    let mut told = Vec::new();
    for route in 0..768 {
        for client in [peer(7), token(1)] {
            told.extend(
                alerts.alert(on(route, found(Phase::Begins, Rule::DistinctObjects, Some(client), 31)), call),
            );
        }
    }
    assert!(told.iter().all(|alert| alert.id == told[0].id));
    let states: Vec<AlertState> = told.iter().map(|alert| alert.state).collect();
    assert_eq!(
        (states[0], states.iter().filter(|state| **state == AlertState::Open).count()),
        (AlertState::Open, 1)
    );
    assert!(told.len() <= 1 + 1 + 15 + 6, "{} lines: the first routes, then each doubling", told.len());
    let last = told.last().unwrap();
    assert_eq!((last.scope.route_count, last.scope.routes.len(), last.scope.client_count), (512, 16, 2));
    assert_eq!(last.severity, Severity::Warning, "the same rule on another route is no second sign");
    // Who reads on is known by name on each route, whether a line told of it or not.
    let mut watched: BTreeSet<(Arc<str>, ClientKey)> =
        alerts.joined().map(|joined| (joined.line.route, joined.client)).collect();
    watched.extend(told.iter().flat_map(|line| line.keys.iter().map(|key| (Arc::clone(&line.route), *key))));
    assert_eq!(watched.len(), 2 * 768);
    // It is over when it is over everywhere.
    let mut resolved = Vec::new();
    for route in (0..768).rev() {
        for client in [peer(7), token(1)] {
            resolved.extend(
                alerts.alert(on(route, found(Phase::Ends, Rule::DistinctObjects, Some(client), 31)), &[]),
            );
        }
    }
    assert_eq!((resolved.len(), resolved[0].state, &resolved[0].id), (1, AlertState::Resolved, &told[0].id));
    assert!(alerts.members.is_empty() && alerts.clients.is_empty() && alerts.by_client.is_empty());
}

#[test]
fn a_decoy_on_other_routes_covers_no_walk() {
    let begins = |route, client| on(route, found(Phase::Begins, Rule::DistinctObjects, Some(client), 31));
    let grows =
        |route, distinct| on(route, found(Phase::Grows, Rule::DistinctObjects, Some(peer(7)), distinct));
    let mut alerts = alerts(10);
    let decoy = alerts.alert(begins(0, peer(7)), &[peer(7)]).unwrap();
    assert!(alerts.alert(grows(0, 1_000_000), &[peer(7)]).is_some());
    // The same client elsewhere is told of, from the first object over the limit on, however much it read before.
    let walk = alerts.alert(begins(1, peer(7)), &[peer(7)]).unwrap();
    assert_eq!(
        (walk.state, &walk.id, &*walk.route),
        (AlertState::Update, &decoy.id, "GET /v1/customers/{id}")
    );
    assert_eq!((walk.scope.route_count, walk.figures.distinct), (2, 31));
    assert_eq!(alerts.alert(grows(1, 62), &[peer(7)]).map(|line| line.figures.distinct), Some(62));
    // Another client is another alert, on these routes as on others; so are all together.
    let mut ids = BTreeSet::from([decoy.id]);
    for finding in
        [begins(0, peer(8)), begins(2, peer(9)), on(0, found(Phase::Begins, Rule::BlockDensity, None, 64))]
    {
        let caller = finding.client.unwrap_or(peer(10));
        let other = alerts.alert(finding, &[caller]).unwrap();
        assert_eq!((other.state, other.scope.route_count), (AlertState::Open, 1));
        assert!(ids.insert(other.id));
    }
    // What everybody does on a route takes in its clients there, and not what they do elsewhere.
    let many = alerts.alert(on(3, found(Phase::Begins, Rule::BlockDensity, None, 64)), &[peer(1)]).unwrap();
    assert_eq!(alerts.alert(part_of_it(begins(3, peer(2))), &[peer(2)]).unwrap().id, many.id);
    assert_eq!(alerts.alert(begins(4, peer(2)), &[peer(2)]).unwrap().state, AlertState::Open);
}

#[test]
fn an_alert_on_many_routes_is_the_same_after_a_restart() {
    let begins = |route, client| on(route, found(Phase::Begins, Rule::DistinctObjects, Some(client), 31));
    let mut alerts = alerts(10);
    let told: Vec<Alert> =
        (0..40).filter_map(|route| alerts.alert(begins(route, peer(7)), &[peer(7), token(1)])).collect();
    let saved = postcard::to_allocvec(&alerts.checkpoint()).unwrap();
    let stored: StoredAlerts<'_> = postcard::from_bytes(&saved).unwrap();
    let key = HashKey::new([3; 16]);
    let restored = Alerts::restore(10, key, stored, &mut Names::default()).unwrap();
    assert_eq!(postcard::to_allocvec(&restored.checkpoint()).unwrap(), saved);
    // Its memory lost, it goes on by what was told of it.
    let mut adopted = self::alerts(10);
    adopted.reconcile(&told[told.len() - 1..], &BTreeSet::new(), told[0].at);
    for mut alerts in [restored, adopted] {
        let further: Vec<Alert> =
            (40..100).filter_map(|route| alerts.alert(begins(route, peer(7)), &[peer(7)])).collect();
        assert!(!further.is_empty() && further.len() < 4, "{further:?}");
        assert!(further.iter().all(|line| line.id == told[0].id && line.state == AlertState::Update));
    }
}

#[test]
fn notices_about_any_number_of_routes_are_few() {
    let mut alerts = alerts(10_000);
    let shows = |route, client| on(route, found(Phase::Begins, Rule::OpenDoor, Some(client), 3));
    let mut told: Vec<Alert> =
        (0..700).filter_map(|route| alerts.alert(shows(route, peer(7)), &[peer(7)])).collect();
    let opened: BTreeSet<String> = told.iter().map(|line| line.id.clone()).collect();
    assert_eq!(opened.len(), 8 + 1, "the first few by themselves");
    assert_eq!(told.len(), 8 + 1 + 9, "and the others each time that they have doubled");
    let last = told.pop().unwrap();
    assert_eq!((last.state, last.scope.route_count, last.scope.routes.len()), (AlertState::Update, 512, 16));
    // Another client and another rule are not covered.
    assert_eq!(alerts.alert(shows(800, peer(8)), &[peer(8)]).unwrap().state, AlertState::Open);
    let other = on(801, found(Phase::Begins, Rule::UnknownRoute, Some(peer(7)), 3));
    assert_eq!(alerts.alert(other, &[peer(7)]).unwrap().state, AlertState::Open);
    // Nor does it help to come from everywhere.
    let many = (0..1_000).filter_map(|n| {
        let client = ClientKey::Peer(std::net::Ipv4Addr::from_bits(n).into());
        alerts.alert(shows(1_000 + n, client), &[client])
    });
    assert!(many.count() < 64);
    // All of it is over when it is.
    for route in 0..700 {
        alerts.alert(on(route, found(Phase::Ends, Rule::OpenDoor, Some(peer(7)), 3)), &[]);
    }
    assert!(alerts.open().len() < 64);
    assert_eq!(alerts.alert(shows(5_000, peer(7)), &[peer(7)]).unwrap().state, AlertState::Open);
}

#[test]
fn a_walk_by_many_takes_in_its_clients_and_a_decoy_takes_in_no_walk() {
    let many = |distinct| found(Phase::Begins, Rule::BlockDensity, None, distinct);
    let begins = |client| found(Phase::Begins, Rule::DistinctObjects, Some(client), 31);
    let mut walk = alerts(10);
    let told = lines(
        &mut walk,
        &[
            (many(64), &[peer(1)]),
            (part_of_it(begins(peer(2))), &[peer(2)]),
            (part_of_it(begins(peer(3))), &[peer(3)]),
            // What it reads is no part of that.
            (begins(peer(4)), &[peer(4)]),
            (found(Phase::Begins, Rule::OpenDoor, Some(peer(3)), 3), &[peer(3)]),
        ],
    );
    let states: Vec<_> = told.iter().map(|line| (line.1, line.2)).collect();
    let update = (AlertState::Update, Severity::Critical);
    assert_eq!(
        states,
        [
            (AlertState::Open, Severity::Warning),
            update,
            update,
            (AlertState::Open, Severity::Warning),
            (AlertState::Open, Severity::Info)
        ]
    );
    assert_eq!(walk.counters().open, [1, 1, 1]);

    let mut decoy = alerts(10);
    let told = lines(&mut decoy, &[(begins(peer(9)), &[peer(9)]), (many(64), &[peer(1)])]);
    assert_ne!(told[0].0, told[1].0);
    assert_eq!(told[1].1, AlertState::Open);
}

#[test]
fn a_line_names_the_first_clients_and_counts_the_others() {
    let mut alerts = alerts(10);
    let begins = |client| found(Phase::Begins, Rule::DistinctObjects, Some(client), 31);
    let mut told = Vec::new();
    for n in 0..100 {
        told.extend(alerts.alert(begins(token(n)), &[peer(7), token(n)]));
        told.extend(alerts.alert(begins(peer(7)), &[peer(7), token(n)]));
    }
    let last = told.last().unwrap();
    assert_eq!((last.scope.clients.len(), last.keys.len(), last.scope.client_count), (16, 16, 64));
    assert_eq!(told.len(), 16 + 2, "each of the first sixteen, then at 32 and 64");
    let joined: Vec<Joined> = alerts.joined().collect();
    let named = |client| told.iter().any(|alert| alert.keys.contains(&client));
    assert!(joined.iter().all(|joined| joined.line.id == told[0].id && !named(joined.client)));
    assert_eq!(16 + joined.len(), LEADS * 10, "as far as there is room for clients");
    assert_eq!(alerts.joined().count(), 0);
    assert_eq!(alerts.counters().findings[Rule::DistinctObjects as usize], 101);
}

#[test]
fn incidents_are_bounded_whoever_joins() {
    let mut alerts = alerts(2);
    let address = |n: u32| ClientKey::Peer(std::net::Ipv4Addr::from_bits(n).into());
    alerts.alert(found(Phase::Begins, Rule::BlockDensity, None, 64), &[]).unwrap();
    for n in 0..1_000 {
        let finding = found(Phase::Begins, Rule::DistinctObjects, Some(address(n)), 31);
        alerts.alert(part_of_it(finding), &[address(n)]);
    }
    assert!(alerts.members.len() <= 8 && alerts.clients.len() <= 16, "{}", alerts.clients.len());
    let elsewhere = |phase| Finding {
        route: "GET /v1/orders/{id}".into(),
        ..found(phase, Rule::DistinctObjects, Some(peer(1)), 31)
    };
    assert_eq!(alerts.alert(elsewhere(Phase::Begins), &[]).unwrap().state, AlertState::Open);
    assert_eq!(alerts.alert(elsewhere(Phase::Ends), &[]).unwrap().state, AlertState::Resolved);
}

#[test]
fn open_alerts_are_bounded() {
    let mut alerts = alerts(2);
    let about = |phase, client: [u8; 4]| Finding {
        client: Some(ClientKey::Peer(client.into())),
        ..finding(phase, 0, 31)
    };
    let opened = (0..5).filter(|n| alerts.alert(about(Phase::Begins, [10, 0, 0, *n]), &[]).is_some()).count();
    assert_eq!((opened, alerts.counters().open.iter().sum::<u64>(), alerts.counters().suppressed), (2, 2, 3));
    assert!(alerts.alert(about(Phase::Ends, [10, 0, 0, 0]), &[]).is_some());
    assert!(
        alerts.alert(about(Phase::Grows, [10, 0, 0, 4]), &[]).is_some(),
        "what grows opens once there is room"
    );
}
