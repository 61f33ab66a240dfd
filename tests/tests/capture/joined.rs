//! Connections that are older than the daemon that watches them: all that is served on them is reported, or said to be
//! unseen.

use std::net::Shutdown;

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    Client, Daemon, MiniServer,
    calls::{Call, difference},
    deadline,
};

use super::customer;

/// How requests leave.
type Sending = fn(&mut Client, usize) -> Result<()>;

/// So often, with each daemon.
const REQUESTS: usize = 12;

fn split(client: &mut Client, id: usize, pieces: usize) -> Result<()> {
    let bytes = customer(id);
    for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
        client.send(piece)?;
    }
    client.response().map(drop)
}

fn long(client: &mut Client, id: usize, length: usize) -> Result<()> {
    let padding = "x".repeat(length);
    client.send(format!(
        "GET /v1/customers/{id} HTTP/1.1\r\nHost: api.example\r\nX-Padding: {padding}\r\n\r\n"
    ))?;
    client.response().map(drop)
}

fn pipelined(client: &mut Client, id: usize, count: usize) -> Result<()> {
    let ids = || (0..count).map(|at| id * 100 + at);
    client.send(ids().flat_map(customer).collect::<Vec<_>>())?;
    ids().try_for_each(|_| client.response().map(drop))
}

/// In two cuts that have nothing to do with where requests begin.
fn pipelined_and_cut(client: &mut Client, id: usize) -> Result<()> {
    let bytes: Vec<u8> = (0..6).flat_map(|at| customer(id * 100 + at)).collect();
    let (left, right) = bytes.split_at(bytes.len() * 2 / 5);
    client.send(left)?;
    client.send(right)?;
    (0..6).try_for_each(|_| client.response().map(drop))
}

const SENDINGS: [(&str, Sending); 9] = [
    ("whole", |client, id| split(client, id, 1)),
    ("in two packets", |client, id| split(client, id, 2)),
    ("in three packets", |client, id| split(client, id, 3)),
    ("in many packets", |client, id| split(client, id, 20)),
    ("two at once", |client, id| pipelined(client, id, 2)),
    ("twenty at once", |client, id| pipelined(client, id, 20)),
    ("six at once, cut", pipelined_and_cut),
    ("with heads of 1,600 bytes", |client, id| long(client, id, 1_500)),
    ("with heads of 9 KB", |client, id| long(client, id, 9_000)),
];

#[test]
fn on_connections_older_than_the_daemon_every_request_is_reported_or_told() -> Result<()> {
    let server = MiniServer::start()?;
    let mut connections = Vec::new();
    for (name, sending) in SENDINGS {
        for used in [false, true] {
            let mut client = Client::connect(server.address())?;
            if used {
                client.get("/v1/customers/before")?;
            }
            connections.push((name, sending, client));
        }
    }
    // The connections go on with the second daemon.
    for half in 0..2 {
        let before = server.served().len();
        let daemon = Daemon::watching(server.port())?;
        for (name, sending, client) in &mut connections {
            (0..REQUESTS).try_for_each(|id| sending(client, half * REQUESTS + id)).context(*name)?;
        }
        if half == 1 {
            connections.iter().try_for_each(|(_, _, client)| client.stream().shutdown(Shutdown::Write))?;
            let ended = || Ok((daemon.metrics()?.sum("rollcall_http_connections", &[]) == 0.0).then_some(()));
            deadline::until("the daemon to see the ends", ended)?;
        }
        let report = daemon.stop()?;
        let served = server.served().split_off(before);
        let reported = report.calls(server.port())?;
        let mut missing = 0;
        for (name, _, client) in &connections {
            let port = client.stream().local_addr()?.port();
            let of =
                |calls: &[Call]| calls.iter().filter(|call| call.port == port).cloned().collect::<Vec<_>>();
            let (missed, surplus) = difference(&of(&reported), &of(&served));
            // One request may have been under way when the daemon came.
            ensure!(
                surplus.is_empty() && missed.len() <= 1,
                "{name}, daemon {half}: missing {missed:?}, surplus {surplus:?}: {}",
                report.metrics.summary()
            );
            missing += missed.len();
        }
        let told = report.metrics.sum("rollcall_answers_unexplained_total", &[]);
        ensure!(missing as f64 <= told, "{missing} are missing, {told} told: {}", report.metrics.summary());
    }
    Ok(())
}
