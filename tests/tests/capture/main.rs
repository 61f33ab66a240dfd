//! What the kernel programs, the streams and the parser make of traffic, ordinary and hostile, on the real
//! kernel: the exchanges reported are exactly those that the server served.
//!
//! Only Rust and the kernel's own interfaces are used here, no other program: `cargo xtask vm-test` runs this
//! file in virtual machines that have nothing else.

mod bodies;
mod cgroups;
mod confinement;
mod counters;
mod decoys;
mod handshake;
mod joined;
mod lifetimes;
mod losses;
mod messages;
mod opaque;
mod packets;
mod probes;
mod proxy;
mod segments;
mod starting;

use anyhow::{Result, ensure};
use rollcall_tests::{
    Behaviour, Daemon, MiniServer, RawConnection, RawNetwork, Report, client::request, port,
};

/// What stands in bodies, tunnels and decoys, and must never be reported.
const FAKE: &str = "/v1/customers/666";

/// A server on loopback and a daemon that watches it.
fn scene() -> Result<(MiniServer, Daemon)> {
    let server = MiniServer::start()?;
    let daemon = Daemon::watching(server.port())?;
    Ok((server, daemon))
}

/// A raw network, a server on it and a daemon that watches it.
fn raw_scene(behaviour: Behaviour) -> Result<(RawNetwork, MiniServer, Daemon)> {
    let network = RawNetwork::new()?;
    let server = network.serve_v4(port::free()?, behaviour)?;
    let daemon = Daemon::watching(server.port())?;
    Ok((network, server, daemon))
}

/// Stops the daemon; its report must be what the server served.
fn finish(server: &MiniServer, daemon: Daemon) -> Result<Report> {
    let report = daemon.stop()?;
    report.expect_exactly(server.port(), &server.served())?;
    Ok(report)
}

/// As [`finish`], and nothing was lost on the way.
fn finish_without_loss(server: &MiniServer, daemon: Daemon) -> Result<Report> {
    let report = finish(server, daemon)?;
    nothing_is_lost(&report)?;
    Ok(report)
}

fn nothing_is_lost(report: &Report) -> Result<()> {
    let (segments, requests) = (report.metrics.segments_lost(), report.metrics.requests_lost());
    ensure!(
        segments == 0.0 && requests == 0.0,
        "{segments} segments and {requests} requests are counted as lost"
    );
    Ok(())
}

fn customer(id: impl std::fmt::Display) -> Vec<u8> {
    request("GET", &format!("/v1/customers/{id}"))
}

fn fake() -> Vec<u8> {
    request("GET", FAKE)
}

/// Ends a raw connection, and waits until the server has ended it too.
fn close(mut connection: RawConnection) -> Result<()> {
    connection.finish()?;
    connection.wait_ended()
}
