//! What it takes to tell who called, which route it was, and whose account: for each request, before detection counts.
//!
//! Each case goes round among requests that differ in what real ones differ in, so that nothing is told by the same
//! branches over and over; all else that attribution learns has been learned before.

use std::{hint::black_box, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use rollcall_attribute::route::{NAMES, Template};
use rollcall_engine::{attributor::Attributor, detection::Settings};
use rollcall_http::{Exchange, Limits, Request, Version};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{ConnectionId, Endpoints};

/// Requests that a case goes round among.
const REQUESTS: usize = 256;

/// Four times as many tokens as claims are remembered of, so that nearly every one is new.
const NEW_TOKENS: usize = 4096;

/// Operations in GitHub's description, the largest of everyday use.
const DECLARED: usize = 1_100;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500));
    targets = attribution
}
criterion_main!(benches);

fn attribution(criterion: &mut Criterion) {
    let get = |n: usize| request("GET", &format!("/v1/customers/{}/orders", 4711 + n), n, None, b"");
    let bearer = |n: usize, token: usize| {
        let target = format!("/v1/customers/{}/orders", 4711 + n);
        request("GET", &target, n, Some(&format!("Bearer {}", token_of(token))), b"")
    };
    measure(criterion, "get", Settings::default(), (0..REQUESTS).map(get).collect());
    let same = (0..REQUESTS).map(|n| bearer(n, n % 16)).collect();
    measure(criterion, "known token", Settings::default(), same);
    let new = (0..NEW_TOKENS).map(|n| bearer(n % REQUESTS, n)).collect();
    measure(criterion, "new token", Settings::default(), new);
    let post = |n: usize| request("POST", "/v1/orders", n, None, json(n).as_bytes());
    measure(criterion, "json", Settings::default(), (0..REQUESTS).map(post).collect());
    let graphql = |n: usize| request("POST", "/graphql", n, None, graphql(n).as_bytes());
    measure(criterion, "graphql", Settings::default(), (0..REQUESTS).map(graphql).collect());
    let name = |n: usize| request("GET", &format!("/v1/users/{}/orders", word(n)), n, None, b"");
    measure(criterion, "name", Settings::default(), (0..REQUESTS.max(NAMES + 1)).map(name).collect());
    let declared = |n: usize| {
        let target =
            format!("/repos/{}/{}/{}/{}", word(n), word(n / 3), resource(n * 7 % DECLARED), 4711 + n);
        request("GET", &target, n, None, b"")
    };
    let many = |n: usize| {
        let ids: String = (0..2_500).map(|id| format!("{},", 1000 + (id * 31 + n) % 9_000)).collect();
        request("GET", &format!("/v1/customers?ids={ids}"), n, None, b"")
    };
    measure(criterion, "ids of 12 KiB", Settings::default(), (0..REQUESTS).map(many).collect());
    let names = |n: usize| {
        request(
            "GET",
            &format!("/v1/customers?{}", format!("a{}_id={n}&", n % 10).repeat(1_400)),
            n,
            None,
            b"",
        )
    };
    measure(criterion, "parameters of 12 KiB", Settings::default(), (0..REQUESTS).map(names).collect());
    let aliases = |n: usize| {
        let body = format!("{{{}}}", format!("x:b(id:{}){{c}}", 4711 + n).repeat(220));
        request("POST", "/graphql", n, None, body.as_bytes())
    };
    measure(criterion, "aliases of 4 KiB", Settings::default(), (0..REQUESTS).map(aliases).collect());
    measure(criterion, "declared", document(), (0..REQUESTS).map(declared).collect());
}

fn measure(criterion: &mut Criterion, name: &str, settings: Settings, requests: Vec<Request>) {
    let Settings { clients, routes, .. } = settings;
    let mut attributor = Attributor::new(clients, routes, HashKey::new([7; 16]));
    for request in requests.iter().chain(&requests) {
        attributor.attribute(&exchange(request), true);
    }
    criterion.benchmark_group("attribution").bench_function(name, |bencher| {
        let mut requests = requests.iter().cycle();
        bencher.iter(|| {
            let request = requests.next().expect("no case is empty");
            black_box(attributor.attribute(black_box(&exchange(request)), true));
        });
    });
}

/// By way of a proxy on this host, as are most APIs.
fn exchange(request: &Request) -> Exchange<'_> {
    Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: ([127, 0, 0, 1], 40_000).into(),
            server: ([127, 0, 0, 1], 8080).into(),
        },
        proxied_for: None,
        request,
        start: 0,
        at: Timestamp(1_700_000_000_000_000_000),
        status: Some(200),
        request_bytes: (request.head.len() + request.body.len()) as u64,
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        response_type: None,
        response_length: None,
        sampling: 1.0,
    }
}

/// A request with the headers that browsers and proxies send.
fn request(method: &str, target: &str, n: usize, authorization: Option<&str>, body: &[u8]) -> Request {
    let forwarded = format!("203.0.113.{}, 198.51.100.{}", n % 250, n % 200);
    let length = body.len().to_string();
    let mut fields = vec![
        ("Host", "api.example.com"),
        ("X-Forwarded-For", &forwarded),
        ("X-Forwarded-Proto", "https"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("Accept", "application/json, text/plain, */*"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Referer", "https://shop.example.com/orders"),
        ("Sec-Fetch-Mode", "cors"),
        ("Connection", "keep-alive"),
    ];
    if !body.is_empty() {
        fields.extend([("Content-Type", "application/json"), ("Content-Length", length.as_str())]);
    }
    fields.extend(authorization.map(|value| ("Authorization", value)));
    let mut request = Request::default();
    request.begin(method.as_bytes(), target.as_bytes(), Some(Version::Http11), Limits::HEAD_MAX);
    for (name, value) in fields {
        request.push_field(name.as_bytes(), value.as_bytes(), Limits::HEAD_MAX);
    }
    request.head.extend_from_slice(b"\r\n");
    request.body.extend_from_slice(body);
    request
}

/// A JSON Web Token of 900 bytes, signed with RSA.
fn token_of(n: usize) -> String {
    let header = r#"{"alg":"RS256","typ":"JWT","kid":"2f1c7d0e9a"}"#;
    let mut claims = format!(
        r#"{{"iss":"https://login.example.com/","aud":["api"],"azp":"shop","exp":1700000000,"scope":"orders:read profile","sub":"user-{n:08}","jti":"{:016x}","roles":["#,
        n * 0x9e37_79b9
    );
    while claims.len() < 366 {
        claims.push_str(r#""reader","#);
    }
    claims.truncate(370);
    claims.push_str(r#"x"]}"#);
    let signature: Vec<u8> = (0..256).map(|at: usize| (at * 167 + n * 31) as u8).collect();
    let parts = [header.as_bytes(), claims.as_bytes(), &signature];
    parts.map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// An order, 400 bytes.
fn json(n: usize) -> String {
    let mut body = format!(
        r#"{{"customer_id":{},"currency":"EUR","items":[{{"sku":"A-1","quantity":2,"price":12.5}},{{"sku":"B-7","quantity":1,"price":99}}],"shipping":{{"street":"1 Main Street","city":"Springfield","zip":"12345","country":"US"}},"coupon":null,"gift":false,"note":""#,
        4711 + n
    );
    while body.len() < 398 {
        body.push('x');
    }
    body.push_str("\"}");
    body
}

fn graphql(n: usize) -> String {
    format!(
        r#"{{"operationName":"Customer","variables":{{"id":"{}","first":10}},"query":"query Customer($id: ID!, $first: Int) {{\n  customer(id: $id) {{\n    id\n    name\n    orders(first: $first) {{\n      nodes {{ id total }}\n    }}\n  }}\n}}\n"}}"#,
        4711 + n
    )
}

/// As many templates as GitHub has, most of them below two parameters.
fn document() -> Settings {
    let templates =
        (0..DECLARED).map(|n| format!("GET /repos/{{owner}}/{{repo}}/{}/{{number}}", resource(n)));
    let templates = templates.map(|text| text.parse::<Template>().expect("it is written as templates are"));
    let mut settings = Settings::default();
    settings.routes.document = Some(templates.collect());
    settings
}

/// Two words, some 50 of the first.
fn resource(n: usize) -> String {
    format!("{}/{}", word(n % 50), word(n / 50))
}

/// A word without digits.
fn word(mut n: usize) -> String {
    let mut word = "wor".to_owned();
    loop {
        word.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
        if n == 0 {
            return word;
        }
    }
}
