//! APIs on several ports of one host: nothing that is told of one says anything about another.

use std::collections::BTreeSet;

use rollcall_detect as detect;

use super::*;

/// The client that calls all of them.
const CLIENT: &str = "203.0.113.9";

fn call_on(detection: &mut Detection, port: u16, target: &str, ns: u64, out: &mut Vec<Alert>) {
    call_from(CLIENT, detection, port, target, ns, out);
}

fn call_from(
    client: &str,
    detection: &mut Detection,
    port: u16,
    target: &str,
    ns: u64,
    out: &mut Vec<Alert>,
) {
    let request = request(target, None);
    let mut exchange = exchange(client, &request, ns);
    exchange.endpoints.server.set_port(port);
    detection.call(&exchange, out);
    detection.complete(&exchange, out);
}

fn with_routes(limits: &[&str], routes: route::Settings) -> Detection {
    let limits: Vec<_> = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    let policy = detect::Policy::new(&limits, &[]).unwrap();
    let detector = detect::DetectorSettings { policy, ..detect::DetectorSettings::default() };
    Detection::new(Settings { routes, detector, ..Settings::default() }, HashKey::new([5; 16]))
}

fn opened(out: &[Alert], rule: Rule) -> Vec<(&str, u64)> {
    let opened = out.iter().filter(|alert| alert.rule == rule && alert.state == AlertState::Open);
    opened.map(|alert| (&*alert.route, alert.figures.distinct)).collect()
}

/// Twelve accounts are no walk, on either of two ports; nor are they 24 of one route.
#[test]
fn two_ports_are_two_services() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..24 {
        let target = format!("/v1/customers/{}", 100 * (n % 2) + n * 7_919 % 1_009);
        call_on(&mut detection, 8_001 + (n % 2) as u16, &target, n * S / 10, &mut out);
    }
    assert_eq!(opened(&out, Rule::DistinctObjects), []);
    let routes = detection.routes();
    let names: Vec<(&str, u64)> = routes.iter().map(|summary| (&*summary.route, summary.calls)).collect();
    assert_eq!(names, [(":8001 GET /v1/customers/{id}", 12), (":8002 GET /v1/customers/{id}", 12)]);
    for port in [8_001, 8_002] {
        for n in 0..9 {
            let target = format!("/v1/customers/{}", 5_000 + n * n);
            call_on(&mut detection, port, &target, 24 * S / 10 + n, &mut out);
        }
    }
    assert_eq!(opened(&out, Rule::DistinctObjects), [(":8001 GET /v1/customers/{id}", 21)]);
    // One client that is over its limits on many is one attack. Its line names the others as seen from its own.
    let more = out.last().unwrap();
    assert_eq!((&*more.route, more.figures.distinct), (":8002 GET /v1/customers/{id}", 21));
    let line = serde_json::to_value(more).unwrap();
    assert_eq!((&line["service"], &line["route"]), (&":8002".into(), &"GET /v1/customers/{id}".into()));
    assert_eq!(line["routes"], serde_json::json!([":8001 GET /v1/customers/{id}", "GET /v1/customers/{id}"]));
    let read: Alert = serde_json::from_value(line).unwrap();
    assert_eq!(read.route, more.route);
    assert_eq!(
        read.all_routes().collect::<Vec<_>>(),
        [":8001 GET /v1/customers/{id}", ":8002 GET /v1/customers/{id}"]
    );
    assert_eq!(read.opened_on(), ":8001 GET /v1/customers/{id}");
}

/// A walk through a proxy is seen on two ports, and is one attack.
#[test]
fn a_walk_through_a_proxy_is_one_alert() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..40 {
        let target = format!("/v1/customers/{}", n * 7_919 % 1_009);
        call_on(&mut detection, 443, &target, n * S / 10, &mut out);
        let request = request(&target, Some(CLIENT));
        let mut exchange = exchange("127.0.0.1", &request, n * S / 10 + 1);
        exchange.endpoints.server.set_port(8_080);
        detection.call(&exchange, &mut out);
    }
    let walk: Vec<_> = out.iter().filter(|alert| alert.rule == Rule::DistinctObjects).collect();
    assert_eq!(opened(&out, Rule::DistinctObjects), [(":443 GET /v1/customers/{id}", 21)]);
    assert!(walk.iter().all(|alert| alert.id == walk[0].id), "{walk:#?}");
    let [front, back] = [":443", ":8080"].map(|service| format!("{service} GET /v1/customers/{{id}}"));
    assert_eq!(walk[walk.len() - 1].all_routes().collect::<Vec<_>>(), [front, back]);
}

/// Nor do routes that have hardly been called count together; of one service they do.
#[test]
fn new_routes_count_by_service() {
    let mut detection = detection();
    let mut out = Vec::new();
    let spread = |detection: &mut Detection, port: u16, from: u64, out: &mut Vec<Alert>| {
        for n in from..from + 12 {
            let target = format!("/v1/part{}/customers/{}", n / 3, n * 7_919 % 1_009);
            call_on(detection, port, &target, n * S / 10, out);
        }
    };
    spread(&mut detection, 8_001, 0, &mut out);
    spread(&mut detection, 8_002, 0, &mut out);
    assert_eq!(opened(&out, Rule::DistinctObjects), []);
    spread(&mut detection, 8_001, 12, &mut out);
    assert_eq!(opened(&out, Rule::DistinctObjects), [(":8001 ~new", 21)]);
}

/// Whoever fills all room through one service, or makes the host listen on any number of ports, takes no more memory, and
/// shuts no other service out.
#[test]
fn services_share_the_room_for_routes() {
    let most = 1_024;
    let mut detection = with_routes(&[], route::Settings { most, ..route::Settings::default() });
    let mut out = Vec::new();
    for n in 0..2_000 {
        call_on(&mut detection, 8_000, &format!("/p{}/a{}/{n}", n / 15, n % 15), n, &mut out);
    }
    let full = detection.counters().routes;
    // What was read with objects has half.
    assert_eq!(full.routes, most as u64 / 2);
    for port in 9_000..9_100 {
        for n in 0..100 {
            call_on(&mut detection, port, &format!("/b{n}/{n}"), 2_000 + n, &mut out);
        }
    }
    let routes = detection.counters().routes.routes;
    assert!(routes > full.routes && routes <= 2 * most as u64, "{routes}");
    let services: BTreeSet<String> = detection
        .routes()
        .iter()
        .map(|summary| route::full_name::split(&summary.route).0.to_owned())
        .collect();
    assert_eq!(services.len(), 33);
    assert!(services.contains(":9000") && services.contains(":*") && !services.contains(":9099"));
    let of = |service: &str| {
        let prefix = format!("{service} GET /b");
        detection.routes().iter().filter(|summary| summary.route.starts_with(&prefix)).count()
    };
    assert_eq!([of(":9000"), of(":*")], [8, 8]);
}

/// A rule for one service comes before one for all, and leaves that to the others.
#[test]
fn a_rule_for_a_service_comes_first() {
    let rules = ["GET /v1/{a}/{b}", ":8001 GET /v1/{c}/{d}", ":8002 GET /a/../b", ":8001 GET /v1/{e}/{f}"];
    let rules = rules.map(|rule| rule.parse().unwrap()).to_vec();
    let mut detection = with_routes(&[], route::Settings { rules, ..route::Settings::default() });
    let never: Vec<_> = detection.never_match().iter().map(|rule| &*rule.template).collect();
    assert_eq!(never, [":8001 GET /v1/{e}/{f}", ":8002 GET /a/../b"]);
    for port in [8_001, 8_002] {
        call_on(&mut detection, port, "/v1/cards/17", 0, &mut Vec::new());
    }
    let names: Vec<_> = detection.routes().into_iter().map(|summary| summary.route.to_string()).collect();
    assert_eq!(names, [":8001 GET /v1/{c}/{d}", ":8002 GET /v1/{a}/{b}"]);
}

/// A document says what one service has, and nothing about others.
#[test]
fn a_document_is_of_one_service() {
    let template = |text: &str| text.parse::<route::Template>().unwrap();
    let document =
        vec![template(":8001 GET /v1/customers/{customer}"), template(":8002 GET /v1/orders/{order}")];
    let mut detection =
        with_routes(&[], route::Settings { document: Some(document), ..route::Settings::default() });
    let mut out = Vec::new();
    for port in [8_001, 8_002, 8_003] {
        call_on(&mut detection, port, "/v1/customers/17", 0, &mut out);
    }
    let told: Vec<_> = detection
        .routes()
        .into_iter()
        .map(|summary| (summary.route.to_string(), summary.documented))
        .collect();
    let told: Vec<_> = told.iter().map(|(route, documented)| (&**route, *documented)).collect();
    assert_eq!(
        told,
        [
            (":8001 GET /v1/customers/{customer}", Some(true)),
            (":8002 GET /v1/customers/{id}", Some(false)),
            (":8003 GET /v1/customers/{id}", None),
        ]
    );
    assert_eq!(opened(&out, Rule::UnknownRoute), [(":8002 GET /v1/customers/{id}", 1)]);
}

/// What is a value in one API is a word in another.
#[test]
fn what_is_learned_of_one_service_is_not_known_of_another() {
    let mut detection = detection();
    let mut out = Vec::new();
    for n in 0..=route::NAMES as u64 {
        let letters: String =
            (0..4).map(|at| char::from(b'a' + (n * 7_919 / 26_u64.pow(at) % 26) as u8)).collect();
        call_on(&mut detection, 8_001, &format!("/users/{letters}"), n * 60 * S, &mut out);
    }
    call_on(&mut detection, 8_002, "/users/search", 0, &mut out);
    let names: Vec<_> = detection.routes().into_iter().map(|summary| summary.route.to_string()).collect();
    assert_eq!(names, [":8001 GET /users/{name}", ":8002 GET /users/search"]);
}

#[test]
fn limits_and_routes_name_a_service_or_hold_on_each() {
    let limits = [":8001 GET /v1/customers/{id}=5/10s", ":8003=7/10s", "GET /v1/customers/{id}=9/10s"];
    let rules = vec![":8004 GET /v1/{what}/{account}".parse().unwrap()];
    let mut detection = with_routes(&limits, route::Settings { rules, ..route::Settings::default() });
    let mut out = Vec::new();
    for n in 0..15 {
        for port in 8_001..8_005 {
            let (client, object) = (format!("203.0.113.{}", port % 256), n * 7_919 % 1_009);
            for target in [format!("/v1/customers/{object}"), format!("/v1/cards/{object}")] {
                call_from(&client, &mut detection, port, &target, n * S / 10, &mut out);
            }
        }
    }
    let mut told: Vec<_> = out
        .iter()
        .filter(|alert| alert.rule == Rule::DistinctObjects)
        .map(|alert| (&*alert.route, alert.figures.limit))
        .collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(
        told,
        [
            (":8001 GET /v1/customers/{id}", 5),
            (":8002 GET /v1/customers/{id}", 9),
            (":8003 GET /v1/cards/{id}", 7),
            (":8003 GET /v1/customers/{id}", 9),
            (":8004 GET /v1/{what}/{account}", 20),
        ]
    );
}

/// Two APIs by name on one port, beside another port.
fn with_names() -> Detection {
    let services = ["shop.example.com:8001", "billing.example.com:8001"];
    let services = services.map(|name| name.parse().unwrap()).to_vec();
    with_routes(&[], route::Settings { services, ..route::Settings::default() })
}

fn call_as(
    detection: &mut Detection,
    port: u16,
    fields: &[(&str, &str)],
    target: &str,
    ns: u64,
    out: &mut Vec<Alert>,
) {
    let request = request_with_all(target, fields);
    let mut exchange = exchange(CLIENT, &request, ns);
    exchange.endpoints.server.set_port(port);
    detection.call(&exchange, out);
    detection.complete(&exchange, out);
}

/// Names that the operator tells of are services of their own, however clients spell them.
#[test]
fn names_on_a_port_are_services() {
    let mut detection = with_names();
    let mut out = Vec::new();
    let hosts =
        ["shop.example.com", "billing.example.com:8001", "Shop.Example.COM.:8001", " billing.EXAMPLE.com. "];
    for n in 0..24 {
        let target = format!("/v1/customers/{}", n * 7_919 % 1_009);
        call_as(&mut detection, 8_001, &[("host", hosts[n as usize % 4])], &target, n * S / 10, &mut out);
    }
    // What a request in absolute-form is for stands there, whatever its field says.
    let target = "http://user@billing.example.com:8001/v1/customers/1";
    call_as(&mut detection, 8_001, &[("host", "shop.example.com")], target, 3 * S, &mut out);
    assert_eq!(opened(&out, Rule::DistinctObjects), []);
    let routes = detection.routes();
    let names: Vec<(&str, u64)> = routes.iter().map(|summary| (&*summary.route, summary.calls)).collect();
    assert_eq!(
        names,
        [
            ("billing.example.com:8001 GET /v1/customers/{id}", 13),
            ("shop.example.com:8001 GET /v1/customers/{id}", 12),
        ]
    );
}

/// A thief who makes a name up for each call, or none, is counted as if he had used the first.
#[test]
fn made_up_names_part_no_walk() {
    let mut detection = with_names();
    let mut out = Vec::new();
    for n in 0..21 {
        let made_up = format!("a{n}.example.com");
        let fields: &[(&str, &str)] = match n % 7 {
            0 => &[("host", "shop.example.com")],
            1 => &[("host", &made_up)],
            2 => &[],
            3 => &[("host", "[2001:db8::1]:8001")],
            4 => &[("host", "billing.example.com.evil.example")],
            5 => &[("host", "127.0.0.1"), ("host", "billing.example.com")],
            _ => &[("host", "\u{0}"), ("x-forwarded-host", "billing.example.com")],
        };
        let target = format!("/v1/customers/{}", n * 7_919 % 1_009);
        call_as(&mut detection, 8_001, fields, &target, n * S / 10, &mut out);
        // Where nobody has told of names, they say nothing at all.
        call_as(&mut detection, 8_002, fields, &target, n * S / 10, &mut out);
    }
    let told: BTreeSet<_> = out
        .iter()
        .filter(|alert| alert.rule == Rule::DistinctObjects)
        .map(|alert| (&*alert.route, alert.figures.distinct))
        .collect();
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [(":8002 GET /v1/customers/{id}", 21), ("shop.example.com:8001 GET /v1/customers/{id}", 21)]
    );
}
