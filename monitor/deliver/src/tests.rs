use std::sync::{Mutex, atomic::Ordering::Relaxed, mpsc};

use rollcall_detect::{
    Figures, Rule,
    alert::{Alert, AlertState, Client, Scope, Severity, VERSION},
};
use rollcall_model::time::Timestamp;
use rollcall_store::{Event, LedgerSettings};

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

/// What a destination is handed, and how it reports on that, one after the other; then it takes everything.
#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    taken: Vec<String>,
    attempts: usize,
}

enum Answer {
    Takes,
    Fails,
    Refuses,
}

struct Scripted(Arc<Mutex<Script>>, mpsc::Sender<()>);

impl Destination for Scripted {
    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        let mut script = self.0.lock().unwrap();
        script.attempts += 1;
        let answer = if script.answers.is_empty() { Answer::Takes } else { script.answers.remove(0) };
        let report = match answer {
            Answer::Takes => {
                script.taken.extend(events.iter().map(|event| event.alert.id.clone()));
                Report::all(events)
            }
            Answer::Fails => Report::stopped(0, Problem::not_now("closed")),
            Answer::Refuses => Report::stopped(0, Problem::Refused { why: "no".to_owned(), events: 1 }),
        };
        let _ = self.1.send(());
        report
    }
}

struct Stage {
    directory: tempfile::TempDir,
    script: Arc<Mutex<Script>>,
    attempted: mpsc::Receiver<()>,
    ledger: Ledger,
    delivery: Delivery,
}

fn stage(answers: Vec<Answer>) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let settings = LedgerSettings { sinks: vec!["webhook".to_owned()], ..LedgerSettings::default() };
    let ledger = Ledger::open(directory.path(), settings).unwrap();
    let script = Arc::new(Mutex::new(Script { answers, ..Script::default() }));
    let (attempts, attempted) = mpsc::channel();
    let destination = Box::new(Scripted(Arc::clone(&script), attempts));
    let sink = Sink { label: "webhook-1".to_owned(), destination };
    let delivery = Delivery::start(vec![sink], &ledger, watch::channel(None).0).unwrap();
    Stage { directory, script, attempted, ledger, delivery }
}

fn waiting(directory: &tempfile::TempDir) -> Vec<String> {
    let settings = LedgerSettings { sinks: vec!["webhook".to_owned()], ..LedgerSettings::default() };
    let ledger = Ledger::open(directory.path(), settings).unwrap();
    let events = ledger.outbox(0).waiting(100);
    ledger.finish(PATIENCE).unwrap();
    events.iter().map(|event| event.alert.id.clone()).collect()
}

#[test]
fn events_arrive_in_order_once_the_receiver_is_back() {
    let stage = stage(vec![Answer::Takes, Answer::Fails, Answer::Fails, Answer::Refuses]);
    for id in ["a1", "b2", "c3"] {
        stage.ledger.handle().record(&alert(id, AlertState::Open, 0));
    }
    for _ in 0..5 {
        stage.attempted.recv_timeout(PATIENCE).unwrap();
    }
    let stats = Arc::clone(&stage.delivery.stats[0].1);
    stage.delivery.finish(Instant::now() + PATIENCE);
    stage.ledger.finish(PATIENCE).unwrap();
    assert_eq!(stage.script.lock().unwrap().taken, ["a1", "c3"]);
    let counts = [&stats.delivered, &stats.refused, &stats.failures].map(|count| count.load(Relaxed));
    assert_eq!(counts, [2, 1, 2]);
    assert!(waiting(&stage.directory).is_empty());
}

#[test]
fn a_stop_makes_one_attempt_more_and_leaves_the_rest_to_the_next_start() {
    let stage = stage((0..100).map(|_| Answer::Fails).collect());
    for id in ["a1", "b2"] {
        stage.ledger.handle().record(&alert(id, AlertState::Open, 0));
    }
    stage.attempted.recv_timeout(PATIENCE).unwrap();
    let started = Instant::now();
    stage.delivery.finish(started + PATIENCE);
    assert!(started.elapsed() < PATIENCE / 2, "a wait for the next attempt ends at once");
    stage.ledger.finish(PATIENCE).unwrap();
    assert!(stage.script.lock().unwrap().attempts <= 4);
    assert_eq!(waiting(&stage.directory), ["a1", "b2"]);
}

/// Hangs until it is let go.
struct Stuck(mpsc::Receiver<()>, mpsc::Sender<()>);

impl Destination for Stuck {
    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        let _ = self.1.send(());
        let _ = self.0.recv();
        Report::all(events)
    }
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_others_nor_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        LedgerSettings { sinks: vec!["slow".to_owned(), "quick".to_owned()], ..LedgerSettings::default() };
    let ledger = Ledger::open(directory.path(), settings).unwrap();
    let (let_go, held) = mpsc::channel();
    let (attempts, attempted) = mpsc::channel();
    let script = Arc::<Mutex<Script>>::default();
    let (quick_attempts, quick) = mpsc::channel();
    let sinks = vec![
        Sink { label: "slow".to_owned(), destination: Box::new(Stuck(held, attempts)) },
        Sink {
            label: "quick".to_owned(),
            destination: Box::new(Scripted(Arc::clone(&script), quick_attempts)),
        },
    ];
    let delivery = Delivery::start(sinks, &ledger, watch::channel(None).0).unwrap();
    ledger.handle().record(&alert("a1", AlertState::Open, 0));
    attempted.recv_timeout(PATIENCE).unwrap();
    for id in ["b2", "c3"] {
        ledger.handle().record(&alert(id, AlertState::Open, 0));
    }
    while script.lock().unwrap().taken.len() < 3 {
        quick.recv_timeout(PATIENCE).unwrap();
    }
    delivery.finish(Instant::now());
    ledger.finish(PATIENCE).unwrap();
    drop(let_go);
}
