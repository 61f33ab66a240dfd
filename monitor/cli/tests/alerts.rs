//! `rollcall alerts` on a ledger that a daemon left, or is writing.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rollcall_detect::alert::Alert;
use rollcall_store::Ledger;

/// For what takes half a second.
const PATIENCE: Duration = Duration::from_secs(20);

fn alert(id: &str, state: &str, severity: &str, second: u8) -> Alert {
    let line = format!(
        r#"{{"v":1,"id":"{id}","state":"{state}","severity":"{severity}","rule":"distinct-objects",
        "at":"2026-11-24T12:00:{second:02}.000000Z","client":{{"kind":"peer","id":"198.51.100.7"}},
        "route":"GET /v1/customers/{{id}}","window_s":10,"limit":20,"distinct":21,"distinct_error":0,"requests":21,"bytes":0,
        "first_seen":"2026-11-24T12:00:00.000000Z","last_seen":"2026-11-24T12:00:09.000000Z","addresses":["198.51.100.7"],
        "sample_objects":["1042"],"signals":[],"clients":[{{"kind":"peer","id":"198.51.100.7"}}],"client_count":1,
        "opened_by":"distinct-objects","opened_at":"2026-11-24T12:00:{second:02}.000000Z","loss":0.0}}"#
    );
    serde_json::from_str(&line).unwrap()
}

/// A daemon's ledger with three alerts, of which one is over.
fn ledger(directory: &Path) -> Ledger {
    let ledger = Ledger::open(directory, Default::default()).unwrap();
    for alert in [
        alert("00000000000000a1", "open", "warning", 1),
        alert("00000000000000b2", "open", "critical", 2),
        alert("00000000000000b3", "open", "info", 3),
        alert("00000000000000b3", "resolved", "info", 3),
    ] {
        ledger.handle().record(&alert);
    }
    assert!(ledger.handle().flush().recv().unwrap());
    ledger
}

fn rollcall(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.arg("alerts").args(arguments).env("ROLLCALL_STATE_DIR", directory).env("SUDO_USER", "ada");
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn outcome(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = rollcall(directory, arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The ids that are listed, in order.
fn ids(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let (code, stdout, stderr) = outcome(directory, &[arguments, &["--format", "json"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
    };
    stdout.lines().map(id).collect()
}

#[test]
fn alerts_are_listed_the_newest_first() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let running = ledger(directory);
    for stops in [false, true] {
        let all = ["00000000000000b3", "00000000000000b2", "00000000000000a1"];
        assert_eq!(ids(directory, &[]), all);
        assert_eq!(ids(directory, &["--open"]), all[1..]);
        assert_eq!(ids(directory, &["--since", "2026-11-24T12:00:02Z"]), all[..2]);
        assert_eq!(ids(directory, &["--open", "--since", "2026-11-24T12:00:03Z"]), [""; 0]);
        if !stops {
            continue;
        }
        let (code, stdout, _) = outcome(directory, &["--open"]);
        let lines: Vec<&str> = stdout.lines().collect();
        assert_eq!((code, lines.len()), (0, 7), "{stdout}");
        let place = format!(" --state-dir {}", directory.display());
        assert_eq!(
            lines[5],
            format!("  rollcall allow 00000000000000b2 --up-to 50/10s --why 'this is fine'{place}")
        );
        assert!(
            lines[1]
                .starts_with("00000000000000b2  open   critical  2026-11-24T12:00:02Z  peer 198.51.100.7")
        );
        assert!(!stdout.contains("1042"), "accounts are not shown");
    }
    running.finish(PATIENCE).unwrap();
}

#[test]
fn an_alert_is_acknowledged_once() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ledger(directory).finish(PATIENCE).unwrap();
    let (code, stdout, stderr) = outcome(directory, &["ack", "00000000000000A", "--note", "the auditor"]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "00000000000000a1 is acknowledged by ada\n", "")
    );
    let (code, again, _) = outcome(directory, &["ack", "00000000000000a1", "--note", "the auditor"]);
    assert!(code == 0 && again.starts_with("00000000000000a1 is acknowledged by ada since 2"), "{again}");
    let (_, stdout, _) = outcome(directory, &["--open"]);
    let marked: Vec<bool> =
        stdout.lines().skip(1).take(2).map(|line| line.ends_with("ada (the auditor)")).collect();
    assert_eq!(marked, [false, true], "{stdout}");
    let (_, stdout, _) = outcome(directory, &["ack", "00000000000000a1", "--by", "bob"]);
    assert_eq!(stdout, "00000000000000a1 is acknowledged by bob\n");
    let (_, stdout, _) = outcome(directory, &["--format", "json", "--open"]);
    let taken = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["acked"]["by"].clone();
    assert_eq!(stdout.lines().map(taken).collect::<Vec<_>>(), [serde_json::Value::Null, "bob".into()]);
}

#[test]
fn what_can_not_be_acknowledged_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let missing = outcome(directory, &["ack", "a1"]);
    assert!(missing.0 == 11 && missing.2.contains("there is no ledger"), "{missing:?}");
    assert!(outcome(directory, &[]).2.contains("there is no ledger"));
    ledger(directory).finish(PATIENCE).unwrap();
    for (arguments, code, words) in [
        (&["ack", "c4"][..], 11, "there is no alert c4"),
        (&["ack", "00000000000000b"], 2, "several alerts begin like that"),
        (&["ack", "x"], 2, "the id of an alert"),
        (&["ack", "a1", "--note", " "], 2, "must not be empty"),
    ] {
        let (exit, stdout, stderr) = outcome(directory, arguments);
        assert!(
            exit == code && stdout.is_empty() && stderr.contains(words),
            "{arguments:?}: {exit} {stderr}"
        );
        assert!(code == 2 || stderr.lines().count() == 1, "{stderr}");
    }
}

/// A command that goes on, and its lines.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(directory: &Path, arguments: &[&str]) -> Following {
        let arguments = [&["--follow"], arguments].concat();
        let mut child = rollcall(directory, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines: Lines<BufReader<ChildStdout>> = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Following { child, lines: receiver }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

#[test]
fn what_happens_is_followed_across_restarts_and_new_ledgers() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let running = ledger(directory);
    let mut following = Following::start(directory, &["--open"]);
    let heads = [following.next(), following.next(), following.next()];
    assert!(heads[2].starts_with("00000000000000a1  open"), "{heads:?}");
    running.handle().record(&alert("00000000000000a1", "update", "critical", 4));
    assert_eq!(
        following.next(),
        "2026-11-24T12:00:04Z  00000000000000a1  update    critical  peer 198.51.100.7  GET /v1/customers/{id}  \
         distinct-objects: 21 over 20 in 10 s"
    );
    outcome(directory, &["ack", "00000000000000a1"]);
    assert!(following.next().ends_with("  00000000000000a1  acked     by ada"));
    running.finish(PATIENCE).unwrap();
    let running = Ledger::open(directory, Default::default()).unwrap();
    running.handle().record(&alert("00000000000000a1", "resolved", "critical", 5));
    assert!(following.next().contains("resolved"));
    running.finish(PATIENCE).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        drop(fs::rename(
            directory.join(format!("ledger.db{suffix}")),
            directory.join(format!("old{suffix}")),
        ));
    }
    let running = Ledger::open(directory, Default::default()).unwrap();
    running.handle().record(&alert("00000000000000c4", "open", "critical", 6));
    assert!(following.next().contains("00000000000000c4  open"));
    kill(Pid::from_raw(following.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    following.child.wait().unwrap();
    running.finish(PATIENCE).unwrap();
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let running = ledger(directory);
    let mut child = rollcall(directory, &["--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("00000000000000b3"), "{first}");
    running.handle().record(&alert("00000000000000a1", "update", "critical", 4));
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
    running.finish(PATIENCE).unwrap();
}
