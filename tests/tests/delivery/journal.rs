//! A real journald.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rollcall_deliver::{Destination, Journal, MESSAGE_ID};
use rollcall_store::Event;
use rollcall_tests::{Daemon, Journald, MiniServer, daemon::DISTINCT_OBJECTS};

use super::{LIMIT, enumerate, some_alert, wait_for_alerts};

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
    let service = format!(":{}", server.port());
    assert_eq!(
        message,
        format!(
            "127.1.0.7 touched 4 different objects of {service} GET /v1/customers/{{id}} within 10 s; 3 are in order"
        )
    );
    for (field, value) in [
        ("ROLLCALL_RULE", DISTINCT_OBJECTS),
        ("ROLLCALL_CLIENT", "peer:127.1.0.7"),
        ("ROLLCALL_SERVICE", &service),
        ("ROLLCALL_ROUTE", "GET /v1/customers/{id}"),
        ("ROLLCALL_DISTINCT", "4"),
        ("SYSLOG_IDENTIFIER", "rollcall"),
        ("_COMM", "rollcall"),
    ] {
        assert_eq!(entry[field], value, "{field} in {entry}");
    }
    assert!(entry.get("ROLLCALL_OBJECT").is_none(), "{entry}");
    let same = journald.wait_for(&[&format!("MESSAGE_ID={}", MESSAGE_ID)])?;
    assert!(same.contains(entry), "{same:?}");
    daemon.stop()?;
    Ok(())
}

#[test]
fn an_entry_too_large_for_a_datagram_arrives_whole() -> Result<()> {
    let journald = Journald::start()?;
    let mut alert = some_alert()?;
    alert.sample_objects = vec!["x".repeat(1 << 20)];
    let mut journal = Journal::new(journald.folder().join("socket"), true)?;
    let report = journal.deliver(&[Arc::new(Event { seq: 1, line: String::new(), alert })]);
    ensure!(report.delivered == 1 && report.problem.is_none(), "{report:?}");
    let entries = journald.wait_for(&[&format!("MESSAGE_ID={MESSAGE_ID}"), "ROLLCALL_SEQ=1"])?;
    let object = entries[0]["ROLLCALL_OBJECT"].as_str().context("no object")?;
    assert_eq!(object.len(), 1 << 20);
    Ok(())
}
