//! Bodies and tunnels that hold request-like text.

use anyhow::{Result, ensure};
use rollcall_tests::{Behaviour, Client, client::request_with_body};

use super::{close, customer, fake, finish, finish_without_loss, raw_scene, scene};

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
