//! `rollcall allow`, `allowed` and `revoke` on a ledger that a daemon left, or is writing.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use rollcall_detect::alert::{Alert, AlertState};
use rollcall_store::{Ledger, LedgerSettings};
use serde_json::{Value, json};

/// For what takes half a second.
const PATIENCE: Duration = Duration::from_secs(20);

const PEER: &str = "198.51.100.7";
const TOKEN: &str = "bearer:0123456789abcdef0123456789abcdef";

fn alert(id: &str, rule: &str, clients: &Value, routes: &Value) -> Alert {
    let line = json!({
        "v": 1, "id": id, "state": "open", "severity": "warning", "rule": rule,
        "at": "2026-11-24T12:00:01.000000Z", "client": clients[0], "service": ":8001", "route": routes[0],
        "window_s": 10, "limit": 20, "distinct": 45, "distinct_error": 0, "requests": 45, "bytes": 0,
        "first_seen": "2026-11-24T12:00:00.000000Z", "last_seen": "2026-11-24T12:00:09.000000Z", "addresses": [PEER],
        "sample_objects": ["1042"], "signals": [], "clients": clients, "client_count": 2,
        "routes": routes, "route_count": 2,
        "opened_by": rule, "opened_at": "2026-11-24T12:00:01.000000Z", "loss": 0.0,
    });
    serde_json::from_value(line).unwrap()
}

/// The ledger of a daemon that counts within ten seconds and an hour, with an alert about a client, which any text may come
/// from, and one about everybody.
fn ledger(directory: &Path) {
    let settings = LedgerSettings {
        windows: [10, 3_600].map(Duration::from_secs).to_vec(),
        ..LedgerSettings::default()
    };
    let ledger = Ledger::open(directory, settings).unwrap();
    let clients = json!([{"kind": "peer", "id": PEER}, {"kind": "credential", "id": TOKEN}]);
    let routes = json!(["GET /v1/'; reboot #/{id}", ":8002 GET /v1/$(reboot)\u{1b}[2J/{id}"]);
    ledger.handle().record(&alert("00000000000000a1", "distinct-objects", &clients, &routes));
    let everybody = json!([{"kind": "all", "id": "*"}]);
    ledger.handle().record(&alert("00000000000000b2", "block-density", &everybody, &json!(["GET /x/{id}"])));
    ledger.handle().record(&alert("00000000000000b3", "open-door", &clients, &json!(["GET /x/{id}"])));
    // The latest line of the first is about everybody, as of a walk that is found by its blocks as well.
    let latest = Alert {
        client: serde_json::from_value(everybody[0].clone()).unwrap(),
        state: AlertState::Update,
        ..alert("00000000000000a1", "distinct-objects", &clients, &routes)
    };
    ledger.handle().record(&latest);
    assert!(ledger.handle().flush().recv().unwrap());
    ledger.finish(PATIENCE).unwrap();
}

/// Exit code, stdout, stderr.
fn rollcall(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(arguments).env("ROLLCALL_STATE_DIR", directory).env("SUDO_USER", "ada");
    let Output { status, stdout, stderr } =
        command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn allowed(directory: &Path, arguments: &[&str]) -> Vec<Value> {
    let (code, stdout, stderr) = rollcall(directory, &[&["allowed", "--format", "json"], arguments].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_command_that_is_printed_allows_what_the_alert_is_about() {
    let directory = tempfile::Builder::new().prefix("it's $HOME; ").tempdir().unwrap();
    let directory = directory.path();
    ledger(directory);
    let (_, stdout, _) = rollcall(directory, &["alerts", "--open"]);
    let commands: Vec<&str> = stdout.lines().filter(|line| line.starts_with("  rollcall allow ")).collect();
    let [command] = commands[..] else { panic!("an alert about everybody and a notice have none: {stdout}") };
    assert!(!stdout.contains('\u{1b}') && !command.contains("reboot"), "{stdout}");
    assert!(
        command.starts_with("  rollcall allow 00000000000000a1 --why 'this is fine' --state-dir "),
        "{command}"
    );
    // As a shell takes it.
    let program = Path::new(env!("CARGO_BIN_EXE_rollcall")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", program.display());
    let shell = Command::new("sh").args(["-c", command]).env("PATH", path).env("SUDO_USER", "ada").output();
    let shell = shell.unwrap();
    let said = String::from_utf8(shell.stdout).unwrap();
    assert!(shell.status.success() && said.starts_with("a1: "), "{said}{:?}", shell.stderr);
    assert!(!said.contains('\u{1b}') && said.contains("up to 100 objects within 10s"), "{said}");
    let [one] = &allowed(directory, &[])[..] else { panic!("one is allowed") };
    assert_eq!(one["clients"], json!([PEER, TOKEN]));
    assert_eq!(
        one["routes"],
        json!([":8001 GET /v1/'; reboot #/{id}", ":8002 GET /v1/$(reboot)\u{1b}[2J/{id}"])
    );
    let told = ["limit", "window_s", "by", "why", "alert", "ended"].map(|field| &one[field]);
    let expected =
        [json!(100), json!(10), json!("ada"), json!("this is fine"), json!("00000000000000a1"), Value::Null];
    assert_eq!(told.map(Value::clone), expected);
    let (_, table, _) = rollcall(directory, &["allowed"]);
    assert!(
        !table.contains('\u{1b}') && table.contains("this is fine") && table.contains("100/10s"),
        "{table}"
    );
}

#[test]
fn what_is_allowed_is_listed_replaced_and_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    ledger(directory);
    assert_eq!(rollcall(directory, &["allowed"]).1, "nothing is allowed\n");
    let allow = |arguments: &[&str]| {
        let (code, stdout, stderr) =
            rollcall(directory, &[&["allow", "--why", "the job"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        stdout
    };
    let said = allow(&[PEER, "--up-to", "500/30min", "--for", "12h"]);
    assert!(
        said.starts_with("a1: 198.51.100.7 may touch up to 500 objects within 1h on each route"),
        "{said}"
    );
    assert!(said.contains("objects are counted within 10s, 1h: that is the next one"), "{said}");
    assert!(said.contains("over a day that may come to 12,000 objects"), "{said}");
    let said = allow(&["GET /tiles/{id}", "--up-to", "5000/1h"]);
    assert!(
        said.starts_with("a2: everybody may touch up to 5,000 objects within 1h on GET /tiles/{id}"),
        "{said}"
    );
    let said = allow(&["198.51.100.7", "--up-to", "600/1h"]);
    assert!(said.contains("it is in the place of a1"), "{said}");
    allow(&[TOKEN, "--up-to", "600/1h", "--route", ":8001 GET /x/{id}", "--route", "GET /y"]);
    let ids = |arguments: &[&str]| -> Vec<Value> {
        allowed(directory, arguments).iter().map(|allowed| allowed["id"].clone()).collect()
    };
    assert_eq!(ids(&[]), ["a4", "a3", "a2"]);
    assert_eq!(ids(&["--all"]), ["a4", "a3", "a2", "a1"]);
    assert_eq!(
        rollcall(directory, &["revoke", "a2", "--why", "a thief"]).1,
        "a2 is allowed no more, by ada\n"
    );
    let (code, again, _) = rollcall(directory, &["revoke", "a2"]);
    assert!(
        code == 0 && again.starts_with("a2 is over since 2") && again.ends_with("by ada: a thief\n"),
        "{again}"
    );
    assert_eq!(ids(&[]), ["a4", "a3"]);
    let all = allowed(directory, &["--all"]);
    assert_eq!((&all[2]["ended"]["by"], &all[2]["ended"]["why"]), (&json!("ada"), &json!("a thief")));
    assert_eq!(all[3]["ended"]["why"], "a3 is in its place");
}

#[test]
fn what_can_not_be_allowed_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("nowhere");
    let outcome = rollcall(&missing, &["allow", PEER, "--up-to", "5/1h", "--why", "x"]);
    assert!(outcome.0 == 11 && outcome.2.contains("there is no ledger"), "{outcome:?}");
    assert!(!missing.exists(), "it is not made");
    let directory = directory.path();
    ledger(directory);
    for (arguments, code, words) in [
        (&["allow", "c4", "--why", "x"][..], 11, "there is no alert c4"),
        (&["allow", "00000000000000b", "--why", "x"], 2, "several alerts begin like that"),
        (&["allow", "b2", "--why", "x"], 11, "there is no alert b2"),
        (&["allow", "00000000000000b2", "--why", "x"], 2, "is not one client's doing"),
        (&["allow", "00000000000000b3", "--why", "x"], 2, "is not one client's doing"),
        (&["allow", PEER, "--why", "x"], 2, "give --up-to N/WINDOW"),
        (&["allow", "GET /x", "--why", "x"], 2, "give --up-to N/WINDOW"),
        (&["allow", PEER, "--up-to", "5/2h", "--why", "x"], 2, "within 10s, 1h"),
        (&["allow", "GET /x", "--route", "GET /y", "--up-to", "5/1h", "--why", "x"], 2, "two routes"),
        (&["revoke", "a7"], 11, "there is no allowance a7"),
    ] {
        let (exit, stdout, stderr) = rollcall(directory, arguments);
        assert!(
            exit == code && stdout.is_empty() && stderr.contains(words),
            "{arguments:?}: {exit} {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    // What the command line says of itself.
    for (arguments, words) in [
        (&["allow", PEER, "--up-to", "5/1h"][..], "--why <TEXT>"),
        (&["allow", PEER, "--up-to", "5/1h", "--why", " "], "must not be empty"),
        (&["allow", "somebody", "--up-to", "5/1h", "--why", "x"], "or a route, such as"),
        (&["allow", PEER, "--up-to", "0/1h", "--why", "x"], "is not a number of objects"),
        (&["allow", PEER, "--up-to", "4294967295/1h", "--why", "x"], "at most 100000000"),
        (&["allow", PEER, "--up-to", "5/1h", "--why", "x", "--for", "2y"], "between a minute and a year"),
        (&["revoke", "7"], "such as a7"),
    ] {
        let (exit, stdout, stderr) = rollcall(directory, arguments);
        assert!(exit == 2 && stdout.is_empty() && stderr.contains(words), "{arguments:?}: {exit} {stderr}");
    }
    assert_eq!(allowed(directory, &["--all"]), [] as [Value; 0]);
}
