//! Ports whose traffic can't be read: unknown is never good.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{Client, Daemon, MiniServer, deadline};
use serde_json::Value;

/// How a TLS record begins that opens a handshake, and one of data.
const HELLO: [u8; 16] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7, 7, 7, 7];
const DATA: [u8; 16] = [0x17, 3, 3, 0, 11, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];

/// Answers each record with one, on so many connections.
fn serve(listener: &TcpListener, connections: usize) -> Result<()> {
    for _ in 0..connections {
        let (mut stream, _) = listener.accept()?;
        let mut record = [0; 16];
        while stream.read_exact(&mut record).is_ok() {
            stream.write_all(&record)?;
        }
    }
    Ok(())
}

/// Opens a connection that looks like TLS, and sends a request over it that nobody can read.
fn call(server: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(server)?;
    for record in [HELLO, DATA] {
        stream.write_all(&record)?;
        stream.read_exact(&mut [0; 16])?;
    }
    Ok(())
}

fn status(daemon: &Daemon) -> Result<Value> {
    let (status, body) = daemon.page("/api/v1/status")?;
    ensure!(status == 200, "/api/v1/status answers {status}");
    Ok(serde_json::from_str(&body)?)
}

/// The level of the sign that tells how much can be read.
fn level(status: &Value) -> Result<String> {
    let signs = status["signs"].as_array().context("no signs")?;
    let sign = signs.iter().find(|sign| sign["name"] == "opaque").context("no sign `opaque`")?;
    Ok(sign["level"].as_str().context("no level")?.to_owned())
}

#[test]
fn a_port_that_speaks_only_tls_is_told() -> Result<()> {
    const CONNECTIONS: usize = 60;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let daemon = Daemon::watching(address.port())?;
    let before = status(&daemon)?;
    ensure!(level(&before)? == "note" && before["capture"]["opaque"].is_null(), "{before}");
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, CONNECTIONS));
        (0..CONNECTIONS).try_for_each(|_| call(address))?;
        server.join().expect("no panic")
    })?;
    let alert = daemon.wait_for_alert("blind")?;
    ensure!(alert["route"] == "~opaque", "{alert}");
    let after = status(&daemon)?;
    ensure!(level(&after)? == "bad" && after["capture"]["opaque"] == 1.0, "{after}");
    let ratio = daemon.metrics()?.sum("rollcall_opaque_ratio", &[]);
    ensure!(ratio == 1.0, "a share of {ratio}");
    daemon.stop()?;
    Ok(())
}

#[test]
fn one_connection_beside_many_requests_does_no_harm() -> Result<()> {
    let server = MiniServer::start()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let daemon = Daemon::start(&[server.port(), address.port()], &[])?;
    let mut client = Client::connect(server.address())?;
    for _ in 0..30 {
        client.get("/v1/customers/1")?;
    }
    thread::scope(|scope| {
        let tls = scope.spawn(|| serve(&listener, 1));
        call(address)?;
        tls.join().expect("no panic")
    })?;
    deadline::until("the daemon to have seen both", || {
        let status = status(&daemon)?;
        let share = status["capture"]["opaque"].as_f64();
        Ok(share
            .filter(|&share| share > 0.0 && share < 0.1)
            .map(drop)
            .filter(|()| level(&status).is_ok_and(|level| level == "good")))
    })?;
    ensure!(daemon.alerts()?.is_empty(), "{:?}", daemon.alerts()?);
    daemon.stop()?;
    Ok(())
}
