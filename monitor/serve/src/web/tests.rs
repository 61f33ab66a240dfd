use std::{
    fs,
    io::{Read, Write},
    net::TcpStream as Client,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_metrics::Metrics;
use rollcall_model::time::Timestamp;
use tokio::sync::oneshot;

use super::*;
use crate::{
    api::{Answering, Clients, Inquiries, Routes},
    health::Health,
};

/// Runs a server while `test` talks to it.
fn with_server(health: Arc<Health>, test: impl FnOnce(SocketAddr)) {
    with_site(health, Arc::default(), None, test);
}

/// The same, with questions to the engine, and guarded as a file says.
fn with_site(
    health: Arc<Health>,
    inquiries: Arc<Inquiries>,
    config: Option<&Path>,
    test: impl FnOnce(SocketAddr),
) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let metrics = Metrics::new().unwrap();
    let site = Arc::new(Site {
        telemetry_path: "/metrics".to_owned(),
        metrics,
        health,
        inquiries,
        pulse: Arc::default(),
        board: Arc::default(),
    });
    let hosts = Hosts::of_this_host(&["monitor.example".to_owned()]);
    let access = Arc::new(Access::open(config, hosts).unwrap());
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, site, access, async { drop(stopped.await) })).unwrap();
    });
    test(address);
    stop.send(()).unwrap();
    server.join().unwrap();
}

fn ask(address: SocketAddr, head: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    write!(client, "{head} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn paths_and_methods() {
    with_server(Arc::default(), |address| {
        let metrics = ask(address, "GET /metrics");
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4\r\n"), "{metrics}");
        assert!(metrics.contains("\nrollcall_build_info{"), "{metrics}");
        assert!(ask(address, "GET /metrics?name[]=x").starts_with("HTTP/1.1 200"));
        let head = ask(address, "HEAD /metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "GET /metrics/").starts_with("HTTP/1.1 404"));
        let post = ask(address, "POST /healthz");
        assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD\r\n"), "{post}");
    });
}

#[test]
fn ready_when_attached() {
    let health = Arc::<Health>::default();
    with_server(Arc::clone(&health), |address| {
        assert!(ask(address, "GET /readyz").starts_with("HTTP/1.1 503"));
        assert!(ask(address, "GET /healthz").starts_with("HTTP/1.1 200"));
        health.set_attached(true);
        assert!(ask(address, "GET /readyz").starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn silent_clients_make_room_for_a_scraper() {
    with_server(Arc::default(), |address| {
        let silent: Vec<_> = (0..2 * CONNECTIONS).map(|_| Client::connect(address).unwrap()).collect();
        assert!(ask(address, "GET /healthz").starts_with("HTTP/1.1 200"));
        drop(silent);
    });
}

#[test]
fn an_address_in_use_is_named() {
    let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    assert_eq!(listen(address).unwrap_err().to_string(), format!("listen on {address}"));
}

#[test]
fn the_engine_is_asked() {
    let inquiries = Arc::<Inquiries>::default();
    let asked = Arc::clone(&inquiries);
    with_site(Arc::default(), inquiries, None, |address| {
        let clients = thread::spawn(move || ask(address, "GET /api/v1/clients"));
        let routes = thread::spawn(move || ask(address, "GET /api/v1/routes?top=5"));
        let [mut to_routes, mut to_clients] = [Answering::default(), Answering::default()];
        let mut second = 1;
        while !(clients.is_finished() && routes.is_finished()) {
            second += 1;
            let now = Timestamp(second * 1_000_000_000);
            to_routes.answer(&asked.routes, now, || Routes::new(Timestamp(0), 3, Vec::new()));
            to_clients.answer(&asked.clients, now, || {
                Clients::new(Timestamp(0), &[Duration::from_secs(10)], Vec::new())
            });
            thread::yield_now();
        }
        let [clients, routes] = [clients, routes].map(|client| client.join().unwrap());
        assert!(routes.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{routes}");
        let body = r#"{"v":1,"at":"1970-01-01T00:00:00.000000Z","overflowed_calls":3,"routes":[]}"#;
        assert!(routes.ends_with(&format!("\r\n\r\n{body}\n")), "{routes}");
        let body = r#"{"v":1,"at":"1970-01-01T00:00:00.000000Z","windows_s":[10],"clients":[]}"#;
        assert!(clients.ends_with(&format!("\r\n\r\n{body}\n")), "{clients}");
    });
}

#[test]
fn the_page_may_run_its_own_script_and_nothing_else() {
    with_server(Arc::default(), |address| {
        let page = ask(address, "GET /");
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        let policy = head.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        for field in
            ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-store"]
        {
            assert!(head.contains(field), "{field}: {head}");
        }
        assert!(!body.contains("{style}") && !body.contains("{script}"), "all parts are in their places");
        assert!(
            !body.contains("http://") || body.contains("http://www.w3.org/"),
            "nothing is fetched from elsewhere"
        );
    });
}

/// A file with users; their passwords' hashes have the least cost that there is.
fn users(users: &[(&str, &str)]) -> String {
    let line =
        |&(user, password): &(&str, &str)| format!("  {user}: {}\n", bcrypt::hash(password, 4).unwrap());
    format!("basic_auth_users:\n{}", users.iter().map(line).collect::<String>())
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn status(address: SocketAddr, path: &str, field: &str) -> u16 {
    let mut client = Client::connect(address).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Asks until the answer has this status.
fn until(expected: u16, ask: impl Fn() -> u16) {
    let start = Instant::now();
    while ask() != expected {
        assert!(start.elapsed() < Duration::from_secs(20), "no {expected} within 20 s");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_path_asks_for_a_password_and_a_change_of_it_holds_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    fs::write(&file, users(&[("alice", "first")])).unwrap();
    with_site(Arc::default(), Arc::default(), Some(&file), |address| {
        for path in ["/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/nowhere"] {
            assert_eq!(status(address, path, "X: y"), 401, "{path}");
        }
        let unknown = ask(address, "GET /metrics");
        assert!(unknown.contains("\r\nwww-authenticate: Basic realm=\"rollcall\""), "{unknown}");
        assert_eq!(status(address, "/metrics", &basic("alice", "first")), 200);
        assert_eq!(status(address, "/metrics", &basic("alice", "second")), 401);
        assert_eq!(status(address, "/metrics", &basic("bob", "first")), 401);
        fs::write(&file, "basic_auth_users: [").unwrap();
        until(200, || status(address, "/metrics", &basic("alice", "first")));
        fs::write(&file, users(&[("alice", "second")])).unwrap();
        until(200, || status(address, "/metrics", &basic("alice", "second")));
        assert_eq!(status(address, "/metrics", &basic("alice", "first")), 401);
    });
}

#[test]
fn header_fields_and_a_rate_limit_are_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let text = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: x\n\
                rate_limit:\n  burst: 2\n  interval: 1h\n";
    fs::write(&file, text).unwrap();
    with_site(Arc::default(), Arc::default(), Some(&file), |address| {
        let page = ask(address, "GET /");
        assert!(page.contains("\r\nx-frame-options: deny\r\n"), "{page}");
        assert!(
            page.contains("\r\ncontent-security-policy: default-src 'none'"),
            "the page's own policy stays"
        );
        let healthz = ask(address, "GET /healthz");
        assert!(healthz.contains("\r\ncontent-security-policy: x\r\n"), "{healthz}");
        let third = ask(address, "GET /healthz");
        assert!(third.starts_with("HTTP/1.1 429 ") && third.contains("\r\nretry-after: 1\r\n"), "{third}");
    });
}

/// The status of the answer to a whole head.
fn answered(address: SocketAddr, head: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    write!(client, "{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn only_its_own_names_and_addresses_are_answered() {
    let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
    with_server(Arc::default(), |address| {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9847",
            "192.0.2.10:9847",
            "[::1]",
            "[::1]:9847",
            "[fe80::1%25eth0]:9847",
            "localhost",
            "LOCALHOST:9847",
            "localhost.",
            "localhost.:9847",
            "a.localhost",
            "monitor.example",
            "Monitor.Example.:80",
            "",
            &own,
            &own.to_uppercase(),
            &format!("{own}.:9847"),
        ] {
            assert_eq!(answered(address, &format!("GET /metrics HTTP/1.1\r\nHost: {host}")), "200", "{host}");
            if !host.is_empty() {
                let head = format!("GET http://{host}/metrics HTTP/1.1\r\nHost: {host}");
                assert_eq!(answered(address, &head), "200", "{host}");
            }
        }
        for host in [
            "evil.example",
            "EVIL.example:9847",
            "evil.example.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "x.monitor.example",
            "monitor.example..",
            "[::1].evil.example",
            "[::1",
            "[evil.example]",
            "evil@127.0.0.1",
            "127.0.0.1:evil",
            "127.0.0.1, evil.example",
            "\u{e9}vil.example",
            "0x7f.1",
            "2130706433",
        ] {
            for path in ["/", "/metrics", "/healthz", "/api/v1/clients", "/nowhere"] {
                let answer = answered(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}"));
                assert_eq!(answer, "421", "{host} {path}");
            }
        }
        let told = ask_as(address, "evil.example");
        assert!(told.ends_with("\r\n\r\nthis is not a name of this server: add it to --web.allowed-host of the daemon, or ask by address\n"), "{told}");
        for (head, expected) in [
            ("GET /metrics HTTP/1.0", "200"),
            ("GET /metrics HTTP/1.0\r\nHost: evil.example", "421"),
            ("GET /metrics HTTP/1.1", "400"),
            ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example", "400"),
            ("GET http://evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1", "421"),
            ("GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: evil.example", "421"),
            ("GET http://u@127.0.0.1/metrics HTTP/1.1\r\nHost: 127.0.0.1", "421"),
        ] {
            assert_eq!(answered(address, head), expected, "{head}");
        }
    });
}

fn ask_as(address: SocketAddr, host: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    write!(client, "GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}
