//! A full disk.

use std::fs::OpenOptions;

use anyhow::{Result, ensure};
use rollcall_detect::alert::Alert;
use rollcall_store::Reader;
use rollcall_tests::{Daemon, MiniServer, Receiver, daemon::State, deadline, disk};

use super::{LIMIT, enumerate, wait_for_alerts};

const FILLER: &str = "filler";
const ERRORS: &str = "rollcall_ledger_write_errors_total";

/// A disk that a ledger of the smallest size does not fill.
fn small_disk() -> Result<State> {
    State::on_small_disk(8 << 20)
}

/// Arguments of a daemon on it, and `more`.
fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&LIMIT[..], &["--ledger.size", "1MiB"], more].concat()
}

/// Fills the disk of `state` on which `clients` have an alert until the ledger fails, and has `more` alerts come then; how
/// many clients have one.
fn fail_the_ledger(
    daemon: &Daemon,
    server: &MiniServer,
    state: &State,
    mut clients: u16,
    more: u16,
) -> Result<u16> {
    disk::fill(&state.directory().join(FILLER))?;
    // Until it shows: what the ledger has of its own to write over takes the first few.
    deadline::until("the ledger to fail", || {
        enumerate(server.address(), clients)?;
        clients += 1;
        let metrics = daemon.metrics()?;
        Ok((metrics.sum(ERRORS, &[("database", "alerts")]) > 0.0).then_some(()))
    })?;
    for number in clients..clients + more {
        enumerate(server.address(), number)?;
    }
    Ok(clients + more)
}

/// Events in the ledger.
fn recorded(state: &State) -> Result<usize> {
    Ok(Reader::open(&state.directory())?.events_after(0, 1_000)?.len())
}

#[test]
fn a_full_disk_silences_no_alert() -> Result<()> {
    let server = MiniServer::start()?;
    let state = small_disk()?;
    let receiver = Receiver::start(0, 200)?;
    let url = receiver.url("/hook");
    let arguments = arguments(&["--alert.webhook", &url]);
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    enumerate(server.address(), 0)?;
    wait_for_alerts(&daemon, 0..1)?;
    let clients = fail_the_ledger(&daemon, &server, &state, 1, 5)?;
    let lines = wait_for_alerts(&daemon, 0..clients)?;
    receiver.wait_for(lines.len(), 200)?;
    ensure!(daemon.log().contains("cannot write the ledger"), "nothing is said of it: {}", daemon.log());
    ensure!(recorded(&state)? < lines.len(), "the disk was not full");

    std::fs::remove_file(state.directory().join(FILLER))?;
    deadline::until("the ledger to have caught up", || Ok((recorded(&state)? >= lines.len()).then_some(())))?;
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
    let state = small_disk()?;
    let receiver = Receiver::start(0, 200)?;
    let url = receiver.url("/hook");
    let arguments = arguments(&["--alert.webhook", &url]);
    // Its key has to be there.
    Daemon::start_with(&state, &[server.port()], &arguments)?.stop()?;
    disk::fill(&state.directory().join(FILLER))?;
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    for number in 0..10 {
        enumerate(server.address(), number)?;
    }
    let lines = wait_for_alerts(&daemon, 0..10)?;
    receiver.wait_for(lines.len(), 200)?;
    daemon.kill()?;
    Ok(())
}

#[test]
fn what_a_full_disk_kept_out_of_the_ledger_is_written_at_the_stop_if_there_is_room() -> Result<()> {
    let server = MiniServer::start()?;
    let state = small_disk()?;
    let arguments = arguments(&[]);
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    let clients = fail_the_ledger(&daemon, &server, &state, 0, 20)?;
    wait_for_alerts(&daemon, 0..clients)?;
    std::fs::remove_file(state.directory().join(FILLER))?;
    // At once: the ledger has not tried again.
    let report = daemon.stop()?;
    assert_eq!(recorded(&state)?, report.alerts.len(), "{}", report.log);
    Ok(())
}

#[test]
fn little_room_is_used_for_as_many_alerts_as_there_is_room_for() -> Result<()> {
    let server = MiniServer::start()?;
    let state = small_disk()?;
    let arguments = arguments(&["--ledger.objects", "off"]);
    let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
    let clients = fail_the_ledger(&daemon, &server, &state, 0, 100)?;
    let alerts = wait_for_alerts(&daemon, 0..clients)?.len();
    let before = recorded(&state)?;
    let filler = OpenOptions::new().write(true).open(state.directory().join(FILLER))?;
    // For a few of them, and not for all.
    filler.set_len(filler.metadata()?.len() - (64 << 10))?;
    deadline::until("some of the alerts in the ledger", || Ok((recorded(&state)? > before).then_some(())))?;
    ensure!(recorded(&state)? < alerts, "there was room for all {alerts} of them");
    filler.set_len(0)?;
    let report = daemon.stop()?;
    assert_eq!(recorded(&state)?, report.alerts.len(), "{}", report.log);
    Ok(())
}

#[test]
fn what_the_ledger_lacks_at_the_stop_is_counted_and_handed_over() -> Result<()> {
    let server = MiniServer::start()?;
    // With an alert file, which has them, and with one that takes nothing either.
    for full in [false, true] {
        let state = small_disk()?;
        let receiver = Receiver::start(0, 200)?;
        let url = receiver.url("/hook");
        let mut arguments = arguments(&["--alert.webhook", &url]);
        if full {
            arguments.extend(["--alert.file", "/dev/full"]);
        }
        let daemon = Daemon::start_with(&state, &[server.port()], &arguments)?;
        let clients = fail_the_ledger(&daemon, &server, &state, 0, 20)?;
        receiver.wait_for(usize::from(clients), 200)?;
        let metrics = daemon.metrics()?;
        let report = daemon.stop_with(metrics, 8)?;
        let told = receiver.posts(200).len();
        let lost = told - recorded(&state)?;
        ensure!(lost >= 20, "the disk was not full");
        let path = state.directory().join("ledger.db");
        let message =
            format!("rollcall: write {lost} events of alerts to ledger {}; make room", path.display());
        ensure!(report.log.contains(&message), "{message}\n{}", report.log);
        let lines = report.log.lines().filter_map(|line| serde_json::from_str::<Alert>(line).ok());
        assert_eq!(lines.count(), if full { lost } else { 0 }, "{}", report.log);
    }
    Ok(())
}
