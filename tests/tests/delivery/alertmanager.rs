//! A real Alertmanager.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use rollcall_deliver::{self as delivery, Destination, Endpoint, Poster};
use rollcall_detect::alert::{Alert, AlertState, Severity};
use rollcall_model::time::Timestamp;
use rollcall_store::Event;
use rollcall_tests::{Alertmanager, Client, Daemon, MiniServer, daemon::DISTINCT_OBJECTS};
use serde_json::Value;

use super::{LIMIT, enumerate, some_alert, wait_for_alerts};

fn is_of(rule: &str) -> impl Fn(&Value) -> bool {
    move |alert| alert["labels"]["alertname"] == rule
}

#[test]
fn an_alertmanager_shows_an_alert_with_its_labels() -> Result<()> {
    let manager = Alertmanager::start()?;
    let server = MiniServer::start()?;
    let url = manager.url();
    let arguments = [&LIMIT[..], &["--alert.alertmanager", &url]].concat();
    let daemon = Daemon::start(&[server.port()], &arguments)?;
    enumerate(server.address(), 7)?;
    let line = wait_for_alerts(&daemon, 7..8)?.into_iter().find(|line| line["rule"] == DISTINCT_OBJECTS);
    let line = line.context("no alert of distinct objects")?;
    let active = manager.wait_for("the alert", |alerts| alerts.iter().any(is_of("DistinctObjects")))?;
    let alert = active.into_iter().find(is_of("DistinctObjects")).context("no alert")?;
    let labels = &alert["labels"];
    assert_eq!(labels["rollcall_id"], line["id"]);
    assert_eq!(labels["route"], "GET /v1/customers/{id}");
    assert_eq!(labels["client_kind"], "peer");
    assert_eq!(labels["severity"], line["severity"]);
    assert_eq!(labels["instance"], nix::unistd::gethostname()?.to_string_lossy().as_ref());
    let annotations = &alert["annotations"];
    assert_eq!(annotations["client"], "peer:127.1.0.7");
    let id = line["id"].as_str().context("no id")?;
    let description = annotations["description"].as_str().context("no description")?;
    ensure!(description.contains(&format!("rollcall exposure {id}")), "{description}");
    let objects = line["sample_objects"].as_array().context("no objects")?;
    ensure!(!objects.is_empty(), "{line}");
    for object in objects {
        let object = object.as_str().context("no text")?;
        ensure!(!alert.to_string().contains(object), "an account has left the host: {alert}");
    }
    daemon.stop()?;
    Ok(())
}

fn deliver(destination: &mut delivery::Alertmanager, alert: Alert) -> Result<()> {
    let event = Arc::new(Event { seq: 1, line: serde_json::to_string(&alert)?, alert });
    let report = destination.deliver(&[event]);
    ensure!(report.delivered == 1 && report.problem.is_none(), "{report:?}");
    Ok(())
}

/// That takes minutes with a daemon, so it is the daemon's own sink with alerts of some hours.
#[test]
fn an_alertmanager_follows_an_alert_to_its_end() -> Result<()> {
    let manager = Alertmanager::start()?;
    let opened = some_alert()?;
    let (_closing, is_closing) = tokio::sync::watch::channel(None);
    let endpoint = delivery::Alertmanager::endpoint(&Endpoint::parse(&manager.url())?)?;
    let poster = Poster::new(endpoint, Arc::default(), is_closing)?;
    // A daemon that has been started anew finds it open in its ledger, and tells it again.
    let mut sink = delivery::Alertmanager::new(poster, "host-1", std::slice::from_ref(&opened), false);
    ensure!(sink.due().is_some_and(|due| due <= Instant::now()), "nothing is due");
    ensure!(sink.deliver(&[]).problem.is_none());
    let severities = |alerts: &[Value]| -> Vec<String> {
        alerts
            .iter()
            .map(|alert| alert["labels"]["severity"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    manager.wait_for("the alert as it was", |alerts| severities(alerts) == ["warning"])?;

    let now = Timestamp::now();
    let worse = Alert { severity: Severity::Critical, state: AlertState::Update, at: now, ..opened };
    deliver(&mut sink, worse.clone())?;
    manager.wait_for("the alert, and worse", |alerts| severities(alerts) == ["critical"])?;

    deliver(&mut sink, Alert { state: AlertState::Resolved, at: Timestamp::now(), ..worse })?;
    manager.wait_for("no alert", <[Value]>::is_empty)?;
    ensure!(sink.due().is_none(), "what is over is not told again");
    Ok(())
}

#[test]
fn the_daemons_own_calls_are_nobodys_walk() -> Result<()> {
    // Both ends on this host, and every port watched: what is posted is seen on its way in.
    let manager = Alertmanager::start()?;
    let port = manager.url().rsplit_once(':').context("no port")?.1.parse()?;
    let server = MiniServer::start()?;
    let url = manager.url();
    let arguments = [&LIMIT[..], &["--alert.alertmanager", &url]].concat();
    let daemon = Daemon::start(&[server.port(), port], &arguments)?;
    for number in 0..30 {
        enumerate(server.address(), number)?;
    }
    let alerts = wait_for_alerts(&daemon, 0..30)?;
    manager.wait_for("30 alerts", |alerts| alerts.len() >= 30)?;
    // The calls of others count as ever.
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    Client::connect(address)?.get("/api/v2/status")?;
    let report = daemon.stop()?;
    let others: Vec<_> =
        report.exchanges_of(port)?.iter().map(|exchange| exchange["target"].clone()).collect();
    ensure!(others.contains(&"/api/v2/status".into()), "the port is not watched: {others:?}");
    ensure!(!others.contains(&"/api/v2/alerts".into()), "the daemon reports itself: {others:?}");
    for alert in alerts.iter().chain(&report.alerts) {
        ensure!(alert["route"] == "GET /v1/customers/{id}", "an alert about alerts: {alert}");
    }
    Ok(())
}
