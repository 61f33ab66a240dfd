//! How a connection begins: data on the handshake's last ACK or on the SYN, deferred accept, SYN cookies.

use std::net::SocketAddr;

use anyhow::Result;
use rollcall_tests::{
    Behaviour, Client, Daemon, MiniServer, RawNetwork, Shape,
    packet::{ACK, FIN, PSH},
    port,
};

use super::{close, customer, finish_without_loss, raw_scene};

#[test]
fn the_last_ack_of_the_handshake_may_carry_data() -> Result<()> {
    for defer_accept in [false, true] {
        let (network, server, daemon) = raw_scene(Behaviour { defer_accept, ..Behaviour::default() })?;
        // The whole request on the ACK, then another.
        let mut connection = network.half_open(server.address())?;
        connection.send(customer(1))?;
        connection.read_responses(1)?;
        connection.send(customer(2))?;
        connection.read_responses(2)?;
        close(connection)?;
        // The request's beginning on the ACK.
        let mut connection = network.half_open(server.address())?;
        let bytes = customer(3);
        connection.send(&bytes[..10])?;
        connection.send(&bytes[10..])?;
        connection.read_responses(1)?;
        close(connection)?;
        // Two requests and the FIN on the ACK.
        let mut connection = network.half_open(server.address())?;
        let bytes = [customer(4), customer(5)].concat();
        connection.send_shaped(&bytes, &Shape::with_flags(ACK | PSH | FIN))?;
        connection.continue_at(bytes.len() + 1);
        connection.read_responses(2)?;
        connection.wait_ended()?;
        // An ordinary client, as well.
        let mut connection = network.connect(server.address())?;
        connection.send(customer(6))?;
        connection.read_responses(1)?;
        close(connection)?;
        finish_without_loss(&server, daemon)?;
    }
    Ok(())
}

#[test]
fn connections_made_from_syn_cookies_are_seen() -> Result<()> {
    let network = RawNetwork::new()?;
    // Always, not only in a flood of SYNs.
    network.namespace().set("net.ipv4.tcp_syncookies", "2")?;
    let server = network.serve_v4(port::free()?, Behaviour::default())?;
    let daemon = Daemon::watching(server.port())?;
    for data_on_last_ack in [false, true] {
        let mut connection = match data_on_last_ack {
            false => network.connect(server.address())?,
            true => network.half_open(server.address())?,
        };
        for round in 1..=2 {
            connection.send(customer(round))?;
            connection.read_responses(round)?;
        }
        close(connection)?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn a_deferred_accept_is_seen() -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = MiniServer::listen(address, Behaviour { defer_accept: true, ..Behaviour::default() })?;
    let daemon = Daemon::watching(server.port())?;
    for id in 1..=5 {
        let mut client = Client::connect(server.address())?;
        client.get(&format!("/v1/customers/{id}"))?;
        client.get(&format!("/v1/customers/{id}0"))?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn a_syn_may_carry_data() -> Result<()> {
    let network = RawNetwork::new()?;
    // Server side on, no cookie wanted, on every listener (Documentation/networking/ip-sysctl.rst).
    network.namespace().set("net.ipv4.tcp_fastopen", "1538")?;
    let server = network.serve_v4(port::free()?, Behaviour { fast_open: true, ..Behaviour::default() })?;
    let daemon = Daemon::watching(server.port())?;
    let mut connection = network.fast_open(server.address(), &customer(1))?;
    connection.read_responses(1)?;
    connection.send(customer(2))?;
    connection.read_responses(2)?;
    close(connection)?;
    let bytes = [customer(3), customer(4)].concat();
    let mut connection = network.fast_open(server.address(), &bytes[..100])?;
    connection.send(&bytes[100..])?;
    connection.read_responses(2)?;
    close(connection)?;
    finish_without_loss(&server, daemon)?;
    Ok(())
}
