//! Requests and answers of all kinds, ordinary and odd.

use std::{io::Write, net::TcpStream};

use anyhow::{Context, Result};
use rollcall_tests::{
    Client, Daemon,
    client::request,
    daemon::{DISTINCT_OBJECTS, OPEN_DOOR},
    deadline,
};

use super::{fake, finish, finish_without_loss, scene};

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
    assert_eq!(truncated, [false, false, false, false, false, false, true, false]);
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
    // Exchanges of different connections come in any order.
    for (target, version) in
        [("/v1/customers/1", "HTTP/1.0"), ("/v1/customers/2", "HTTP/1.1"), ("/v1/customers/3", "HTTP/0.9")]
    {
        let exchange = report.exchanges.iter().find(|exchange| exchange["target"] == target);
        assert_eq!(exchange.context("not reported")?["version"], version, "{target}");
    }
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
fn a_client_that_walks_the_accounts_raises_one_alert() -> Result<()> {
    let (server, daemon) = scene()?;
    let mut client = Client::connect(server.address())?;
    for id in 1..=40 {
        client.get(&format!("/v1/customers/{id}"))?;
    }
    daemon.wait_for_alert(DISTINCT_OBJECTS)?;
    drop(client);
    let report = finish_without_loss(&server, daemon)?;
    let open = report.alerts_of(DISTINCT_OBJECTS, "open");
    assert_eq!(open.len(), 1, "{:?}", report.alerts);
    // Nobody was asked for a credential, which is one notice and no alert.
    assert_eq!(report.alerts_of(OPEN_DOOR, "open").len(), 1, "{:?}", report.alerts);
    let alert = open[0];
    assert_eq!(alert["v"], 1);
    assert_eq!(alert["client"]["kind"], "peer");
    assert_eq!(alert["client"]["id"], "127.0.0.1");
    assert_eq!(alert["route"], "GET /v1/customers/{id}");
    Ok(())
}
