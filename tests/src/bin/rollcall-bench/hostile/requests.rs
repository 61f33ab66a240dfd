//! Requests behind HTTP: attribution, routes, objects, detection, alerts.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_http::{
    Limits,
    exchange::{Exchange, Request, Version},
};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_stream::{ConnectionId, Endpoints};

use super::{Cost, cpu_time};

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
    ("5,000 cookies in 1,000 fields", 200, |n| {
        let cookies: String = (0..5).map(|at| format!("sid{at}={n};")).collect();
        ("/a/1".to_owned(), (0..1_000).map(|_| ("Cookie", cookies.clone())).collect())
    }),
    ("2,000 credentials", 200, |n| {
        ("/a/1".to_owned(), (0..2_000).map(|at| ("X-Api-Key", format!("{n}{at}"))).collect())
    }),
    ("500 bearer tokens with claims", 200, |n| {
        let token = |at| ("Authorization", format!("Bearer eyJhIjoxfQ.{}.x", claims(n + at)));
        ("/a/1".to_owned(), (0..500).map(token).collect())
    }),
    ("2,000 fields of forwarded addresses", 200, |n| {
        let address = |at| ("X-Forwarded-For", format!("198.51.100.{}", (n + at) % 250));
        ("/a/1".to_owned(), (0..2_000).map(address).collect())
    }),
    ("10,000 fields", 200, |n| (format!("/a/{n}"), (0..10_000).map(|_| ("a", String::new())).collect())),
    ("escapes in a path", 200, |n| (format!("/a/{}{n}", "%25".repeat(5_000)), vec![])),
    ("5,000 segments of dots", 200, |n| (format!("/a/{}{n}", "./".repeat(5_000)), vec![])),
    ("long names", 200, |n| (format!("/a?{}id={n}", "a.b[c]_D-".repeat(1_700)), vec![])),
    ("names of one letter", 200, |n| {
        (
            format!("/a?{}id={n}", (0..3_200).map(|at| format!("{}_id=1&", word(at))).collect::<String>()),
            vec![],
        )
    }),
    ("100 forwarded addresses", 200, |n| {
        ("/a/1".to_owned(), vec![("X-Forwarded-For", format!("198.51.100.{}, ", n % 250).repeat(100))])
    }),
];

/// A case with a body of this type, as much of it as is kept.
type BodyCase = (&'static str, &'static str, &'static str, fn(u64) -> String);

const BODIES: &[BodyCase] = &[
    ("body: 1,000 accounts in JSON", "/a", "application/json", |n| {
        let ids: String = (0..1_000).map(|at| format!("{},", (n * 1_000 + at) % 1_000)).collect();
        format!("{{\"ids\":[{ids}1]}}")
    }),
    ("body: JSON that is cut", "/a", "application/json", |n| {
        format!("{{\"id\":{n},{}", "\"a\":[1,{\"b_id\":2},".repeat(220))
    }),
    ("body: JSON of no type", "/a", "", |n| format!("{{\"id\":{n},\"a\":\"{}", "\\u0041=&".repeat(500))),
    ("body: deep JSON", "/a", "application/json", |n| format!("{}{n}", "{\"id\":".repeat(680))),
    ("body: a form of 1,000 names", "/a", "application/x-www-form-urlencoded", |n| {
        format!("{}id={n}", (0..680).map(|at| format!("{}_id&", word(at))).collect::<String>())
    }),
    ("body: a form like JSON", "/a", "application/x-www-form-urlencoded", |n| {
        format!("{{\"{}id={n}", "[%22&id=1".repeat(450))
    }),
    ("body: 100 parts", "/a", "multipart/form-data; boundary=b", |n| {
        format!("--b\r\nContent-Disposition: form-data; name=id\r\n\r\n{n}\r\n").repeat(60)
    }),
    ("body: 1,000 boundaries", "/a", "multipart/form-data; boundary=b", |n| {
        format!("--b\r\n{}{n}", "\r\n--b\r\n".repeat(580))
    }),
    ("body: 120 operations of GraphQL", "/graphql", "application/json", |n| {
        format!("[{}]", format!("{{\"query\":\"{{a(id:{n})}}\"}},").repeat(130))
    }),
    ("body: GraphQL with 500 variables", "/graphql", "application/json", |n| {
        let variables: String = (0..250).map(|at| format!("\"v{at}\":{n},")).collect();
        format!("{{\"query\":\"query($v1:ID){{a(id:$v1)}}\",\"variables\":{{{variables}\"a\":1}}}}")
    }),
];

/// Cases with a body that is compressed, and of which little is sent: how often it is said to be, and what is in it.
type CompressedCase = (&'static str, usize, fn(u64) -> String);

const COMPRESSED: &[CompressedCase] = &[
    ("compressed: 1 MiB of blanks", 1, |n| format!("{}{n}", " ".repeat(1 << 20))),
    ("compressed: 1 MiB of blanks, said to be so twice", 2, |n| format!("{}{n}", " ".repeat(1 << 20))),
    ("compressed: JSON of one name", 1, |n| format!("[{}{n}]", "{\"a\":1},".repeat(4_000))),
    ("compressed: many accounts", 1, |n| format!("{{\"ids\":[{}{n}]}}", "1,".repeat(15_000))),
    ("compressed: a form", 1, |n| format!("{}id={n}", "a_id=1&".repeat(4_000))),
    ("compressed: little, new callers", 1, |n| format!("{{\"id\":{n}}}")),
];

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text.as_bytes());
    written.and_then(|()| encoder.finish()).expect("memory takes what is written")
}

/// What each case costs.
pub(super) fn costs(is_chosen: &dyn Fn(&str) -> bool) -> Result<Vec<Cost>> {
    let without_body = CASES.iter().filter(|case| is_chosen(case.0)).map(|&(name, status, make)| {
        cost(name, status, |n| {
            let (target, fields) = make(n);
            request("GET", &target, &fields, String::new())
        })
    });
    let with_body =
        BODIES.iter().filter(|case| is_chosen(case.0)).map(|&(name, target, media_type, make)| {
            cost(name, 200, |n| request("POST", target, &[("Content-Type", media_type.to_owned())], make(n)))
        });
    let compressed = COMPRESSED.iter().filter(|case| is_chosen(case.0)).map(|&(name, times, make)| {
        cost(name, 200, |n| {
            let codings = vec!["gzip"; times].join(", ");
            request("POST", "/a", &[("Content-Encoding", codings)], compressed(&make(n)))
        })
    });
    without_body.chain(with_body).chain(compressed).collect()
}

fn cost(name: &'static str, status: u16, make: impl Fn(u64) -> Request) -> Result<Cost> {
    let mut detection = Detection::new(Settings::default(), HashKey::new([7; 16]));
    let mut bytes = 0;
    let mut times = Vec::new();
    let mut out = Vec::new();
    let requests = MOST.min(BYTES / size(&make(0)));
    for n in 0..2 * requests {
        let request = make(n);
        let exchange = exchange(&request, n, status);
        let before = cpu_time();
        detection.call(&exchange, &mut out);
        detection.complete(&exchange, &mut out);
        if n % 1_000 == 0 {
            detection.tick(exchange.at, &mut out);
        }
        let took = cpu_time() - before;
        out.clear();
        if n >= requests {
            bytes += size(&request);
            times.push(took);
        }
    }
    Cost::of(name, bytes, times)
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
        start: n,
        at: Timestamp(1_700_000_000_000_000_000 + n * 1_000_000),
        status: Some(status),
        response_type: None,
        response_length: None,
        request_bytes: size(request),
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        sampling: 1.0,
    }
}

fn size(request: &Request) -> u64 {
    (request.head.len() + request.body.len()) as u64
}

fn request(method: &str, target: &str, fields: &[(&str, String)], body: impl Into<Vec<u8>>) -> Request {
    let mut request = Request::default();
    request.begin(method.as_bytes(), target.as_bytes(), Some(Version::Http11), Limits::HEAD_MAX);
    let host = ("Host", "a".to_owned());
    for (name, value) in std::iter::once(&host).chain(fields) {
        request.push_field(name.as_bytes(), value.as_bytes(), Limits::HEAD_MAX);
    }
    request.head.extend_from_slice(b"\r\n");
    request.body = body.into();
    request.body.truncate(Limits::default().body);
    request
}
