//! What stands between IP and TCP: addresses of both families, options, extension headers, fragments.

use std::net::{Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use rollcall_tests::{Behaviour, Client, Daemon, MiniServer, RawNetwork, Shape, packet::Extension, port};

use super::{close, customer, finish_without_loss, raw_scene};

#[test]
fn ipv6_is_seen() -> Result<()> {
    let server = MiniServer::listen(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), Behaviour::default())?;
    let daemon = Daemon::watching(server.port())?;
    let mut client = Client::connect(server.address())?;
    for id in 1..=5 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    let report = finish_without_loss(&server, daemon)?;
    assert_eq!(report.exchanges[0]["client_ip"], "::1");
    Ok(())
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_is_seen() -> Result<()> {
    let server = MiniServer::listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), Behaviour::default())?;
    let daemon = Daemon::watching(server.port())?;
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], server.port())))?;
    for id in 1..=5 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    let report = finish_without_loss(&server, daemon)?;
    assert_eq!(report.exchanges[0]["client_ip"], "127.0.0.1");
    Ok(())
}

#[test]
fn headers_between_ip_and_tcp_hide_nothing() -> Result<()> {
    let network = RawNetwork::new()?;
    let port = port::free()?;
    let v4 = network.serve_v4(port, Behaviour::default())?;
    let v6_port = port::free()?;
    let v6 = network.serve_v6(v6_port, Behaviour::default())?;
    let daemon = Daemon::start(&[port, v6_port], &[])?;
    use Extension::{AtomicFragment, Destination, HopByHop, NoOperation, Routing};
    let shapes: [(&MiniServer, &[Extension]); 11] = [
        (&v6, &[]),
        (&v6, &[HopByHop]),
        (&v6, &[Destination]),
        (&v6, &[HopByHop, Destination]),
        (&v6, &[AtomicFragment]),
        (&v6, &[Routing]),
        (&v6, &[HopByHop, Destination, Routing, AtomicFragment, Destination, Destination, Routing]),
        (&v6, &[Destination; 7]),
        (&v6, &[Destination; 170]),
        (&v4, &[NoOperation(1)]),
        (&v4, &[NoOperation(10)]),
    ];
    for (server, extensions) in shapes {
        let shape = Shape::with_extensions(extensions);
        let mut connection = network.connect(server.address())?;
        for round in 1..=2 {
            let bytes = customer(round);
            connection.send_shaped(&bytes[..30], &shape)?;
            connection.send_shaped(&bytes[30..], &shape)?;
            connection.read_responses(round).with_context(|| format!("{extensions:?}"))?;
        }
        close(connection)?;
    }
    let report = daemon.stop()?;
    report.expect_exactly(port, &v4.served())?;
    report.expect_exactly(v6_port, &v6.served())
}

#[test]
fn ip_fragments_hide_nothing() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    for size in [24, 32, 64, 104] {
        let mut connection = network.connect(server.address())?;
        let shape = Shape { fragments: Some(size), ..Shape::default() };
        connection.send_shaped([customer(1), customer(2)].concat(), &shape)?;
        connection.read_responses(2)?;
        close(connection)?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}
