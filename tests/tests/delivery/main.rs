//! Alerts on their way out: to files that are rotated, to receivers that come and go, and with a disk that is full.

mod alertmanager;
mod disk;
mod journal;
mod rotation;
mod webhook;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Result;
use rollcall_detect::alert::Alert;
use rollcall_model::time::Timestamp;
use rollcall_tests::{Client, Daemon, daemon::DISTINCT_OBJECTS, deadline, random::Random};
use serde_json::Value;

/// Four objects within ten seconds are an alert.
const LIMIT: [&str; 2] = ["--limit", "3/10s"];

/// Has the client number `number`, which is 127.1.x.y, touch five accounts of `server`: that is an alert.
fn enumerate(server: SocketAddr, number: u16) -> Result<()> {
    let [high, low] = number.to_be_bytes();
    let mut client = Client::connect_from(Ipv4Addr::new(127, 1, high, low), server)?;
    let mut random = Random::seeded(u64::from(number));
    for _ in 0..5 {
        // Far apart, so that everybody's accounts together are no walk.
        client.get(&format!("/v1/customers/{}", random.below(1 << 40)))?;
    }
    Ok(())
}

/// Waits until the alert file has an alert of each of `clients`, and returns its lines.
fn wait_for_alerts(daemon: &Daemon, clients: std::ops::Range<u16>) -> Result<Vec<Value>> {
    deadline::until(&format!("alerts of the clients {clients:?}"), || {
        let alerts = daemon.alerts()?;
        let is_there = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let address = format!("127.1.{high}.{low}");
            let is_its = |alert: &Value| {
                alert["opened_by"] == DISTINCT_OBJECTS && alert["client"]["id"] == address.as_str()
            };
            alerts.iter().any(is_its)
        };
        Ok(clients.clone().all(is_there).then_some(alerts))
    })
}

/// An alert as a daemon writes it, opened some minutes ago.
fn some_alert() -> Result<Alert> {
    let at = Timestamp::now() - Duration::from_secs(600);
    let line = serde_json::json!({
        "v": 1, "id": "4c5162c3863df409", "state": "open", "severity": "warning", "rule": DISTINCT_OBJECTS,
        "at": at, "client": {"kind": "peer", "id": "192.0.2.7"}, "route": "GET /v1/customers/{id}",
        "window_s": 10, "limit": 20, "distinct": 21, "distinct_error": 0, "requests": 21, "bytes": 0,
        "first_seen": at, "last_seen": at, "addresses": ["192.0.2.7"], "sample_objects": ["17"], "signals": [],
        "clients": [{"kind": "peer", "id": "192.0.2.7"}], "client_count": 1, "opened_by": DISTINCT_OBJECTS,
        "opened_at": at, "loss": 0.0,
    });
    Ok(serde_json::from_value(line)?)
}
