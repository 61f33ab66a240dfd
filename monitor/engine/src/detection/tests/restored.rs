use std::collections::BTreeMap;

use proptest::prelude::*;
use rollcall_attribute::route::{self, Summary, Template};
use rollcall_detect::{Rule, alert::Alert};
use rollcall_http::exchange::{Exchange, Request};
use rollcall_model::time::Timestamp;

use super::*;

const S: u64 = 1_000_000_000;

const KEY: [u8; 16] = [5; 16];

fn settings(rules: &[&str], document: Option<&[&str]>, most: usize) -> Settings {
    let read = |texts: &[&str]| -> Vec<Template> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let routes = route::Settings {
        rules: read(rules),
        document: document.map(read),
        most,
        ..route::Settings::default()
    };
    Settings { routes, detector: small(), ..Settings::default() }
}

fn written(detection: &Detection) -> Vec<u8> {
    let mut bytes = Vec::new();
    detection.checkpoint().unwrap().write(&mut bytes).unwrap();
    bytes
}

/// At the time of the calls, give or take.
fn restarted(detection: &Detection, settings: Settings) -> Detection {
    restarted_at(detection, settings, Timestamp(1_700_000_010 * S)).0
}

fn restarted_at(detection: &Detection, settings: Settings, now: Timestamp) -> (Detection, Kept) {
    Detection::restore(settings, HashKey::new(KEY), &written(detection), now).unwrap()
}

fn word(n: usize) -> String {
    (0..3).map(|at| char::from(b'a' + ((n * 7919 + 13) / 26_usize.pow(at) % 26) as u8)).collect()
}

/// A call by its numbers: of which kind, by whom, about what, with which answer.
fn request_of(kind: u8, n: usize) -> Request {
    match kind {
        0..=5 => request(&format!("/users/{}", word(n)), None),
        6 => request(&format!("/v1/customers/{n}"), None),
        7 => request(&format!("/shop/{}/items/{n}", word(n % 300)), None),
        8 => request_with(&format!("/v1/orders/{n}"), "authorization", &format!("Bearer t{}", n % 9)),
        9 => request(&format!("/images/{}.png", word(n)), None),
        10 => request("*", None),
        11 => request(&format!("/declared/{n}"), None),
        12 => request(&format!("/every/{}", word(n)), None),
        13 => request("/health", Some("198.51.100.300")),
        _ => request(&format!("/documented/{n}?customer_id={n}"), None),
    }
}

const RULES: [&str; 2] = ["GET /declared/{x}", "/every/{name}"];
const DOCUMENT: [&str; 3] = ["GET /documented/{x}", "GET /health", "GET /declared/{x}"];

/// What a user sees.
#[derive(Debug, PartialEq)]
struct Seen {
    alerts: Vec<Alert>,
    routes: Vec<Summary>,
    clients: client::ClientCounters,
    routing: route::RouteCounters,
    notices: [[u64; 3]; 2],
}

fn run(calls: &[(u8, usize, u8, u8)], most: usize, restart_every: Option<usize>) -> Seen {
    let settings = settings(&RULES, Some(&DOCUMENT), most);
    let mut detection = Detection::new(settings.clone(), HashKey::new(KEY));
    let (mut alerts, mut latest) = (Vec::new(), Timestamp::default());
    let restart = |at: usize, now: Timestamp, detection: &mut Detection| {
        if restart_every.is_some_and(|every| at.is_multiple_of(every)) {
            *detection = restarted_at(detection, settings.clone(), now).0;
        }
    };
    for (n, &(kind, object, peer, answer)) in calls.iter().enumerate() {
        let request = request_of(kind, object);
        let at = n as u64 * S / 20 * (1 + u64::from(peer == 0) * 20);
        let status = match answer {
            0..=5 => Some(200),
            6 => None,
            7 => Some(404),
            _ => Some(302),
        };
        let mut exchange = Exchange { status, ..exchange(&format!("198.51.100.{peer}"), &request, at) };
        exchange.endpoints.server.set_port(8_000 + (object % 3) as u16);
        detection.call(&exchange, &mut alerts);
        latest = latest.max(exchange.at);
        restart(2 * n, latest, &mut detection);
        detection.complete(&exchange, &mut alerts);
        restart(2 * n + 1, latest, &mut detection);
        detection.tick(exchange.at, &mut alerts);
    }
    // Notices end a day after.
    detection.tick(Timestamp(1_700_000_000 * S + 40 * 3_600 * S), &mut alerts);
    let counters = detection.counters();
    Seen {
        alerts,
        routes: detection.routes(),
        clients: counters.clients,
        routing: counters.routes,
        notices: [Rule::OpenDoor, Rule::UnknownRoute].map(|rule| counters.alerts.opened[rule as usize]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_restart_changes_nothing(
        calls in prop::collection::vec((0_u8..16, 0_usize..400, 0_u8..6, 0_u8..9), 100..1_200),
        most in prop_oneof![Just(10_000_usize), Just(400), Just(40)],
        every in 1_usize..200,
        // Fewer words in one place than there may be, and more.
        objects in 100_usize..400,
    ) {
        let calls: Vec<_> = calls.into_iter().map(|(kind, n, peer, answer)| (kind, n % objects, peer, answer)).collect();
        let every = every.max(calls.len() / 20);
        let straight = run(&calls, most, None);
        prop_assert_eq!(&straight, &run(&calls, most, Some(every)));
    }

    #[test]
    fn nothing_in_a_state_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let calls: Vec<_> = (0..120).map(|n| ((n % 16) as u8, n * 7, (n % 5) as u8, 0)).collect();
        let settings = settings(&RULES, Some(&DOCUMENT), 1_000);
        let mut detection = Detection::new(settings.clone(), HashKey::new(KEY));
        for &(kind, n, ..) in &calls {
            whole(&mut detection, "198.51.100.7", &request_of(kind, n), n as u64);
        }
        let bytes = written(&detection);
        // Past the seal, as though we had written it so.
        let mut body = bytes[28..bytes.len() - 24].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        if let Ok((state, _)) = postcard::take_from_bytes::<Stored<'_, rollcall_detect::DetectorState>>(&body)
            && let Ok((mut detection, _)) = Detection::resume(settings, HashKey::new(KEY), state, Timestamp(0))
        {
            for (kind, n, ..) in calls {
                whole(&mut detection, "198.51.100.8", &request_of(kind, n), n as u64);
            }
            detection.routes();
            detection.counters();
            written(&detection);
        }
    }
}

#[test]
fn a_walk_over_names_is_counted_from_its_start_across_a_restart() {
    let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
    let mut out = Vec::new();
    for n in 0..=route::TAKEN {
        let request = request(&format!("/users/{}", word(n)), None);
        detection.call(&exchange("203.0.113.9", &request, n as u64 * S / 100), &mut out);
        if n == route::TAKEN / 2 {
            assert_eq!(out, []);
            detection = restarted(&detection, settings(&[], None, 10_000));
        }
    }
    let most = out.iter().map(|alert| alert.figures.distinct).max();
    assert_eq!(most, Some(route::TAKEN as u64 + 1));
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let mut detection = Detection::new(settings(&RULES, Some(&DOCUMENT), 1_000), HashKey::new(KEY));
    for n in 0..600 {
        whole(&mut detection, "198.51.100.7", &request_of((n % 16) as u8, n), n as u64);
    }
    let bytes = written(&detection);
    assert_eq!(bytes, written(&restarted(&detection, settings(&RULES, Some(&DOCUMENT), 1_000))));
}

#[test]
fn an_open_alert_goes_on_under_its_id() {
    let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
    let mut out = Vec::new();
    let mut walk = |detection: &mut Detection, objects: std::ops::Range<u64>| {
        for n in objects {
            let request = request(&format!("/v1/customers/{n}"), None);
            detection.call(&exchange("203.0.113.9", &request, n * S / 100), &mut out);
        }
        std::mem::take(&mut out)
    };
    let opened = walk(&mut detection, 0..25);
    let mut detection = restarted(&detection, settings(&[], None, 10_000));
    assert_eq!(detection.counters().alerts.open.iter().sum::<u64>(), 1);
    let updated = walk(&mut detection, 25..60);
    let mut updated = updated.iter().filter(|alert| alert.rule == opened[0].rule).peekable();
    assert!(updated.peek().is_some());
    assert!(updated.all(|alert| alert.id == opened[0].id && alert.state == AlertState::Update));
}

#[test]
fn a_route_that_is_declared_meanwhile_is_the_same_route() {
    let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
    let targets = ["/v1/customers/7", "/health", "/users/ada", "/users/bob", "/v2/orders/9", "/admin/keys"];
    for (n, target) in targets.iter().cycle().take(60).enumerate() {
        whole(&mut detection, "198.51.100.7", &request(target, None), n as u64);
    }
    let before = inventory(&detection);
    let rules = ["GET /v1/customers/{id}", "/health", "/users/{name}", "GET /unused/{id}"];
    let changed = settings(&rules, Some(&["GET /v2/orders/{id}", "GET /health"]), 10_000);
    let mut detection = restarted(&detection, changed.clone());
    assert_eq!(detection.counters().routes.routes, 3, "those of users and of admin are left");
    let mut out = Vec::new();
    for restart in [false, true, false] {
        for target in targets.iter().chain(&["/users/eve"]) {
            let request = request(target, None);
            let exchange = exchange("198.51.100.7", &request, 99);
            detection.call(&exchange, &mut out);
            detection.complete(&exchange, &mut out);
        }
        if restart {
            detection = restarted(&detection, changed.clone());
        }
    }
    let after = inventory(&detection);
    for (route, calls) in [("GET /v1/customers/{id}", 13), ("GET /health", 13), ("GET /v2/orders/{id}", 13)] {
        assert_eq!((before[route].1, after[route].1), (10, calls), "{route}");
    }
    assert_eq!(after["GET /v1/customers/{id}"].0, "Rule");
    assert_eq!(after["GET /health"].0, "Rule");
    assert_eq!(after["GET /v2/orders/{id}"].0, "Openapi");
    assert_eq!(after["GET /users/ada"], ("Learned".to_owned(), 10), "what there was stays in the inventory");
    assert_eq!(after["GET /users/{name}"].1, 9);

    // And back: nothing is declared any more.
    let mut detection = restarted(&detection, settings(&[], None, 10_000));
    assert_eq!(inventory(&detection), after);
    for target in targets {
        whole(&mut detection, "198.51.100.7", &request(target, None), 99);
    }
    let back = inventory(&detection);
    assert_eq!(back["GET /v1/customers/{id}"], ("Learned".to_owned(), 14));
    assert_eq!(back["GET /health"], ("Learned".to_owned(), 14));
    assert_eq!(back["GET /users/{name}"].0, "Rule", "it has been called");
}

#[test]
fn a_smaller_bound_keeps_the_routes_that_were_called_last() {
    let mut detection = Detection::new(settings(&[], None, 400), HashKey::new(KEY));
    for n in 0..100_usize {
        let request = request(&format!("/a/{}/{}", word(n / 10), word(n)), None);
        whole(&mut detection, "198.51.100.7", &request, n as u64);
    }
    let before = detection.routes();
    assert_eq!(before.len(), 100);
    let mut detection = restarted(&detection, settings(&[], None, 80));
    let kept: Vec<_> = before.into_iter().filter(|summary| summary.first_seen.0 % S >= 80).collect();
    assert_eq!(detection.routes(), kept);
    assert_eq!(detection.counters().routes.routes, 20);
    whole(&mut detection, "198.51.100.7", &request("/a/new", None), 100);
    assert_eq!(detection.counters().routes.overflowed, 1);
    written(&restarted(&detection, settings(&[], None, 80)));
}

/// What has been learned of a service stays while it is one.
#[test]
fn services_outlive_a_restart() {
    let named = |names: &[&str]| {
        let services = names.iter().map(|name| name.parse().unwrap()).collect();
        let settings = settings(&[], None, 10_000);
        Settings { routes: route::Settings { services, ..settings.routes }, ..settings }
    };
    let names = ["a.example:8001", "b.example:8001"];
    let call = |detection: &mut Detection, port: u16, host: &str| {
        let request = request_with("/v1/customers/1", "host", host);
        let mut exchange = exchange("198.51.100.7", &request, 0);
        exchange.endpoints.server.set_port(port);
        detection.call(&exchange, &mut Vec::new());
        detection.complete(&exchange, &mut Vec::new());
    };
    let told = |detection: &Detection| {
        let name = |summary: &Summary| route::full_name::split(&summary.route).0.to_owned();
        detection.routes().iter().map(name).collect::<Vec<_>>()
    };
    let mut detection = Detection::new(named(&names), HashKey::new(KEY));
    for (port, host) in [(8_001, "b.example"), (8_001, "a.example"), (8_002, "b.example")] {
        call(&mut detection, port, host);
    }
    let all = [":8002", "a.example:8001", "b.example:8001"];
    assert_eq!(told(&detection), all);
    assert_eq!(told(&restarted(&detection, named(&names))), all);
    assert_eq!(told(&restarted(&detection, named(&[names[1], names[0]]))), all);
    assert_eq!(told(&restarted(&detection, named(&names[..1]))), all[..2]);
    assert_eq!(told(&restarted(&detection, named(&["c.example:8002"]))), [""; 0]);
    let mut detection = restarted(&detection, named(&[]));
    assert_eq!(told(&detection), all[..1]);
    call(&mut detection, 8_001, "a.example");
    assert_eq!(told(&detection), [":8001", ":8002"]);
}

#[test]
fn a_name_is_once_in_memory() {
    let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
    for n in 0..9 {
        whole(&mut detection, "198.51.100.7", &request(&format!("/v1/customers/{n}"), None), n);
    }
    let detection = restarted(&detection, settings(&[], None, 10_000));
    let routes = detection.routes();
    // The route, its notice, the alert about it, which names it, and its member, the client's pair, what is usual there, and
    // this summary.
    assert_eq!((&*routes[0].route, Arc::strong_count(&routes[0].route)), ("GET /v1/customers/{id}", 8));
}

/// Routes by name, with origin and calls. Each name is there once.
fn inventory(detection: &Detection) -> BTreeMap<String, (String, u64)> {
    let routes = detection.routes();
    let count = routes.len();
    let inventory: BTreeMap<_, _> = routes
        .into_iter()
        .map(|summary| (summary.route.to_string(), (format!("{:?}", summary.origin), summary.calls)))
        .collect();
    assert_eq!(inventory.len(), count, "each template is there once");
    inventory
}

fn whole(detection: &mut Detection, peer: &str, request: &Request, ns: u64) {
    let mut out = Vec::new();
    let exchange = exchange(peer, request, ns);
    detection.call(&exchange, &mut out);
    detection.complete(&exchange, &mut out);
}

/// Walks on, 20 objects a second from `seconds` after the start; what is told of it.
fn walk(detection: &mut Detection, objects: std::ops::Range<u64>, seconds: u64) -> Vec<Alert> {
    let (mut out, start) = (Vec::new(), objects.start);
    for n in objects {
        let request = request(&format!("/v1/customers/{n}"), None);
        let exchange = exchange("203.0.113.9", &request, seconds * S + (n - start) * S / 20);
        detection.call(&exchange, &mut out);
        detection.complete(&exchange, &mut out);
    }
    // That the door is open says nothing about the walk.
    out.retain(|alert| !alert.rule.is_notice());
    out
}

fn second(seconds: u64) -> Timestamp {
    Timestamp((1_700_000_000 + seconds) * S)
}

#[test]
fn windows_slide_over_the_time_that_nobody_looked() {
    // An hour later, none of the shorter windows holds anything of before, and what was open is over.
    let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
    let opened = walk(&mut detection, 0..25, 0);
    let (mut detection, kept) = restarted_at(&detection, settings(&[], None, 10_000), second(3_601));
    assert_eq!(kept, Kept { clients: true, routes: true });
    let mut out = Vec::new();
    detection.tick(second(3_601), &mut out);
    assert_eq!((out.len(), out[0].state, &out[0].id), (1, AlertState::Resolved, &opened[0].id));
    assert_eq!(walk(&mut detection, 100..118, 3_602), [], "18 objects of 20");
    assert_ne!(walk(&mut detection, 118..140, 3_603), []);
}

#[test]
fn a_clock_that_was_set_back_meanwhile_holds_nothing_up() {
    for back in [3_600, 86_400] {
        let mut detection = Detection::new(settings(&[], None, 10_000), HashKey::new(KEY));
        let opened = walk(&mut detection, 0..25, 100_000);
        let now = 100_000 - back;
        let (mut detection, _) = restarted_at(&detection, settings(&[], None, 10_000), second(now));
        // It goes on under its id; and is over when it has been quiet for as long as ever.
        let updated = walk(&mut detection, 25..60, now);
        assert!(updated.iter().any(|alert| alert.id == opened[0].id), "{updated:?}");
        let mut out = Vec::new();
        (0..290).for_each(|s| detection.tick(second(now + s), &mut out));
        assert_eq!(out, []);
        (290..10_000).for_each(|s| detection.tick(second(now + s), &mut out));
        assert_eq!((out.len(), out[0].state), (1, AlertState::Resolved));
        assert!(out[0].at >= second(now) && out[0].at <= second(now + 10_000), "{}", out[0].at);
    }
}

#[test]
fn with_other_windows_or_memory_routes_and_alerts_stay() {
    let with = |limit: &str, budget| {
        let policy = rollcall_detect::Policy::new(&[limit.parse().unwrap()], &[]).unwrap();
        let detector = rollcall_detect::DetectorSettings { policy, budget: Budget::new(budget), ..small() };
        Settings { detector, ..settings(&[], None, 10_000) }
    };
    let mut detection = Detection::new(with("20/10s", 4 << 20), HashKey::new(KEY));
    let opened = walk(&mut detection, 0..25, 0);
    for (settings, kept) in [
        (with("20/11s", 4 << 20), Kept { clients: false, routes: true }),
        (with("20/10s", 8 << 20), Kept { clients: false, routes: false }),
    ] {
        let (mut detection, held) = restarted_at(&detection, settings, second(2));
        assert_eq!(held, kept);
        assert_eq!(inventory(&detection).len(), 1);
        detection.reconcile(&opened[..1], &BTreeSet::new(), second(2));
        let updated = walk(&mut detection, 25..70, 2);
        assert!(updated.iter().all(|alert| alert.id == opened[0].id), "{updated:?}");
    }
}
