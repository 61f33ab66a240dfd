use rollcall_store::{Acked, Ledger};

use super::*;

fn alert(id: &str, state: AlertState, severity: Severity, opened: u64) -> Alert {
    let client = Client { kind: "peer".into(), id: "192.0.2.7".to_owned() };
    Alert {
        v: 1,
        id: id.to_owned(),
        state,
        severity,
        rule: Rule::DistinctObjects,
        at: Timestamp(opened),
        client: client.clone(),
        route: "GET /v1/customers/{id}".into(),
        window_s: 10,
        figures: Figures {
            limit: 20,
            distinct: 21,
            distinct_error: 0,
            requests: 21,
            bytes: 0,
            first_seen: Timestamp(opened),
            last_seen: Timestamp(opened),
            addresses: Vec::new(),
            usual: None,
            learning: false,
        },
        sample_objects: vec!["account-4711".to_owned()],
        signals: Vec::new(),
        scope: Scope {
            clients: vec![client],
            client_count: 1,
            routes: vec!["GET /v1/customers/{id}".to_owned()],
            route_count: 1,
            opened_by: Rule::DistinctObjects,
            opened_at: Timestamp(opened),
        },
        loss: 0.0,
        allowed: None,
        allow: None,
        keys: Vec::new(),
    }
}

#[test]
fn the_board_shows_what_is_open_as_of_its_last_line() {
    let board = Board::default();
    board.note(&alert("a", AlertState::Open, Severity::Warning, 1));
    board.note(&alert("b", AlertState::Open, Severity::Info, 2));
    board.note(&alert("c", AlertState::Open, Severity::Warning, 3));
    let mut update = alert("a", AlertState::Update, Severity::Critical, 1);
    update.figures.distinct = 40;
    board.note(&update);
    board.note(&alert("c", AlertState::Resolved, Severity::Warning, 3));
    let shown = board.alerts(Timestamp(9));
    let ids: Vec<&str> = shown.alerts.iter().map(|alert| alert.id.as_str()).collect();
    assert_eq!((ids, shown.open), (vec!["a", "b"], 2));
    assert_eq!((shown.alerts[0].figures.distinct, shown.alerts[0].acked), (40, false));
    assert_eq!(board.count(), [1, 0, 1]);
    // An update of one that was open before the daemon started is as good.
    board.note(&alert("d", AlertState::Update, Severity::Critical, 4));
    assert_eq!(board.alerts(Timestamp(9)).alerts[0].id, "d");
}

#[test]
fn whom_somebody_has_taken_on_is_marked_until_it_becomes_severer_or_is_about_more_routes() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), Default::default()).unwrap();
    let board = Board::default();
    board.watch(AckWatch::new(directory.path()));
    let tell = |alert: Alert| {
        ledger.handle().record(&alert);
        assert!(ledger.handle().flush().recv().unwrap());
        board.note(&alert);
        board.alerts(Timestamp(9)).alerts.iter().filter(|alert| alert.acked).count()
    };
    assert_eq!(tell(alert("a", AlertState::Open, Severity::Warning, 1)), 0);
    let acked = Acked { at: Timestamp(2), by: "ada".to_owned(), note: None };
    rollcall_store::acknowledge(directory.path(), "a", &acked).unwrap();
    assert_eq!(tell(alert("b", AlertState::Open, Severity::Warning, 2)), 1);
    assert_eq!(tell(alert("a", AlertState::Update, Severity::Warning, 3)), 1);
    assert_eq!(tell(alert("a", AlertState::Update, Severity::Critical, 4)), 0);
    rollcall_store::acknowledge(directory.path(), "a", &acked).unwrap();
    assert_eq!(tell(alert("a", AlertState::Update, Severity::Critical, 5)), 1);
    let mut further = alert("a", AlertState::Update, Severity::Critical, 6);
    further.scope.route_count = 2;
    assert_eq!(tell(further), 0);
    ledger.finish(std::time::Duration::from_secs(20)).unwrap();
}

#[test]
fn accounts_are_not_shown() {
    let board = Board::default();
    board.note(&alert("a", AlertState::Open, Severity::Warning, 5_000));
    let json = serde_json::to_string(&board.alerts(Timestamp(9_000))).unwrap();
    assert!(!json.contains("4711") && !json.contains("sample"), "{json}");
    let back: OpenAlerts = serde_json::from_str(&json).unwrap();
    assert_eq!(back, board.alerts(Timestamp(9_000)));
}
