//! Heads in any segmentation and order.

use std::net::SocketAddr;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rollcall_tests::{
    Behaviour, Client, Daemon, MiniServer, Namespace, Shape,
    calls::compare,
    client::{request, request_with_body},
    deadline, port, veth,
};

use super::{close, customer, fake, finish_without_loss, raw_scene, scene};

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

/// Over loopback one packet of the server's may be twice as large as any that the client sends: TCP fills up what waits for
/// the client's window.
#[test]
fn answers_that_waited_for_the_client_are_read_whole() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    // More than the window has room for, then answers that wait.
    let count = 500;
    let mut bytes = request("GET", "/big/130000");
    bytes.extend((1..count).flat_map(|_| request("GET", "/big/600")));
    client.send(bytes)?;
    server.wait_for(count)?;
    (0..count).try_for_each(|_| client.response().map(drop))?;
    client.finish()?;
    server.wait_until_idle()?;
    finish_without_loss(&server, daemon)?;
    Ok(())
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
    let served = server.served();
    // When it does not, what it reports at its end tells more.
    let _ = deadline::within(Duration::from_secs(5), "the daemon to have read it all", || {
        Ok((daemon.metrics()?.sum("rollcall_exchanges_total", &[]) >= served.len() as f64).then_some(()))
    });
    let report = daemon.stop()?;
    // What one connection may have pending is bounded: beyond that a call is reported without its status, and
    // that is counted.
    let because =
        |reason| report.metrics.sum("rollcall_http_requests_incomplete_total", &[("reason", reason)]);
    let incomplete = because("too_many_pending") + because("response_missed");
    let mut calls = report.calls(port)?;
    let mut unknown = 0.0;
    for call in calls.iter_mut().filter(|call| call.status.is_none()) {
        call.status = Some(200);
        unknown += 1.0;
    }
    ensure!(
        unknown == incomplete,
        "{unknown} calls without status, {incomplete} counted: {}",
        report.metrics.summary()
    );
    compare(&calls, &served).with_context(|| report.metrics.summary())
}
