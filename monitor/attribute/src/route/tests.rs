use proptest::prelude::*;
use rollcall_http::{Limits, Request};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Endpoints};

use super::*;

fn request(method: &str, target: &[u8]) -> Request {
    let mut request = Request::default();
    request.begin(method.as_bytes(), target, None, Limits::HEAD_MAX);
    request
}

fn router(most: usize) -> Router {
    Router::new(Settings { most, ..Settings::default() }, HashKey::new([7; 16])).0
}

/// Route and objects of a call, learned from it.
fn attribute(router: &mut Router, request: &Request, status: u16) -> (String, Vec<String>) {
    attribute_as(router, request, status, None)
}

/// The same of a call whose answer has this type.
fn attribute_as(
    router: &mut Router,
    request: &Request,
    status: u16,
    response_type: Option<&[u8]>,
) -> (String, Vec<String>) {
    let exchange = Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: "192.0.2.7:50000".parse().unwrap(),
            server: "192.0.2.1:80".parse().unwrap(),
        },
        request,
        start: 1,
        proxied_for: None,
        at: Timestamp(1),
        status: Some(status),
        request_bytes: (request.head.len() + request.body.len()) as u64,
        response_bytes: 100,
        first_byte_at: None,
        last_byte_at: None,
        response_type,
        response_length: None,
        sampling: 1.0,
    };
    let mut attribution = Attribution::default();
    let clients = Clients::new([192, 0, 2, 7].into(), &[]);
    router.attribute(&exchange, Target::of(request), Some(&clients), &mut attribution);
    (attribution.route.to_string(), attribution.objects.iter().map(str::to_owned).collect())
}

fn ask(router: &mut Router, method: &str, target: &[u8], status: u16) -> (String, Option<String>) {
    let (route, objects) = attribute(router, &request(method, target), status);
    (route, (!objects.is_empty()).then(|| objects.join(",")))
}

#[test]
fn a_call_has_a_route_and_an_object() {
    let uuid = "550E8400-E29B-41D4-A716-446655440000";
    for (method, target, route, object) in [
        ("GET", "/v1/customers/17", "GET /v1/customers/{id}", Some("17")),
        ("GET", "/v1/customers/17/orders", "GET /v1/customers/{id}/orders", Some("17")),
        ("GET", "/v1/customers/17/orders/4", "GET /v1/customers/{id}/orders/{id}", Some("17/4")),
        ("POST", "/v1/customers", "POST /v1/customers", None),
        ("GET", "/v1/customers?customer_id=17", "GET /v1/customers", Some("17")),
        ("GET", "/v1/shops/3/customer?id=17", "GET /v1/shops/{id}/customer", Some("3/17")),
        ("GET", "/v1/customers/17?x=3", "GET /v1/customers/{id}", Some("17")),
        ("GET", "/v1/customers/17.json", "GET /v1/customers/{id}.json", Some("17")),
        ("GET", &format!("/u/{uuid}"), "GET /u/{id}", Some("550e8400-e29b-41d4-a716-446655440000")),
        ("GET", "/", "GET /", None),
        ("GET", "", "GET /", None),
        ("GET", "http://api.example:80/v1/customers/17", "GET /v1/customers/{id}", Some("17")),
        ("GET", "HTTPS://api.example", "GET /", None),
        ("GET", "http://api.example?id=5", "GET /", Some("5")),
        ("GET", "/go/http://x/17", "GET /go/http:/x/{id}", Some("17")),
        ("GET", "/v1/customers/17#4", "GET /v1/customers/{id}", Some("17")),
        ("GET", "/v1/customers#/17", "GET /v1/customers", Some("17")),
        ("GET", "/v1/customers?#&id=17", "GET /v1/customers", Some("17")),
        ("GET", "/v1/customers;id=17", "GET /v1/customers", Some("17")),
        ("GET", "/v1/customers;id=17/orders", "GET /v1/customers/orders", Some("17")),
        ("GET", "/v1/customers/1;id=17", "GET /v1/customers/{id}", Some("1/17")),
        ("GET", "/v1/customers/1;17", "GET /v1/customers/{id}", Some("1/17")),
        ("GET", "/v1/customers/1|17", "GET /v1/customers/{id}", Some("1,17")),
        ("GET", "/v1/customers/1%7C17", "GET /v1/customers/{id}", Some("1,17")),
        ("GET", "/v1/customers/1%3B17", "GET /v1/customers/{id}", Some("1,17")),
        ("GET", "/v1/customers?17", "GET /v1/customers", Some("17")),
        ("GET", "/app.js?17", "GET /*.js", None),
        ("OPTIONS", "*", "OPTIONS *", None),
        ("CONNECT", "/v1/customers/17", "CONNECT /v1/customers/{id}", Some("17")),
        ("CONNECT", "db.example:5432", "CONNECT {authority}", None),
        ("PURGE", "/v1/customers/17", "~OTHER /v1/customers/{id}", Some("17")),
        ("get", "/v1/customers/17", "~OTHER /v1/customers/{id}", Some("17")),
    ] {
        let object = object.map(str::to_owned);
        assert_eq!(
            ask(&mut router(16), method, target.as_bytes(), 200),
            (route.to_owned(), object),
            "{target}"
        );
    }
}

#[test]
fn another_spelling_is_no_other_route_nor_object() {
    let mut router = router(16);
    for target in [
        "/v1/customers/17",
        "/v1/customers/17/",
        "/v1//customers/17",
        "/v1/customers/%31%37",
        "/v1/%63ustomers/17",
        "/v1/customers;a=1/17;b=2",
        "/v1/x/../customers/./17",
        "/v1/customers/17?",
        "/v1/customers/17?x=1",
        "/v1/customers/17?y=2&z",
        "/V1/Customers/17",
        "/v1%2Fcustomers%2F17",
        "http://other.example/v1/customers/17",
        "/v1/customers/17%20",
        "/v1/customers/%2017",
        "/v1/customers/17%00",
        "/v1/customers/+17",
        "/v1/customers/017",
        "/v1/customers/17.0",
        "/v1/customers/1.7e1",
        "/v1/customers/1_7",
        "/v1/customers/[17]",
        "/v1/customers/%EF%BC%91%EF%BC%97",
        "/v1/customers/%D9%A1%D9%A7",
        "/v1\\customers\\17",
        "/v1/customers/17;x=1",
        "/v1/customers/17%3Bx=1",
        "/v1/customers/17'",
        "/v1/customers/17/.",
        "/v1/customers/17//",
        "/v1/customers/%2531%2537",
    ] {
        let expected = ("GET /v1/customers/{id}".to_owned(), Some("17".to_owned()));
        assert_eq!(ask(&mut router, "GET", target.as_bytes(), 200), expected, "{target}");
    }
    assert_eq!(router.counters(), RouteCounters { routes: 1, overflowed: 0, ..RouteCounters::default() });
}

#[test]
fn a_suffix_hides_no_account() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let json = Some(&b"application/json; charset=utf-8"[..]);
    for response_type in [None, json] {
        let mut router = router(64);
        for (target, object) in [
            ("/v1/customers/17.png", "17"),
            ("/v1/customers/17.css", "17"),
            ("/v1/customers/17.PNG", "17"),
            ("/v1/customers/17.css.png", "17"),
            ("/v1/customers/17%2ecss", "17"),
            ("/v1/customers/17;x.css", "17"),
            ("/v1/customers/17%3bx.css", "17"),
            (&format!("/v1/customers/{uuid}.woff2"), uuid),
        ] {
            let (route, objects) =
                attribute_as(&mut router, &request("GET", target.as_bytes()), 200, response_type);
            assert_eq!(
                (route.as_str(), &*objects),
                ("GET /v1/customers/{id}", &[object.to_owned()][..]),
                "{target}"
            );
        }
        let (route, objects) =
            attribute_as(&mut router, &request("GET", b"/v1/customers/17.json.png"), 200, response_type);
        assert_eq!((route.as_str(), &*objects), ("GET /v1/customers/{id}.json", &["17".to_owned()][..]));
    }
}

#[test]
fn parts_of_pages_are_static() {
    let mut router = router(64);
    let mut ask = |target: &str, status, kind: Option<&str>| {
        attribute_as(&mut router, &request("GET", target.as_bytes()), status, kind.map(str::as_bytes))
    };
    for (target, status, kind) in [
        ("/static/app.3f2a.css", 200, None),
        ("/static/3f2a9c1b.css", 200, None),
        ("/3f2a9c1b7d.js", 200, None),
        ("/17.js", 200, None),
        ("/guide/3_1_2.htm", 200, None),
        ("/images/17.png", 200, None),
        ("/v1/customers/logo.png", 200, None),
        ("/v1/customers/17.png", 200, Some("image/png")),
        ("/v1/customers/17.png", 404, Some("application/json")),
        ("/v1/customers/17.svg", 200, Some("image/svg+xml")),
        ("/static/app.css", 200, Some("text/css")),
        ("/static/logo.png", 200, Some("text/html")),
    ] {
        let (route, objects) = ask(target, status, kind);
        assert!(route.contains("/*.") && objects.is_empty(), "{target}: {route} {objects:?}");
    }
}

#[test]
fn where_values_are_known_a_suffix_hides_none() {
    let mut router = router(64);
    ask(&mut router, "GET", b"/images/17", 200);
    let expected = ("GET /images/{id}".to_owned(), Some("18".to_owned()));
    assert_eq!(ask(&mut router, "GET", b"/images/18.png", 200), expected);
    assert_eq!(ask(&mut router, "GET", b"/images/18.png", 404), expected, "a miss is one, too");
}

#[test]
fn a_uuid_has_one_spelling() {
    for target in [
        "/u/550E8400-E29B-41D4-A716-446655440000",
        "/u/550e8400e29b41d4a716446655440000",
        "/u/{550e8400-e29b-41d4-a716-446655440000}",
        "/u/%7B550e8400-e29b-41d4-a716-446655440000%7d",
        "/u/urn:uuid:550e8400-e29b-41d4-a716-446655440000",
    ] {
        let expected = ("GET /u/{id}".to_owned(), Some("550e8400-e29b-41d4-a716-446655440000".to_owned()));
        assert_eq!(ask(&mut router(16), "GET", target.as_bytes(), 200), expected, "{target}");
    }
}

#[test]
fn a_version_is_no_account_where_something_follows() {
    let expected = ("GET /api/2.0/customers/{id}".to_owned(), Some("17".to_owned()));
    assert_eq!(ask(&mut router(16), "GET", b"/api/2.0/customers/17", 200), expected);
}

#[test]
fn routes_are_bounded_and_the_rest_is_other() {
    let mut router = router(16);
    for n in 0..100 {
        ask(&mut router, "GET", format!("/scan{n}x").as_bytes(), 404);
        ask(&mut router, "GET", format!("/page{n}x").as_bytes(), 200);
    }
    assert_eq!(router.counters(), RouteCounters { routes: 8, overflowed: 192, ..RouteCounters::default() });
    assert_eq!(ask(&mut router, "GET", b"/scan99x", 404).0, "~other");
    for n in 0..100 {
        ask(&mut router, "GET", format!("/v1/things{n}x/5").as_bytes(), 200);
    }
    assert_eq!(
        router.counters(),
        RouteCounters { routes: 16, overflowed: 192 + 1 + 92, ..RouteCounters::default() }
    );
    let (route, object) = ask(&mut router, "GET", b"/v1/things99x/5", 200);
    assert_eq!((route.as_str(), object.as_deref()), ("~other", Some("5")));
}

#[test]
fn a_route_that_proves_itself_makes_room() {
    let mut router = router(8);
    for n in 0..4 {
        for target in [format!("/v1/things{n}x/5"), format!("/page{n}x")] {
            ask(&mut router, "GET", target.as_bytes(), 404);
            ask(&mut router, "GET", target.as_bytes(), 200);
        }
    }
    assert_eq!(router.counters().routes, 4 + 2 + 2);
}

#[test]
fn a_template_that_is_too_long_is_other_and_its_object_counts() {
    let target = format!("/{}/17", "long/".repeat(200));
    let (route, object) = ask(&mut router(16), "GET", target.as_bytes(), 200);
    assert_eq!((route.as_str(), object.as_deref()), ("~other", Some("17")));
}

#[test]
fn the_longest_head_is_no_trouble() {
    let mut router = router(16);
    for part in [
        "/a", "/1", "%", "%2F", "/..", ";", "?id=1", "&id=1", "a@b.c/", "1:ab:", "a:", "a=1,", "x-1-", "1.",
        "(1)",
    ] {
        for before in ["", "/1", "/C(", "/arn:"] {
            let target = format!("{before}{}17)", part.repeat(16_000 / part.len()));
            ask(&mut router, "GET", target.as_bytes(), 200);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_route(
        method in "[A-Za-z]{0,8}",
        target in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (route, object) = ask(&mut router(16), &method, &target, 200);
        prop_assert!(route.len() <= MAX_TEMPLATE);
        prop_assert!(route.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
        prop_assert!(object.is_none_or(|object| object.chars().all(|c| c.is_ascii_graphic())));
    }

    #[test]
    fn path_like_bytes_give_a_route(target in "/?([a-z0-9%;./@+{}?&=#-]|%2[0-9eEfF]){0,60}") {
        let (route, _) = ask(&mut router(16), "GET", target.as_bytes(), 200);
        prop_assert!(!route.contains("//") && !route.contains("/../") && !route.contains("/./"));
    }

    #[test]
    fn encoding_any_letter_changes_nothing(
        target in "(/[a-z]{1,5}|/[0-9]{1,6}|/[A-Z][0-9]{5}){1,5}(\\?id=[0-9a-z]{1,6})?",
        encoded in prop::collection::vec(any::<bool>(), 80),
    ) {
        let spelled: String = target
            .chars()
            .zip(&encoded)
            .map(|(c, &encode)| if encode && c.is_ascii_alphanumeric() { format!("%{:02x}", c as u32) } else { c.to_string() })
            .collect();
        let mut router = router(16);
        let plain = ask(&mut router, "GET", target.as_bytes(), 200);
        prop_assert_eq!(plain, ask(&mut router, "GET", spelled.as_bytes(), 200));
    }

    #[test]
    fn the_order_of_traffic_changes_nothing(
        (calls, shuffled) in prop::collection::vec(("(/[a-c]{1,2}|/[0-9]{1,2}){1,3}", prop::sample::select(vec![200, 404])), 0..40)
            .prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle())),
    ) {
        let routes = |calls: &[(String, u16)]| {
            let mut router = router(1024);
            let mut routes: Vec<_> =
                calls.iter().map(|(target, status)| (target.clone(), *status, ask(&mut router, "GET", target.as_bytes(), *status))).collect();
            routes.sort();
            routes
        };
        prop_assert_eq!(routes(&calls), routes(&shuffled));
    }
}
