//! Alerts on their way out: to files that are rotated, to receivers that come and go, and with a disk that is full.

mod alertmanager;
mod disk;
mod journal;
mod rotation;
mod webhook;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use rollcall_tests::{Client, Daemon, deadline, random::Random};
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
            alerts.iter().any(|alert| alert["state"] == "open" && alert["client"]["id"] == address.as_str())
        };
        Ok(clients.clone().all(is_there).then_some(alerts))
    })
}
