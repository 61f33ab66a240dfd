//! What was read, from messages to lists, with a real database.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use rollcall_attribute::{
    client::{ClientKey, Clients},
    observation::Observation,
};
use rollcall_detect::alert::{Alert, AlertState, Joined, Scope};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_queue::{Left, Pause, Queue};
use rusqlite::Connection;

use super::{
    pending::{Message, NewIncident, NewSubject, Pending},
    store::Store,
    touch::{self, Call},
    writer::Writer,
    *,
};
use crate::tests::alert;

const ROUTE: &str = "GET /v1/customers/{id}";

fn key() -> HashKey {
    HashKey::new([7; 16])
}

fn second(second: u64) -> Timestamp {
    Timestamp((1_790_000_000 + second) * 1_000_000_000)
}

fn peer(number: u64) -> ClientKey {
    ClientKey::Peer(std::net::Ipv4Addr::from_bits(number as u32).into())
}

/// An alert that opened in second 100.
fn incident(number: u64) -> NewIncident {
    NewIncident {
        number,
        alert: format!("{number:016x}"),
        route: ROUTE.to_owned(),
        opened_at: second(100),
        first_seen: second(0),
        counted: 0,
        counted_at: second(100),
        samples: Vec::new(),
        sampling: 1.0,
        lost_at: None,
    }
}

/// Messages of an alert with one client that has the same number.
fn opens(incident: NewIncident) -> [Message; 2] {
    let number = incident.number;
    let subject = NewSubject { number, incident: number, client: Some(peer(number)) };
    [Message::Incident(Box::new(incident)), Message::Subject(subject)]
}

fn touches<T: ToString>(subject: u64, at: u64, ids: impl IntoIterator<Item = T>) -> Message {
    let mut records = Vec::new();
    for id in ids {
        let call = Call { at: second(at), status: Some(200) };
        touch::push(&mut records, subject, call, &[peer(subject)], [id.to_string().as_str()].into_iter());
    }
    Message::Touches(records)
}

/// Takes in messages and writes them.
fn write(
    store: &mut Store,
    pending: &mut Pending,
    settings: &ExposureSettings,
    messages: impl IntoIterator<Item = Message>,
) {
    messages.into_iter().for_each(|message| pending.take(&message));
    store.write(pending, settings, second(1_000)).unwrap();
    store.bound(settings, second(1_000)).unwrap();
    pending.written();
}

fn subjects(reader: &Reader, alert: u64) -> Vec<Subject> {
    match reader.find(&Who::Alert(format!("{alert:016x}"))).unwrap() {
        Found::Subjects(subjects) => subjects,
        several @ Found::Several(_) => panic!("{several:?}"),
    }
}

/// What is listed of an alert: objects, and how often they were read.
fn listed(directory: &Path, alert: u64) -> BTreeMap<String, u32> {
    let reader = Reader::open(directory).unwrap();
    let subjects = subjects(&reader, alert);
    let rows = reader.list(&subjects, None).unwrap().map(Result::unwrap);
    rows.map(|row| (row.object.to_string(), row.reads.map_or(0, |reads| reads.calls))).collect()
}

fn once(ids: impl IntoIterator<Item = u64>) -> BTreeMap<String, u32> {
    ids.into_iter().map(|id| (id.to_string(), 1)).collect()
}

fn scattered(range: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
    range.map(|n| 1_000_000_000 + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 9_000_000_000)
}

#[test]
fn everything_adds_up_over_flushes_and_openings() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ExposureSettings::default();
    let mut pending = Pending::new(ObjectMode::Plain, key(), usize::MAX);
    let mut expected = BTreeMap::new();
    for round in 0..20 {
        // Each time as after a restart.
        let mut store = Store::open(directory.path()).unwrap();
        if round == 0 {
            pending.take(&opens(incident(1))[0]);
            pending.take(&opens(incident(1))[1]);
        }
        let ids: Vec<u64> = scattered(round * 300..round * 300 + 600).collect();
        ids.iter().for_each(|id| *expected.entry(id.to_string()).or_insert(0) += 1);
        write(&mut store, &mut pending, &settings, [touches(1, round, ids)]);
    }
    assert_eq!(listed(directory.path(), 1), expected);
    let reader = Reader::open(directory.path()).unwrap();
    let [subject] = &subjects(&reader, 1)[..] else { panic!("one client") };
    assert_eq!((subject.touched, subject.objects), (12_000, expected.len() as u64));
    assert_eq!((subject.first_at, subject.last_at), (Some(second(0)), Some(second(19))));
    let mut lookup = reader.lookup();
    for id in scattered(0..6_300) {
        let reads = lookup.reads(subject, &Object::Number(id)).unwrap();
        assert_eq!(reads.map(|reads| reads.calls), expected.get(&id.to_string()).copied());
        assert_eq!(lookup.reads(subject, &Object::Number(id + 1)).unwrap(), None);
    }
}

#[test]
fn objects_of_several_clients_and_alerts_are_one_list_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ExposureSettings::default();
    let mut store = Store::open(directory.path()).unwrap();
    let mut pending = Pending::new(ObjectMode::Plain, key(), usize::MAX);
    let token = ClientKey::parse("credential:bearer:000102030405060708090a0b0c0d0e0f").unwrap();
    let second_client = NewSubject { number: 12, incident: 1, client: Some(token) };
    let samples = vec!["3".to_owned(), "99".to_owned()];
    let messages = opens(NewIncident { samples, counted: 8, ..incident(1) })
        .into_iter()
        .chain([Message::Subject(second_client), touches(12, 90, [1_u64, 4, 5]), touches(1, 91, [3_u64, 4])])
        .chain(opens(NewIncident { route: "GET /v1/orders/{id}".to_owned(), ..incident(2) }))
        .chain([touches(2, 90, ["b", "4", "a"]), touches(1, 120, ["550e8400-e29b-41d4-a716-446655440000"])]);
    write(&mut store, &mut pending, &settings, messages);

    let reader = Reader::open(directory.path()).unwrap();
    let list = |who: Who, since: Option<Timestamp>| {
        let Found::Subjects(subjects) = reader.find(&who).unwrap() else { panic!("several") };
        let rows = reader.list(&subjects, since).unwrap().map(Result::unwrap);
        rows.map(|row| {
            (row.object.to_string(), subjects[row.subject].number, row.reads.map(|reads| reads.calls))
        })
        .collect::<Vec<_>>()
    };
    let row = |object: &str, subject, calls| (object.to_owned(), subject, calls);
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    assert_eq!(
        list(Who::Alert("0000000000000001".to_owned()), None),
        [
            row("1", 12, Some(1)),
            row("3", 1, Some(1)),
            row("4", 1, Some(1)),
            row("4", 12, Some(1)),
            row("5", 12, Some(1)),
            row("99", 1, None),
            row(uuid, 1, Some(1)),
        ]
    );
    assert_eq!(list(Who::Alert("0000000000000001".to_owned()), Some(second(110))), [row(uuid, 1, Some(1))]);
    let incident = &subjects(&reader, 1)[0].incident;
    assert_eq!((incident.counted, incident.named), (8, 4), "4 counts once, and 99 is not known from calls");
    // The token came with the calls of its own subject only, and those with the address of subject 12.
    assert_eq!(list(Who::Client(vec!["credential:bearer:0001*".to_owned()]), None).len(), 3);
    assert_eq!(list(Who::Client(vec![peer(12).to_string()]), None).len(), 3);
    assert_eq!(
        list(Who::Client(vec![peer(2).to_string()]), None),
        [row("4", 2, Some(1)), row("a", 2, Some(1)), row("b", 2, Some(1))]
    );
    assert!(
        matches!(reader.find(&Who::Alert("0".to_owned())).unwrap(), Found::Several(alerts) if alerts.len() == 2)
    );
}

#[test]
fn room_is_taken_from_who_has_most_and_never_below_an_equal_share() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ExposureSettings { size: 1 << 20, ..ExposureSettings::default() };
    let mut store = Store::open(directory.path()).unwrap();
    let mut pending = Pending::new(ObjectMode::Plain, key(), usize::MAX);
    write(
        &mut store,
        &mut pending,
        &settings,
        opens(incident(1)).into_iter().chain([touches(1, 1, 0..1_000_u64)]),
    );
    // One that floods, in many pieces.
    write(&mut store, &mut pending, &settings, opens(incident(2)));
    for piece in 0..60 {
        write(
            &mut store,
            &mut pending,
            &settings,
            [touches(2, 2, scattered(piece * 3_000..(piece + 1) * 3_000))],
        );
        assert!(store.size().unwrap() <= settings.size + (64 << 10), "{}", store.size().unwrap());
    }
    let read = |alert| {
        let reader = Reader::open(directory.path()).unwrap();
        Arc::clone(&subjects(&reader, alert)[0].incident)
    };
    let flood = listed(directory.path(), 2);
    assert!(flood.len() > 100_000 && read(2).removed == 0, "{}", flood.len());
    assert!(scattered(0..30_000).all(|id| flood.contains_key(&id.to_string())), "what came first stays");
    assert_eq!(read(2).refused, 180_000 - flood.len() as u64);
    // Another one, and a third: they get their share.
    for alert in [3, 4] {
        write(&mut store, &mut pending, &settings, opens(incident(alert)));
        for piece in 0..15 {
            let ids = scattered(alert * 1_000_000 + piece * 3_000..alert * 1_000_000 + (piece + 1) * 3_000);
            write(&mut store, &mut pending, &settings, [touches(alert, 3, ids)]);
        }
    }
    assert!(read(2).removed > 0);
    for alert in 2..=4 {
        let objects = listed(directory.path(), alert).len();
        assert!(objects > 40_000, "{objects} of alert {alert}");
        assert_eq!(objects as u64, subjects(&Reader::open(directory.path()).unwrap(), alert)[0].objects);
    }
    assert_eq!(listed(directory.path(), 1), once(0..1_000), "who has little keeps it");
    assert!(store.size().unwrap() <= settings.size + (64 << 10), "{}", store.size().unwrap());
}

#[test]
fn what_is_too_old_goes_and_the_file_shrinks() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ExposureSettings::default();
    let mut store = Store::open(directory.path()).unwrap();
    let mut pending = Pending::new(ObjectMode::Plain, key(), usize::MAX);
    let empty = store.size().unwrap();
    write(
        &mut store,
        &mut pending,
        &settings,
        opens(incident(1)).into_iter().chain([touches(1, 1, scattered(0..150_000))]),
    );
    write(
        &mut store,
        &mut pending,
        &settings,
        opens(incident(2)).into_iter().chain([touches(2, 500, 0..10_u64)]),
    );
    let full = store.size().unwrap();
    let removed = store.bound(&settings, second(300) + settings.age).unwrap();
    assert_eq!(removed, bounds::Removed { for_room: 0, for_age: 150_000 });
    assert!(subjects(&Reader::open(directory.path()).unwrap(), 1).is_empty());
    assert_eq!(listed(directory.path(), 2), once(0..10));
    let left = store.size().unwrap();
    assert!(left < empty + (512 << 10) && left < full / 2, "{left} of {full} bytes are left");
}

/// A writer's thread on its own.
struct Running {
    queue: Queue<Message>,
    stats: Arc<ExposureStats>,
    thread: rollcall_queue::Running<Writer>,
}

impl Running {
    fn start(directory: &Path, settings: ExposureSettings) -> Running {
        let stats = Arc::<ExposureStats>::default();
        let (used, _spare) = mpsc::channel();
        let (writer, ..) = Writer::new(directory, settings, key(), used, Arc::clone(&stats), None);
        let settings = rollcall_queue::QueueSettings {
            name: "exposure".to_owned(),
            limit: u64::MAX >> 1,
            used: Arc::clone(&stats.queued),
            pause: Pause::Fixed(Duration::from_millis(10)),
            last_pause: None,
        };
        let thread = rollcall_queue::Running::start(settings, writer).unwrap();
        Running { queue: thread.queue(), stats, thread }
    }

    fn send(&self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            let size = message.size();
            self.queue.push(message, size).unwrap();
        }
    }

    fn wait(&self, what: &str, mut until: impl FnMut(&ExposureStats) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !until(&self.stats) {
            assert!(Instant::now() < end, "gave up waiting for {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) {
        let Left { work, items, .. } = self.thread.finish(None, Duration::from_secs(20)).unwrap();
        work.give_up(&items);
        assert_eq!(self.stats.queued.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn while_nothing_can_be_written_touches_wait_and_none_counts_twice() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Running::start(directory.path(), ExposureSettings::default());
    let other = Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.send(opens(incident(1)));
    writer.send([touches(1, 1, 0..100_u64)]);
    writer.wait("an error", |stats| stats.errors.load(Ordering::Relaxed) > 0);
    writer.send([touches(1, 1, 50..150_u64)]);
    other.execute_batch("COMMIT").unwrap();
    writer.wait("touches on disk", |stats| stats.touches.load(Ordering::Relaxed) == 200);
    writer.send([touches(1, 1, 150..160_u64)]);
    writer.stop();
    let listed = listed(directory.path(), 1);
    assert_eq!(listed.len(), 160);
    assert!(
        listed
            .iter()
            .all(|(id, calls)| *calls == 1 + u32::from((50..100).contains(&id.parse::<u32>().unwrap())))
    );
}

#[test]
fn a_database_that_is_damaged_costs_the_past_and_not_the_present() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let writer = Running::start(directory.path(), ExposureSettings::default());
    writer.send(opens(incident(1)));
    writer.send([touches(1, 1, scattered(0..50_000))]);
    writer.wait("touches on disk", |stats| stats.touches.load(Ordering::Relaxed) == 50_000);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut content = fs::read(&path).unwrap();
    content[4096..].fill(0xa5);
    fs::write(&path, content).unwrap();
    drop(other);
    for piece in 0.. {
        writer.send([touches(1, 200, scattered(piece * 100..piece * 100 + 100))]);
        let before = writer.stats.touches.load(Ordering::Relaxed);
        writer.wait("touches on disk", |stats| stats.touches.load(Ordering::Relaxed) > before);
        if fs::read_dir(directory.path()).unwrap().count() > 3 {
            break;
        }
    }
    writer.send([touches(1, 201, 0..10_u64)]);
    writer.stop();
    let listed = listed(directory.path(), 1);
    assert!((0..10).all(|id| listed.contains_key(&id.to_string())), "{} objects", listed.len());
    let reader = Reader::open(directory.path()).unwrap();
    assert!(subjects(&reader, 1)[0].incident.lost_at.is_some());
}

#[test]
fn a_new_start_knows_what_was_open_and_how_long_nothing_was_watched() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ExposureSettings::default();
    let mut store = Store::open(directory.path()).unwrap();
    let mut pending = Pending::new(ObjectMode::Plain, key(), usize::MAX);
    let resolved = Message::Resolved { incident: 2, at: second(400) };
    let messages = opens(incident(1)).into_iter().chain(opens(incident(2))).chain([resolved]);
    write(&mut store, &mut pending, &settings, messages);
    let mut store = Store::open(directory.path()).unwrap();
    let open = store.open_incidents(second(1_060)).unwrap();
    assert_eq!(
        open,
        [recorder::OpenIncident {
            number: 1,
            alert: "0000000000000001".to_owned(),
            route: ROUTE.to_owned(),
            subjects: vec![(1, Some(peer(1)))],
        }]
    );
    assert_eq!(store.last_number().unwrap(), 2);
    let reader = Reader::open(directory.path()).unwrap();
    let read = |alert| Arc::clone(&subjects(&reader, alert)[0].incident);
    assert_eq!((read(1).down_s, read(1).resolved_at), (60, None));
    assert_eq!((read(2).down_s, read(2).resolved_at), (0, Some(second(400))));
}

#[test]
fn what_a_client_read_on_every_route_of_its_alert_is_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::open(directory.path(), ExposureSettings::default(), key(), None).unwrap();
    let route = |number: u64| -> Arc<str> { format!("GET /v{number}/customers/{{id}}").into() };
    let read = |recorder: &mut Recorder, client: u64, number: u64, object: &str| {
        let clients = Clients::new(std::net::Ipv4Addr::from_bits(client as u32).into(), &[]);
        let (route, objects) = (route(number), std::iter::once(object).collect());
        recorder.earlier(&Observation::new(second(100), clients, route, objects));
    };
    let line = |state, number: u64, route_count| {
        let client = rollcall_detect::alert::Client { kind: "peer".into(), id: "0.0.0.1".to_owned() };
        let other = rollcall_detect::alert::Client { kind: "peer".into(), id: "0.0.0.2".to_owned() };
        let alert = alert("00000000000000a1", state, 0);
        let clients = vec![client.clone(), other];
        let scope = Scope { clients, route_count, ..alert.scope };
        Alert { route: route(number), client, scope, sample_objects: Vec::new(), ..alert }
    };
    for number in 0..4 {
        read(&mut recorder, 1, number, "before");
        read(&mut recorder, 2, number, "not-its-own");
    }
    recorder.alert(&line(AlertState::Open, 0, 1));
    recorder.alert(&line(AlertState::Update, 1, 2));
    // Of the third no line tells; of the fourth nothing was found.
    recorder.joined(&Joined { client: peer(1), line: Box::new(line(AlertState::Update, 2, 3)) });
    (0..4).for_each(|number| read(&mut recorder, 1, number, "after"));
    recorder.alert(&line(AlertState::Resolved, 1, 3));
    (0..4).for_each(|number| read(&mut recorder, 1, number, "too late"));
    recorder.finish();
    let reader = Reader::open(directory.path()).unwrap();
    let subjects = subjects(&reader, 0xa1);
    let rows = reader.list(&subjects, None).unwrap().map(|row| row.unwrap());
    let rows: BTreeSet<(String, String, String)> = rows
        .map(|row| {
            let subject = &subjects[row.subject];
            (subject.incident.route.clone(), subject.client.clone(), row.object.to_string())
        })
        .collect();
    let of = |number, client: &str, object: &str| {
        (route(number).to_string(), client.to_owned(), object.to_owned())
    };
    let mut expected = BTreeSet::from([of(0, "peer:0.0.0.2", "not-its-own")]);
    for number in 0..3 {
        expected.extend(["before", "after"].map(|object| of(number, "peer:0.0.0.1", object)));
    }
    assert_eq!(rows, expected);
    assert!(subjects.iter().all(|subject| subject.incident.resolved_at.is_some()));
}
