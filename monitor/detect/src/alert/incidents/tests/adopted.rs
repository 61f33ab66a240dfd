use super::*;
use crate::{
    Phase,
    alert::{Severity, StoredAlerts},
};

fn at(seconds: u64) -> Timestamp {
    Timestamp((1_700_000_000 + seconds) * 1_000_000_000)
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

/// What a daemon told before it was killed, and another that has no memory of it.
fn told(findings: &[(Finding, &[ClientKey])]) -> (Vec<Alert>, Alerts) {
    let mut before = alerts(10);
    let lines: Vec<Alert> =
        findings.iter().filter_map(|(finding, callers)| before.alert(finding.clone(), callers)).collect();
    (lines, alerts(10))
}

fn later(alerts: &mut Alerts, seconds: u64) -> Vec<Alert> {
    let mut out = Vec::new();
    alerts.tick(at(seconds), &mut out);
    out
}

#[test]
fn an_alert_that_was_told_goes_on_when_it_is_found_again() {
    use Phase::{Begins, Ends, Grows};
    use Rule::{DistinctObjects, SequentialWalk};
    let call = &[peer(7), token(1)][..];
    let (told, mut alerts) = told(&[
        (found(Begins, DistinctObjects, Some(peer(7)), 31), call),
        (found(Begins, DistinctObjects, Some(token(1)), 31), call),
        (found(Grows, DistinctObjects, Some(peer(7)), 61), call),
    ]);
    let id = &told[0].id;
    alerts.reconcile(&told[2..], &none(), at(100));
    assert_eq!(alerts.open(), BTreeSet::from([id.clone()]));
    let lines = lines(
        &mut alerts,
        &[
            // The detector begins anew, with what is known already, through either lens.
            (found(Begins, DistinctObjects, Some(token(1)), 31), call),
            (found(Begins, DistinctObjects, Some(peer(7)), 31), call),
            (found(Grows, DistinctObjects, Some(peer(7)), 61), call),
            (found(Grows, DistinctObjects, Some(peer(7)), 121), call),
            (found(Begins, SequentialWalk, Some(token(1)), 40), call),
            (found(Ends, DistinctObjects, Some(peer(7)), 121), &[]),
            (found(Ends, DistinctObjects, Some(token(1)), 121), &[]),
            (found(Ends, SequentialWalk, Some(token(1)), 40), &[]),
        ],
    );
    let states: Vec<(&str, AlertState, Rule)> =
        lines.iter().map(|(id, state, _, rule, _)| (id.as_str(), *state, *rule)).collect();
    let expected = [
        (id.as_str(), AlertState::Update, DistinctObjects),
        (id.as_str(), AlertState::Update, SequentialWalk),
        (id.as_str(), AlertState::Resolved, DistinctObjects),
    ];
    assert_eq!(states, expected);
    assert_eq!(later(&mut alerts, 100_000), []);
}

#[test]
fn an_alert_that_nobody_speaks_for_is_resolved_as_it_was_told_last() {
    let call = &[peer(7)][..];
    let (told, mut alerts) = told(&[(found(Phase::Begins, Rule::DistinctObjects, Some(peer(7)), 31), call)]);
    alerts.reconcile(&told, &none(), at(100));
    assert_eq!(later(&mut alerts, 3_600), []);
    // A restart meanwhile changes nothing.
    let saved = postcard::to_allocvec(&alerts.checkpoint()).unwrap();
    let stored: StoredAlerts<'_> = postcard::from_bytes(&saved).unwrap();
    let key = HashKey::new([3; 16]);
    let mut alerts = Alerts::restore(10, key, stored, &mut Names::default()).unwrap();
    alerts.reconcile(&told, &none(), at(3_650));
    let resolved = later(&mut alerts, 3_700);
    let expected = Alert { state: AlertState::Resolved, at: at(3_700), ..told[0].clone() };
    assert_eq!(resolved, [expected]);
    assert!(alerts.open().is_empty());
    let again = alerts.alert(found(Phase::Begins, Rule::DistinctObjects, Some(peer(7)), 31), call);
    assert!(again.is_some_and(|alert| alert.state == AlertState::Open), "it is another one");
}

#[test]
fn what_was_told_to_be_over_is_not_told_again() {
    use Phase::{Begins, Ends};
    let mut alerts = alerts(10);
    let begins = found(Begins, Rule::DistinctObjects, Some(peer(7)), 31);
    let opened = alerts.alert(begins.clone(), &[peer(7)]).unwrap();
    let other = alerts.alert(found(Begins, Rule::DistinctObjects, Some(peer(8)), 31), &[peer(8)]).unwrap();
    alerts.reconcile(&[], &BTreeSet::from([opened.id.clone(), "0123456789abcdef".to_owned()]), at(100));
    assert_eq!(alerts.open(), BTreeSet::from([other.id]), "what the ledger doesn't know of stays");
    assert_eq!(alerts.alert(found(Ends, Rule::DistinctObjects, Some(peer(7)), 31), &[]), None);
    let again = alerts.alert(Finding { at: at(900), ..begins }, &[peer(7)]).unwrap();
    assert_eq!(again.state, AlertState::Open);
    assert_ne!(again.id, opened.id);
}

#[test]
fn a_notice_that_was_told_is_not_told_again() {
    let (told, mut alerts) = told(&[
        (found(Phase::Begins, Rule::OpenDoor, Some(peer(7)), 3), &[][..]),
        (found(Phase::Begins, Rule::UnknownRoute, Some(peer(7)), 0), &[]),
        (found(Phase::Begins, Rule::Blind, None, 0), &[]),
    ]);
    assert_eq!(told.len(), 3);
    alerts.reconcile(&told, &none(), at(100));
    for (rule, distinct) in [(Rule::OpenDoor, 3), (Rule::UnknownRoute, 0)] {
        // By whoever shows it now.
        assert_eq!(alerts.alert(found(Phase::Begins, rule, Some(peer(9)), distinct), &[peer(9)]), None);
    }
    // What of routes is shown once a day stays for a day.
    let over: Vec<Rule> = later(&mut alerts, 4_000).iter().map(|alert| alert.rule).collect();
    assert_eq!(over, [Rule::Blind]);
    assert_eq!(alerts.open().len(), 2);
    let ends = alerts.alert(found(Phase::Ends, Rule::OpenDoor, Some(peer(9)), 3), &[]).unwrap();
    assert_eq!((ends.state, ends.severity, &ends.id), (AlertState::Resolved, Severity::Info, &told[0].id));
}

#[test]
fn an_alert_about_everybody_takes_in_everybody_after_a_restart_too() {
    let (told, mut alerts) = told(&[(found(Phase::Begins, Rule::BlockDensity, None, 200), &[peer(7)][..])]);
    alerts.reconcile(&told, &none(), at(100));
    let finding = part_of_it(found(Phase::Begins, Rule::DistinctObjects, Some(peer(9)), 31));
    let joined = alerts.alert(finding, &[peer(9)]);
    assert!(joined.is_some_and(|alert| alert.state == AlertState::Update && alert.id == told[0].id));
}

#[test]
fn findings_that_are_known_no_more_leave_an_alert_to_be_found_again() {
    use Phase::Begins;
    let call = &[peer(7)][..];
    let (told, mut alerts) = (
        alerts(10).alert(found(Begins, Rule::DistinctObjects, Some(peer(7)), 31), call).unwrap(),
        alerts(10),
    );
    alerts.alert(found(Begins, Rule::DistinctObjects, Some(peer(7)), 31), call).unwrap();
    alerts.forget_findings(|_, client| client.is_some(), at(100));
    alerts.reconcile(std::slice::from_ref(&told), &none(), at(100));
    let again = alerts.alert(found(Begins, Rule::DistinctObjects, Some(peer(7)), 90), call).unwrap();
    assert_eq!((again.state, &again.id), (AlertState::Update, &told.id));
    alerts.forget_findings(|_, client| client.is_some(), at(200));
    assert_eq!(later(&mut alerts, 3_900).len(), 1);
}
