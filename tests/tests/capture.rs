//! What the kernel programs, the streams and the parser make of traffic, ordinary and hostile, on the real
//! kernel: the exchanges reported are exactly those that the server served.
//!
//! Only Rust and the kernel's own interfaces are used here, no other program: `cargo xtask vm-test` runs this
//! file in virtual machines that have nothing else.

use std::{
    io::Write,
    net::{Ipv6Addr, SocketAddr, TcpStream},
};

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    Behaviour, Client, Daemon, MiniServer, Namespace, RawConnection, RawNetwork, Report, Shape,
    client::{request, request_with_body},
    deadline,
    packet::{ACK, Checksum, Extension, FIN, PSH, RST, SYN, URG},
    port, veth,
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
    let (segments, requests) = (report.metrics.segments_lost(), report.metrics.requests_lost());
    ensure!(
        segments == 0.0 && requests == 0.0,
        "{segments} segments and {requests} requests are counted as lost"
    );
    Ok(report)
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

#[test]
fn an_exchange_is_logged_as_it_was_on_the_wire() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    let mut sizes = Vec::new();
    for target in ["/v1/customers/1", "/v1/customers/2?fields=%6eame&x=a+b", "/nothing//../here;x=1", "/"] {
        let response = client.get(target)?;
        sizes.push((request("GET", target).len(), response.head.len() + response.body.len()));
    }
    let local = client.stream().local_addr()?;
    drop(client);
    let report = finish_without_loss(&server, daemon)?;
    for (exchange, (request, response)) in report.exchanges.iter().zip(sizes) {
        assert_eq!(exchange["client_ip"], local.ip().to_string());
        assert_eq!(exchange["server_ip"], "127.0.0.1");
        assert_eq!(exchange["host"], "api.example");
        assert_eq!(exchange["version"], "HTTP/1.1");
        assert_eq!(exchange["truncated"], false);
        assert_eq!(exchange["request_bytes"], request);
        assert_eq!(exchange["response_bytes"], response);
    }
    Ok(())
}

#[test]
fn a_head_may_be_split_at_any_byte() -> Result<()> {
    let (server, daemon) = scene()?;
    let length = customer(100).len();
    for at in 1..length {
        let bytes = customer(100 + at);
        let mut client = Client::connect(server.address())?;
        client.send(&bytes[..at])?;
        client.send(&bytes[at..])?;
        client.response()?;
        // On the same connection, a second time: now the split stands behind an answer.
        client.send(&bytes[..at])?;
        client.send(&bytes[at..])?;
        client.response()?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn a_head_may_come_byte_by_byte() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let mut connection = network.connect(server.address())?;
    for round in 1..=3 {
        for byte in customer(round) {
            connection.send([byte])?;
        }
        connection.read_responses(round)?;
    }
    close(connection)?;
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn twenty_requests_may_come_in_one_segment() -> Result<()> {
    for coalesce in [false, true] {
        let (network, server, daemon) = raw_scene(Behaviour { coalesce, ..Behaviour::default() })?;
        let mut connection = network.connect(server.address())?;
        for round in 1..=2 {
            let segment: Vec<u8> = (0..20).flat_map(|id| customer(round * 100 + id)).collect();
            connection.send(segment)?;
            connection.read_responses(20 * round)?;
        }
        close(connection)?;
        finish_without_loss(&server, daemon)?;
    }
    Ok(())
}

#[test]
fn pipelined_requests_may_be_cut_anywhere() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    for size in [1, 7, 13, 64, 99, 100, 333, 1460] {
        let mut connection = network.connect(server.address())?;
        let mut stream = Vec::new();
        for id in 0..12 {
            stream.extend(customer(id));
            stream.extend(request_with_body("POST", "/orders", &fake()));
        }
        for piece in stream.chunks(size) {
            connection.send(piece)?;
        }
        connection.read_responses(24)?;
        close(connection)?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}

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

#[test]
fn segments_may_be_repeated_overlap_and_come_out_of_order() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let ordinary = Shape::default();
    let bytes = [customer("a"), customer("b"), customer("c")].concat();
    let cut = [0, 5, 40, 90, 130, 200, bytes.len()];
    let pieces: Vec<(i64, &[u8])> =
        cut.windows(2).map(|ends| (ends[0] as i64, &bytes[ends[0]..ends[1]])).collect();
    type Order<'a> = (&'static str, Vec<(i64, &'a [u8])>);
    let orders: Vec<Order> = vec![
        ("each twice", pieces.iter().flat_map(|piece| [*piece, *piece]).collect()),
        ("all, then all again", pieces.iter().chain(&pieces).copied().collect()),
        ("reversed", pieces.iter().rev().copied().collect()),
        ("reversed, each twice", pieces.iter().rev().flat_map(|piece| [*piece, *piece]).collect()),
        ("neighbours swapped", [1, 0, 3, 2, 5, 4].iter().map(|at| pieces[*at]).collect()),
        ("overlapping", vec![(0, &bytes[..50]), (20, &bytes[20..120]), (100, &bytes[100..])]),
        ("overlapping, reversed", vec![(100, &bytes[100..]), (20, &bytes[20..120]), (0, &bytes[..50])]),
        ("covered", vec![(60, &bytes[60..70]), (30, &bytes[30..100]), (0, &bytes[..])]),
        ("growing", vec![(0, &bytes[..10]), (0, &bytes[..80]), (0, &bytes[..])]),
    ];
    for (name, order) in orders {
        let mut connection = network.connect(server.address())?;
        for (offset, piece) in order {
            connection.send_segment(offset, piece, &ordinary)?;
        }
        connection.continue_at(bytes.len());
        connection.read_responses(3).context(name)?;
        // The connection goes on, and the old segments come once more.
        connection.send(customer("d"))?;
        connection.read_responses(4).context(name)?;
        connection.send_segment(0, &bytes, &ordinary)?;
        connection.send(customer("e"))?;
        connection.read_responses(5).context(name)?;
        close(connection)?;
    }
    finish_without_loss(&server, daemon)?;
    Ok(())
}

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

#[test]
fn a_body_that_looks_like_requests_is_a_body() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    let mut connection = network.connect(server.address())?;
    let mut answered = 0;
    let mut body = fake();
    for body_length in [1, 3, 14] {
        body = body.repeat(body_length);
        let bytes = request_with_body("POST", "/orders", &body);
        let head = bytes.len() - body.len();
        // Head and body in one segment; in two; cut where each fake request begins; in small pieces.
        let cuts: [Vec<&[u8]>; 4] = [
            vec![&bytes],
            vec![&bytes[..head], &bytes[head..]],
            std::iter::once(&bytes[..head]).chain(bytes[head..].chunks(fake().len())).collect(),
            bytes.chunks(50).collect(),
        ];
        for pieces in cuts {
            for piece in pieces {
                connection.send(piece)?;
            }
            answered += 1;
            connection.read_responses(answered)?;
            connection.send(customer(answered))?;
            answered += 1;
            connection.read_responses(answered)?;
        }
    }
    close(connection)?;
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn large_and_chunked_bodies_that_look_like_requests_are_bodies() -> Result<()> {
    let (server, daemon) = scene()?;
    let body = fake().repeat(65_536 / fake().len() + 1);
    let mut client = Client::connect(server.address())?;
    client.send(request_with_body("PUT", "/upload/1", &body))?;
    client.response()?;
    client.get("/v1/customers/1")?;
    // The same in pieces, each of which begins like a request.
    let bytes = request_with_body("PUT", "/upload/2", &body);
    let head = bytes.len() - body.len();
    client.send(&bytes[..head])?;
    for piece in bytes[head..].chunks(fake().len()) {
        client.send(piece)?;
    }
    client.response()?;
    client.get("/v1/customers/2")?;
    // Chunked, each chunk in a segment of its own.
    client.send("POST /upload/3 HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for _ in 0..20 {
        client.send(format!("{:x};note=1\r\n", fake().len()))?;
        client.send(fake())?;
        client.send("\r\n")?;
    }
    client.send("0\r\nChecked: yes\r\n\r\n")?;
    client.response()?;
    client.get("/v1/customers/3")?;
    // Chunked, and the next request right behind.
    let mut bytes = b"POST /upload/4 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(format!("{:x}\r\n", 3 * fake().len()).bytes());
    bytes.extend(fake().repeat(3));
    bytes.extend(b"\r\n0\r\n\r\n");
    bytes.extend(customer(4));
    client.send(bytes)?;
    client.response()?;
    client.response()?;
    drop(client);
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn a_request_behind_a_large_upload_is_seen_or_counted_as_lost() -> Result<()> {
    let (server, daemon) = scene()?;
    let body = fake().repeat((2 << 20) / fake().len());
    let mut client = Client::connect(server.address())?;
    let mut bytes = request_with_body("PUT", "/upload", &body);
    bytes.extend(customer(1));
    client.send(bytes)?;
    client.response()?;
    client.response()?;
    // From here on all must be well again.
    client.get("/v1/customers/2")?;
    client.get("/v1/customers/3")?;
    drop(client);
    let report = daemon.stop()?;
    let mut served = server.served();
    if report.calls(server.port())?.len() < served.len() {
        let lost = report.metrics.segments_lost() + report.metrics.requests_lost();
        ensure!(lost > 0.0, "the request behind the upload is neither reported nor counted as lost");
        served.retain(|call| call.target != "/v1/customers/1");
    }
    report.expect_exactly(server.port(), &served)
}

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
    use Extension::{AtomicFragment, Destination, HopByHop, NoOperation};
    let shapes: [(&MiniServer, &[Extension]); 7] = [
        (&v6, &[]),
        (&v6, &[HopByHop]),
        (&v6, &[Destination]),
        (&v6, &[HopByHop, Destination]),
        (&v6, &[AtomicFragment]),
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

#[test]
fn odd_request_lines_are_reported_as_they_are() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    let lines = [
        "GET  HTTP/1.1",
        "get /v1/customers/1 HTTP/1.1",
        "Get /v1/customers/2 HTTP/1.1",
        "BREW /v1/customers/3 HTTP/1.1",
        "X /v1/customers/4 HTTP/1.1",
        "VERSION-CONTROL /v1/customers/5 HTTP/1.1",
        "M-SEARCH * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET http://api.example/v1/customers/6 HTTP/1.1",
        "GET HTTP://API.EXAMPLE/v1/customers/7?x=http://y/z HTTP/1.1",
        "GET //v1/customers/8 HTTP/1.1",
        "GET /v1/customers/9?\"quoted\"&{json}=[1]\\|^` HTTP/1.1",
        "PROPFIND / HTTP/1.1",
    ];
    for line in lines {
        client.send(format!("{line}\r\nHost: api.example\r\n\r\n"))?;
        client.response().context(line)?;
    }
    // Empty lines before a request line are to be ignored (RFC 9112, section 2.2).
    client.send("\r\n\r\nGET /v1/customers/10 HTTP/1.1\r\n\r\n")?;
    client.response()?;
    // A connection that begins with each of them.
    for line in lines {
        let mut client = Client::connect(server.address())?;
        client.send(format!("{line}\r\nHost: api.example\r\n\r\n"))?;
        client.response().context(line)?;
    }
    drop(client);
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn a_head_beyond_the_cap_is_reported_as_truncated() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    for (id, size) in [(1, 3000), (2, 6000), (3, 20_000), (4, 100_000)] {
        let cookie = "x".repeat(size);
        client.send(format!(
            "GET /v1/customers/{id} HTTP/1.1\r\nHost: api.example\r\nCookie: {cookie}\r\n\r\n"
        ))?;
        client.response()?;
        client.get(&format!("/v1/customers/{id}0"))?;
    }
    drop(client);
    let report = finish(&server, daemon)?;
    let truncated: Vec<bool> =
        report.exchanges.iter().map(|exchange| exchange["truncated"] == true).collect();
    assert_eq!(truncated, [false, false, true, false, true, false, true, false]);
    Ok(())
}

#[test]
fn nothing_inside_a_tunnel_is_a_request() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    client.get("/v1/customers/1")?;
    client.send("CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n")?;
    client.response_to_head()?;
    for _ in 0..5 {
        client.send(fake())?;
        client.read_exactly(fake().len())?;
    }
    // The tunnel's first bytes right behind the request.
    let mut eager = Client::connect(server.address())?;
    let mut bytes = b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n".to_vec();
    bytes.extend(fake());
    eager.send(bytes)?;
    eager.response_to_head()?;
    eager.read_exactly(fake().len())?;
    drop((client, eager));
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn nothing_behind_an_upgrade_is_a_request() -> Result<()> {
    let (server, daemon) = scene()?;
    let upgrade = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    };
    let mut client = Client::connect(server.address())?;
    client.get("/v1/customers/1")?;
    client.send(upgrade("/upgrade"))?;
    assert_eq!(client.response()?.status, 101);
    for _ in 0..5 {
        client.send(fake())?;
        client.read_exactly(fake().len())?;
    }
    // An upgrade that the server does not follow changes nothing.
    let mut refused = Client::connect(server.address())?;
    refused.send(upgrade("/v1/customers/2"))?;
    assert_eq!(refused.response()?.status, 200);
    refused.get("/v1/customers/3")?;
    drop((client, refused));
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn every_kind_of_answer_is_paired_with_its_request() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    // Each is followed by an ordinary call, which tells whether the answer's end was found.
    for (number, target) in
        ["/chunked", "/hints", "/status/204", "/status/304", "/status/500", "/big/300000", "/big/0"]
            .iter()
            .enumerate()
    {
        client.get(target)?;
        client.get(&format!("/v1/customers/{number}"))?;
    }
    for target in ["/v1/customers/head", "/big/100000", "/chunked", "/status/404"] {
        client.send(request("HEAD", target))?;
        client.response_to_head()?;
        client.get(&format!("/v1/customers/behind{target}"))?;
    }
    client.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")?;
    assert_eq!(client.response()?.status, 100);
    client.send("hello")?;
    assert_eq!(client.response()?.status, 200);
    client.get("/v1/customers/last")?;
    // All of it pipelined.
    let mut pipelined = Vec::new();
    let targets =
        ["/v1/customers/1", "/chunked", "/hints", "/status/204", "/big/70000", "/nothing", "/v1/customers/2"];
    for target in targets {
        pipelined.extend(request("GET", target));
    }
    client.send(pipelined)?;
    for target in targets {
        while client.response().context(target)?.status < 200 {}
    }
    client.get("/close")?;
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn older_versions_are_seen() -> Result<()> {
    let (server, daemon) = scene()?;
    for request in [
        "GET /v1/customers/1 HTTP/1.0\r\n\r\n",
        "GET /close HTTP/1.0\r\n\r\n",
        "POST /orders HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
        "GET /v1/customers/2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /v1/customers/3\r\n",
    ] {
        let mut client = Client::connect(server.address())?;
        client.send(request)?;
        client.read_to_end()?;
    }
    let mut client = Client::connect(server.address())?;
    for id in 4..=6 {
        client.send(format!("GET /v1/customers/{id} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))?;
        client.response()?;
    }
    drop(client);
    let report = finish(&server, daemon)?;
    let versions: Vec<&str> =
        report.exchanges.iter().filter_map(|exchange| exchange["version"].as_str()).collect();
    assert_eq!(versions[..2], ["HTTP/1.0", "HTTP/1.0"]);
    Ok(())
}

#[test]
fn connections_from_before_the_daemon_are_joined() -> Result<()> {
    let server = MiniServer::start()?;
    let mut idle = Client::connect(server.address())?;
    idle.get("/v1/customers/before")?;
    let unused = Client::connect(server.address())?;
    // Amid a body that looks like requests.
    let mut posting = Client::connect(server.address())?;
    let body = fake().repeat(10);
    let bytes = request_with_body("POST", "/orders", &body);
    let middle = bytes.len() - 4 * fake().len();
    posting.send(&bytes[..middle])?;
    let before = server.wait_for(1)?;

    let daemon = Daemon::watching(server.port())?;
    for piece in bytes[middle..].chunks(fake().len()) {
        posting.send(piece)?;
    }
    posting.response()?;
    posting.get("/v1/customers/1")?;
    posting.get("/v1/customers/2")?;
    let mut unused = unused;
    for id in 3..=5 {
        idle.get(&format!("/v1/customers/{id}"))?;
        unused.get(&format!("/v1/customers/{id}0"))?;
    }
    drop((idle, unused, posting));
    let report = daemon.stop()?;
    // What had begun before cannot be told whole: neither the call that had ended nor the upload.
    let mut served = server.served();
    served.drain(..before.len());
    served.retain(|call| call.target != "/orders");
    report.expect_exactly(server.port(), &served)
}

#[test]
fn what_a_joined_connection_carries_first_does_not_blind() -> Result<()> {
    let network = RawNetwork::new()?;
    let server = network.serve_v4(port::free()?, Behaviour::default())?;
    let address = server.address();
    // Amid an upload that is not text.
    let mut uploading = network.connect(address)?;
    let upload = request_with_body("PUT", "/upload", &[0x16, 3, 1, 0xff].repeat(500));
    uploading.send(&upload[..1000])?;
    uploading.wait_acknowledged(1000)?;
    // Nothing yet, then a segment that TCP drops: not HTTP, or like an answer.
    let mut others = [network.connect(address)?, network.connect(address)?];
    let decoys = [[0x16, 3, 1, 0xff].repeat(30), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(3)];

    let daemon = Daemon::watching(server.port())?;
    uploading.send(&upload[1000..])?;
    uploading.read_responses(1)?;
    for round in 2..=4 {
        uploading.send(customer(round))?;
        uploading.read_responses(round)?;
    }
    for (connection, decoy) in others.iter_mut().zip(decoys) {
        connection.send_segment(0, decoy, &Shape::with_checksum(Checksum::Wrong))?;
        for round in 1..=3 {
            connection.send(customer(round))?;
            connection.read_responses(round)?;
        }
    }
    let report = daemon.stop()?;
    let mut served = server.served();
    served.retain(|call| call.target != "/upload");
    report.expect_exactly(server.port(), &served)
}

#[test]
fn a_head_that_began_before_the_daemon_makes_no_other() -> Result<()> {
    let server = MiniServer::start()?;
    let mut client = Client::connect(server.address())?;
    let bytes = request("GET", "/v1/customers/1");
    client.send(&bytes[..8])?;
    let daemon = Daemon::watching(server.port())?;
    client.send(&bytes[8..])?;
    client.response()?;
    client.get("/v1/customers/2")?;
    drop(client);
    let report = daemon.stop()?;
    let mut served = server.served();
    served.remove(0);
    report.expect_exactly(server.port(), &served)
}

#[test]
fn endings_of_all_kinds_lose_nothing() -> Result<()> {
    let (network, server, daemon) = raw_scene(Behaviour::default())?;
    // The client's FIN in the request's segment; a segment later; a reset behind the answer.
    let mut connection = network.connect(server.address())?;
    let bytes = customer(1);
    connection.send_shaped(&bytes, &Shape::with_flags(ACK | PSH | FIN))?;
    connection.continue_at(bytes.len() + 1);
    connection.read_responses(1)?;
    connection.wait_ended()?;
    let mut connection = network.connect(server.address())?;
    connection.send(customer(2))?;
    connection.finish()?;
    connection.read_responses(1)?;
    connection.wait_ended()?;
    let mut connection = network.connect(server.address())?;
    connection.send(customer(3))?;
    connection.read_responses(1)?;
    connection.reset()?;
    // No answer: the server closes, the server resets.
    for target in ["/silence", "/reset"] {
        let mut connection = network.connect(server.address())?;
        connection.send(customer(4))?;
        connection.read_responses(1)?;
        connection.send(request("GET", target))?;
        connection.wait_ended()?;
    }
    // No answer: the client goes away amid its request; there is no request then.
    let mut connection = network.connect(server.address())?;
    connection.send(&customer(5)[..30])?;
    connection.reset()?;
    server.wait_until_idle()?;
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn a_request_without_answer_is_reported_when_the_daemon_stops() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    client.get("/v1/customers/1")?;
    client.send(request("GET", "/slow/20000"))?;
    // The answer to another call says that the first has been through the kernel by then.
    Client::connect(server.address())?.get("/v1/customers/2")?;
    let report = daemon.stop()?;
    let mut expected = server.served();
    expected.push(rollcall_tests::Call {
        port: client.stream().local_addr()?.port(),
        method: "GET".into(),
        target: "/slow/20000".into(),
        status: None,
    });
    report.expect_exactly(server.port(), &expected)
}

#[test]
fn a_slow_answer_is_waited_for() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    client.get("/slow/2000")?;
    client.get("/v1/customers/1")?;
    drop(client);
    let report = finish_without_loss(&server, daemon)?;
    let duration = report.exchanges[0]["duration_us"].as_u64().context("no duration_us")?;
    ensure!(duration >= 1_990_000, "a call of two seconds is logged as one of {duration} us");
    Ok(())
}

#[test]
fn only_the_watched_port_is_reported() -> Result<()> {
    let (server, daemon) = scene()?;
    let other = MiniServer::start()?;
    let (mut client, mut elsewhere) = (Client::connect(server.address())?, Client::connect(other.address())?);
    for id in 1..=5 {
        client.get(&format!("/v1/customers/{id}"))?;
        elsewhere.get(&format!("/v1/customers/{id}0"))?;
    }
    drop((client, elsewhere));
    finish_without_loss(&server, daemon)?;
    Ok(())
}

#[test]
fn with_both_ends_on_the_host_a_request_is_reported_once() -> Result<()> {
    // Without a port filter the programs see the client's socket as well as the server's.
    let server = MiniServer::start()?;
    let daemon = Daemon::start(&[], &[])?;
    let mut client = Client::connect(server.address())?;
    for id in 1..=20 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    client.send((1..=20).flat_map(customer).collect::<Vec<_>>())?;
    for _ in 1..=20 {
        client.response()?;
    }
    drop(client);
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn what_is_not_http_makes_no_exchange() -> Result<()> {
    let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    let daemon = Daemon::watching(address.port())?;
    let mut noise = Vec::new();
    let mut state = 0x2545_f491_u32;
    for _ in 0..100_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push((state >> 24) as u8);
    }
    // The head of a TLS 1.2 record with a ClientHello, then whatever.
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &noise[..508]].concat();
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    preface.extend(&noise[..100]);
    let greetings: [&[u8]; 7] = [
        &noise,
        &hello,
        &preface,
        b"SSH-2.0-OpenSSH_9.9p1 Debian-3\r\n",
        b"EHLO mail.example\r\nMAIL FROM:<a@b>\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ];
    for greeting in greetings {
        let mut client = TcpStream::connect(address)?;
        let (mut accepted, _) = server.accept()?;
        client.set_write_timeout(Some(deadline::patience()))?;
        let drain = std::thread::spawn(move || std::io::copy(&mut accepted, &mut std::io::sink()));
        client.write_all(greeting)?;
        // Request-like text behind it is still not HTTP.
        client.write_all(&fake())?;
        drop(client);
        drain.join().map_err(|_| anyhow::anyhow!("the draining thread panicked"))??;
    }
    let report = daemon.stop()?;
    report.expect_exactly(address.port(), &[])
}

#[test]
fn large_offloaded_segments_are_read_whole() -> Result<()> {
    let (left, right) = (Namespace::new()?, Namespace::new()?);
    let (address, _) = veth::join(&left, &right)?;
    let port = port::free()?;
    let server =
        left.enter(|| MiniServer::listen(SocketAddr::from((address, port)), Behaviour::default()))?;
    let daemon = Daemon::watching(port)?;
    for coalesced in [64 * 1024, 200 * 1024] {
        let mut client = right.enter(|| Client::connect(server.address()))?;
        let mut bytes = Vec::new();
        let mut count = 0;
        while bytes.len() < coalesced {
            bytes.extend(customer(count));
            count += 1;
        }
        let reader = std::thread::scope(|scope| {
            let mut reading = Client::over(client.stream().try_clone()?)?;
            let reader = scope.spawn(move || (0..count).try_for_each(|_| reading.response().map(drop)));
            client.send(&bytes)?;
            reader.join().map_err(|_| anyhow::anyhow!("the reading thread panicked"))?
        });
        reader?;
    }
    server.wait_until_idle()?;
    finish(&server, daemon)?;
    Ok(())
}

#[test]
fn a_client_that_walks_the_accounts_raises_one_alert() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    for id in 1..=40 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    deadline::until("an alert", || Ok((!daemon.alerts()?.is_empty()).then_some(())))?;
    drop(client);
    let report = finish_without_loss(&server, daemon)?;
    let open = report.alerts_in("open");
    assert_eq!(open.len(), 1, "{:?}", report.alerts);
    let alert = open[0];
    assert_eq!(alert["v"], 1);
    assert_eq!(alert["rule"], "distinct-objects");
    assert_eq!(alert["client"]["kind"], "peer");
    assert_eq!(alert["client"]["id"], "127.0.0.1");
    assert_eq!(alert["route"], "GET /v1/customers/{id}");
    Ok(())
}
