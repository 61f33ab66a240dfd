//! Losses: a small ring, and a daemon that is held up.

use std::{net::SocketAddr, ops::Range, thread};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rollcall_tests::{Client, Daemon, MiniServer, calls::Call, client::request, deadline};

/// The daemon is held up so often.
const ROUNDS: usize = 6;
/// Calls on each connection while it is, and as many while it is not.
const CALLS: usize = 60;
const STATUSES: [u16; 5] = [200, 404, 403, 201, 500];

/// A target that tells the status of its answer.
fn target(connection: usize, number: usize) -> String {
    let status = STATUSES[(number * 7 + connection) % STATUSES.len()];
    format!("/status/{status}?{connection}-{number}")
}

/// Asks so many times, so many `together`.
fn ask(client: &mut Client, connection: usize, numbers: Range<usize>, together: usize) -> Result<()> {
    let numbers: Vec<usize> = numbers.collect();
    for numbers in numbers.chunks(together) {
        client.send(
            numbers
                .iter()
                .flat_map(|number| request("GET", &target(connection, *number)))
                .collect::<Vec<_>>(),
        )?;
        for _ in numbers {
            client.response()?;
        }
    }
    Ok(())
}

/// Clients wait for each answer: each request that is missed is told.
#[test]
fn requests_that_a_held_up_daemon_misses_are_told_and_no_status_is_wrong() -> Result<()> {
    let (served, reported, told) = run(1)?;
    let missing = served - reported;
    ensure!(missing as f64 <= told, "{missing} of {served} calls are missing, {told} told");
    Ok(())
}

/// Ten requests share a packet, and a packet that is lost is one request lost, or more.
#[test]
fn of_pipelines_that_a_held_up_daemon_misses_no_status_is_wrong() -> Result<()> {
    let (served, reported, told) = run(10)?;
    let missing = served - reported;
    ensure!(missing.div_ceil(10) as f64 <= told, "{missing} of {served} calls are missing, {told} told");
    Ok(())
}

/// Calls served, calls reported, and how many are said to be lost, of clients that send so many requests `together`.
fn run(together: usize) -> Result<(usize, usize, f64)> {
    let server = MiniServer::start()?;
    let daemon = Daemon::start(&[server.port()], &["--ring-size", "64KiB"])?;
    let address: SocketAddr = server.address();
    let mut clients = (0..4).map(|_| Client::connect(address)).collect::<Result<Vec<_>>>()?;
    let mut others = Vec::new();
    for round in 0..ROUNDS {
        for held_up in [true, false] {
            if held_up {
                daemon.signal(Signal::SIGSTOP)?;
            }
            let from = (round * 2 + usize::from(!held_up)) * CALLS;
            thread::scope(|scope| {
                let threads: Vec<_> = clients
                    .iter_mut()
                    .enumerate()
                    .map(|(connection, client)| {
                        scope.spawn(move || ask(client, connection, from..from + CALLS, together))
                    })
                    .collect();
                // A connection that begins meanwhile.
                let mut late = Client::connect(address)?;
                ask(&mut late, 4 + round * 2 + usize::from(held_up), from..from + 10, together)?;
                others.push(late);
                threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
            })?;
            if held_up {
                daemon.signal(Signal::SIGCONT)?;
            }
        }
    }
    // One after the other, so that the daemon sees the end of each.
    for client in clients.into_iter().chain(others) {
        settled(&daemon)?;
        drop(client);
    }
    server.wait_until_idle()?;
    let ended = || Ok((daemon.metrics()?.sum("rollcall_http_connections", &[]) == 0.0).then_some(()));
    deadline::until("the daemon to see all connections end", ended)?;
    let (served, report) = (server.served(), daemon.stop()?);
    let reported = report.calls(server.port())?;
    let surplus = |call: &&Call| !served.iter().any(|served| is_same(call, served));
    let surplus: Vec<_> = reported.iter().filter(surplus).collect();
    ensure!(surplus.is_empty(), "wrong statuses, or never served: {surplus:?}");
    let missing = served.len() - reported.len();
    ensure!(missing > served.len() / 10, "too little was lost: {missing} calls");
    Ok((served.len(), reported.len(), report.metrics.requests_lost()))
}

/// Waits until the daemon has taken all that the programs have handed over: what they hand over next finds room.
fn settled(daemon: &Daemon) -> Result<()> {
    deadline::until("the daemon to have emptied the ring", || {
        Ok((daemon.metrics()?.sum("rollcall_ring_bytes", &[]) == 0.0).then_some(()))
    })
}

/// Whether a call was served like this, if with a status then with this one.
fn is_same(call: &Call, served: &Call) -> bool {
    call.target == served.target
        && call.port == served.port
        && (call.status.is_none() || call.status == served.status)
}
