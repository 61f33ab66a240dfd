//! Whether statuses are right where much is lost: a small ring, and a daemon that is held up again and again.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rollcall_tests::{
    Client, Daemon, MiniServer, calls::Call, client::request, deadline, metrics, random::Random,
};

use crate::{
    interrupt,
    report::{Figure, Section},
};

/// Clients that ask at a time.
const CLIENTS: u64 = 8;
/// Requests that share a packet.
const TOGETHER: [usize; 6] = [1, 1, 1, 2, 5, 10];
/// Requests of a connection, at most.
const LONGEST: u64 = 400;
const STATUSES: [u16; 7] = [200, 201, 204, 304, 403, 404, 500];
/// The daemon is held up, and goes on, for as long each, at most, in milliseconds.
const HELD_UP: u64 = 60;
const RING: &str = "64KiB";

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let server = MiniServer::start()?;
    let daemon = Daemon::start(&[server.port()], &["--ring-size", RING])?;
    let (ended, connections) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| -> Result<()> {
        let address = server.address();
        let (ended, connections) = (&ended, &connections);
        let threads: Vec<_> =
            (0..CLIENTS).map(|seed| scope.spawn(move || ask(address, seed, connections, ended))).collect();
        let held_up = hold_up(&daemon, time);
        ended.store(true, Ordering::Relaxed);
        daemon.signal(Signal::SIGCONT)?;
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))?;
        held_up
    })?;
    server.wait_until_idle()?;
    let settled = || Ok((daemon.metrics()?.sum("rollcall_ring_bytes", &[]) == 0.0).then_some(()));
    deadline::until("the daemon to have emptied the ring", settled)?;
    let (served, report) = (server.served(), daemon.stop()?);
    let reported = report.calls(server.port())?;
    let verdict = Verdict::of(&served, &reported);
    let ring_full = report.metrics.sum(metrics::OUTCOMES, &[(metrics::OUTCOME, "ring_full")]);
    ensure!(ring_full > 0.0, "nothing was lost");
    let told = report.metrics.requests_lost();
    let missing = served.len() - reported.len().min(served.len());
    let figures = vec![
        Figure::exact("requests served", served.len()),
        Figure::exact("connections", connections.load(Ordering::Relaxed)),
        Figure::exact("packets lost to the full ring", ring_full),
        Figure::exact("requests reported", share(reported.len(), served.len())),
        Figure::exact("of these, with a status", share(verdict.right + verdict.wrong, reported.len())),
        Figure::exact("**of these, with a wrong status**", verdict.wrong).goal("0", verdict.wrong == 0),
        Figure::exact("**reported, and never served**", verdict.phantoms).goal("0", verdict.phantoms == 0),
        Figure::exact("requests missing", missing),
        Figure::exact("requests said to be lost", told),
    ];
    let method = format!(
        "The daemon with a ring of {RING}, held up (SIGSTOP) for up to {HELD_UP} ms and let go on for as long, for {} s. {CLIENTS} \
         clients ask a server for statuses, each request with a target of its own, one by one or up to ten in a packet, on \
         connections of up to {LONGEST} requests that begin and end all the while. Each request that is reported is compared \
         with what the server answered.",
        time.as_secs()
    );
    let notes = vec![
        "Of ten requests in a packet that is lost, one or more are said to be lost.".to_owned(),
        "`cargo xtask bench losses`".to_owned(),
    ];
    Ok(Section { tables: Vec::new(), title: "Statuses under forced loss", method, figures, notes })
}

fn hold_up(daemon: &Daemon, time: Duration) -> Result<()> {
    let mut random = Random::default();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            daemon.signal(signal)?;
            interrupt::sleep(Duration::from_millis(random.between(1, HELD_UP)))?;
        }
    }
    Ok(())
}

/// Asks on one connection after the other.
fn ask(server: SocketAddr, seed: u64, connections: &AtomicU64, ended: &AtomicBool) -> Result<()> {
    let mut random = Random::seeded(seed);
    while !ended.load(Ordering::Relaxed) {
        let connection = connections.fetch_add(1, Ordering::Relaxed);
        let mut client = Client::connect(server)?;
        let together = TOGETHER[random.below(TOGETHER.len())];
        let mut number = 0;
        let last = random.between(1, LONGEST);
        while number < last && !ended.load(Ordering::Relaxed) {
            let mut bytes = Vec::new();
            for _ in 0..together {
                let status = STATUSES[random.below(STATUSES.len())];
                bytes.extend(request("GET", &format!("/status/{status}?{connection}-{number}")));
                number += 1;
            }
            client.send(bytes)?;
            for _ in 0..together {
                client.response()?;
            }
        }
    }
    Ok(())
}

/// What was reported of what was served.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    right: usize,
    wrong: usize,
    /// Reported twice, or never served.
    phantoms: usize,
}

impl Verdict {
    fn of(served: &[Call], reported: &[Call]) -> Verdict {
        let mut left: HashMap<&str, &Call> = served.iter().map(|call| (call.target.as_str(), call)).collect();
        let mut verdict = Verdict::default();
        for call in reported {
            let Some(served) = left.remove(call.target.as_str()) else {
                eprintln!("rollcall-bench: never served, or reported twice: {call:?}");
                verdict.phantoms += 1;
                continue;
            };
            verdict.right += usize::from(call.status.is_some() && call.status == served.status);
            if call.status.is_some() && call.status != served.status {
                eprintln!("rollcall-bench: {call:?}, but the server answered {:?}", served.status);
                verdict.wrong += 1;
            }
        }
        verdict
    }
}

fn share(part: usize, of: usize) -> String {
    format!("{part} ({:.1} %)", part as f64 / of.max(1) as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_right_or_wrong_or_not_there() {
        let call =
            |target: &str, status| Call { port: 1, method: "GET".into(), target: target.into(), status };
        let served = [call("/a", Some(200)), call("/b", Some(404)), call("/c", Some(200)), call("/d", None)];
        let reported = [call("/a", Some(200)), call("/b", Some(200)), call("/c", None), call("/c", None)];
        let verdict = Verdict::of(&served, &reported);
        assert_eq!(verdict, Verdict { right: 1, wrong: 1, phantoms: 1 });
    }
}
