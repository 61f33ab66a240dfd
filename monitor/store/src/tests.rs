use std::{
    fs,
    os::unix::fs::MetadataExt,
    sync::{atomic::Ordering, mpsc},
};

use rollcall_detect::{
    Figures, Rule,
    alert::{AlertState, Client, Scope, Severity, VERSION},
};
use rollcall_model::time::Timestamp;
use rusqlite::{Connection, params};

use super::*;

/// An alert like others.
pub(crate) fn alert(id: &str, state: AlertState, second: u64) -> Alert {
    let at = Timestamp(1_790_000_000_123_456_000) + Duration::from_secs(second);
    let client = Client { kind: "peer".into(), id: "192.0.2.7".to_owned() };
    Alert {
        v: VERSION,
        id: id.to_owned(),
        state,
        severity: Severity::Warning,
        rule: Rule::DistinctObjects,
        at,
        client: client.clone(),
        route: "GET /v1/customers/{id}".into(),
        window_s: 10,
        figures: Figures {
            limit: 20,
            distinct: 21 + second,
            distinct_error: 0,
            requests: 21 + second,
            bytes: 0,
            first_seen: Timestamp(1_790_000_000_000_000_000),
            last_seen: at,
            addresses: vec!["192.0.2.7".parse().unwrap()],
            usual: None,
            learning: false,
        },
        sample_objects: vec!["1021".to_owned()],
        signals: Vec::new(),
        scope: Scope {
            clients: vec![client],
            client_count: 1,
            routes: vec!["GET /v1/customers/{id}".to_owned()],
            route_count: 1,
            opened_by: Rule::DistinctObjects,
            opened_at: Timestamp(1_790_000_000_123_456_000),
        },
        loss: 0.0,
        allowed: None,
        allow: None,
        keys: Vec::new(),
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn sinks(names: &[&str]) -> LedgerSettings {
    LedgerSettings { sinks: names.iter().map(|&name| name.to_owned()).collect(), ..LedgerSettings::default() }
}

/// A sink, without what it does.
struct Sink {
    outbox: Outbox,
    woken: mpsc::Receiver<()>,
}

impl Sink {
    fn new(ledger: &Ledger, sink: usize) -> Sink {
        let (wakes, woken) = mpsc::channel();
        // Nobody listens at the end of a test.
        ledger.add_sink(Waker::new(move || {
            let _ = wakes.send(());
        }));
        Sink { outbox: ledger.outbox(sink), woken }
    }

    /// At most `most` events, once there are some.
    fn next(&mut self, most: usize) -> Vec<Arc<Event>> {
        loop {
            let events = self.outbox.waiting(most);
            if !events.is_empty() {
                return events;
            }
            self.woken.recv_timeout(PATIENCE).unwrap();
        }
    }

    fn delivered(&mut self, events: &[Arc<Event>]) {
        self.outbox.delivered(events);
    }
}

fn on_disk(ledger: &Ledger) -> bool {
    ledger.handle().flush().recv().unwrap()
}

#[test]
fn an_event_is_on_disk_before_a_sink_has_it_and_stays_until_it_is_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let settings = sinks(&["file", "webhook"]);
    let ledger = Ledger::open(directory.path(), settings.clone()).unwrap();
    let (mut file, mut webhook) = (Sink::new(&ledger, 0), Sink::new(&ledger, 1));
    let opened = alert("a1", AlertState::Open, 0);
    ledger.handle().record(&opened);
    let events = file.next(10);
    assert_eq!((events.len(), &events[0].alert), (1, &opened));
    assert_eq!(events[0].line, serde_json::to_string(&opened).unwrap());
    assert_eq!(&Reader::open(directory.path()).unwrap().open_alerts().unwrap()[0], &opened);
    file.delivered(&events);
    assert!(on_disk(&ledger));
    assert!(file.outbox.waiting(10).is_empty());
    assert_eq!(ledger.stats().sinks[0].alerts.load(Ordering::Relaxed), 0);
    assert_eq!(ledger.stats().sinks[1].alerts.load(Ordering::Relaxed), 1);
    assert_eq!(webhook.next(10).len(), 1);
    ledger.finish(PATIENCE).unwrap();

    let ledger = Ledger::open(directory.path(), settings).unwrap();
    assert_eq!(ledger.open_alerts(), [opened]);
    assert!(ledger.outbox(0).waiting(10).is_empty());
    assert_eq!(Sink::new(&ledger, 1).next(10), events, "the webhook had not said that it was delivered");
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn of_a_burst_nothing_is_lost_and_all_of_it_arrives_in_order() {
    const BURST: u64 = 5_000;
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), sinks(&["webhook"])).unwrap();
    let mut outbox = Sink::new(&ledger, 0);
    for number in 0..BURST {
        ledger.handle().record(&alert("a1", AlertState::Update, number));
    }
    let mut arrived = Vec::new();
    while arrived.len() < BURST as usize {
        let events = outbox.next(100);
        assert!(!events.is_empty(), "no more than {} arrived", arrived.len());
        arrived.extend(events.iter().map(|event| event.alert.figures.requests - 21));
        outbox.delivered(&events);
    }
    assert!(arrived.into_iter().eq(0..BURST));
    assert!(on_disk(&ledger));
    assert_eq!(ledger.stats().sinks[0].alerts.load(Ordering::Relaxed), 0);
    assert_eq!(Reader::open(directory.path()).unwrap().events_after(0, 10_000).unwrap().len(), 5_000);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn a_row_tells_the_life_of_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
    for (id, state, second) in [
        ("a1", AlertState::Open, 0),
        ("b2", AlertState::Open, 1),
        ("a1", AlertState::Update, 2),
        ("a1", AlertState::Resolved, 3),
    ] {
        ledger.handle().record(&alert(id, state, second));
    }
    assert!(on_disk(&ledger));
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.open_alerts().unwrap(), [alert("b2", AlertState::Open, 1)]);
    let rows = reader.alerts().unwrap();
    assert_eq!(rows.iter().map(|row| row.alert.id.as_str()).collect::<Vec<_>>(), ["a1", "b2"]);
    assert_eq!(rows[0].alert, alert("a1", AlertState::Resolved, 3));
    assert_eq!(rows[0].resolved_at, Some(rows[0].alert.at));
    let events = reader.events_after(0, 10).unwrap();
    assert_eq!(events.len(), 4);
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert_eq!(reader.events_after(events[1].seq, 1).unwrap(), events[2..3]);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn what_became_of_alerts_after_an_event_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
    let lives = [
        alert("a1", AlertState::Open, 0),
        alert("b2", AlertState::Open, 1),
        alert("c3", AlertState::Open, 2),
        alert("b2", AlertState::Update, 3),
        alert("a1", AlertState::Resolved, 4),
    ];
    let mut numbers = vec![0];
    for event in &lives {
        ledger.handle().record(event);
        numbers.push(ledger.handle().latest());
    }
    assert!(on_disk(&ledger));
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let reader = Reader::open(directory.path()).unwrap();
    numbers.push(numbers[5] + 1);
    let after = |event: usize| {
        let (open, over) = reader.after(numbers[event]).unwrap();
        let line = |alert: &Alert| lives.iter().position(|line| line == alert).unwrap();
        (open.iter().map(line).collect::<Vec<_>>(), over.into_iter().collect::<Vec<_>>())
    };
    let (none, a1): (Vec<String>, _) = (Vec::new(), vec!["a1".to_owned()]);
    assert_eq!(after(0), (vec![3, 2], a1.clone()));
    assert_eq!(after(2), (vec![3, 2], a1.clone()));
    assert_eq!(after(3), (vec![3], a1.clone()));
    assert_eq!(after(4), (vec![], a1));
    assert_eq!(after(5), (vec![], none));
    // A copy of before, in the place of the ledger that had later events.
    assert_eq!(after(6), after(0));
    // Events of an alert that is still open are too many: whoever knows of it or not, it is open.
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute("DELETE FROM alert_events WHERE id = 'c3'", ()).unwrap();
    assert_eq!(after(5).0, [2]);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn an_event_comes_after_those_that_others_know_of_whatever_the_clock_says() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
    let known = (Timestamp::now().0 / 1_000) + 3_600_000_000;
    ledger.handle().go_on_after(known);
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    assert_eq!(ledger.handle().latest(), known + 1);
    ledger.finish(PATIENCE).unwrap();
    let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
    assert_eq!(ledger.handle().latest(), known + 1);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn the_oldest_goes_when_too_much_waits() {
    let directory = tempfile::tempdir().unwrap();
    let line = serde_json::to_string(&alert("a0", AlertState::Open, 0)).unwrap().len() as u64;
    let ledger =
        Ledger::open(directory.path(), LedgerSettings { outbox_bytes: 3 * line, ..sinks(&["webhook"]) })
            .unwrap();
    for number in 0..5 {
        ledger.handle().record(&alert(&format!("a{number}"), AlertState::Open, 0));
    }
    assert!(on_disk(&ledger));
    let ids: Vec<_> = Sink::new(&ledger, 0).next(10).iter().map(|event| event.alert.id.clone()).collect();
    assert_eq!(ids, ["a2", "a3", "a4"]);
    let stats = ledger.stats();
    assert_eq!(stats.sinks[0].dropped.load(Ordering::Relaxed), 2);
    assert_eq!(stats.sinks[0].bytes.load(Ordering::Relaxed), 3 * line);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn only_the_owner_may_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    assert!(on_disk(&ledger));
    let mut seen = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 3, "the ledger, its log, and the log's index");
    ledger.finish(PATIENCE).unwrap();
}

/// Files in the directory whose names say that they were set aside.
fn aside(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".set-aside-")).collect()
}

#[test]
fn what_is_no_ledger_is_set_aside() {
    let newer = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "application_id", schema::SCHEMA.application_id).unwrap();
        connection.pragma_update(None, "user_version", schema::SCHEMA.version() + 1).unwrap();
    };
    let foreign = |path: &Path| Connection::open(path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let torn = |path: &Path| {
        Ledger::open(path.parent().unwrap(), LedgerSettings::default()).unwrap().finish(PATIENCE).unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(path, bytes).unwrap();
    };
    let text = |path: &Path| fs::write(path, "not a database, however long it goes on".repeat(100)).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let makers: [&dyn Fn(&Path); 5] = [&newer, &foreign, &torn, &text, &folder];
    for (number, make) in makers.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        make(&path);
        let ledger = Ledger::open(directory.path(), LedgerSettings::default()).unwrap();
        ledger.handle().record(&alert("a1", AlertState::Open, 0));
        assert!(on_disk(&ledger), "case {number}");
        ledger.finish(PATIENCE).unwrap();
        assert_eq!(aside(directory.path()).len(), 1, "case {number}");
        assert_eq!(Reader::open(directory.path()).unwrap().open_alerts().unwrap().len(), 1, "case {number}");
    }
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE), "").unwrap();
    Ledger::open(directory.path(), LedgerSettings::default()).unwrap().finish(PATIENCE).unwrap();
    assert!(aside(directory.path()).is_empty());
    assert!(Reader::open(directory.path()).unwrap().alerts().unwrap().is_empty());
}

#[test]
fn damage_that_shows_while_it_runs_costs_the_past_and_not_the_present() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), sinks(&["file"])).unwrap();
    let mut outbox = Sink::new(&ledger, 0);
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    let events = outbox.next(10);
    outbox.delivered(&events);
    assert!(on_disk(&ledger));
    // What the writer trips over: a table begins at a page that there is none of.
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("PRAGMA writable_schema = ON").unwrap();
    other
        .execute("UPDATE sqlite_schema SET rootpage = ?1 WHERE name = 'alert_events'", params![4_000_000])
        .unwrap();
    let schema: i64 = other.pragma_query_value(None, "schema_version", |row| row.get(0)).unwrap();
    other.pragma_update(None, "schema_version", schema + 1).unwrap();
    drop(other);
    ledger.handle().record(&alert("b2", AlertState::Open, 1));
    let events = outbox.next(10);
    assert_eq!(events[0].alert.id, "b2");
    outbox.delivered(&events);
    let deadline = Instant::now() + PATIENCE;
    while !on_disk(&ledger) {
        assert!(Instant::now() < deadline, "no new ledger was begun");
    }
    assert_eq!(ledger.stats().set_aside.load(Ordering::Relaxed), 1);
    ledger.handle().record(&alert("c3", AlertState::Open, 2));
    assert_eq!(outbox.next(10)[0].alert.id, "c3");
    let ids: Vec<_> = Reader::open(directory.path())
        .unwrap()
        .open_alerts()
        .unwrap()
        .into_iter()
        .map(|alert| alert.id)
        .collect();
    assert_eq!(ids, ["b2", "c3"]);
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn a_ledger_that_cannot_be_written_silences_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), sinks(&["file", "webhook"])).unwrap();
    let mut outbox = Sink::new(&ledger, 0);
    assert!(on_disk(&ledger));
    // Somebody holds the database: as long as that lasts, and SQLite waits for it, nothing can be written.
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    let events = outbox.next(10);
    assert_eq!(events[0].alert.id, "a1");
    outbox.delivered(&events);
    assert!(!on_disk(&ledger));
    assert!(Reader::open(directory.path()).unwrap().open_alerts().unwrap().is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(on_disk(&ledger));
    assert_eq!(Reader::open(directory.path()).unwrap().open_alerts().unwrap().len(), 1);
    assert!(outbox.outbox.waiting(10).is_empty(), "it was delivered from memory");
    assert_eq!(Sink::new(&ledger, 1).next(10), events, "and not by the other sink");
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn what_waits_for_a_sink_that_is_gone_goes() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path(), sinks(&["file", "webhook"])).unwrap();
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    assert!(on_disk(&ledger));
    ledger.finish(PATIENCE).unwrap();
    Ledger::open(directory.path(), sinks(&["file"])).unwrap().finish(PATIENCE).unwrap();
    let ledger = Ledger::open(directory.path(), sinks(&["file", "webhook"])).unwrap();
    assert_eq!(Sink::new(&ledger, 0).next(10).len(), 1);
    assert!(ledger.outbox(1).waiting(10).is_empty());
    ledger.finish(PATIENCE).unwrap();
}

#[test]
fn old_events_are_forgotten_unless_they_wait() {
    let directory = tempfile::tempdir().unwrap();
    let settings = LedgerSettings { age: Duration::ZERO, ..sinks(&["webhook"]) };
    let ledger = Ledger::open(directory.path(), settings.clone()).unwrap();
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    ledger.handle().record(&alert("a1", AlertState::Resolved, 1));
    let mut outbox = Sink::new(&ledger, 0);
    assert!(on_disk(&ledger));
    let events = outbox.next(1);
    outbox.delivered(&events);
    ledger.finish(PATIENCE).unwrap();
    let ledger = Ledger::open(directory.path(), settings.clone()).unwrap();
    assert!(on_disk(&ledger));
    let reader = Reader::open(directory.path()).unwrap();
    let left = reader.events_after(0, 10).unwrap();
    assert_eq!(left.iter().map(|event| event.alert.state).collect::<Vec<_>>(), [AlertState::Resolved]);
    ledger.outbox(0).delivered(&left.into_iter().map(Arc::new).collect::<Vec<_>>());
    ledger.finish(PATIENCE).unwrap();
    let ledger = Ledger::open(directory.path(), settings).unwrap();
    assert!(on_disk(&ledger));
    assert!(reader.events_after(0, 10).unwrap().is_empty() && reader.alerts().unwrap().is_empty());
    ledger.finish(PATIENCE).unwrap();
}
