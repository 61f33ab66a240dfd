//! The programs' counters: no packet goes uncounted, whatever interrupts what, and what is lost is told.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rollcall_capture::{self as capture, Loaded, Measuring, Options};
use rollcall_tests::{Behaviour, Client, Daemon, MiniServer, Namespace, deadline, port, veth};

use super::customer;

/// Exchanges of each connection: enough for some thousand programs to be interrupted by others.
const EXCHANGES: usize = 20_000;

/// The kernel counts the runs of the programs by itself: that is what the outcomes have to add up to.
#[test]
fn every_run_of_a_program_is_counted() -> Result<()> {
    let exchanges = if std::env::var_os("ROLLCALL_VM").is_some() { EXCHANGES / 20 } else { EXCHANGES };
    let (left, right) = (Namespace::new()?, Namespace::new()?);
    let (address, _) = veth::join(&left, &right)?;
    let port = port::free()?;
    let near = TcpListener::bind(("127.0.0.1", port))?;
    let far = left.enter(|| Ok(TcpListener::bind((address, port))?))?;
    let _measuring = Measuring::start()?;
    let options = Options { ports: vec![port], ring_size: 64 << 10, ..Options::default() };
    // Nobody reads the ring: it is full soon, which is one more thing to count.
    let Loaded { mut programs, capture, .. } = capture::load(&options)?;
    let attachment = programs.attach()?;
    let near_address = near.local_addr()?;
    let ended = AtomicUsize::new(0);
    let (first, last) = thread::scope(|scope| {
        let servers = [scope.spawn(|| serve(&near, 2)), scope.spawn(|| serve(&far, 1))];
        let clients = [
            scope.spawn(|| ask(near_address, exchanges, &ended)),
            scope.spawn(|| ask(near_address, exchanges, &ended)),
            scope.spawn(|| right.enter(|| ask((address, port).into(), exchanges, &ended))),
        ];
        // Readings amid the traffic are taken, and never go back.
        let first = seen(&capture.statistics().read());
        let mut last = first;
        while ended.load(Ordering::Relaxed) < clients.len() {
            let now = seen(&capture.statistics().read());
            ensure!((0..2).all(|direction| now[direction] >= last[direction]), "{last:?}, then {now:?}");
            last = now;
        }
        for thread in clients.into_iter().chain(servers) {
            thread.join().expect("no panic")?;
        }
        Ok((first, last))
    })?;
    ensure!(last[0] > first[0] && last[1] > first[1], "nothing was counted: {first:?}, {last:?}");
    drop(attachment);
    // A packet may still be on its way through a program that is being detached.
    let mut latest = None;
    let agreed = deadline::until("the outcomes to add up to the programs' runs", || {
        let runs = programs.runs()?.map(|runs| runs.count);
        let seen = seen(&capture.statistics().read());
        latest = Some((runs, seen));
        Ok((runs == seen).then_some(()))
    });
    agreed.with_context(|| format!("runs and packets seen, by direction: {latest:?}"))
}

/// What the daemon could not take while it was held up shows, and detection says that it was blind.
#[test]
fn what_a_full_ring_loses_is_told() -> Result<()> {
    let server = MiniServer::listen(SocketAddr::from(([127, 0, 0, 1], 0)), Behaviour::default())?;
    let daemon = Daemon::start(&[server.port()], &["--ring-size", "64KiB"])?;
    daemon.signal(Signal::SIGSTOP)?;
    let mut client = Client::connect(server.address())?;
    const CALLS: usize = 400;
    for id in 0..CALLS {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    daemon.signal(Signal::SIGCONT)?;
    // What found no room began a request each, and the ring holds a fraction of them.
    deadline::until("lost requests in /metrics", || {
        Ok((daemon.metrics()?.requests_lost() > CALLS as f64 / 2.0).then_some(()))
    })?;
    let blind = deadline::until("an alert that says so", || {
        let alerts = daemon.alerts()?;
        Ok(alerts.into_iter().find(|alert| alert["rule"] == "blind" && alert["route"] == "~loss"))
    })?;
    ensure!(blind["severity"] == "warning", "{blind}");
    let report = daemon.stop()?;
    report.metrics.check_accounting()?;
    let ring_full =
        report.metrics.sum("rollcall_segments_total", &[("direction", "request"), ("outcome", "ring_full")]);
    ensure!(ring_full >= report.metrics.requests_lost(), "{}", report.metrics.summary());
    Ok(())
}

fn seen(directions: &[capture::DirectionStatistics; 2]) -> [u64; 2] {
    [directions[0].seen(), directions[1].seen()]
}

/// Answers whatever comes on `connections` connections, until they end.
fn serve(listener: &TcpListener, connections: usize) -> Result<()> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            threads.push(scope.spawn(move || -> Result<()> {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer)? > 0 {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                }
                Ok(())
            }));
        }
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// One request after the other on a connection.
fn ask(server: SocketAddr, exchanges: usize, ended: &AtomicUsize) -> Result<()> {
    let result = (|| {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let mut buffer = [0; 4096];
        for id in 0..exchanges {
            stream.write_all(&customer(id))?;
            ensure!(stream.read(&mut buffer)? > 0, "no answer");
        }
        Ok(())
    })();
    ended.fetch_add(1, Ordering::Relaxed);
    result
}
