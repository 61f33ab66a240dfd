//! A request, head and body, through attribution and detection: with rules, a document and every source of clients.

#![no_main]

use std::{cell::RefCell, net::IpAddr};

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::{
    client::{self, Source, Sources},
    object::Names,
    route::{self, Template},
};
use rollcall_detect::{self as detect, Budget, alert::Alert};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_fuzz::{
    calls, check,
    requests::{self, Reported},
    seeds,
};
use rollcall_http::Request;
use rollcall_model::{hash::HashKey, time::Timestamp};

const SEEDS: [&str; 10] = [
    "GET /v1/customers/17?page=2&api_key=k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.\
     eyJzdWIiOiJhZGEifQ.c2ln\r\nCookie: sid=abc\r\nUser-Agent: curl/8\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n",
    "POST /v1/search HTTP/1.1\r\nContent-Length: 44\r\n\r\n{\"customer\":{\"ids\":[1,\"2\",3.0]},\"cursor\":\"x\"}",
    "POST /graphql HTTP/1.1\r\nContent-Length: 77\r\n\r\n{\"query\":\"query($i:ID!){customer(id:$i){name}}\",\
     \"variables\":{\"i\":\"17\",\"x\":[1]}}",
    "POST /upload HTTP/1.1\r\nContent-Length: 70\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n\
     --b--\r\n\r\n\r\n",
    "PUT /rules/a/x-17/list HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ncustomer_id\r\n3\r\n=17\r\n0\r\n\r\n",
    "GET /doc/17/orders/4.json?customer[id]=1,2,3;ids[]=4 HTTP/1.1\r\nX-Account: 7\r\nX-Api-Key: k\r\n\r\n",
    "CONNECT x:443 HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "FOO http://h/a/%2e%2e/b;c/1,2?q=%00&email=A%40B.org#f HTTP/1.0\r\nForwarded: for=\"[::1]\"\r\n folded\r\n\r\n",
    "GET /gql?query=%7Ba(id:1)%7D&variables=%7B%22id%22:1%7D&operationName=Q HTTP/1.1\r\n\r\n",
];
const WORDS: [&str; 36] = [
    " HTTP/1.1\r\n",
    "\r\n\r\n",
    "Content-Length: 100\r\n\r\n",
    "Authorization: Bearer ",
    "Authorization: Basic ",
    "Cookie: ",
    "sid=",
    "X-Api-Key: ",
    "X-Forwarded-For: ",
    "Forwarded: for=",
    "X-Account: ",
    "eyJ",
    "/graphql",
    "/rules/",
    "/doc/",
    "/static/",
    "?id=",
    "&customer_id=",
    "ids[]=",
    "page[number]=",
    "cursor=",
    "{\"id\":",
    "{\"ids\":[",
    "\"query\":\"",
    "\"variables\":{",
    "--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n",
    "\r\n--b--",
    "%2F",
    "%00",
    "..;/",
    "{id}",
    "{name}",
    "~other",
    ".json",
    ".png",
    "00017",
];
const RULES: [&str; 5] = [
    "/rules/{a}/x-{b}/list",
    "GET /rules/**",
    "/static/*/{x}",
    "POST /gql/{tenant}",
    "GET /rules/{from}-{to}.json",
];
const DOCUMENT: [&str; 4] =
    ["GET /doc/{customer}", "GET /doc/{customer}/orders/{order}.json", "POST /doc", "/graphql/{tenant}"];

fn detection(with_rules: bool) -> Detection {
    let templates =
        |texts: &[&str]| -> Vec<Template> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let sources =
        ["authorization", "api-key", "session", "jwt:sub", "jwt:tenant", "header:x-account", "query:key"];
    let sources = sources.map(|source| source.parse::<Source>().unwrap());
    let names = ["voucher", "!email"].map(|name| name.parse().unwrap());
    let mut routes =
        route::Settings { names: Names::new(names.to_vec()), most: 64, ..route::Settings::default() };
    if with_rules {
        (routes.rules, routes.document) = (templates(&RULES), Some(templates(&DOCUMENT)));
    }
    let clients =
        client::Settings { credentials: Sources::new(sources).unwrap(), ..client::Settings::default() };
    let detector = detect::DetectorSettings { budget: Budget::new(0), ..Default::default() };
    Detection::new(Settings { clients, routes, detector }, HashKey::new([5; 16]))
}

/// What goes on from input to input: routes that were learned, clients that were seen.
struct Lasting {
    detection: [Detection; 2],
    at: u64,
    calls: u64,
}

thread_local! {
    static LASTING: RefCell<Lasting> = RefCell::new(Lasting {
        detection: [detection(false), detection(true)],
        at: 1_700_000_000_000_000_000,
        calls: 0,
    });
}

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    for Reported { request, request_bytes, .. } in requests::of([data], requests::roomy()) {
        LASTING.with_borrow_mut(|lasting| {
            for with_rules in [false, true] {
                take(lasting, with_rules, &request, request_bytes);
            }
        });
    }
});

fn take(lasting: &mut Lasting, with_rules: bool, request: &Request, request_bytes: u64) {
    let peer = if request.head.len().is_multiple_of(2) { [127, 0, 0, 1] } else { [198, 51, 100, 7] };
    let mut alone = detection(with_rules);
    let mut seen = None;
    lasting.at += 10_000_000;
    lasting.calls += 1;
    for (detection, other) in [(&mut alone, false), (&mut lasting.detection[usize::from(with_rules)], true)] {
        let mut out: Vec<Alert> = Vec::new();
        let mut exchange = calls::exchange(request, IpAddr::from(peer), None);
        exchange.at = Timestamp(lasting.at);
        exchange.request_bytes = request_bytes;
        exchange.status = [Some(200), Some(404), None, Some(500)][request.body.len() % 4];
        detection.call(&exchange, &mut out);
        let attributed = detection.complete(&exchange, &mut out);
        check::route(attributed.route);
        let objects = check::objects(attributed.objects);
        check::volume(attributed.objects, request.head.len() + request.body.len());
        let keys = attributed.client_keys().to_vec();
        assert!((2..=6).contains(&keys.len()));
        // What others did may change the route that is learned, and nothing else.
        match &seen {
            None => seen = Some(keys),
            Some(seen) => assert_eq!(*seen, keys),
        }
        let counters = detection.counters();
        assert!(
            counters.detector.tally.pairs <= 2 * 1024
                && counters.detector.tally.objects <= 2 * 4096
                && counters.routes.routes <= 64
        );
        if other && lasting.calls.is_multiple_of(64) {
            detection.tick(Timestamp(lasting.at), &mut out);
            assert!(detection.routes().len() < 1000);
        }
        drop(objects);
    }
}
