//! The daemon killed at random moments, under load, two hundred times: nothing that anybody was told of is lost, and nothing
//! is told twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use rollcall_attribute::route::full_name::split;
use rollcall_store::Reader;
use rollcall_tests::{Client, Daemon, Nginx, bpf, daemon::State, deadline, random::Random};
use serde_json::Value;

/// Daemons that are killed.
const LIVES: usize = 200;

/// One of these many is killed on its way up.
const EARLY: f64 = 0.25;

/// How long a start takes, at most, and how long one that is up lives.
const START: Duration = Duration::from_millis(250);
const LIFE: Duration = Duration::from_millis(250);

/// One in so many lives longer: what was read is written down once a second.
const LONG: usize = 20;
const LONG_LIFE: Duration = Duration::from_millis(1_200);

/// Who reads account after account, from the first life to the last.
const WALKER: Ipv4Addr = Ipv4Addr::new(127, 1, 1, 1);
const WALK: &str = "GET /v1/customers/{id}";

/// Names of kinds of things, and of parts of them: each client of many walks through a route of its own.
const WORDS: usize = 50;

/// Calls to the server, whatever becomes of the daemon.
struct Load {
    stop: Arc<AtomicBool>,
    /// Accounts that the walker has read: all from 1 up to this.
    walked: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    fn start(server: SocketAddr) -> Load {
        let (stop, walked) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let walk = {
            let (stop, walked) = (Arc::clone(&stop), Arc::clone(&walked));
            move || walk(server, &stop, &walked)
        };
        let crowd = {
            let stop = Arc::clone(&stop);
            move || crowd(server, &stop)
        };
        Load { stop, walked, threads: vec![thread::spawn(walk), thread::spawn(crowd)] }
    }

    /// Ends it; how many accounts the walker has read.
    fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a thread of the load panicked"))??;
        }
        Ok(self.walked.load(Ordering::Relaxed))
    }
}

/// A call with a token: doors that are open are not what this is about.
fn call(client: &mut Client, target: &str, token: &str) -> Result<()> {
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: accounts.test\r\nAuthorization: Bearer token-of-{token}\r\n\r\n"
    ))?;
    client.response().map(drop)
}

/// Some 200 accounts a second, one after the other, each once.
fn walk(server: SocketAddr, stop: &AtomicBool, walked: &AtomicU64) -> Result<()> {
    let mut client = Client::connect_from(WALKER, server)?;
    while !stop.load(Ordering::Relaxed) {
        // Counted before it is made: what is listed was called.
        let account = walked.fetch_add(1, Ordering::Relaxed) + 1;
        call(&mut client, &format!("/v1/customers/{account}"), "walker")?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Some forty clients a second, each of which walks through thirty things of its own kind, and is gone.
fn crowd(server: SocketAddr, stop: &AtomicBool) -> Result<()> {
    let word = |n: usize| format!("{}{}rel", &"bdfgklmnpr"[n / 5..=n / 5], &"aeiou"[n % 5..=n % 5]);
    for n in 0..WORDS * WORDS {
        let address = Ipv4Addr::new(127, 2, (n >> 8) as u8, n as u8);
        let mut client = Client::connect_from(address, server)?;
        for thing in 0..30 {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (kind, part) = (word(n % WORDS), word(n / WORDS));
            call(&mut client, &format!("/v2/{kind}s/{part}s/{}", 1_000 + thing), &n.to_string())?;
        }
        thread::sleep(Duration::from_millis(15));
    }
    Ok(())
}

/// The alert file's lines, each of which has to be whole.
fn lines(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).context("read the alert file")?;
    ensure!(text.ends_with('\n'), "the alert file ends within a line");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).with_context(|| format!("a line is torn: {line}"))?;
    }
    Ok(text.lines().map(str::to_owned).collect())
}

/// The names in the state directory, each of which has to be one that belongs there.
fn expect_nothing_set_aside(state: &State) -> Result<()> {
    for entry in fs::read_dir(state.directory())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let belongs = ["key", "checkpoint", "ledger.db", "exposure.db"].contains(&name.as_str())
            || name == "checkpoint.new"
            || name.starts_with("key.")
            || name.ends_with("-wal")
            || name.ends_with("-shm")
            || name.ends_with("-journal");
        ensure!(belongs, "{name} is in the state directory");
    }
    Ok(())
}

/// The accounts that the ledger says were read in the alert `id`, with their calls.
fn exposure(state: &State, id: &str) -> Result<BTreeMap<u64, u64>> {
    let output = state.ask(&["exposure", id, "--format", "json"])?;
    ensure!(output.status.success(), "exposure: {}", String::from_utf8_lossy(&output.stderr));
    let mut read = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let row: Value = serde_json::from_str(line)?;
        if let Some(object) = row["object"].as_str() {
            // One that only the alert names has no calls: they were not on disk yet.
            read.insert(object.parse()?, row["calls"].as_u64().unwrap_or(0));
        }
    }
    Ok(read)
}

/// The seed of this run: that of an earlier one if `ROLLCALL_SEED` has it.
fn seed() -> Result<u64> {
    match std::env::var("ROLLCALL_SEED") {
        Ok(seed) => seed.parse().context("ROLLCALL_SEED is no number"),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64 % 1_000_000),
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_and_tells_nothing_twice() -> Result<()> {
    let seed = seed()?;
    eprintln!("ROLLCALL_SEED={seed} makes the same moments");
    let mut random = Random::seeded(seed);
    let nginx = Nginx::start()?;
    let (state, folder) = (State::new()?, tempfile::tempdir()?);
    let file = folder.path().join("alerts.jsonl");
    let file_name = file.to_str().context("a path that is no text")?;
    let arguments = ["--alert.file", file_name, "--checkpoint.interval", "100ms", "--log.level", "warn"];
    let begin = || Daemon::begin_with(&state, &[nginx.port()], &arguments);
    let load = Load::start(nginx.address());
    let (mut listed, mut starts) = (BTreeMap::new(), Vec::new());
    for life in 0..LIVES {
        let begun = Instant::now();
        let mut daemon = begin()?;
        let is_long = life % LONG == LONG - 1;
        let is_early = !is_long && random.chance(EARLY);
        if is_early {
            thread::sleep(START.mul_f64(random.unit()));
        } else {
            daemon.wait_until_ready()?;
            starts.push(begun.elapsed());
            let at_least = if is_long { LONG_LIFE } else { Duration::ZERO };
            thread::sleep(at_least + LIFE.mul_f64(random.unit()));
        }
        let log = daemon.log();
        daemon.kill()?;
        ensure!(log.is_empty(), "life {life}: {log}");
        expect_nothing_set_aside(&state).with_context(|| format!("life {life}"))?;
        if life == LIVES / 2 {
            listed = exposure(&state, &walk_of(&state)?)?;
        }
    }
    starts.sort();
    eprintln!("a start takes {:?}, at most {:?}", starts[starts.len() / 2], starts[starts.len() - 1]);
    // The last one goes on as long as it takes to see the walk, and stops in good order.
    let mut daemon = begin()?;
    daemon.wait_until_ready()?;
    let held = bpf::held_by(daemon.pid())?;
    let walked = load.finish()?;
    let open: Value = serde_json::from_str(&daemon.page("/api/v1/alerts")?.1)?;
    let metrics = daemon.metrics()?;
    let report = daemon.stop_now(metrics)?;
    ensure!(report.log.is_empty(), "{}", report.log);
    expect_nothing_set_aside(&state)?;

    let told = lines(&file)?;
    let reader = Reader::open(&state.directory())?;
    let events: Vec<String> =
        reader.events_after(0, 1_000_000)?.into_iter().map(|event| event.line).collect();
    ensure!(told.len() > 300, "only {} lines were told", told.len());
    assert_eq!(told, events, "the alert file has what the ledger has, once each, in order");
    let mut opened = BTreeMap::<String, usize>::new();
    for line in &told {
        let alert: Value = serde_json::from_str(line)?;
        let id = alert["id"].as_str().context("no id")?.to_owned();
        let is_first = !opened.contains_key(&id);
        ensure!((alert["state"] == "open") == is_first, "told out of order: {line}");
        *opened.entry(id).or_default() += 1;
    }
    let rows = reader.alerts()?;
    let known: BTreeSet<String> = rows.iter().map(|row| row.alert.id.clone()).collect();
    assert_eq!(known, opened.into_keys().collect(), "what the ledger knows was told");
    let is_open = rows.iter().filter(|row| row.resolved_at.is_none()).count();
    assert_eq!(open["open"], is_open, "what is open to others is open to the daemon");

    // The walk that never ended is one alert, and so is each of the short ones.
    let mut by_route = BTreeMap::<&str, usize>::new();
    rows.iter().for_each(|row| *by_route.entry(&row.alert.route).or_default() += 1);
    let twice: Vec<_> = by_route.iter().filter(|(_, alerts)| **alerts > 1).collect();
    ensure!(twice.is_empty(), "told of under several ids: {twice:?}");
    ensure!(by_route.len() > 100, "only {} routes had an alert", by_route.len());

    // What is said to have been read was read, no call counts twice, and what was said stays.
    let read = exposure(&state, &walk_of(&state)?)?;
    ensure!(read.iter().all(|(account, calls)| (1..=walked).contains(account) && *calls <= 1), "{read:?}");
    ensure!(listed.len() > 100, "only {} accounts were listed", listed.len());
    ensure!(listed.keys().all(|account| read.contains_key(account)), "accounts are no longer listed");
    eprintln!("{} lines, {} alerts; {} of {walked} accounts listed", told.len(), rows.len(), read.len());

    deadline::until("the kernel to let the programs go", || {
        let loaded = bpf::programs()?.iter().any(|program| held.contains(&program.id));
        let attached = bpf::attached()?.iter().flatten().any(|id| held.contains(id));
        Ok((!loaded && !attached).then_some(()))
    })
}

/// The id of the alert about the walk.
fn walk_of(state: &State) -> Result<String> {
    let rows = Reader::open(&state.directory())?.alerts()?;
    let walk = rows.into_iter().find(|row| split(&row.alert.route).1 == WALK);
    walk.map(|row| row.alert.id).context("there is no alert about the walk")
}
