//! `rollcall replay`: capture files through the same engine.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    client::{request, request_with_body},
    daemon,
    pcap::Capture,
};
use serde_json::Value;

/// Client, client port, server port, method, host, target, status; "-" for what is absent.
type Row = [String; 7];

/// Where the target stands in a [`Row`].
const TARGET: usize = 5;

/// A target as Zeek's http.log has it: percent-escapes resolved, where they are whole.
fn unescaped(target: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replays a file; its exchanges.
fn replay(file: &Path) -> Result<Vec<Row>> {
    let replayed = replay_whole(file)?;
    ensure!(replayed.code == Some(0), "replay of {} ended with {:?}", file.display(), replayed.code);
    Ok(replayed.exchanges)
}

/// What came of a replay at the defaults.
struct Replayed {
    code: Option<i32>,
    exchanges: Vec<Row>,
    /// Client, severity, and how many objects, of each alert, notices among them.
    alerts: Vec<(String, String, u64)>,
}

fn replay_whole(file: &Path) -> Result<Replayed> {
    let folder = tempfile::tempdir()?;
    let alerts = folder.path().join("alerts.jsonl");
    let output = Command::new(daemon::binary())
        .args(["replay", "--exchange-log", "-", "--alert.file"])
        .arg(&alerts)
        .arg(file)
        .output()
        .with_context(|| format!("replay {}", file.display()))?;
    let json = |line: &str| serde_json::from_str::<Value>(line).with_context(|| line.to_owned());
    let exchanges = String::from_utf8(output.stdout)?;
    let alerts = if alerts.exists() { fs::read_to_string(alerts)? } else { String::new() };
    let alert = |alert: Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        (text(&alert["client"]["id"]), text(&alert["severity"]), alert["distinct"].as_u64().unwrap_or(0))
    };
    Ok(Replayed {
        code: output.status.code(),
        exchanges: exchanges.lines().map(|line| row(&json(line)?)).collect::<Result<_>>()?,
        alerts: alerts.lines().map(|line| json(line).map(alert)).collect::<Result<_>>()?,
    })
}

fn row(exchange: &Value) -> Result<Row> {
    let field = |name: &str| match exchange.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    Ok(["client_ip", "client_port", "server_port", "method", "host", "target", "status"].map(field))
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// A directory of recorded data that has `file` in it, or `None`, said aloud, where it is not at hand.
fn recorded(name: &str, file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("ROLLCALL_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = shared.unwrap_or(beside).join("data").join(name);
    if folder.join(file).is_file() {
        return Some(folder);
    }
    // Written past the test runner, which keeps back what a passing test prints.
    let _ = writeln!(
        std::io::stderr(),
        "NOTICE: there is nothing recorded in {}: set ROLLCALL_SHARED to the directory that has data/{name}; \
         only what is generated is replayed",
        folder.display()
    );
    None
}

#[test]
fn recorded_captures_give_the_expected_requests() -> Result<()> {
    let Some(folder) = recorded("pcap", "requests.json") else { return Ok(()) };
    let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join("requests.json"))?)?;
    let mut differences = BTreeMap::new();
    for capture in expected.as_array().context("requests.json is no list")? {
        let name = capture["pcap"].as_str().context("no pcap")?;
        let requests = capture["requests"].as_array().context("no requests")?;
        let fields = ["client", "client_port", "server_port", "method", "host", "uri", "status"];
        let wanted = requests
            .iter()
            .map(|request| fields.map(|field| request[field].as_str().unwrap_or("-").to_owned()));
        let wanted = sorted(wanted.collect());
        let mut found = replay(&folder.join(name))?;
        for row in &mut found {
            row[TARGET] = unescaped(&row[TARGET]);
        }
        let found = sorted(found);
        if found != wanted {
            differences.insert(name, (wanted, found));
        }
    }
    ensure!(
        differences.is_empty(),
        "{}",
        differences
            .iter()
            .map(|(name, (wanted, found))| format!("{name}:\n  expected {wanted:?}\n  found    {found:?}\n"))
            .collect::<String>()
    );
    Ok(())
}

fn generated() -> (Vec<u8>, Vec<Row>) {
    let mut capture = Capture::default();
    let fake = request("GET", "/v1/customers/666");
    let (first, second) = (request("GET", "/v1/customers/1"), request_with_body("POST", "/orders", &fake));
    let pipelined = [request("GET", "/a"), request("HEAD", "/b"), request("GET", "/c")].concat();
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let chunked: &[u8] = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let three = [
        ok,
        b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
    ]
    .concat();
    let turns: [(&[u8], &[u8]); 3] = [(&first, ok), (&second, chunked), (&pipelined, &three)];
    let mut expected = Vec::new();
    for (port, size) in [(5001, 1460), (5002, 100), (5003, 7), (5004, 1)] {
        capture.push_conversation(port, &turns, size);
        for (method, target, status) in [
            ("GET", "/v1/customers/1", "200"),
            ("POST", "/orders", "201"),
            ("GET", "/a", "200"),
            ("HEAD", "/b", "204"),
            ("GET", "/c", "404"),
        ] {
            let port = port.to_string();
            expected
                .push(["10.0.0.2", &port, "80", method, "api.example", target, status].map(str::to_owned));
        }
    }
    (capture.bytes().to_vec(), expected)
}

#[test]
fn a_generated_capture_gives_its_requests() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bytes, expected) = generated();
    let file = folder.path().join("generated.pcap");
    fs::write(&file, bytes)?;
    assert_eq!(sorted(replay(&file)?), sorted(expected));
    Ok(())
}

#[test]
fn of_a_truncated_capture_the_readable_part_is_reported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bytes, expected) = generated();
    let file = folder.path().join("truncated.pcap");
    fs::write(&file, &bytes[..bytes.len() - 7])?;
    let log = folder.path().join("exchanges.jsonl");
    let output = Command::new(daemon::binary())
        .args(["replay", "--alert.file"])
        .arg(folder.path().join("alerts.jsonl"))
        .arg("--exchange-log")
        .arg(&log)
        .arg(&file)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "a truncated capture is no error: {errors}");
    ensure!(errors.contains("truncated.pcap"), "the error does not name the file: {errors}");
    let text = fs::read_to_string(&log)?;
    let rows = text.lines().map(|line| row(&serde_json::from_str(line)?)).collect::<Result<Vec<_>>>()?;
    assert_eq!(sorted(rows), sorted(expected));
    Ok(())
}

#[test]
fn what_is_no_capture_is_named_as_such() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("foreign.pcap");
    for content in [&b"this is not a capture file at all\n"[..], b""] {
        fs::write(&file, content)?;
        let output = Command::new(daemon::binary()).arg("replay").arg(&file).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success(), "a foreign file is no error: {errors}");
        ensure!(
            errors.contains("foreign.pcap") && errors.trim().lines().count() == 1,
            "not one clear line: {errors}"
        );
    }
    Ok(())
}

/// Target and status of each exchange, in order of the targets.
fn statuses(rows: &[Row]) -> Vec<(&str, &str)> {
    let mut statuses: Vec<_> = rows.iter().map(|row| (&*row[TARGET], &*row[TARGET + 1])).collect();
    statuses.sort_unstable();
    statuses
}

/// A folder of the cases, and the files in it.
fn case(name: &str, file: &str) -> Result<Vec<PathBuf>> {
    let Some(folder) = recorded("cases", &format!("{name}/{file}")) else { return Ok(Vec::new()) };
    let files =
        fs::read_dir(folder.join(name))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_input = |file: &PathBuf| {
        file.extension().is_some_and(|extension| ["pcap", "log", "json"].iter().any(|one| extension == *one))
    };
    Ok(files.into_iter().filter(is_input).collect())
}

#[test]
fn a_lost_answer_or_request_leaves_the_others_their_statuses() -> Result<()> {
    const RIGHT: [(&str, &str); 6] = [
        ("/v1/customers/1001", "200"),
        ("/v1/customers/1002", "404"),
        ("/v1/customers/1003", "200"),
        ("/v1/customers/1004", "403"),
        ("/v1/customers/1005", "500"),
        ("/v1/customers/1006", "204"),
    ];
    for file in case("01", "a-head-lost.pcap")? {
        let rows = replay(&file)?;
        let found = statuses(&rows);
        ensure!(found[0] == (RIGHT[0].0, "-") && found[1..] == RIGHT[1..], "{}: {found:?}", file.display());
    }
    for file in case("02", "a-request-lost.pcap")? {
        let rows = replay(&file)?;
        let expected = [&RIGHT[..2], &RIGHT[3..]].concat();
        assert_eq!(statuses(&rows), expected, "{}", file.display());
    }
    Ok(())
}

#[test]
fn challenges_expectations_and_one_sided_connections_hide_no_request() -> Result<()> {
    for (name, file, calls, statuses) in [
        ("03", "a-challenge-ack.pcap", 6, &["200"][..]),
        ("16", "a-one-side-beside-a-whole-one.pcap", 4, &["-", "200"]),
        ("17", "a-417.pcap", 5, &["200", "417"]),
    ] {
        for file in case(name, file)? {
            let rows = replay(&file)?;
            let is_right = rows.iter().all(|row| statuses.contains(&&*row[TARGET + 1]));
            ensure!(rows.len() == calls && is_right, "{}: {rows:?}", file.display());
        }
    }
    Ok(())
}

#[test]
fn the_thief_is_named_whatever_the_client_made_up_and_whatever_stands_before_a_line() -> Result<()> {
    const THIEF: &str = "198.51.100.66";
    let logs = case("06", "plain.log")?;
    let plain = logs.iter().find(|file| file.ends_with("plain.log"));
    let plain = plain.map(|file| replay(file)).transpose()?;
    for file in case("05", "a-made-up-address.pcap")?.into_iter().chain(logs) {
        let Replayed { code, exchanges, alerts } = replay_whole(&file)?;
        let warnings: Vec<_> = alerts.iter().filter(|(_, severity, _)| severity != "info").collect();
        let is_right = matches!(&*warnings, [(client, _, 21)] if client == THIEF);
        ensure!(code == Some(0) && is_right, "{}: {alerts:?}", file.display());
        if let Some(plain) = plain.as_ref().filter(|_| file.extension().is_some_and(|one| one == "log")) {
            assert_eq!(&exchanges, plain, "{}", file.display());
        }
    }
    Ok(())
}

#[test]
fn a_log_is_read_right_or_refused() -> Result<()> {
    for file in case("formats", "20-gunicorn.log")? {
        let Replayed { code, exchanges, .. } = replay_whole(&file)?;
        if code == Some(7) && exchanges.is_empty() {
            continue;
        }
        let path = |row: &Row| row[TARGET].trim_start_matches("https://api.example.org").to_owned();
        let paths: Vec<String> = exchanges.iter().map(path).collect();
        let expected = [1017, 1018, 1019].map(|id| format!("/v1/customers/{id}"));
        // The addresses of the callers in these files, as the documentation of each format has them.
        let callers = ["203.0.113.9", "2001:db8::9", "192.0.2.1"];
        let is_right = exchanges.iter().all(|row| callers.contains(&&*row[0]) && row[TARGET + 1] == "200");
        ensure!(code == Some(0) && paths == expected && is_right, "{}: {exchanges:?}", file.display());
    }
    for file in case("framing", "r35.log")? {
        let rows = replay(&file)?;
        let is_right = rows.iter().all(|row| row[TARGET + 1] == "200");
        ensure!(rows.len() == 25 && is_right, "{}: {rows:?}", file.display());
    }
    Ok(())
}

#[test]
fn of_a_challenge_between_two_connections_on_the_same_ports_nothing_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("challenge.pcap");
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (first, second) = (request("GET", "/v1/customers/1"), request("GET", "/v1/customers/2"));
    for with_reset in [true, false] {
        let mut capture = Capture::default();
        capture.push_challenge(5001, with_reset);
        capture.push_conversation(5001, &[(&first, ok), (&second, ok)], 1460);
        capture.push_challenge(5001, with_reset);
        capture.push_conversation(5001, &[(&first, ok)], 1460);
        fs::write(&file, capture.bytes())?;
        let rows = replay(&file)?;
        let (one, two) = (("/v1/customers/1", "200"), ("/v1/customers/2", "200"));
        assert_eq!(statuses(&rows), [one, one, two], "with a reset: {with_reset}");
    }
    Ok(())
}
