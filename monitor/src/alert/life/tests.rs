use std::time::Duration;

use super::*;

fn finding(phase: Phase, seconds: u64, distinct: u64) -> Finding {
    let at = Timestamp((1_700_000_000 + seconds) * 1_000_000_000);
    Finding {
        phase,
        rule: Rule::DistinctObjects,
        at,
        client: Some(ClientKey::Peer("198.51.100.7".parse().unwrap())),
        route: "GET /v1/customers/{id}".into(),
        window: Duration::from_secs(60),
        limit: 30,
        distinct,
        distinct_error: 0,
        requests: 33,
        bytes: 0,
        first_seen: Timestamp(1_700_000_000_000_000_000),
        last_seen: at,
        addresses: vec!["198.51.100.7".parse().unwrap()],
        sample_objects: vec!["1030".into(), "ab\"c".into()],
        signals: vec![],
        loss: 0.0,
    }
}

fn alerts(capacity: usize) -> Alerts {
    Alerts::new(capacity, HashKey::new([3; 16]))
}

#[test]
fn an_alert_is_a_line_of_json() {
    let alert =
        alerts(1).alert(Finding { signals: vec![Rule::SequentialWalk], ..finding(Phase::Begins, 9, 31) });
    assert_eq!(
        serde_json::to_string(&alert).unwrap(),
        concat!(
            r#"{"v":1,"id":"f9f5e7d5b9a0177d","state":"open","severity":"critical","rule":"distinct-objects","#,
            r#""at":"2023-11-14T22:13:29.000000Z","client":{"kind":"peer","id":"198.51.100.7"},"#,
            r#""route":"GET /v1/customers/{id}","window_s":60,"limit":30,"distinct":31,"distinct_error":0,"#,
            r#""requests":33,"bytes":0,"first_seen":"2023-11-14T22:13:20.000000Z","#,
            r#""last_seen":"2023-11-14T22:13:29.000000Z","addresses":["198.51.100.7"],"#,
            r#""sample_objects":["1030","ab\"c"],"signals":["sequential-walk"],"#,
            r#""clients":[{"kind":"peer","id":"198.51.100.7"}],"opened_by":"distinct-objects","#,
            r#""opened_at":"2023-11-14T22:13:29.000000Z","loss":0.0}"#
        )
    );
}

#[test]
fn an_alert_opens_is_updated_and_resolved() {
    let mut alerts = alerts(10);
    let mut event = |finding| alerts.alert(finding).map(|alert| (alert.state, alert.severity, alert.id));
    let (state, severity, id) = event(finding(Phase::Begins, 0, 31)).unwrap();
    assert_eq!((state, severity), (State::Open, Severity::Warning));
    let walk = Finding { signals: vec![Rule::SequentialWalk], ..finding(Phase::Grows, 1, 61) };
    assert_eq!(event(walk), Some((State::Update, Severity::Critical, id.clone())));
    let grows = finding(Phase::Grows, 2, 121);
    assert_eq!(event(grows), Some((State::Update, Severity::Critical, id.clone())), "it does not calm down");
    let ends = finding(Phase::Ends, 600, 121);
    assert_eq!(event(ends.clone()), Some((State::Resolved, Severity::Critical, id.clone())));
    assert_eq!(event(ends), None);
    let (state, severity, again) = event(finding(Phase::Begins, 700, 31)).unwrap();
    assert_eq!((state, severity), (State::Open, Severity::Warning));
    assert_ne!(again, id);
}

#[test]
fn far_over_the_limit_is_critical() {
    let severity = |distinct| alerts(1).alert(finding(Phase::Begins, 0, distinct)).unwrap().severity;
    assert_eq!(severity(299), Severity::Warning);
    assert_eq!(severity(300), Severity::Critical);
}

#[test]
fn ids_depend_on_everything_that_tells_alerts_apart() {
    let id = |finding| alerts(1).alert(finding).unwrap().id;
    let base = finding(Phase::Begins, 0, 31);
    assert_eq!(id(base.clone()), id(Finding { distinct: 99, ..base.clone() }));
    assert_ne!(id(base.clone()), id(finding(Phase::Begins, 1, 31)));
    let forwarded = ClientKey::Forwarded("198.51.100.7".parse().unwrap());
    assert_ne!(id(base.clone()), id(Finding { client: Some(forwarded), ..base.clone() }));
    assert_ne!(id(base.clone()), id(Finding { route: "GET /".into(), ..base }));
}

#[test]
fn open_alerts_are_bounded() {
    let mut alerts = alerts(2);
    let about = |phase, client: [u8; 4]| Finding {
        client: Some(ClientKey::Peer(client.into())),
        ..finding(phase, 0, 31)
    };
    let opened = (0..5).filter(|n| alerts.alert(about(Phase::Begins, [10, 0, 0, *n])).is_some()).count();
    assert_eq!((opened, alerts.counters().open, alerts.counters().suppressed), (2, 2, 3));
    assert!(alerts.alert(about(Phase::Ends, [10, 0, 0, 0])).is_some());
    assert!(
        alerts.alert(about(Phase::Grows, [10, 0, 0, 4])).is_some(),
        "what grows opens once there is room"
    );
}
