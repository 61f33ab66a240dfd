//! The web server of a process that has hardly any descriptors left. The limit is that of the program that runs the one test
//! here.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rollcall_metrics::Metrics;
use rollcall_serve::web::{self, Access, Hosts, Site};
use tokio::sync::oneshot;

/// Connections on which nobody asks anything.
const IDLE: usize = 80;

/// Descriptors that are left.
const LEFT: u64 = 8;

fn is_open(connection: &TcpStream) -> bool {
    connection.set_nonblocking(true).unwrap();
    let mut connection = connection;
    matches!(connection.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn idle_connections_make_room_where_descriptors_are_few() {
    let listener = web::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let site = Arc::new(Site {
        telemetry_path: "/metrics".to_owned(),
        metrics: Metrics::new().unwrap(),
        health: Arc::default(),
        inquiries: Arc::default(),
        pulse: Arc::default(),
        board: Arc::default(),
    });
    let access = Arc::new(Access::open(None, Hosts::default()).unwrap());
    // All of them wait in the kernel: what they take on this side is taken before the limit is low.
    let idle: Vec<_> = (0..IDLE).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut probes: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let used = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, used + LEFT, most).unwrap();
    let server = thread::spawn(move || {
        runtime.block_on(web::serve(listener, site, access, async { drop(stopped.await) }))
    });
    for probe in &mut probes {
        write!(probe, "GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        // Long before the idle ones come to their deadline.
        probe.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let mut answer = String::new();
        probe.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let open = idle.iter().filter(|connection| is_open(connection)).count();
    assert!(open > 0, "there was no need to close all of them");
    assert!(!is_open(&idle[0]) && is_open(&idle[IDLE - 1]), "the oldest goes first; {open} are open");
    stop.send(()).unwrap();
    server.join().unwrap().unwrap();
}
