use std::time::Duration;

use rollcall_detect::alert::{Alert, AlertState, Severity};

use super::{super::tests::alert, *};
use crate::{Ledger, Row};

const PATIENCE: Duration = Duration::from_secs(20);

fn acked(by: &str, note: Option<&str>, second: u64) -> Acked {
    Acked { at: Timestamp(second * 1_000_000_000), by: by.to_owned(), note: note.map(str::to_owned) }
}

/// A ledger in which these alerts are.
fn ledger(directory: &Path, alerts: &[Alert]) -> Ledger {
    let ledger = Ledger::open(directory, Default::default()).unwrap();
    for alert in alerts {
        ledger.handle().record(alert);
    }
    assert!(ledger.handle().flush().recv().unwrap());
    ledger
}

fn taken(directory: &Path) -> Vec<Option<Acked>> {
    let rows = Reader::open(directory).unwrap().alerts().unwrap();
    rows.into_iter().map(|Row { acked, .. }| acked).collect()
}

#[test]
fn an_alert_is_taken_on_while_the_daemon_runs_and_when_it_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert!(matches!(acknowledge(directory, "a", &acked("ada", None, 1)), Err(Error::Missing { .. })));
    let running = ledger(directory, &[alert("a1", AlertState::Open, 1), alert("b2", AlertState::Open, 2)]);
    let first = acked("ada", None, 5);
    assert_eq!(acknowledge(directory, "a1", &first).unwrap(), AckOutcome::Acked("a1".to_owned()));
    assert_eq!(taken(directory), [Some(first.clone()), None]);
    // Again changes nothing; somebody else, or something else to say, does.
    let again = acknowledge(directory, "a", &acked("ada", None, 6)).unwrap();
    assert_eq!(again, AckOutcome::Already("a1".to_owned(), first.clone()));
    running.handle().record(&alert("a1", AlertState::Resolved, 7));
    running.finish(PATIENCE).unwrap();
    let second = acked("bob", Some("the auditor"), 8);
    assert_eq!(acknowledge(directory, "a", &second).unwrap(), AckOutcome::Acked("a1".to_owned()));
    assert_eq!(taken(directory), [Some(second.clone()), None]);
    let reader = Reader::open(directory).unwrap();
    let history: Vec<(u64, String, Acked)> =
        reader.acks_after(0, 9).unwrap().into_iter().map(|ack| (ack.seq, ack.id, ack.acked)).collect();
    assert_eq!(history, [(1, "a1".to_owned(), first), (2, "a1".to_owned(), second)]);
    assert_eq!(reader.acks_after(1, 9).unwrap().len(), 1);
    assert_eq!(reader.latest().unwrap().1, 2);
}

#[test]
fn ids_that_name_none_or_several_are_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ledger(directory, &[alert("a1", AlertState::Open, 1), alert("a2", AlertState::Open, 2)])
        .finish(PATIENCE)
        .unwrap();
    let outcome = |id| acknowledge(directory, id, &acked("ada", None, 1)).unwrap();
    assert_eq!(outcome("b"), AckOutcome::Unknown);
    assert_eq!(outcome("a"), AckOutcome::Ambiguous);
    for pattern in ["%", "_1", "a_"] {
        assert_eq!(outcome(pattern), AckOutcome::Unknown);
    }
    assert_eq!(taken(directory), [None, None]);
}

#[test]
fn who_took_on_a_warning_did_not_take_on_what_is_critical() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let severe = |severity, second| Alert { severity, ..alert("a1", AlertState::Update, second) };
    let running = ledger(directory, &[severe(Severity::Warning, 1)]);
    acknowledge(directory, "a1", &acked("ada", None, 5)).unwrap();
    let tell = |alert: Alert| {
        running.handle().record(&alert);
        assert!(running.handle().flush().recv().unwrap());
        taken(directory)[0].is_some()
    };
    assert!(tell(severe(Severity::Warning, 2)));
    assert!(!tell(severe(Severity::Critical, 3)));
    acknowledge(directory, "a1", &acked("ada", None, 6)).unwrap();
    assert!(tell(severe(Severity::Critical, 7)));
    running.finish(PATIENCE).unwrap();
}

#[test]
fn acknowledged_alerts_are_told_when_that_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let mut watch = AckWatch::new(directory.path());
    assert_eq!(watch.changed(), None, "there is no ledger");
    let running =
        ledger(directory.path(), &[alert("a1", AlertState::Open, 1), alert("b2", AlertState::Open, 2)]);
    assert_eq!(watch.changed(), Some(BTreeSet::new()));
    assert_eq!(watch.changed(), None);
    acknowledge(directory.path(), "a1", &acked("ada", None, 5)).unwrap();
    assert_eq!(watch.changed(), Some(BTreeSet::from(["a1".to_owned()])));
    running.handle().record(&alert("a1", AlertState::Resolved, 7));
    assert!(running.handle().flush().recv().unwrap());
    assert_eq!(watch.changed(), Some(BTreeSet::new()));
    running.finish(PATIENCE).unwrap();
}
