mod credentials;
mod observations;
mod restored;
mod services;

use std::net::SocketAddr;

use rollcall_detect::{
    Budget, Rule,
    alert::{AlertState, Severity},
};
use rollcall_http::{Limits, Request};
use rollcall_stream::{ConnectionId, Endpoints};

use super::*;

const S: u64 = 1_000_000_000;

fn detection() -> Detection {
    Detection::new(Settings::default(), HashKey::new([5; 16]))
}

pub(super) fn request(target: &str, forwarded: Option<&str>) -> Request {
    request_with(target, "x-forwarded-for", forwarded.unwrap_or_default())
}

pub(super) fn request_with(target: &str, name: &str, value: &str) -> Request {
    let fields = [(name, value)];
    request_with_all(target, if value.is_empty() { &[] } else { &fields })
}

fn request_with_all(target: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = Request::default();
    request.begin(b"GET", target.as_bytes(), None, Limits::HEAD_MAX);
    for (name, value) in fields {
        request.push_field(name.as_bytes(), value.as_bytes(), Limits::HEAD_MAX);
    }
    request
}

pub(super) fn exchange<'a>(peer: &str, request: &'a Request, ns: u64) -> Exchange<'a> {
    Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: SocketAddr::new(peer.parse().unwrap(), 40_000),
            server: SocketAddr::from(([127, 0, 0, 1], 0)),
        },
        request,
        start: ns,
        proxied_for: None,
        at: Timestamp(1_700_000_000 * S + ns),
        status: Some(200),
        request_bytes: 100,
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        response_type: None,
        response_length: None,
        sampling: 1.0,
    }
}

fn call(detection: &mut Detection, peer: &str, request: &Request, ns: u64, out: &mut Vec<Alert>) {
    detection.call(&exchange(peer, request, ns), out);
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
    assert_eq!(alert.state, AlertState::Open);
    assert_eq!((&*alert.client.kind, alert.client.id.as_str()), ("peer", "203.0.113.9"));
    assert_eq!(&*alert.route, "GET /v1/customers/{id}");
    assert_eq!(
        (alert.window_s, alert.figures.limit, alert.figures.distinct, alert.figures.requests),
        (10, 20, 21, 21)
    );
    assert_eq!(alert.at, Timestamp(1_700_000_002 * S));
    assert_eq!(alert.signals, [Rule::SequentialWalk]);

    detection.tick(Timestamp((1_700_000_003 + 300) * S), &mut out);
    assert_eq!((out.len(), out[1].state, &out[1].id), (2, AlertState::Resolved, &out[0].id));
    assert_eq!((out[1].figures.distinct, out[1].figures.requests), (30, 30));
    assert_eq!(detection.counters().alerts.open, [0; 3]);
}

/// A server that answers whatever it is asked for, and a client that asks it for 21 accounts on each of 768 paths.
#[test]
fn a_client_that_walks_on_any_number_of_routes_is_one_alert() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..16_128_u64 {
        let letter = |number: u64| char::from(b'a' + (number % 26) as u8);
        let (route, account) = (n % 768, 1_000 + n / 768);
        let target = format!(
            "/{0}{0}/{1}{1}/{2}{2}/{account}",
            letter(route),
            letter(route / 26),
            letter(route / 676)
        );
        let request = request(&target, None);
        let mut exchange = exchange("203.0.113.9", &request, n * S * 3 / 2 / 16_128);
        exchange.start = n;
        detection.call(&exchange, &mut out);
        detection.complete(&exchange, &mut out);
    }
    let ids = |notices: bool| -> BTreeSet<&str> {
        let lines = out.iter().filter(|line| (line.severity == Severity::Info) == notices);
        lines.map(|line| line.id.as_str()).collect()
    };
    assert_eq!((ids(false).len(), ids(true).len()), (1, 9));
    assert!(out.len() < 150, "{} lines", out.len());
}

/// What a server ignores of a path makes a route of its own: few calls of each stay below every limit.
#[test]
fn a_walk_on_ever_new_routes_is_told() {
    let letter = |n: u64| char::from(b'a' + (n * 7 % 26) as u8);
    type Spelling = fn(u64, char) -> String;
    let spellings: [(&str, Spelling); 4] = [
        ("behind a script", |n, x| format!("/c.php{}/{x}{x}?id={}", "/a".repeat(n as usize % 20), n * 7_919)),
        ("before the path", |n, x| {
            format!("{}/{x}{x}/customers/{}", "/b".repeat(n as usize % 20), n * 7_919)
        }),
        ("behind the account", |n, x| {
            format!("/customers/{}{}/{x}", n * 7_919, "/c".repeat(n as usize % 20))
        }),
        ("a few on each", |n, x| format!("/{}/{x}{x}/{}", n / 104, n * 7_919)),
    ];
    for (name, target) in spellings {
        let mut detection = detection();
        let mut out = Vec::new();
        for n in 0..400 {
            whole(&mut detection, "203.0.113.9", &target(n, letter(n)), n * S / 50, &mut out);
        }
        let told = out.iter().find(|alert| alert.rule == Rule::DistinctObjects);
        let told = told.unwrap_or_else(|| panic!("{name}: {out:#?}"));
        assert!(told.figures.distinct <= 21, "{name}: {told:#?}");
    }
}

/// A page that has just been put up, or that nobody has called since the start, and the service behind it.
#[test]
fn new_routes_with_the_same_accounts_are_no_walk() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..300 {
        let target = format!("/customers/{}/part{}", 1_000 + n / 30, char::from(b'a' + (n % 15) as u8));
        whole(&mut detection, "203.0.113.9", &target, n * S / 50, &mut out);
    }
    assert!(out.iter().all(|alert| alert.severity == Severity::Info), "{out:#?}");
}

#[test]
fn behind_a_trusted_proxy_the_forwarded_address_is_the_client() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..100 {
        let customer = n * 7_919 % 100_003;
        let request = request(&format!("/v1/customers/{customer}"), Some(&format!("198.51.100.{}", n % 10)));
        call(&mut detection, "127.0.0.1", &request, n * S / 100, &mut out);
    }
    assert_eq!(out, [], "ten clients with ten customers each; the proxy is none");
    for n in 0..21 {
        let request = request(&format!("/v1/customers/{n}"), Some("6.6.6.6, 203.0.113.9"));
        call(&mut detection, "127.0.0.1", &request, S + n, &mut out);
    }
    let clients: Vec<_> = out.iter().map(|alert| (&*alert.client.kind, alert.client.id.as_str())).collect();
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

/// A complete call without credential: detection first, then what it says about its route.
fn whole(detection: &mut Detection, peer: &str, target: &str, ns: u64, out: &mut Vec<Alert>) {
    let request = request(target, None);
    let exchange = exchange(peer, &request, ns);
    detection.call(&exchange, out);
    detection.complete(&exchange, out);
}

#[test]
fn a_walk_over_names_is_counted_from_its_start() {
    let mut detection = detection();
    let mut out = Vec::new();
    let name = |n: usize| {
        let letters = (0..6).map(|at| char::from(b'a' + ((n * 7919 + 13) / 26_usize.pow(at) % 26) as u8));
        format!("/users/{}", letters.collect::<String>())
    };
    for n in 0..route::TAKEN - 1 {
        whole(&mut detection, "203.0.113.9", &name(n), n as u64 * S / 100, &mut out);
    }
    assert_eq!(out, [], "they may be words of the API");
    whole(&mut detection, "203.0.113.9", &name(route::TAKEN - 1), 3 * S, &mut out);
    assert_eq!(
        out.iter().filter(|alert| alert.rule == Rule::DistinctObjects).count(),
        0,
        "so many are in order"
    );
    whole(&mut detection, "203.0.113.9", &name(route::TAKEN), 3 * S, &mut out);
    let alerts: Vec<_> = out.iter().filter(|alert| alert.rule == Rule::DistinctObjects).collect();
    assert_eq!(alerts[0].state, AlertState::Open);
    assert_eq!(&*alerts[0].route, "GET /users/{name}");
    let most = alerts.iter().map(|alert| alert.figures.distinct).max().unwrap();
    assert_eq!(most, route::TAKEN as u64 + 1);
    assert_eq!(detection.routes().len(), 1, "they are one route");
}

#[test]
fn a_slow_reader_of_many_pages_raises_no_alert() {
    let mut detection = detection();
    let mut out = Vec::new();
    let page = |n: u64| {
        let letters = (0..3).map(|at| char::from(b'a' + (n / 26_u64.pow(at) % 26) as u8));
        format!("/docs/x{}", letters.collect::<String>())
    };
    for n in 0..=route::NAMES as u64 {
        call(&mut detection, "203.0.113.9", &request(&page(n), None), n * 60 * S, &mut out);
    }
    assert_eq!(out, []);
    assert_eq!(detection.counters().detector.clock_set_back, 0);
    assert_eq!(
        detection.counters().detector.tally.objects,
        2,
        "on its route, and on that of new ones; the others are from before the shortest window"
    );
}

#[test]
fn an_open_door_is_told_once_and_not_of_files() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..15_u64 {
        whole(&mut detection, "203.0.113.9", &format!("/v1/customers/{n}"), n * S, &mut out);
        whole(&mut detection, "203.0.113.9", &format!("/images/{n}.png"), n * S, &mut out);
    }
    let told: Vec<_> = out
        .iter()
        .map(|alert| (alert.rule.name(), alert.severity, alert.state, alert.figures.requests))
        .collect();
    assert_eq!(told, [("open-door", Severity::Info, AlertState::Open, 3)]);
    assert_eq!(&*out[0].route, "GET /v1/customers/{id}");
    let routes = detection.routes();
    let customers = routes.iter().find(|summary| &*summary.route == "GET /v1/customers/{id}").unwrap();
    assert_eq!((customers.calls, customers.open_calls, customers.callers), (15, 15, 1));
    assert_eq!(customers.documented, None);
    assert!(routes.iter().any(|summary| &*summary.route == "GET /images/*.png" && summary.is_static));
}

#[test]
fn a_route_that_the_document_lacks_is_told() {
    let document = ["GET /v1/customers/{customerId}", "GET /v1/health"].map(|text| text.parse().unwrap());
    let routes = route::Settings { document: Some(document.to_vec()), ..route::Settings::default() };
    let settings = Settings { routes, ..Settings::default() };
    let mut detection = Detection::new(settings, HashKey::new([5; 16]));
    let mut out = Vec::new();
    for target in ["/v1/customers/7", "/v1/health", "/v1/export", "/v1/export", "/logo.png"] {
        whole(&mut detection, "203.0.113.9", target, S, &mut out);
    }
    let told: Vec<_> = out.iter().map(|alert| (alert.rule.name(), &*alert.route)).collect();
    assert_eq!(told, [("unknown-route", "GET /v1/export")]);
    let documented: Vec<_> = detection
        .routes()
        .into_iter()
        .map(|summary| (summary.route.to_string(), summary.documented))
        .collect();
    assert!(documented.contains(&("GET /v1/customers/{customerId}".to_owned(), Some(true))));
    assert!(documented.contains(&("GET /v1/export".to_owned(), Some(false))));
}

#[test]
fn made_up_credentials_push_no_address_out() {
    let settings = Settings { detector: small(), ..Settings::default() };
    let mut detection = Detection::new(settings, HashKey::new([5; 16]));
    let mut out = Vec::new();
    for n in 0..21_u64 {
        call(
            &mut detection,
            "203.0.113.9",
            &request(&format!("/v1/customers/{n}"), None),
            n * S / 10,
            &mut out,
        );
        for token in 0..1_000 {
            let flood = request_with("/v1/customers/1", "authorization", &format!("Bearer {n}-{token}"));
            call(&mut detection, "198.51.100.7", &flood, n * S / 10, &mut out);
        }
    }
    let clients: Vec<_> = out.iter().map(|alert| alert.client.id.as_str()).collect();
    assert_eq!(clients, ["203.0.113.9"], "{out:?}");
    assert!(detection.counters().detector.tally.not_admitted > 1_000);
}

/// Detection's settings, with tables so small that they fill.
pub(super) fn small() -> rollcall_detect::DetectorSettings {
    rollcall_detect::DetectorSettings {
        budget: Budget::new(0),
        ..rollcall_detect::DetectorSettings::default()
    }
}
