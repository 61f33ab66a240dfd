//! `rollcall replay`: capture files through the same engine.

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf, process::Command};

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
fn replay(file: &std::path::Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(daemon::binary())
        .args(["replay", "--exchange-log", "-", "--alert.file"])
        .arg(folder.path().join("alerts.jsonl"))
        .arg(file)
        .output()
        .with_context(|| format!("replay {}", file.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "replay of {} ended with {}: {errors}", file.display(), output.status);
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(|line| row(&serde_json::from_str(line).with_context(|| line.to_owned())?)).collect()
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

/// The recorded captures, or `None`, said aloud, where they are not at hand.
fn recorded() -> Option<PathBuf> {
    let shared = std::env::var_os("ROLLCALL_SHARED").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = shared.unwrap_or(beside).join("data/pcap");
    if folder.join("requests.json").is_file() {
        return Some(folder);
    }
    // Written past the test runner, which keeps back what a passing test prints.
    let _ = writeln!(
        std::io::stderr(),
        "NOTICE: there are no recorded captures in {}: set ROLLCALL_SHARED to the directory that has data/pcap; \
         only a generated capture is replayed",
        folder.display()
    );
    None
}

#[test]
fn recorded_captures_give_the_expected_requests() -> Result<()> {
    let Some(folder) = recorded() else { return Ok(()) };
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
