//! A start that something stops for a while: a debugger, a shell, a frozen cgroup.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rollcall_tests::{Client, Daemon, MiniServer, daemon::State, deadline};

/// Stops a process and lets it go on, again and again, less and less often: at last there is time enough for all that has to
/// be done in one go. Returns how often.
fn stop_now_and_then(process: Pid, until: &AtomicBool) -> Result<usize> {
    let (mut pause, mut stops) = (Duration::from_millis(1), 0);
    while !until.load(Ordering::Relaxed) {
        kill(process, Signal::SIGSTOP)?;
        // A process that goes on before it has stopped is not interrupted at all.
        deadline::until("the process to stop", || {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            Ok(status.contains("\nState:\tT").then_some(()))
        })?;
        kill(process, Signal::SIGCONT)?;
        stops += 1;
        thread::sleep(pause);
        pause = pause * 3 / 2;
    }
    Ok(stops)
}

/// The verifier gives up when it is interrupted.
#[test]
fn stopped_again_and_again_while_it_starts_it_starts_all_the_same() -> Result<()> {
    let server = MiniServer::start()?;
    let state = State::new()?;
    let mut daemon = Daemon::begin_with(&state, &[server.port()], &[])?;
    // Until then it asks the kernel what it can do, which is a matter of a moment.
    deadline::until("the state directory", || Ok(state.directory().exists().then_some(())))?;
    let (process, ready) = (Pid::from_raw(daemon.pid().cast_signed()), AtomicBool::new(false));
    let stops = thread::scope(|scope| {
        let stopping = scope.spawn(|| stop_now_and_then(process, &ready));
        let started = daemon.wait_until_ready();
        ready.store(true, Ordering::Relaxed);
        let stops = stopping.join().expect("no panic");
        started.and(stops)
    })?;
    ensure!(stops > 1, "it was stopped {stops} times");
    Client::connect(server.address())?.get("/v1/customers/1")?;
    deadline::until("the request to be seen", || {
        Ok((daemon.metrics()?.sum("rollcall_exchanges_total", &[]) == 1.0).then_some(()))
    })
    .with_context(|| daemon.log())?;
    daemon.stop()?;
    Ok(())
}
