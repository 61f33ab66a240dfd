//! Segments that TCP drops, and bytes that it takes otherwise than they seem.

use anyhow::{Context, Result};
use rollcall_tests::{
    Behaviour, Shape,
    packet::{ACK, Checksum, FIN, PSH, RST, SYN, URG},
};

use super::{close, customer, fake, finish, raw_scene};

/// Sends each kind of segment that TCP drops, with `payload`, before and amid real requests.
fn drop_and_go_on(payload: &[u8]) -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let far = 64 << 20;
    let decoys: [(&str, i64, Shape); 11] = [
        ("wrong checksum", 0, Shape::with_checksum(Checksum::Wrong)),
        ("forged offload", 0, Shape::with_checksum(Checksum::PseudoHeaderOnly)),
        ("left of the window", -(payload.len() as i64) - 1, Shape::default()),
        ("far left of the window", -far, Shape::default()),
        ("right of the window", far, Shape::default()),
        ("reset left of the window", -far, Shape::with_flags(RST | ACK)),
        ("reset right of the window", far, Shape::with_flags(RST | ACK)),
        ("end right of the window", far, Shape::with_flags(FIN | ACK)),
        ("acknowledges the future", 0, Shape { ack_shift: 1 << 20, ..Shape::default() }),
        ("acknowledges nothing", 0, Shape::with_flags(PSH)),
        ("opens again", 0, Shape::with_flags(SYN)),
    ];
    // The targets tell which kind of segment went before.
    let target = |kind: usize, round: usize| customer(7000 + 10 * kind + round);
    for (kind, (name, offset, shape)) in decoys.iter().enumerate() {
        let mut connection = network.connect(server.address())?;
        let mut sent = 0;
        for round in 0..2 {
            let real = target(kind, round);
            connection.send_segment(sent + offset, payload, shape)?;
            connection.send(&real)?;
            connection.read_responses(round + 1).context(*name)?;
            sent += real.len() as i64;
        }
        // And amid a head.
        let real = target(kind, 2);
        connection.send(&real[..20])?;
        connection.send_segment(sent + 20 + offset, &payload[20..], shape)?;
        connection.send(&real[20..])?;
        connection.read_responses(3).context(*name)?;
        close(connection)?;
    }
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn requests_that_tcp_drops_are_not_believed() -> Result<()> {
    drop_and_go_on(&fake())
}

#[test]
fn noise_that_tcp_drops_does_not_blind() -> Result<()> {
    drop_and_go_on(&[0x16, 3, 1, 2].repeat(40))?;
    drop_and_go_on(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
}

#[test]
fn framing_that_tcp_drops_does_not_blind() -> Result<()> {
    let host = "Host: api.example\r\nUser-Agent: decoy";
    drop_and_go_on(format!("CONNECT db.example:5432 HTTP/1.1\r\n{host}\r\n\r\n").as_bytes())?;
    drop_and_go_on(format!("PUT /x HTTP/1.1\r\n{host}\r\nContent-Length: 100000000\r\n\r\n").as_bytes())
}

#[test]
fn a_small_decoy_with_a_wrong_checksum_is_not_believed() -> Result<()> {
    // The kernel checks segments of up to 76 bytes earlier than longer ones.
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    for checksum in [Checksum::Wrong, Checksum::PseudoHeaderOnly] {
        let mut connection = network.connect(server.address())?;
        let (real, decoy) = (customer(777), fake());
        for (at, (real, decoy)) in real.chunks(9).zip(decoy.chunks(9)).enumerate() {
            connection.send_segment(9 * at as i64, decoy, &Shape::with_checksum(checksum))?;
            connection.send(real)?;
        }
        connection.read_responses(1)?;
        close(connection)?;
    }
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn what_tcp_took_first_stands() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let ordinary = Shape::default();
    let (real, decoy) = (customer(777), fake());
    // Taken already, sent again with other content.
    let mut connection = network.connect(server.address())?;
    connection.send(&real[..40])?;
    connection.send_segment(0, &decoy[..40], &ordinary)?;
    connection.send(&real[40..])?;
    connection.send_segment(0, &decoy, &ordinary)?;
    connection.read_responses(1)?;
    connection.send_segment(0, &decoy, &ordinary)?;
    connection.send(customer(1))?;
    connection.read_responses(2)?;
    close(connection)?;
    // Waiting out of order, sent again with other content.
    let mut connection = network.connect(server.address())?;
    connection.send_segment(10, &real[10..], &ordinary)?;
    connection.send_segment(10, &decoy[10..], &ordinary)?;
    connection.send_segment(0, &real[..10], &ordinary)?;
    connection.continue_at(real.len());
    connection.read_responses(1)?;
    close(connection)?;
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn what_tcp_replaces_out_of_order_is_replaced() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let ordinary = Shape::default();
    let (left, right) = (customer(777), fake());
    // tcp_data_queue_ofo: a longer segment takes the place of those that it covers.
    let mut connection = network.connect(server.address())?;
    connection.send_segment(15, &right[15..30], &ordinary)?;
    connection.send_segment(10, &left[10..], &ordinary)?;
    connection.send_segment(0, &left[..10], &ordinary)?;
    connection.continue_at(left.len());
    connection.read_responses(1)?;
    close(connection)?;
    // tcp_ofo_queue: what comes in order goes before what has waited.
    let mut connection = network.connect(server.address())?;
    connection.send_segment(10, &right[10..], &ordinary)?;
    connection.send_segment(0, &left[..30], &ordinary)?;
    connection.continue_at(left.len());
    connection.read_responses(1)?;
    close(connection)?;
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn urgent_bytes_are_not_part_of_the_stream() -> Result<()> {
    // Without SO_OOBINLINE the byte before the urgent pointer is taken out of what the server reads.
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let mut connection = network.connect(server.address())?;
    connection.send(b"GET /v1/customers/1")?;
    connection.send_shaped(b"9", &Shape { flags: ACK | PSH | URG, urgent: 1, ..Shape::default() })?;
    connection.send(b"2 HTTP/1.1\r\nHost: api.example\r\n\r\n")?;
    connection.read_responses(1)?;
    assert_eq!(server.served()[0].target, "/v1/customers/12");
    close(connection)?;
    finish(&server, daemon)?;
    Ok(())
}
