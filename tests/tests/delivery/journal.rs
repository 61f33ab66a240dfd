//! A real journald.

use anyhow::{Context, Result};
use rollcall_tests::{Daemon, Journald, MiniServer, daemon::DISTINCT_OBJECTS};

use super::{LIMIT, enumerate, wait_for_alerts};

#[test]
fn the_journal_has_an_entry_that_can_be_searched() -> Result<()> {
    let journald = Journald::start()?;
    let server = MiniServer::start()?;
    let arguments = [&LIMIT[..], &["--alert.journal"]].concat();
    let daemon = Daemon::start_with_journal(&journald, &[server.port()], &arguments)?;
    enumerate(server.address(), 7)?;
    let line = wait_for_alerts(&daemon, 7..8)?.into_iter().find(|line| line["rule"] == DISTINCT_OBJECTS);
    let line = line.context("no alert of distinct objects")?;
    let id = line["id"].as_str().context("no id")?;
    let found = journald.wait_for(&[&format!("ROLLCALL_ID={id}"), "ROLLCALL_STATE=open", "PRIORITY=4"])?;
    let entry = &found[0];
    let message = entry["MESSAGE"].as_str().context("no message")?;
    assert_eq!(
        message,
        "127.1.0.7 touched 4 different objects of GET /v1/customers/{id} within 10 s; 3 are in order"
    );
    for (field, value) in [
        ("ROLLCALL_RULE", DISTINCT_OBJECTS),
        ("ROLLCALL_CLIENT", "peer:127.1.0.7"),
        ("ROLLCALL_ROUTE", "GET /v1/customers/{id}"),
        ("ROLLCALL_DISTINCT", "4"),
        ("SYSLOG_IDENTIFIER", "rollcall"),
        ("_COMM", "rollcall"),
    ] {
        assert_eq!(entry[field], value, "{field} in {entry}");
    }
    assert!(entry.get("ROLLCALL_OBJECT").is_none(), "{entry}");
    let same = journald.wait_for(&[&format!("MESSAGE_ID={}", rollcall::output::delivery::MESSAGE_ID)])?;
    assert!(same.contains(entry), "{same:?}");
    daemon.stop()?;
    Ok(())
}
