//! What hostile requests cost behind HTTP: attribution, routes, objects, detection, alerts. Each case is something that takes
//! much work for few bytes. For each, the CPU time of a request on average and at most, and the share of a core that
//! 1 Mbit/s of it takes.
//!
//! It goes by the thread's CPU time, so that it may run beside others. `cargo bench --bench hostile -- NAME` runs those whose
//! names have `NAME` in them.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rollcall::{
    engine::detection::{Detection, Settings},
    hash::HashKey,
    http::exchange::{Exchange, Header, Request},
    stream::{ConnectionId, Endpoints},
    time::Timestamp,
};

/// Requests that are measured, and as many before, by when tables have filled as far as they do; fewer if they are large.
const MOST: u64 = 20_000;
const BYTES: u64 = 20_000_000;

/// A case: what a request looks like by its number, and how it is answered.
type Case = (&'static str, u16, fn(u64) -> (String, Vec<(&'static str, String)>));

const CASES: &[Case] = &[
    ("one account a call", 200, |n| (format!("/a/{n}"), vec![])),
    ("one account, new caller", 200, |n| (format!("/a/{n}"), vec![("X-Api-Key", format!("{n:08}"))])),
    ("32 accounts, new callers", 200, |n| (ids(n, 32), keys(n))),
    ("80 accounts", 200, |n| (ids(n, 80), keys(7))),
    ("80 accounts, no credential", 200, |n| (ids(n, 80), vec![])),
    ("80 accounts, new callers", 200, |n| (ids(n, 80), keys(n))),
    ("80 accounts, refused", 403, |n| (ids(n, 80), keys(7))),
    ("512 accounts", 200, |n| (ids(n, 512), keys(7))),
    ("512 accounts, new callers", 200, |n| (ids(n, 512), keys(n))),
    ("512 accounts, refused", 403, |n| (ids(n, 512), keys(n))),
    ("3,000 accounts", 200, |n| (ids(n, 3_000), keys(n))),
    ("4,000 parameters", 200, |n| {
        (format!("/a?{}", (0..4_000).map(|_| "a=1&").collect::<String>() + &n.to_string()), vec![])
    }),
    ("3,000 accounts in JSON", 200, |n| {
        let ids: String = (0..3_000).map(|at| format!("{},", (n * 3_000 + at) % 46_656)).collect();
        (format!("/a?filter={{\"ids\":[{ids}1]}}"), vec![])
    }),
    ("16,000 separators", 200, |n| (format!("/a?{}id={n}", "&".repeat(16_000)), vec![])),
    ("GraphQL of 2,500 arguments", 200, |n| {
        (format!("/graphql?query={{a({}id:{n})}}", "id:1,".repeat(2_500)), vec![])
    }),
    ("GraphQL of 2,500 comments", 200, |n| {
        (format!("/graphql?query={{{}a(id:{n})}}", "%23%0A".repeat(2_500)), vec![])
    }),
    ("ever new paths of words", 200, |n| (format!("/{}/{}/{}", word(n), word(n * 7), word(n * 31)), vec![])),
    ("ever new paths, refused", 404, |n| (format!("/{}/{}/{}", word(n), word(n * 7), word(n * 31)), vec![])),
    ("ever new routes with accounts", 200, |n| {
        (format!("/{}/{}/{}/{n}", word(n % 150), word(n / 150 % 150), word(n / 22_500)), vec![])
    }),
    ("deep paths of numbers", 200, |n| (format!("/{}", format!("{n}/").repeat(200)), vec![])),
    ("100 cookies", 200, |n| {
        ("/a/1".to_owned(), vec![("Cookie", (0..100).map(|at| format!("c{at}={n}; ")).collect())])
    }),
    ("100 session cookies", 200, |n| {
        ("/a/1".to_owned(), vec![("Cookie", (0..100).map(|_| format!("sid={n}; ")).collect())])
    }),
    ("new tokens with claims", 200, |n| {
        ("/a/1".to_owned(), vec![("Authorization", format!("Bearer eyJhIjoxfQ.{}.x", claims(n)))])
    }),
    ("100 forwarded addresses", 200, |n| {
        ("/a/1".to_owned(), vec![("X-Forwarded-For", format!("198.51.100.{}, ", n % 250).repeat(100))])
    }),
];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:32} {:>6} {:>9} {:>9} {:>12}", "case", "bytes", "mean µs", "worst µs", "% a Mbit/s");
    for (name, status, make) in CASES.iter().filter(|(name, ..)| name.contains(&filter)) {
        let mut detection = Detection::new(Settings::default(), HashKey::new([7; 16]));
        let (mut bytes, mut total, mut worst) = (0, Duration::ZERO, Duration::ZERO);
        let mut out = Vec::new();
        let requests = MOST.min(BYTES / make(0).0.len() as u64);
        for n in 0..2 * requests {
            let (target, fields) = make(n);
            let request = request(&target, &fields);
            let exchange = exchange(&request, n, *status);
            let before = cpu_time();
            detection.call(&exchange, &mut out);
            detection.complete(&exchange, &mut out);
            if n % 1_000 == 0 {
                detection.tick(exchange.at, &mut out);
            }
            let took = cpu_time() - before;
            out.clear();
            if n >= requests {
                bytes += request.head.len();
                total += took;
                worst = worst.max(took);
            }
        }
        let share = total.as_secs_f64() / (bytes as f64 * 8.0 / 1e6) * 100.0;
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let (each, mean) = (bytes / requests as usize, micros(total) / requests as f64);
        println!("{name:32} {each:6} {mean:9.1} {:9.1} {share:12.2}", micros(worst));
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// As many short identifiers, other ones for each `n`.
fn ids(n: u64, count: u64) -> String {
    let ids: Vec<String> = (0..count).map(|at| ((n * count + at) % 46_656).to_string()).collect();
    format!("/a?ids={}", ids.join(","))
}

/// Four credentials.
fn keys(n: u64) -> Vec<(&'static str, String)> {
    let key = |at: u64| format!("{:06}{at}", n % 1_000_000);
    vec![
        ("Authorization", format!("Bearer {}", key(0))),
        ("X-Api-Key", key(1)),
        ("X-Auth-Token", key(2)),
        ("Cookie", format!("sid={}", key(3))),
    ]
}

fn claims(n: u64) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{n:08}"}}"#))
}

/// A word without digits.
fn word(mut n: u64) -> String {
    let mut word = "w".to_owned();
    loop {
        word.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
        if n == 0 {
            return word;
        }
    }
}

/// From four addresses, a thousand a second.
fn exchange(request: &Request, n: u64, status: u16) -> Exchange<'_> {
    Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: ([203, 0, 113, (n % 4) as u8], 40_000).into(),
            server: ([127, 0, 0, 1], 8080).into(),
        },
        proxied_for: None,
        request,
        start: n as u32,
        at: Timestamp(1_700_000_000_000_000_000 + n * 1_000_000),
        status: Some(status),
        response_type: None,
        request_bytes: request.head.len() as u64,
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        sampling: 1.0,
    }
}

fn request(target: &str, fields: &[(&str, String)]) -> Request {
    let mut head = Vec::new();
    let mut push = |text: &str, after: &str| {
        let start = head.len() as u16;
        head.extend_from_slice(text.as_bytes());
        let end = head.len() as u16;
        head.extend_from_slice(after.as_bytes());
        start..end
    };
    let (method, target) = (push("GET", " "), push(target, " HTTP/1.1\r\n"));
    let host = ("Host", "a".to_owned());
    let headers = std::iter::once(&host)
        .chain(fields)
        .map(|(name, value)| Header { name: push(name, ": "), value: push(value, "\r\n") });
    let headers = headers.collect();
    head.extend_from_slice(b"\r\n");
    Request { head, method, target, headers, ..Request::default() }
}
