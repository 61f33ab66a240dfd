//! `rollcall top` in a real terminal, on a real daemon.

use std::{fs, net::Ipv4Addr};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rollcall_tests::{Client, Daemon, MiniServer, Terminal, daemon, deadline, port, terminal};

const WALKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// `rollcall top` for a daemon at `address`, as a shell has it.
fn top(address: impl std::fmt::Display) -> String {
    format!("{} top --web.listen-address {address}", daemon::binary().display())
}

fn process(file: &std::path::Path) -> Result<Pid> {
    let text = deadline::until("its process id", || {
        Ok(fs::read_to_string(file).ok().filter(|text| text.ends_with('\n')))
    })?;
    Ok(Pid::from_raw(text.trim().parse()?))
}

#[test]
fn top_shows_a_walk_follows_keys_and_gives_the_terminal_back() -> Result<()> {
    let server = MiniServer::start()?;
    let daemon = Daemon::watching(server.address().port())?;
    let mut walker = Client::connect_from(WALKER, server.address())?;
    for account in 1..=130 {
        walker.get(&format!("/v1/customers/{account}"))?;
    }
    let folder = tempfile::tempdir()?;
    let pid = folder.path().join("pid");
    let terminal = Terminal::start("top", 80, 24, &terminal::told(&top(daemon.web()), &pid))?;
    let shown = terminal.wait_for("CRIT")?;
    for expected in
        ["Rollcall 127.0.0.1:", "peer 127.0.0.66", "GET /v1/customers/{id}", "130 of ", "good Attached"]
    {
        ensure!(shown.contains(expected), "{expected}:\n{shown}");
    }
    ensure!(terminal.is_taken()?, "it has the whole screen");
    terminal.press(&["s"])?;
    terminal.wait_for("by nearest to a limit")?;
    terminal.press(&["Tab"])?;
    terminal.wait_for("OBJECTS/H")?;
    terminal.press(&["?"])?;
    terminal.wait_for(" Help ")?;
    terminal.press(&["?"])?;

    // A daemon that hangs is told, and forgotten once it goes on.
    let pid_of_daemon = Pid::from_raw(daemon.pid().try_into()?);
    kill(pid_of_daemon, Signal::SIGSTOP)?;
    let silent = terminal.wait_for("NO ANSWER");
    kill(pid_of_daemon, Signal::SIGCONT)?;
    silent?;
    deadline::until("it to go on", || Ok((!terminal.shown()?.contains("NO ANSWER")).then_some(())))?;

    terminal.press(&["q"])?;
    let shown = terminal.wait_for("ended with 0")?;
    terminal.wait_for("icanon")?;
    ensure!(!terminal.is_taken()? && !shown.contains("CRIT"), "the screen is as it was:\n{shown}");
    drop(terminal);

    let again = folder.path().join("again");
    let terminal = Terminal::start("term", 100, 40, &terminal::told(&top(daemon.web()), &again))?;
    terminal.wait_for("CRIT")?;
    kill(process(&again)?, Signal::SIGTERM)?;
    terminal.wait_for("ended with 0")?;
    terminal.wait_for("icanon")?;
    ensure!(!terminal.is_taken()?, "SIGTERM gives the screen back");
    daemon.stop()?;
    Ok(())
}

#[test]
fn without_a_daemon_there_is_one_line_and_the_screen_is_left_alone() -> Result<()> {
    let address = format!("127.0.0.1:{}", port::free()?);
    let folder = tempfile::tempdir()?;
    let command = terminal::told(&top(&address), &folder.path().join("pid"));
    let terminal = Terminal::start("none", 200, 24, &command)?;
    let shown = terminal.wait_for("ended with 1")?;
    let line = shown.lines().next().context("a line")?;
    let expected = format!(
        "rollcall: ask the daemon on {address}: Connection refused (os error 111); see whether it runs, and give its \
         address with --web.listen-address or --url"
    );
    ensure!(line.trim_end() == expected, "{line}");
    ensure!(!terminal.is_taken()?, "the screen is left alone");
    Ok(())
}
