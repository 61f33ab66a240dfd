//! Paths and queries: one route and one object for every spelling.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::route::{Router, Settings, Template};
use rollcall_fuzz::{calls, check, seeds};
use rollcall_http::Limits;
use rollcall_model::hash::HashKey;

const SEEDS: [&str; 12] = [
    "/v1/customers/17",
    "/v1//customers/./x/../17;a=b/?id=7&page=2#f",
    "/api/v2/de-AT/users/550e8400-e29b-41d4-a716-446655440000.json",
    "/customers/1,2,3/orders/cust-000123?ids=1,2&filter[id]=x&ids[]=7",
    "/caf%C3%A9/%2e%2E/a%2Fb%3B/%zz%",
    "/declared/x%41/y;z/list?customer_id=5",
    "/declared/17.json",
    "/open/a/b/c/d",
    "/img/logo.png?v=17",
    "/graphql?query=%7Bcustomer(id:7)%7D&variables=%7B%22id%22:7%7D",
    "http://host/v1/customers/17?x",
    "/me@example.org/+12025550143/01ARZ3NDEKTSV4RRFFQ69G5FAV",
];
const WORDS: [&str; 24] = [
    "/",
    "//",
    "/../",
    "/./",
    "%2e",
    "%2F",
    "%3b",
    ";x",
    "%",
    "?",
    "#",
    "&",
    "id=",
    "customer_id=",
    "page=",
    "ids[]=",
    "filter[id]=",
    "[0]",
    ",",
    "/declared/",
    "/graphql",
    ".json",
    "550e8400-e29b-41d4-a716-446655440000",
    "x@y.org",
];
const RULES: [&str; 5] = [
    "/declared/{a}/{b}/list",
    "GET /declared/{a}.json",
    "GET /open/{a}/**",
    "/declared/*/{x}-{y}",
    "POST /v1/{a}",
];

fn router(with_rules: bool) -> Router {
    let rules: Vec<Template> = RULES.iter().map(|rule| rule.parse().unwrap()).collect();
    let rules = if with_rules { rules } else { Vec::new() };
    let (router, never) = Router::new(Settings { rules, ..Settings::default() }, HashKey::new([1; 16]));
    assert_eq!(never, []);
    router
}

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    if data.len() > Limits::HEAD_MAX / 8 || !data.starts_with(b"/") {
        return;
    }
    let target = match data.iter().position(|&byte| byte == b'#') {
        Some(fragment) => &data[..fragment],
        None => data,
    };
    let (path, query) = match target.iter().position(|&byte| byte == b'?') {
        Some(mark) => (&target[..mark], &target[mark..]),
        None => (target, &target[target.len()..]),
    };
    for with_rules in [false, true] {
        let mut shared = router(with_rules);
        let mut of = |target: &[u8]| {
            let request = calls::request(b"GET", target, &[], b"");
            let alone = calls::attribute(&mut router(with_rules), &request);
            check::route(&alone.0);
            // A router that has learned the route gives the same.
            assert_eq!(alone, calls::attribute(&mut shared, &request));
            alone
        };
        let plain = of(target);
        assert_eq!(plain, of(data), "a fragment");
        assert_eq!(plain, of(&[&encoded(path, 2), query].concat()), "octets encoded");
        assert_eq!(plain, of(&[&encoded(path, 1), query].concat()), "octets encoded");
        assert_eq!(plain, of(&[&each_slash(path, b"//"), query].concat()), "slashes doubled");
        assert_eq!(plain, of(&[&each_slash(path, b"/./"), query].concat()), "dot segments");
        assert_eq!(plain, of(&[&each_slash(path, b";p=1/"), query].concat()), "parameters");
        assert_eq!(plain, of(&[&each_slash(path, b"/x/../"), query].concat()), "parent segments");
        assert_eq!(plain, of(&[path, b"/", query].concat()), "a trailing slash");
        assert_eq!(plain, of(&[b"http://x:80", target].concat()), "absolute form");
        if let Some(query) = reordered(query)
            && !has_graphql(path)
        {
            assert_eq!(plain, of(&[path, &query].concat()), "parameters in another order");
        }
        if !query.is_empty() && !has_graphql(path) {
            assert_eq!(plain, of(&[path, &[b"?", &encoded(&query[1..], 2)[..]].concat()].concat()), "query encoded");
        }
    }
});

/// Every so many letters and digits percent-encoded.
fn encoded(path: &[u8], every: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    // What stands behind `%` may be part of an escape.
    let mut plain = 0;
    for (at, &byte) in path.iter().enumerate() {
        plain = if byte == b'%' { 0 } else { plain + 1 };
        if byte.is_ascii_alphanumeric() && plain > 2 && at % every == 0 {
            encoded.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            encoded.push(byte);
        }
    }
    encoded
}

fn each_slash(path: &[u8], with: &[u8]) -> Vec<u8> {
    path.iter().enumerate().fold(Vec::new(), |mut all, (at, byte)| {
        match byte {
            b'/' if at > 0 => all.extend_from_slice(with),
            _ => all.push(*byte),
        }
        all
    })
}

/// The parameters the other way round; `None` if a name stands there twice, for then order may matter.
fn reordered(query: &[u8]) -> Option<Vec<u8>> {
    let query = query.strip_prefix(b"?")?;
    let parameters: Vec<&[u8]> = query.split(|byte| b"&;".contains(byte)).collect();
    let name = |parameter: &&[u8]| {
        let mut name = Vec::new();
        let end = parameter.iter().position(|&byte| byte == b'=').unwrap_or(parameter.len());
        rollcall_model::percent::decode(&parameter[..end], &mut name);
        name.make_ascii_lowercase();
        name
    };
    let names: BTreeSet<Vec<u8>> = parameters.iter().map(name).collect();
    (names.len() == parameters.len()).then(|| {
        let mut other = b"?".to_vec();
        for (at, parameter) in parameters.iter().rev().enumerate() {
            if at > 0 {
                other.push(b'&');
            }
            other.extend_from_slice(parameter);
        }
        other
    })
}

fn has_graphql(path: &[u8]) -> bool {
    let mut octets = Vec::new();
    rollcall_model::percent::decode(path, &mut octets);
    octets.make_ascii_lowercase();
    octets.windows(3).any(|window| window == b"gql") || octets.windows(7).any(|window| window == b"graphql")
}
