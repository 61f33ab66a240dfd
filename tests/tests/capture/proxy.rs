//! The PROXY protocol: connections that begin with what a load balancer says of its client.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use rollcall_tests::{
    Behaviour, Client, Daemon, MiniServer, Report, Shape,
    client::request,
    deadline,
    packet::{ACK, Checksum, RST},
};

use super::{close, customer, fake, finish_without_loss, raw_scene};

const PROXY: Behaviour =
    Behaviour { defer_accept: false, fast_open: false, coalesce: false, proxy_header: true };

/// A header of version 2 with `more` bytes of TLVs.
fn binary(more: u16) -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 127, 0, 0, 1, 0x9c, 0x40, 0, 80];
    let length = (12 + more).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &addresses, &vec![4; more.into()]].concat()
}

fn headers() -> Vec<Vec<u8>> {
    vec![
        b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 80\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 80\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        binary(0),
        binary(300),
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(),
    ]
}

fn scene(behaviour: Behaviour) -> Result<(MiniServer, Daemon)> {
    let server = MiniServer::listen(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour)?;
    let daemon = Daemon::watching(server.port())?;
    Ok((server, daemon))
}

/// As [`finish_without_loss`]; so many connections must have begun with a header.
fn finish(server: &MiniServer, daemon: Daemon, connections: usize) -> Result<Report> {
    deadline::until("the connections with a header to be counted", || {
        let counted = daemon.metrics()?.sum("rollcall_http_proxied_connections_total", &[]);
        Ok((counted >= connections as f64).then_some(()))
    })?;
    let report = finish_without_loss(server, daemon)?;
    let counted = report.metrics.sum("rollcall_http_proxied_connections_total", &[]);
    assert_eq!(counted, connections as f64, "{}", report.metrics.summary());
    Ok(report)
}

#[test]
fn requests_behind_a_header_are_seen() -> Result<()> {
    for defer_accept in [false, true] {
        let (server, daemon) = scene(Behaviour { defer_accept, ..PROXY })?;
        for (id, header) in headers().iter().enumerate() {
            for together in [false, true] {
                let mut client = Client::connect(server.address())?;
                if together {
                    client.send([&header[..], &customer(id)].concat())?;
                } else {
                    client.send(header)?;
                    client.wait_acknowledged()?;
                    client.send(customer(id))?;
                }
                client.response()?;
                client.get(&format!("/v1/customers/{id}0"))?;
            }
        }
        finish(&server, daemon, 2 * headers().len())?;
    }
    Ok(())
}

#[test]
fn a_header_may_be_split_at_any_byte() -> Result<()> {
    let (server, daemon) = scene(PROXY)?;
    let mut connections = 0;
    for header in headers() {
        let bytes = [&header[..], &customer(connections)].concat();
        for at in 1..(header.len() + 10).min(60) {
            let mut client = Client::connect(server.address())?;
            client.send(&bytes[..at])?;
            client.wait_acknowledged()?;
            client.send(&bytes[at..])?;
            client.response()?;
            connections += 1;
        }
    }
    finish(&server, daemon, connections)?;
    Ok(())
}

#[test]
fn the_longest_proxy_header_is_passed_over() -> Result<()> {
    let (server, daemon) = scene(PROXY)?;
    let mut client = Client::connect(server.address())?;
    client.send([binary(65_535 - 12), customer(1)].concat())?;
    client.response()?;
    client.get("/v1/customers/2")?;
    drop(client);
    finish(&server, daemon, 1)?;
    Ok(())
}

#[test]
fn headers_and_requests_that_tcp_drops_are_not_believed() -> Result<()> {
    let (network, server, daemon) = raw_scene(PROXY)?;
    let decoys = [
        b"PROXY TCP4 203.0.113.66 127.0.0.1 40000 80\r\n".to_vec(),
        binary(7),
        binary(2000),
        fake(),
        [&b"PROXY UNKNOWN\r\n"[..], &fake()].concat(),
    ];
    let shapes = [
        Shape::with_checksum(Checksum::Wrong),
        Shape::with_checksum(Checksum::PseudoHeaderOnly),
        Shape { ack_shift: 1 << 20, ..Shape::default() },
        Shape { flags: RST | ACK, ..Shape::with_checksum(Checksum::Wrong) },
    ];
    let mut connections = 0;
    for header in headers() {
        for decoy in &decoys {
            for shape in &shapes {
                for cut in [0, 6] {
                    let mut connection = network.connect(server.address())?;
                    if cut > 0 {
                        connection.send(&header[..cut])?;
                    }
                    connection.send_segment(cut as i64, &decoy[cut..decoy.len().min(1400)], shape)?;
                    connection.send(&header[cut..])?;
                    connection.send(customer(connections))?;
                    connection.read_responses(1).context("behind a decoy")?;
                    close(connection)?;
                    connections += 1;
                }
            }
        }
    }
    finish(&server, daemon, connections)?;
    Ok(())
}

#[test]
fn a_proxy_header_may_come_with_the_handshake() -> Result<()> {
    let (network, server, daemon) = raw_scene(PROXY)?;
    for header in headers() {
        let mut connection = network.half_open(server.address())?;
        connection.send(&header)?;
        connection.send(customer(1))?;
        connection.read_responses(1)?;
        connection.send(customer(2))?;
        connection.read_responses(2)?;
        close(connection)?;
        let mut connection = network.half_open(server.address())?;
        connection.send([&header[..], &customer(3)].concat())?;
        connection.read_responses(1)?;
        close(connection)?;
    }
    finish(&server, daemon, 2 * headers().len())?;
    Ok(())
}

#[test]
fn requests_that_look_like_a_proxy_header_are_requests() -> Result<()> {
    let (server, daemon) = scene(Behaviour::default())?;
    for (method, target) in [("PROXY", "/v1/customers/1"), ("PROXYFOO", "/v1/customers/2"), ("PROXY", "TCP4")]
    {
        let bytes = request(method, target);
        for at in [3, 6, 12, bytes.len()] {
            let mut client = Client::connect(server.address())?;
            client.send(&bytes[..at])?;
            client.wait_acknowledged()?;
            client.send(&bytes[at..])?;
            client.response()?;
            client.get("/v1/customers/3")?;
        }
    }
    finish(&server, daemon, 0)?;
    Ok(())
}
