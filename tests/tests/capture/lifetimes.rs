//! Connections older than the daemon, endings, and answers that are late or never come.

use std::{
    net::{SocketAddr, TcpStream},
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt},
};
use rollcall_tests::{
    Behaviour, Call, Client, Daemon, MiniServer, RawNetwork, Shape, calls,
    client::{request, request_with_body},
    deadline,
    packet::{ACK, Checksum, FIN, PSH},
    port,
};

use super::{customer, fake, finish, finish_without_loss, nothing_is_lost, raw_scene, scene};

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

/// A client that resets its connection may use its port again at once.
#[test]
fn the_same_ports_again_are_another_connection() -> Result<()> {
    let (server, daemon) = scene()?;
    let from = SocketAddr::from(([127, 0, 0, 1], port::free()?));
    for round in 0..30 {
        // The kernel may hold on to the connection before for a moment.
        let mut client =
            deadline::until("the port to be free", || match connect_from(from, server.address()) {
                Err(error) if is_in_use(&error) => Ok(None),
                client => client.map(Some),
            })?;
        for id in 0..3 {
            client.get(&format!("/v1/customers/{}", round * 10 + id))?;
        }
        // The next one begins where this one is amid a request.
        client.send(&customer(666)[..round])?;
        client.wait_acknowledged()?;
        server.wait_for((round + 1) * 3)?;
        setsockopt(client.stream(), sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    }
    server.wait_until_idle()?;
    let report = daemon.stop()?;
    nothing_is_lost(&report)?;
    // The log has each connection in order, and only the time says which connection of a port was first.
    let reported: Vec<Call> =
        report.exchanges_of(server.port())?.into_iter().map(Call::from_exchange).collect::<Result<_>>()?;
    calls::compare(&reported, &server.served())
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE))
}

/// Connects from a port that another connection may have used before.
fn connect_from(from: SocketAddr, to: SocketAddr) -> Result<Client> {
    let socket: OwnedFd =
        socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(from)).context("bind")?;
    socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).context("connect")?;
    Client::over(TcpStream::from(socket))
}

#[test]
fn a_request_without_answer_is_reported_when_the_daemon_stops() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    client.get("/v1/customers/1")?;
    client.send(request("GET", "/slow/20000"))?;
    // What TCP has not acknowledged it may still refuse.
    client.wait_acknowledged()?;
    let report = daemon.stop()?;
    let mut expected = server.served();
    expected.push(Call {
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
