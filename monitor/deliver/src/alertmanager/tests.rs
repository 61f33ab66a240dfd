use rollcall_detect::alert::Severity;

use super::*;
use crate::tests::alert;

const NOW: Timestamp = Timestamp(1_790_000_100_000_000_000);

fn manager(open: &[Alert]) -> Alertmanager {
    let endpoint = Endpoint::parse("http://127.0.0.1:1").unwrap();
    let (_closing, closing) = tokio::sync::watch::channel(None);
    let poster = Poster::new(Alertmanager::endpoint(&endpoint).unwrap(), Arc::default(), closing).unwrap();
    Alertmanager::new(poster, "host-1", open, false)
}

fn events(alerts: &[&Alert]) -> Vec<Arc<Event>> {
    let event = |(seq, alert): (usize, &&Alert)| Event {
        seq: seq as u64,
        alert: (*alert).clone(),
        line: String::new(),
    };
    alerts.iter().enumerate().map(event).map(Arc::new).collect()
}

fn ends(told: &[PostableAlert]) -> Vec<(&str, Timestamp)> {
    told.iter().map(|told| (told.labels["severity"].as_str(), told.ends_at)).collect()
}

#[test]
fn an_alert_is_as_the_api_wants_it() {
    let (told, open) = manager(&[]).news(&events(&[&alert("a1", AlertState::Open, 0)]), NOW);
    let mut json = serde_json::to_value(&told).unwrap();
    let description = json[0]["annotations"]["description"].take();
    assert!(description.as_str().unwrap().contains("\naccounts read: rollcall exposure a1"), "{description}");
    let expected = serde_json::json!([{
        "labels": {
            "alertname": "DistinctObjects", "job": "rollcall", "instance": "host-1", "rollcall_id": "a1",
            "route": "GET /v1/customers/{id}", "client_kind": "peer", "severity": "warning",
        },
        "annotations": {
            "summary":
                "192.0.2.7 touched 21 different objects of GET /v1/customers/{id} within 10 s; 20 are in order",
            "description": null,
            "client": "peer:192.0.2.7",
        },
        "startsAt": "2026-09-21T14:13:20.123456Z",
        "endsAt": "2026-09-21T14:20:00.000000Z",
    }]);
    assert_eq!(json, expected);
    assert_eq!(open.len(), 1);
}

#[test]
fn when_severity_rises_the_alert_with_the_old_labels_ends() {
    let rises = Alert { severity: Severity::Critical, ..alert("a1", AlertState::Update, 1) };
    for manager in [manager(&[alert("a1", AlertState::Open, 0)]), manager(&[])] {
        let known = manager.open.len();
        let news = events(&[&alert("a1", AlertState::Open, 0), &rises]);
        let (told, open) = manager.news(&news[known..], NOW);
        assert_eq!(ends(&told), [("warning", NOW), ("critical", NOW + LASTS)]);
        assert_eq!(open["a1"].as_ref().unwrap().alert, rises);
    }
}

#[test]
fn an_alert_ends_when_it_is_resolved_if_it_was_told_before() {
    let resolved = alert("a1", AlertState::Resolved, 60);
    let (told, open) = manager(&[alert("a1", AlertState::Update, 1)]).news(&events(&[&resolved]), NOW);
    assert_eq!(ends(&told), [("warning", resolved.at)]);
    assert!(open["a1"].is_none());
    // The event that opened it was delivered by the process before.
    let (told, _) = manager(&[]).news(&events(&[&resolved]), NOW);
    assert_eq!(ends(&told), [("warning", resolved.at)]);
}

#[test]
fn an_alert_that_is_over_when_it_is_first_told_is_told_all_the_same() {
    let whole = events(&[
        &alert("a1", AlertState::Open, 0),
        &alert("a1", AlertState::Update, 1),
        &alert("a1", AlertState::Resolved, 60),
    ]);
    let (told, open) = manager(&[]).news(&whole, NOW);
    assert_eq!(ends(&told), [("warning", NOW + LASTS)]);
    assert!(open["a1"].is_none());

    let mut manager = manager(&[]);
    manager.apply(manager.news(&whole[..2], NOW).1);
    let later = NOW + Duration::from_secs(1);
    assert_eq!(ends(&manager.news(&whole[2..], later).0), [("warning", NOW + LASTS)]);
    let much_later = Alert { at: NOW + 2 * LASTS, ..alert("a1", AlertState::Resolved, 0) };
    assert_eq!(ends(&manager.news(&events(&[&much_later]), NOW + 2 * LASTS).0), [("warning", much_later.at)]);
}

#[test]
fn it_wants_to_tell_again_only_what_is_open() {
    assert!(manager(&[]).due().is_none());
    assert!(manager(&[alert("a1", AlertState::Open, 0)]).due().is_some());
}
