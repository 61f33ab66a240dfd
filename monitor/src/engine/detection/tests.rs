use std::net::SocketAddr;

use super::*;
use crate::{
    alert::State,
    http::exchange::{Header, Request},
    stream::{ConnectionId, Endpoints},
};

const S: u64 = 1_000_000_000;

fn detection() -> Detection {
    Detection::new(Settings::default(), HashKey::new([5; 16]))
}

fn request(target: &str, forwarded: Option<&str>) -> Request {
    let mut head = b"GET ".to_vec();
    let end = |head: &Vec<u8>| u16::try_from(head.len()).unwrap();
    head.extend_from_slice(target.as_bytes());
    let target = 4..end(&head);
    let mut headers = Vec::new();
    if let Some(forwarded) = forwarded {
        let start = end(&head);
        head.extend_from_slice(b"x-forwarded-for");
        let middle = end(&head);
        head.extend_from_slice(forwarded.as_bytes());
        headers.push(Header { name: start..middle, value: middle..end(&head) });
    }
    Request { method: 0..3, target, headers, head, ..Request::default() }
}

fn call(detection: &mut Detection, peer: &str, request: &Request, ns: u64, out: &mut Vec<Alert>) {
    let exchange = Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: SocketAddr::new(peer.parse().unwrap(), 40_000),
            server: SocketAddr::from(([127, 0, 0, 1], 80)),
        },
        proxied_for: None,
        request,
        start: ns as u32,
        at: Timestamp(1_700_000_000 * S + ns),
        status: Some(200),
        request_bytes: 100,
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        sampling: 1.0,
    };
    detection.call(&exchange, out);
}

#[test]
fn a_walk_opens_one_alert_and_ordinary_clients_none() {
    let mut detection = detection();
    let mut out = Vec::new();
    let mut calls: Vec<(u64, String, u32)> = Vec::new();
    calls.extend((0..30).map(|n| (u64::from(n) * S / 10, "203.0.113.9".into(), 1_000 + n)));
    for client in 0..200_u32 {
        let peer = format!("198.51.100.{client}");
        calls.extend((0..30).map(|n| (u64::from(n) * S / 7, peer.clone(), client * 100 + n % 10)));
    }
    calls.sort();
    for (at, peer, customer) in &calls {
        // Neither spelling nor made-up addresses help.
        let target = match customer % 4 {
            0 => format!("/v1/customers/{customer}"),
            1 => format!("/v1//customers/{customer}/?x={at}"),
            2 => format!("/v1/%63ustomers/{customer};v={at}"),
            _ => format!("/v1/./customers/{customer}#a"),
        };
        call(&mut detection, peer, &request(&target, Some("192.0.2.1")), *at, &mut out);
    }
    assert_eq!(out.len(), 1, "{out:#?}");
    let alert = &out[0];
    assert_eq!(alert.state, State::Open);
    assert_eq!((alert.client.kind, alert.client.id.as_str()), ("peer", "203.0.113.9"));
    assert_eq!(&*alert.route, "GET /v1/customers/{id}");
    assert_eq!((alert.window_s, alert.limit, alert.distinct, alert.requests), (10, 20, 21, 21));
    assert_eq!(alert.at, Timestamp(1_700_000_002 * S));
    assert_eq!(alert.signals, ["sequential-walk"]);

    detection.tick(Timestamp((1_700_000_003 + 300) * S), &mut out);
    assert_eq!((out.len(), out[1].state, &out[1].id), (2, State::Resolved, &out[0].id));
    assert_eq!((out[1].distinct, out[1].requests), (30, 30));
    assert_eq!(detection.counters().alerts.open, 0);
}

#[test]
fn behind_a_trusted_proxy_the_forwarded_address_is_the_client() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..100 {
        let request = request(&format!("/v1/customers/{n}"), Some(&format!("198.51.100.{}", n % 10)));
        call(&mut detection, "127.0.0.1", &request, n * S / 100, &mut out);
    }
    assert_eq!(out, [], "ten clients with ten customers each; the proxy is none");
    for n in 0..21 {
        let request = request(&format!("/v1/customers/{n}"), Some("6.6.6.6, 203.0.113.9"));
        call(&mut detection, "127.0.0.1", &request, S + n, &mut out);
    }
    let clients: Vec<_> = out.iter().map(|alert| (alert.client.kind, alert.client.id.as_str())).collect();
    assert_eq!(clients, [("forwarded", "203.0.113.9")]);
}

#[test]
fn the_same_input_gives_the_same_output() {
    let run = || {
        let mut detection = detection();
        let mut out = Vec::new();
        for n in 0..5_000_u64 {
            let request = request(&format!("/v1/customers/{}", n * n % 1_009), None);
            call(&mut detection, &format!("198.51.100.{}", n % 7), &request, n * S / 50, &mut out);
            detection.tick(Timestamp(1_700_000_000 * S + n * S / 50), &mut out);
        }
        serde_json::to_string(&out).unwrap()
    };
    let first = run();
    assert!(first.len() > 1_000);
    assert_eq!(first, run());
}
