use std::{
    io::{Read, Write},
    net::TcpStream as Client,
    thread,
};

use tokio::sync::oneshot;

use super::*;
use crate::{
    output::{Answering, Routes},
    time::Timestamp,
};

/// Runs a server while `test` talks to it.
fn with_server(health: Arc<Health>, test: impl FnOnce(SocketAddr)) {
    with_site(health, Arc::default(), test);
}

/// The same, with routes to ask for.
fn with_site(health: Arc<Health>, inventory: Arc<Inventory>, test: impl FnOnce(SocketAddr)) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let metrics = Metrics::new().unwrap();
    let site = Arc::new(Site { telemetry_path: "/metrics".to_owned(), metrics, health, inventory });
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, site, async { drop(stopped.await) })).unwrap();
    });
    test(address);
    stop.send(()).unwrap();
    server.join().unwrap();
}

fn ask(address: SocketAddr, head: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    write!(client, "{head} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
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
fn routes_are_told_by_the_engine() {
    let inventory = Arc::<Inventory>::default();
    let asked = Arc::clone(&inventory);
    with_site(Arc::default(), Arc::clone(&inventory), |address| {
        let client = thread::spawn(move || ask(address, "GET /api/v1/routes"));
        let mut answering = Answering::default();
        let mut answered = false;
        let mut second = 1;
        while !answered {
            second += 1;
            answering.answer(&asked, Timestamp(second * 1_000_000_000), || {
                answered = true;
                Routes { v: 1, at: Timestamp(0), overflowed_calls: 3, routes: Vec::new() }
            });
            thread::yield_now();
        }
        let answer = client.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{answer}");
        let body = r#"{"v":1,"at":"1970-01-01T00:00:00.000000Z","overflowed_calls":3,"routes":[]}"#;
        assert!(answer.ends_with(&format!("\r\n\r\n{body}\n")), "{answer}");
    });
}

#[test]
fn an_engine_that_has_ended_does_not_answer() {
    let inventory = Arc::<Inventory>::default();
    let receiver = inventory.ask();
    inventory.close();
    receiver.blocking_recv().unwrap_err();
}
