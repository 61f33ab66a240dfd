//! A lake of data with a folder for each day, read by one job each night, and indices of logs with one for each day, each of which is
//! looked at every five minutes.

use std::net::Ipv4Addr;

use super::{Caller, Day};

const FILES: u64 = 16;
const INDICES: u64 = 40;

pub(super) fn day(day: &mut Day) {
    let of_month = 1 + day.midnight.0 / 86_400_000_000_000 % 28;
    let job = Caller { address: Ipv4Addr::new(10, 3, 0, 51), session: None, agent: "Hadoop" };
    for (table, at) in [("events", 7_200.0), ("orders", 7_260.0), ("visits", 7_320.0)] {
        for file in 0..FILES {
            let target = format!("/lake/{table}/dt=2026-09-{of_month:02}/part-{file:05}.parquet");
            day.get(at + 0.5 * file as f64, job, &target, (206, "application/octet-stream", 500_000));
        }
    }
    let watcher = Caller { address: Ipv4Addr::new(10, 5, 1, 1), session: None, agent: "metricbeat" };
    for round in 0..288 {
        for index in 0..INDICES {
            let kind = ["web", "mail", "shop", "search"][(index % 4) as usize];
            let target = format!("/logs-{kind}-2026.09.{:02}/_stats", 1 + (of_month + index / 4) % 28);
            day.get(300.0 * round as f64, watcher, &target, (200, "application/json", 9_000));
        }
    }
}
