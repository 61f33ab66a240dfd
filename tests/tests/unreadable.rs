//! Packets that can't be read. Every daemon of the host counts them, whatever it watches, so no other test runs beside.

use anyhow::{Result, ensure};
use rollcall_tests::{
    Behaviour, Daemon, RawNetwork, Shape, client::request, deadline, packet::Extension, port,
};

/// Nobody but who wants to hide sends so many headers: it takes jumbo frames, or fragments.
#[test]
fn more_extension_headers_than_are_read_are_told_as_loss() -> Result<()> {
    let network = RawNetwork::new()?;
    network.set_mtu(9_000)?;
    let server = network.serve_v6(port::free()?, Behaviour::default())?;
    let daemon = Daemon::watching(server.port())?;
    let mut connection = network.connect(server.address())?;
    let shape = Shape::with_extensions(&[Extension::Destination; 1_000]);
    const CALLS: usize = 5;
    for id in 1..=CALLS {
        connection.send_shaped(request("GET", &format!("/v1/customers/{id}")), &shape)?;
        connection.read_responses(id)?;
    }
    let lost = deadline::until("packets that can't be read to be counted as lost", || {
        Ok(Some(daemon.metrics()?.requests_lost()).filter(|&lost| lost >= CALLS as f64))
    })?;
    ensure!(lost == CALLS as f64, "{lost} requests are said to be lost");
    deadline::until("an alert that says so", || {
        let alerts = daemon.alerts()?;
        Ok(alerts.into_iter().find(|alert| alert["rule"] == "blind" && alert["route"] == "~loss"))
    })?;
    drop(connection);
    daemon.stop()?;
    Ok(())
}
