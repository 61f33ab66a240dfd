//! A full disk.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
};

use anyhow::{Context, Result, bail, ensure};
use rollcall::ledger::Reader;
use rollcall_tests::{Daemon, MiniServer, Receiver, daemon::State, deadline};

use super::{LIMIT, enumerate, wait_for_alerts};

const ERRORS: &str = "rollcall_ledger_write_errors_total";

#[test]
fn a_full_disk_silences_no_alert() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::on_small_disk(8 << 20)?;
    let receiver = Receiver::start(0, 200)?;
    let url = receiver.url("/hook");
    let arguments = [&LIMIT[..], &["--alert.webhook", &url, "--ledger.size", "1MiB"]].concat();
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    enumerate(server.address(), 0)?;
    wait_for_alerts(&daemon, 0..1)?;
    let filler = state.directory().join("filler");
    fill(&filler)?;
    // Until it shows: what the ledger has of its own to write over takes the first few.
    let mut clients = 1;
    deadline::until("the ledger to fail", || {
        enumerate(server.address(), clients)?;
        clients += 1;
        let metrics = daemon.metrics()?;
        Ok((metrics.sum(ERRORS, &[("database", "alerts")]) > 0.0).then_some(()))
    })?;
    for number in clients..clients + 5 {
        enumerate(server.address(), number)?;
    }
    let lines = wait_for_alerts(&daemon, 0..clients + 5)?;
    receiver.wait_for(lines.len(), 200)?;
    ensure!(daemon.log().contains("cannot write the ledger"), "nothing is said of it: {}", daemon.log());
    ensure!(
        Reader::open(&state.directory())?.events_after(0, 1_000)?.len() < lines.len(),
        "the disk was not full"
    );

    std::fs::remove_file(filler)?;
    deadline::until("the ledger to have caught up", || {
        let recorded = Reader::open(&state.directory())?.events_after(0, 1_000)?;
        Ok((recorded.len() >= lines.len()).then_some(()))
    })?;
    let report = daemon.stop()?;
    assert_eq!(report.alerts.len(), receiver.posts(200).len(), "nothing twice, nothing lost");
    let waiting = Daemon::start_with(&state, &[server.port()], &arguments)?.metrics()?;
    assert_eq!(waiting.sum("rollcall_outbox_alerts", &[]), 0.0);
    assert_eq!(report.alerts.len(), receiver.posts(200).len(), "and nothing again after the next start");
    Ok(())
}

#[test]
fn a_daemon_that_starts_on_a_full_disk_tells_alerts_all_the_same() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::on_small_disk(8 << 20)?;
    let receiver = Receiver::start(0, 200)?;
    let url = receiver.url("/hook");
    let arguments = [&LIMIT[..], &["--alert.webhook", &url, "--ledger.size", "1MiB"]].concat();
    // Its key has to be there.
    Daemon::start_with(&state, &[server.port()], &arguments)?.stop()?;
    fill(&state.directory().join("filler"))?;
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    for number in 0..10 {
        enumerate(server.address(), number)?;
    }
    let lines = wait_for_alerts(&daemon, 0..10)?;
    receiver.wait_for(lines.len(), 200)?;
    daemon.kill()?;
    Ok(())
}

/// Writes until there is no room.
fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut size = 64 << 10;
    while size > 0 {
        match file.write_all(&vec![0; size]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) => bail!(error),
        }
    }
    file.flush().context("flush")
}
