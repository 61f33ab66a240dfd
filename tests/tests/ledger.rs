//! What suspicious clients read: written down while the daemon runs, listed by `rollcall exposure`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    Client, Daemon, MiniServer,
    daemon::{DISTINCT_OBJECTS, State},
    deadline, disk,
};
use serde_json::Value;

const WALKER: Ipv4Addr = Ipv4Addr::new(127, 8, 8, 8);
const CUSTOMER: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);

/// A row of the list: calls and statuses.
type Reads = (u64, Vec<String>);

/// What `rollcall exposure … --format json` prints.
#[derive(Debug)]
struct Exposure {
    head: Value,
    rows: BTreeMap<String, Reads>,
    tail: Value,
}

impl Exposure {
    fn of(state: &State, who: &str, arguments: &[&str]) -> Result<Exposure> {
        let output = state.ask(&[&["exposure", who, "--format", "json"], arguments].concat())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let [head, rows @ .., tail] = &lines[..] else { anyhow::bail!("fewer than two lines: {text}") };
        let mut listed = BTreeMap::new();
        for row in rows {
            let object = row["object"].as_str().context("no object")?.to_owned();
            let statuses = row["statuses"].as_array().into_iter().flatten();
            let statuses = statuses.filter_map(Value::as_str).map(str::to_owned).collect();
            let before = listed.insert(object, (row["calls"].as_u64().unwrap_or(0), statuses));
            ensure!(before.is_none(), "listed twice: {row}");
        }
        ensure!(tail["rows"] == rows.len(), "{tail}");
        Ok(Exposure { head: head.clone(), rows: listed, tail: tail.clone() })
    }

    fn is_complete(&self) -> bool {
        self.tail["complete"] == true && self.head["alerts"][0]["gaps"].as_array().is_some_and(Vec::is_empty)
    }
}

fn walk(client: &mut Client, ids: impl IntoIterator<Item = u64>) -> Result<()> {
    for id in ids {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    Ok(())
}

fn reads(expected: impl IntoIterator<Item = (u64, u64)>) -> BTreeMap<String, Reads> {
    expected.into_iter().map(|(id, calls)| (id.to_string(), (calls, vec!["200".to_owned()]))).collect()
}

/// The id of the alert about the walk.
fn alert(daemon: &Daemon) -> Result<String> {
    let alert = daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    alert["id"].as_str().map(str::to_owned).context("no id")
}

#[test]
fn exactly_the_accounts_that_were_read_are_listed() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &[])?;
    let mut customer = Client::connect_from(CUSTOMER, server.address())?;
    let mut walker = Client::connect_from(WALKER, server.address())?;
    walk(&mut customer, [7, 1_003, 7])?;
    // Long before the alert, some of them twice.
    walk(&mut walker, [1_000, 1_001, 1_000])?;
    walk(&mut customer, [8])?;
    walk(&mut walker, 1_002..1_300)?;
    walk(&mut walker, [1_299, 1_299])?;
    walk(&mut customer, [9])?;
    let id = alert(&daemon)?;
    daemon.stop()?;

    let expected = reads((1_000..1_300).map(|id| match id {
        1_000 => (id, 2),
        1_299 => (id, 3),
        _ => (id, 1),
    }));
    for who in [&id[..], &id[..8], "127.8.8.8", "peer:127.8.8.8"] {
        let exposure = Exposure::of(&state, who, &[])?;
        assert_eq!(exposure.rows, expected, "{who}");
        assert!(exposure.is_complete(), "{:#}", exposure.head);
        assert_eq!(exposure.tail["objects"], 300);
        let client = &exposure.head["clients"][0];
        assert_eq!((&client["client"], &client["calls"]), (&"peer:127.8.8.8".into(), &303.into()));
    }
    assert!(Exposure::of(&state, &id, &["--since", "2100-01-01"])?.rows.is_empty());
    assert_eq!(Exposure::of(&state, &id, &["--since", "1h"])?.rows, expected);

    let csv = state.ask(&["exposure", &id])?;
    let text = String::from_utf8(csv.stdout)?;
    assert_eq!(text.lines().count(), 301);
    let row = text.lines().find(|line| line.starts_with("1299,")).context("no row")?;
    let service = server.address().port();
    let end = format!(",3,200,peer:127.8.8.8,GET /v1/customers/{{id}},{id},:{service}");
    assert!(row.ends_with(&end), "{row}");
    let summary = String::from_utf8(csv.stderr)?;
    assert!(summary.contains("complete: nothing is known to be missing"), "{summary}");
    assert!(summary.ends_with("300 different objects\n"), "{summary}");

    for (who, code) in [("127.9.9.9", 11), ("ffffffffffffffff", 11), ("nobody", 2)] {
        let output = state.ask(&["exposure", who])?;
        assert_eq!(output.status.code(), Some(code), "{who}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    Ok(())
}

#[test]
fn refused_calls_read_nothing_and_statuses_are_told() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &[])?;
    let mut walker = Client::connect_from(WALKER, server.address())?;
    for status in (200..=230).chain([302, 304, 401, 404, 404, 500]) {
        walker.get(&format!("/status/{status}"))?;
    }
    let id = alert(&daemon)?;
    daemon.stop()?;
    let exposure = Exposure::of(&state, &id, &[])?;
    let listed: BTreeSet<u64> =
        exposure.rows.keys().map(|object| object.parse()).collect::<Result<_, _>>()?;
    assert_eq!(listed, (200..=230).chain([304]).collect());
    let told = |status: &str| exposure.rows[status].1.join(" ");
    assert_eq!([told("200"), told("204"), told("304"), told("230")], ["200", "204", "304", "2xx"]);
    assert_eq!(exposure.head["clients"][0]["refused_calls"], 5);
    assert!(exposure.is_complete(), "{:#}", exposure.head);
    Ok(())
}

#[test]
fn hashes_tell_which_of_ones_own_accounts_were_read() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &["--ledger.objects", "hashed"])?;
    walk(&mut Client::connect_from(WALKER, server.address())?, 70_000_001..=70_000_050)?;
    let id = alert(&daemon)?;
    daemon.stop()?;
    for (path, content) in state.files()? {
        // A checkpoint is what detection has in memory, the latest few objects of who comes near a limit among it.
        let is_memory = path.file_name().is_some_and(|name| name == "checkpoint");
        let found = content.windows(8).find(|window| window.starts_with(b"700000"));
        assert!(is_memory || found.is_none(), "an account stands in {}", path.display());
    }
    let own = tempfile::NamedTempFile::new()?;
    std::fs::write(own.path(), "70000051\n 0070000007\n\n70000001\nsomebody@example.org\n70000000\n")?;
    let path = own.path().to_str().context("a path that is no text")?;
    let exposure = Exposure::of(&state, &id, &["--match", path])?;
    assert_eq!(exposure.rows.keys().collect::<Vec<_>>(), ["0070000007", "70000001"]);
    assert!(exposure.is_complete(), "{:#}", exposure.head);
    assert_eq!(Exposure::of(&state, &id, &[])?.rows.len(), 50);
    Ok(())
}

#[test]
fn nothing_but_figures_is_kept_when_objects_are_off() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &["--ledger.objects", "off"])?;
    walk(&mut Client::connect_from(WALKER, server.address())?, 70_000_001..=70_000_100)?;
    let id = alert(&daemon)?;
    daemon.stop()?;
    let exposure = Exposure::of(&state, &id, &[])?;
    assert!(exposure.rows.is_empty() && exposure.tail["complete"] == false, "{exposure:?}");
    assert_eq!(exposure.head["alerts"][0]["gaps"][0]["kind"], "not_kept");
    assert!(exposure.head["clients"][0]["calls"].as_u64() > Some(70), "{}", exposure.head);
    Ok(())
}

#[test]
fn a_killed_daemon_leaves_the_list_as_it_was_committed() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let start = || Daemon::start_with(&state, &[server.address().port()], &[]);
    let daemon = start()?;
    walk(&mut Client::connect_from(WALKER, server.address())?, 1_000..1_200)?;
    let id = alert(&daemon)?;
    // Committed within a second; the daemon is asked nothing.
    deadline::until("the touches on disk", || {
        let exposure = Exposure::of(&state, &id, &[]).ok();
        Ok(exposure.filter(|exposure| exposure.rows.len() == 200).map(drop))
    })?;
    daemon.kill()?;
    let expected = reads((1_000..1_200).map(|id| (id, 1)));
    assert_eq!(Exposure::of(&state, &id, &[])?.rows, expected, "before it starts again");
    let daemon = start()?;
    walk(&mut Client::connect_from(CUSTOMER, server.address())?, [5])?;
    daemon.stop()?;
    let exposure = Exposure::of(&state, &id, &[])?;
    assert_eq!(exposure.rows, expected, "each call counts once");
    Ok(())
}

#[test]
fn a_flood_keeps_to_the_bound_and_the_list_says_so() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let daemon = Daemon::start_with(&state, &[server.address().port()], &["--ledger.size", "1MiB"])?;
    // An earlier, smaller walk.
    walk(&mut Client::connect_from(CUSTOMER, server.address())?, 1_000..1_100)?;
    let first = alert(&daemon)?;
    let mut flooder = Client::connect_from(WALKER, server.address())?;
    let mut id: u64 = 1;
    for _ in 0..700 {
        let ids: Vec<String> = (0..360)
            .map(|_| {
                id = id.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (id >> 31).to_string()
            })
            .collect();
        let body = format!(r#"{{"ids":[{}]}}"#, ids.join(","));
        let head = "POST /v1/customers/search HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n";
        flooder.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))?;
        flooder.response()?;
    }
    let size =
        |daemon: &Daemon| Ok::<_, anyhow::Error>(daemon.metrics()?.sum("rollcall_ledger_size_bytes", &[]));
    deadline::until("the bound", || {
        let dropped = daemon.metrics()?.sum("rollcall_ledger_touches_dropped_total", &[("reason", "room")]);
        Ok((dropped > 0.0).then_some(()))
    })?;
    let bytes = size(&daemon)?;
    assert!(bytes <= 1.5 * f64::from(1 << 20), "{bytes} bytes");
    daemon.stop()?;
    let flood = Exposure::of(&state, "127.8.8.8", &[])?;
    let gaps = &flood.head["alerts"][0]["gaps"];
    assert!(gaps.as_array().is_some_and(|gaps| gaps.iter().any(|gap| gap["kind"] == "no_room")), "{gaps}");
    assert!(flood.rows.len() > 50_000, "{} objects are kept", flood.rows.len());
    let first = Exposure::of(&state, &first, &[])?;
    assert_eq!(
        first.rows,
        reads((1_000..1_100).map(|id| (id, 1))),
        "the flood pushed out what was there before"
    );
    assert!(first.is_complete(), "{:#}", first.head);
    Ok(())
}

#[test]
fn what_was_read_while_the_disk_was_full_is_written_once_there_is_room() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::on_small_disk(8 << 20)?;
    let daemon = Daemon::start_with(&state, &[server.port()], &[])?;
    let mut walker = Client::connect_from(WALKER, server.address())?;
    walk(&mut walker, 1_000..1_030)?;
    let id = alert(&daemon)?;
    let filler = state.directory().join("filler");
    disk::fill(&filler)?;
    // Until it shows: what the ledger has of its own to write over takes the first few.
    let mut ids = 1_030..;
    deadline::until("the ledger to fail", || {
        walk(&mut walker, ids.by_ref().take(100))?;
        let errors = daemon.metrics()?.sum("rollcall_ledger_write_errors_total", &[("database", "exposure")]);
        Ok((errors > 0.0).then_some(()))
    })?;
    std::fs::remove_file(filler)?;
    daemon.stop()?;
    let exposure = Exposure::of(&state, &id, &[])?;
    assert_eq!(exposure.rows, reads((1_000..ids.start).map(|id| (id, 1))));
    assert!(exposure.is_complete(), "{:#}", exposure.head);
    Ok(())
}

/// What `rollcall allow` and `revoke` have said holds, though the daemon is killed as soon as they return.
#[test]
fn what_is_allowed_and_revoked_holds_though_the_daemon_is_killed() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let say = |arguments: &[&str]| {
        let output = state.ask(arguments)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let allowed = || -> Result<Vec<Value>> {
        let text = say(&["allowed", "--all", "--format", "json"])?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    };
    let start = || Daemon::start_with(&state, &[server.address().port()], &[]);
    // In no order.
    let scrambled = |accounts: std::ops::Range<u64>| accounts.map(|n| 1 + n * 7_919 % 100_003);
    let read = |accounts| walk(&mut Client::connect_from(WALKER, server.address())?, scrambled(accounts));

    let daemon = start()?;
    say(&["allow", "127.8.8.8", "--up-to", "5000/24h", "--why", "the auditor"])?;
    daemon.kill()?;
    let daemon = start()?;
    read(0..400)?;
    let report = daemon.stop()?;
    ensure!(report.alerts.iter().all(|alert| alert["severity"] == "info"), "{:#?}", report.alerts);
    let all = allowed()?;
    ensure!(all.len() == 1 && all[0]["ended"].is_null() && all[0]["used"]["most"] == 400, "{all:#?}");
    // How far it was used so far stays, and goes on.
    let daemon = start()?;
    read(0..1)?;
    daemon.stop()?;
    let later = allowed()?;
    ensure!(later[0]["used"]["most"] == 400, "{later:#?}");
    ensure!(later[0]["used"]["at"].as_str() > all[0]["used"]["at"].as_str(), "{later:#?}");
    let table = say(&["allowed"])?;
    ensure!(table.contains("  400 (8%)  "), "{table}");

    let daemon = start()?;
    say(&["revoke", "a1", "--why", "a thief"])?;
    daemon.kill()?;
    let daemon = start()?;
    read(1_000..1_040)?;
    let alert = daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    ensure!(alert["client"]["id"] == "127.8.8.8", "{alert}");
    daemon.stop()?;
    ensure!(allowed()?[0]["ended"]["why"] == "a thief", "{:#?}", allowed()?);
    Ok(())
}
