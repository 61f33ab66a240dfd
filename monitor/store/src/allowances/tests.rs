use std::time::Duration;

use super::*;
use crate::{FILE, Handle, Ledger, LedgerSettings};

const PATIENCE: Duration = Duration::from_secs(20);

fn at(second: u64) -> Timestamp {
    Timestamp::now() + Duration::from_secs(second)
}

fn wish(client: &str, seconds: u64) -> NewAllowance {
    NewAllowance {
        clients: vec![client.parse().unwrap()],
        routes: vec!["GET /b".to_owned(), "GET /a".to_owned()],
        limit: "50/10s".parse().unwrap(),
        until: at(seconds),
        by: "ada".to_owned(),
        why: "the job".to_owned(),
        at: Timestamp::now(),
        alert: None,
    }
}

fn ledger(directory: &Path) -> Ledger {
    let settings =
        LedgerSettings { windows: [10, 60].map(Duration::from_secs).to_vec(), ..Default::default() };
    Ledger::open(directory, settings).unwrap()
}

/// The ids of what the daemon is told is allowed, once it is told.
fn told(handle: &Handle) -> Vec<u64> {
    let started = std::time::Instant::now();
    loop {
        if let Some(allowances) = handle.allowances() {
            return allowances.iter().map(|allowance| allowance.id.0).collect();
        }
        assert!(started.elapsed() < PATIENCE, "nothing was told");
        std::thread::yield_now();
    }
}

fn revoked(directory: &Path, id: u64) -> RevokeOutcome {
    let ended = Ended { at: Timestamp::now(), by: "bob".to_owned(), why: "a thief".to_owned() };
    revoke(directory, AllowanceId(id), &ended).unwrap()
}

#[test]
fn a_daemon_is_told_while_it_runs_and_when_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert!(matches!(allow(directory, &wish("192.0.2.7", 900)), Err(Error::Missing { .. })));
    let running = ledger(directory);
    assert_eq!(told(&running.handle()), [0; 0]);
    assert_eq!(Reader::open(directory).unwrap().windows().unwrap(), [10, 60]);
    allow(directory, &wish("192.0.2.7", 900)).unwrap();
    assert_eq!(told(&running.handle()), [1]);
    assert_eq!(running.stats().allowances.load(std::sync::atomic::Ordering::Relaxed), 1);
    // The same, whatever the order of the routes, takes its place.
    let routes = vec!["GET /a".to_owned(), "GET /b".to_owned()];
    let again = allow(directory, &NewAllowance { routes, ..wish("192.0.2.7", 900) }).unwrap();
    assert_eq!(again, AllowOutcome::Allowed { id: AllowanceId(2), replaced: Some(AllowanceId(1)) });
    assert_eq!(told(&running.handle()), [2]);
    running.finish(PATIENCE).unwrap();
    allow(directory, &wish("192.0.2.8", 900)).unwrap();
    let running = ledger(directory);
    assert_eq!(running.handle().allowances().unwrap().len(), 2, "before anything else");
    assert_eq!(revoked(directory, 2), RevokeOutcome::Revoked);
    assert_eq!(told(&running.handle()), [3]);
    assert_eq!(revoked(directory, 9), RevokeOutcome::Unknown);
    assert!(matches!(revoked(directory, 2), RevokeOutcome::Over(Ended { by, .. }) if by == "bob"));
    // Names are not used again.
    assert_eq!(revoked(directory, 3), RevokeOutcome::Revoked);
    let next = allow(directory, &wish("192.0.2.8", 900)).unwrap();
    assert_eq!(next, AllowOutcome::Allowed { id: AllowanceId(4), replaced: None });
    running.finish(PATIENCE).unwrap();
}

#[test]
fn what_has_come_to_its_day_is_noted() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let running = ledger(directory);
    told(&running.handle());
    let soon =
        NewAllowance { until: Timestamp::now() + Duration::from_millis(1_500), ..wish("192.0.2.7", 0) };
    allow(directory, &soon).unwrap();
    assert_eq!(told(&running.handle()), [1]);
    assert_eq!(told(&running.handle()), [0; 0], "though nobody has written anything");
    let [one] = &Reader::open(directory).unwrap().allowances().unwrap()[..] else { panic!("one was") };
    let ended = one.ended.clone().unwrap();
    assert_eq!((ended.at, &*ended.by), (one.allowance.until, "rollcall"));
    running.finish(PATIENCE).unwrap();
    // Where no daemon runs, whoever writes next notes it.
    allow(directory, &NewAllowance { until: Timestamp::now(), ..wish("192.0.2.8", 0) }).unwrap();
    assert!(matches!(revoked(directory, 2), RevokeOutcome::Over(Ended { by, .. }) if by == "rollcall"));
}

#[test]
fn there_are_never_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ledger(directory).finish(PATIENCE).unwrap();
    let address = |n: u64| format!("10.0.{}.{}", n / 256, n % 256);
    edit(directory, |transaction| {
        for n in 1..MOST {
            transaction.execute(
                "INSERT INTO allowances (clients, routes, most, window_s, at, until, by, why)
                 VALUES (?1, '[]', 1, 10, ?2, ?3, 'ada', 'the job')",
                params![format!("[\"{}\"]", address(n)), at(0).to_string(), at(900).to_string()],
            )?;
        }
        Ok(())
    })
    .unwrap();
    assert!(matches!(allow(directory, &wish("192.0.2.7", 900)).unwrap(), AllowOutcome::Allowed { .. }));
    assert_eq!(allow(directory, &wish("192.0.2.8", 900)).unwrap(), AllowOutcome::TooMany);
    // In the place of another there is room.
    assert!(matches!(allow(directory, &wish("192.0.2.7", 900)).unwrap(), AllowOutcome::Allowed { .. }));
    assert_eq!(revoked(directory, 1), RevokeOutcome::Revoked);
    assert!(matches!(allow(directory, &wish("192.0.2.8", 900)).unwrap(), AllowOutcome::Allowed { .. }));
}

#[test]
fn a_ledger_of_an_older_version_is_left_to_its_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ledger(directory).finish(PATIENCE).unwrap();
    let old = Connection::open(directory.join(FILE)).unwrap();
    old.execute_batch("DROP TABLE allowances; DROP TABLE windows; PRAGMA user_version = 1").unwrap();
    drop(old);
    let is_older = |error: Error| matches!(error, Error::Unusable { why: Unusable::Older { .. }, .. });
    assert!(is_older(allow(directory, &wish("192.0.2.7", 900)).unwrap_err()));
    assert!(is_older(Reader::open(directory).unwrap().allowances().unwrap_err()));
    assert_eq!(Reader::open(directory).unwrap().alerts().unwrap(), []);
    ledger(directory).finish(PATIENCE).unwrap();
    assert!(matches!(allow(directory, &wish("192.0.2.7", 900)).unwrap(), AllowOutcome::Allowed { .. }));
    assert_eq!(
        std::fs::read_dir(directory)
            .unwrap()
            .filter(|file| { file.as_ref().unwrap().file_name().to_string_lossy().contains("set-aside") })
            .count(),
        0
    );
}

#[test]
fn the_most_that_was_used_is_kept_and_when_it_was_last() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let used = || {
        let allowed = Reader::open(directory).unwrap().allowances().unwrap();
        allowed.iter().rev().map(|allowed| allowed.used).collect::<Vec<_>>()
    };
    let uses = |all: &[(u64, u64, Timestamp)]| {
        let mut uses = Uses::default();
        all.iter().for_each(|&(id, most, at)| uses.add(AllowanceId(id), Use { most, at }));
        uses
    };
    let (early, late) = (at(1), at(2));
    let running = ledger(directory);
    allow(directory, &wish("192.0.2.7", 900)).unwrap();
    allow(directory, &wish("192.0.2.8", 900)).unwrap();
    assert_eq!(used(), [None, None]);
    running.handle().used(uses(&[(1, 30, early), (7, 3, early)]));
    running.handle().used(uses(&[(1, 20, late)]));
    running.finish(PATIENCE).unwrap();
    // To the microsecond.
    let kept = |most, at: Timestamp| Some(Use { most, at: Timestamp(at.0 / 1_000 * 1_000) });
    assert_eq!(used(), [kept(30, late), None]);
    let running = ledger(directory);
    running.handle().used(uses(&[(1, 40, early), (2, 5, late)]));
    running.finish(PATIENCE).unwrap();
    assert_eq!(used(), [kept(40, late), kept(5, late)]);
}
