//! A daemon's life without a kernel: built, started on segments that the test hands over, asked on the web, drained, and built
//! again on what it left.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::mpsc::{self, Sender},
    time::Duration,
};

use rollcall_capture::Fed;
use rollcall_daemon::{AlertSink, AlertSinks, AlertsTo, Config, Daemon, Error, Traffic, Web, state};
use rollcall_model::time::Timestamp;
use rollcall_serve::web::{Access, Hosts};
use rollcall_store::Reader;
use rollcall_stream::{ConnectionId, Direction, Endpoints, Segment};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

/// A message of a connection, at its place in the stream.
struct Message {
    direction: Direction,
    seq: u32,
    /// What the sender has received.
    ack: u32,
    text: String,
}

/// A directory that is this user's alone, and the file of alerts in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn alerts(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.0.path().join("alerts")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn config(&self, traffic: Fed) -> Config {
        let file = self.0.path().join("alerts");
        Config {
            engine: Default::default(),
            traffic: Traffic::Fed(traffic),
            crawlers: Vec::new(),
            resolver: Box::new(rollcall_daemon::crawlers::Dns),
            ports: vec![8000],
            state_directory: self.state(),
            exposure: Default::default(),
            checkpoint_interval: Duration::from_secs(60),
            sinks: AlertSinks {
                sinks: vec![AlertSink {
                    label: "file".to_owned(),
                    identity: "file".to_owned(),
                    to: AlertsTo::File(file),
                }],
                secret: None,
                include_objects: true,
            },
            exchange_log: Some(self.0.path().join("exchanges")),
            web: Web {
                address: "127.0.0.1:0".parse().unwrap(),
                telemetry_path: "/metrics".to_owned(),
                access: Access::open(None, Hosts::default()).unwrap(),
            },
            confine: false,
        }
    }
}

/// Traffic that a test sends.
fn traffic() -> (Sender<Message>, Fed) {
    let (sender, receiver) = mpsc::channel::<Message>();
    let client: SocketAddr = "198.51.100.7:40000".parse().unwrap();
    let server: SocketAddr = "192.0.2.1:8000".parse().unwrap();
    let fed = Fed::new(move |take| {
        for Message { direction, seq, ack, text } in receiver.try_iter() {
            let mut segment = Segment::bare(ConnectionId(1), direction, Timestamp::now(), seq);
            segment.endpoints = Some(Endpoints { client, server });
            segment.ack = Some(ack);
            segment.length = text.len() as u32;
            segment.data = text.as_bytes();
            take(&segment);
        }
    });
    (sender, fed)
}

/// A client that reads one account after the other.
fn walk(to: &Sender<Message>, accounts: std::ops::Range<u32>) {
    let (mut asked, mut answered) = (1, 1);
    for account in accounts {
        let request = format!(
            "GET /v1/customers/{account} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer mine\r\n\r\n"
        );
        let body = format!("{{\"id\":{account},\"name\":\"customer number {account}\"}}");
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let asked_to = asked + request.len() as u32;
        let question = Message { direction: Direction::Request, seq: asked, ack: answered, text: request };
        to.send(question).unwrap();
        let answered_to = answered + response.len() as u32;
        let answer = Message { direction: Direction::Response, seq: answered, ack: asked_to, text: response };
        to.send(answer).unwrap();
        (asked, answered) = (asked_to, answered_to);
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Until the daemon answers with `word` on `path`.
async fn answers_with(address: SocketAddr, path: &str, word: &str) -> String {
    let asking = async {
        loop {
            let answer = get(address, path).await;
            if answer.contains(word) {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect(word)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a daemon on a walk over `accounts` until it has told of an alert, and takes it down.
fn told(place: &Place, accounts: std::ops::Range<u32>) -> String {
    let (sender, fed) = traffic();
    let daemon = Daemon::build(place.config(fed)).unwrap();
    let address = daemon.address();
    walk(&sender, accounts);
    runtime().block_on(async {
        let mut running = daemon.start().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let asking = async {
            let answer = answers_with(address, "/api/v1/alerts", "/v1/customers/{id}").await;
            answers_with(address, "/readyz", "200 OK").await;
            stop.send(()).unwrap();
            answer
        };
        let (served, answer) = tokio::join!(running.serve(async { drop(stopped.await) }), asking);
        served.unwrap();
        assert!(running.drain().await.is_empty(), "nothing was lost");
        answer
    })
}

#[test]
fn a_walk_is_told_in_every_way_and_goes_on_after_a_restart() {
    let place = Place::new();
    let answer = told(&place, 1000..1040);
    assert!(answer.contains("198.51.100.7"), "{answer}");
    let before = place.alerts();
    assert_eq!(before[0]["state"], "open");
    assert_eq!(before[0]["addresses"][0], "198.51.100.7");
    let exchanges = fs::read_to_string(place.0.path().join("exchanges")).unwrap();
    assert_eq!(exchanges.lines().count(), 40);
    assert_eq!(Reader::open(&place.state()).unwrap().open_alerts().unwrap().len(), 1);
    // The next daemon goes on with the same alert.
    told(&place, 1040..1200);
    let after = place.alerts();
    assert!(after.len() > before.len(), "what came later is told, too");
    assert!(after.iter().all(|alert| alert["id"] == before[0]["id"]), "and is one alert");
}

#[test]
fn what_can_not_be_had_is_said_and_leaves_nothing_behind() {
    let place = Place::new();
    let taken = {
        state::open(&place.state()).unwrap();
        state::lock(&place.state()).unwrap()
    };
    assert!(matches!(Daemon::build(place.config(traffic().1)), Err(Error::State(_))));
    drop(taken);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = place.config(traffic().1);
    config.web.address = listener.local_addr().unwrap();
    assert!(matches!(Daemon::build(config), Err(Error::Listen(_))));
    let mut config = place.config(traffic().1);
    config.exchange_log = Some(Path::new("/nowhere/exchanges").to_owned());
    assert!(matches!(Daemon::build(config), Err(Error::Lines(_))));
    // The state directory is free again.
    assert!(Daemon::build(place.config(traffic().1)).is_ok());
}
