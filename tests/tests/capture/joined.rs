//! Connections that are older than the daemon that watches them: all that is served on them is reported, or said to be
//! unseen.

use anyhow::{Context, Result, ensure};
use rollcall_tests::{Client, Daemon, MiniServer, Report, calls::difference, deadline};

use super::customer;

/// How requests leave.
type Sending = fn(&mut Client, usize) -> Result<()>;

/// Requests in each round.
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
    for (name, sending) in SENDINGS {
        for used in [false, true] {
            let server = MiniServer::start()?;
            let mut client = Client::connect(server.address())?;
            if used {
                client.get("/v1/customers/before")?;
            }
            let mut daemon = Daemon::watching(server.port())?;
            for half in 0..2 {
                let before = server.served().len();
                for id in 0..REQUESTS {
                    sending(&mut client, half * REQUESTS + id)?;
                }
                // The connection goes on with another daemon.
                let next = (half == 0).then(|| Daemon::watching(server.port())).transpose()?;
                let last = match next {
                    Some(next) => std::mem::replace(&mut daemon, next),
                    None => {
                        drop(client);
                        server.wait_until_idle()?;
                        deadline::until("the daemon to see the end", || {
                            let open = daemon.metrics()?.sum("rollcall_http_connections", &[]);
                            Ok((open == 0.0).then_some(()))
                        })?;
                        check(&server, daemon.stop()?, before)
                            .with_context(|| format!("{name}, second daemon"))?;
                        break;
                    }
                };
                check(&server, last.stop()?, before).with_context(|| format!("{name}, used: {used}"))?;
            }
        }
    }
    Ok(())
}

/// The report is what the server served from its call `from` on; what is missing in it is told, and little.
fn check(server: &MiniServer, report: Report, from: usize) -> Result<()> {
    let served = server.served().split_off(from);
    let (missing, surplus) = difference(&report.calls(server.port())?, &served);
    let told = report.metrics.sum("rollcall_answers_unexplained_total", &[]);
    ensure!(
        surplus.is_empty() && missing.len() as f64 <= told && missing.len() <= 1,
        "missing {missing:?}, told {told}, surplus {surplus:?}: {}",
        report.metrics.summary()
    );
    Ok(())
}
