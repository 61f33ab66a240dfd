//! `rollcall allow` beside a daemon that runs: it holds at once, as a budget, until it is revoked or its day has come, and the
//! next daemon goes by it as well.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rollcall_capture::Fed;
use rollcall_daemon::{AlertSink, AlertSinks, AlertsTo, Config, Daemon, Traffic, Web, crawlers::Resolver};
use rollcall_model::time::Timestamp;
use rollcall_serve::web::{Access, Hosts};
use rollcall_store::NewAllowance;
use rollcall_stream::{ConnectionId, Direction, Endpoints, Segment};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// For what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

const CLIENT: &str = "198.51.100.7";

const CRAWLER: &str = "a.crawler.example.com";

/// A directory that is this user's alone, with the state and the file of alerts in it.
struct Place(tempfile::TempDir);

/// What a client asks for, and is given.
struct Exchange {
    request: String,
    response: String,
}

/// What the client is called, and a crawler's own name leads to it.
struct Book(Option<&'static str>);

impl Resolver for Book {
    fn name(&self, _: IpAddr) -> Option<String> {
        self.0.map(str::to_owned)
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        if name == CRAWLER { vec![CLIENT.parse().unwrap()] } else { Vec::new() }
    }
}

/// A daemon, the client that it sees, and what ends it.
struct Running {
    client: Sender<Exchange>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Place {
    fn new() -> Place {
        Place(tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.path().join(file)).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many the daemon has written down.
    fn exchanges(&self) -> usize {
        let text = fs::read(self.0.path().join("exchanges")).unwrap_or_default();
        text.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Alerts about clients: that nobody needs a credential is another matter.
    fn alerts(&self) -> Vec<Value> {
        self.lines("alerts").into_iter().filter(|alert| alert["severity"] != "info").collect()
    }

    /// The first alert after so many that is like that, with how many there are up to it.
    fn alert(&self, after: usize, is_it: impl Fn(&Value) -> bool) -> (usize, Value) {
        let started = Instant::now();
        loop {
            let found = self.alerts().into_iter().enumerate().skip(after).find(|(_, alert)| is_it(alert));
            if let Some((nth, alert)) = found {
                return (nth + 1, alert);
            }
            assert!(started.elapsed() < PATIENCE, "{:#?}", self.alerts());
            thread::yield_now();
        }
    }

    fn start(&self) -> Running {
        self.start_with(None)
    }

    /// With a client that is called something, and says so itself.
    fn start_with(&self, name: Option<&'static str>) -> Running {
        let (client, receiver) = mpsc::channel::<Exchange>();
        let ends = Endpoints {
            client: format!("{CLIENT}:40000").parse().unwrap(),
            server: "192.0.2.1:8000".parse::<SocketAddr>().unwrap(),
        };
        let (mut asked, mut answered) = (1, 1);
        let fed = Fed::new(move |take| {
            for Exchange { request, response } in receiver.try_iter() {
                let messages = [(Direction::Request, &request), (Direction::Response, &response)];
                for (direction, text) in messages {
                    let (seq, ack) = match direction {
                        Direction::Request => (&mut asked, answered),
                        Direction::Response => (&mut answered, asked),
                    };
                    let mut segment = Segment::bare(ConnectionId(1), direction, Timestamp::now(), *seq);
                    (segment.endpoints, segment.ack) = (Some(ends), Some(ack));
                    (segment.length, segment.data) = (text.len() as u32, text.as_bytes());
                    *seq += segment.length;
                    take(&segment);
                }
            }
        });
        let file = |name: &str| self.0.path().join(name);
        let sinks = vec![AlertSink {
            label: "file".to_owned(),
            identity: "file".to_owned(),
            to: AlertsTo::File(file("alerts")),
        }];
        let daemon = Daemon::build(Config {
            engine: Default::default(),
            traffic: Traffic::Fed(fed),
            crawlers: vec!["*.crawler.example.com=5000/1h".parse().unwrap()],
            resolver: Box::new(Book(name)),
            ports: vec![8000],
            state_directory: self.state(),
            exposure: Default::default(),
            checkpoint_interval: Duration::from_secs(60),
            sinks: AlertSinks { sinks, secret: None, include_objects: true },
            exchange_log: Some(file("exchanges")),
            web: Web {
                address: "127.0.0.1:0".parse().unwrap(),
                telemetry_path: "/metrics".to_owned(),
                access: Access::open(None, Hosts::default()).unwrap(),
            },
            confine: false,
        })
        .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut running = daemon.start().unwrap();
                running.serve(async { drop(stopped.await) }).await.unwrap();
                assert!(running.drain().await.is_empty(), "nothing was lost");
            });
        });
        Running { client, stop, thread }
    }

    /// Reads accounts, and waits until the daemon has seen all of that.
    fn read(&self, daemon: &Running, accounts: impl IntoIterator<Item = u32>) {
        let before = self.exchanges();
        let mut count = 0;
        for account in accounts {
            daemon.read(account);
            count += 1;
        }
        let started = Instant::now();
        while self.exchanges() < before + count {
            assert!(started.elapsed() < PATIENCE, "exchanges are missing");
            thread::yield_now();
        }
    }
}

impl Running {
    fn read(&self, account: u32) {
        let request = format!("GET /v1/customers/{account} HTTP/1.1\r\nHost: api.example\r\n\r\n");
        let body = format!("{{\"id\":{account},\"name\":\"customer number {account}\"}}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.client.send(Exchange { request, response }).unwrap();
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// Has a shell run it, as somebody who pastes it.
fn shell(state: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_rollcall")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", format!("{}:/usr/bin:/bin", program.display()));
    shell.env("ROLLCALL_STATE_DIR", state).env("SUDO_USER", "ada").stdin(Stdio::null());
    let Output { status, stdout, stderr } = shell.output().unwrap();
    assert!(status.success(), "{command}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn the_command_in_an_alert_makes_a_budget_until_it_is_revoked() {
    let place = Place::new();
    let daemon = place.start();
    let scrambled = |accounts: std::ops::Range<u32>| accounts.map(|n| n * 7_919 % 100_003);
    place.read(&daemon, scrambled(0..40));
    let (_, opened) = place.alert(0, |alert| alert["state"] == "open");
    let command = opened["allow"].as_str().unwrap();
    let id = opened["id"].as_str().unwrap();
    assert_eq!(command, format!("rollcall allow {id} --up-to 50/10s --why 'this is fine'"));

    shell(&place.state(), command);
    let (told, resolved) = place.alert(0, |alert| alert["state"] == "resolved");
    assert_eq!(resolved["id"], id);
    assert_eq!(resolved["allowed"], json!({"id": "a1", "by": "ada", "why": "this is fine"}));
    assert!(resolved["allow"].is_null(), "it is allowed already");
    assert!(shell(&place.state(), "rollcall alerts").contains("  allowed  "));

    // The same again is in order, and what is beyond it is not.
    place.read(&daemon, scrambled(0..40));
    place.read(&daemon, scrambled(40..50));
    assert_eq!(place.alerts().len(), told);
    place.read(&daemon, scrambled(50..100));
    let (told, beyond) = place.alert(told, |alert| alert["state"] == "open");
    assert_ne!(beyond["id"], id);
    assert_eq!(
        (&beyond["limit"], &beyond["distinct"], &beyond["window_s"]),
        (&json!(50), &json!(51), &json!(10))
    );

    let listed = shell(&place.state(), "rollcall allowed");
    assert!(listed.contains("a1") && listed.contains("50/10s") && listed.contains(CLIENT), "{listed}");
    shell(&place.state(), "rollcall revoke a1 --why 'a thief'");
    // Within a second or two limits are as they were: whoever goes on is over them.
    let mut next = 100;
    let started = Instant::now();
    while !place.alerts()[told..].iter().any(|alert| alert["limit"] != 50) {
        place.read(&daemon, scrambled(next..next + 10));
        next += 10;
        assert!(started.elapsed() < PATIENCE, "{:#?}", place.alerts());
    }
    daemon.stop();

    // What is said while no daemon runs holds from its start, and what was said before it stays as it was.
    shell(&place.state(), &format!("rollcall allow {CLIENT} --up-to 5000/1h --for 12h --why 'the auditor'"));
    let daemon = place.start();
    let (told, resolved) = place.alert(0, |alert| alert["allowed"]["id"] == "a2");
    assert_eq!((&resolved["id"], &resolved["allowed"]["why"]), (&beyond["id"], &json!("the auditor")));
    place.read(&daemon, scrambled(next..next + 200));
    assert_eq!(place.alerts().len(), told);
    daemon.stop();
    let history = shell(&place.state(), "rollcall allowed --all --format json");
    let history: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&history[0]["id"], &history[0]["ended"]), (&json!("a2"), &Value::Null));
    assert_eq!((&history[1]["id"], &history[1]["ended"]["why"]), (&json!("a1"), &json!("a thief")));
}

#[test]
fn room_on_a_route_ends_when_its_day_has_come() {
    let place = Place::new();
    place.start().stop();
    let (at, until) = (Timestamp::now(), Timestamp::now() + Duration::from_secs(6));
    let wish = NewAllowance {
        clients: Vec::new(),
        routes: vec!["GET /v1/customers/{id}".to_owned()],
        limit: "500/10s".parse().unwrap(),
        until,
        by: "ada".to_owned(),
        why: "the move".to_owned(),
        at,
        alert: None,
    };
    rollcall_store::allow(&place.state(), &wish).unwrap();
    let daemon = place.start();
    // In no order, each once.
    let mut accounts = (0..).map(|n: u32| n * 7_919 % 100_003);
    place.read(&daemon, accounts.by_ref().take(100));
    if Timestamp::now() < until {
        assert_eq!(place.alerts(), [] as [Value; 0]);
    }
    let started = Instant::now();
    while place.alerts().is_empty() {
        place.read(&daemon, accounts.by_ref().take(1));
        assert!(started.elapsed() < PATIENCE, "it never ends");
    }
    let alerts = place.alerts();
    assert!(alerts[0]["at"].as_str().unwrap() >= &*until.to_string(), "{alerts:#?}");
    assert_ne!(alerts[0]["limit"], 500);
    daemon.stop();
    assert!(shell(&place.state(), "rollcall allowed --all").contains("by rollcall: its time is over"));
}

/// Found out while it is at it already: what it did is in order, and so is what it goes on with.
#[test]
fn a_crawler_has_its_budget_once_its_name_is_verified() {
    let place = Place::new();
    let daemon = place.start_with(Some(CRAWLER));
    let mut accounts = (0..).map(|n: u32| n * 7_919 % 100_003);
    place.read(&daemon, accounts.by_ref().take(40));
    let (told, resolved) = place.alert(0, |alert| alert["state"] == "resolved");
    assert_eq!(
        resolved["allowed"],
        json!({"id": "crawler", "by": "--crawler", "why": "*.crawler.example.com=5000/1h"})
    );
    place.read(&daemon, accounts.by_ref().take(400));
    assert_eq!(place.alerts().len(), told);
    daemon.stop();
    assert_eq!(shell(&place.state(), "rollcall allowed --all"), "nothing is allowed\n", "by nobody");
}

#[test]
fn who_calls_itself_a_crawler_is_anybody() {
    let place = Place::new();
    let daemon = place.start_with(Some("b.crawler.example.com"));
    let mut accounts = (0..).map(|n: u32| n * 7_919 % 100_003);
    place.read(&daemon, accounts.by_ref().take(40));
    place.alert(0, |alert| alert["state"] == "open");
    // It grows: nobody has said that it is in order.
    let started = Instant::now();
    while !place.alerts().iter().any(|alert| alert["state"] == "update") {
        place.read(&daemon, accounts.by_ref().take(10));
        assert!(started.elapsed() < PATIENCE, "{:#?}", place.alerts());
    }
    assert!(place.alerts().iter().all(|alert| alert["state"] != "resolved"));
    daemon.stop();
}
