//! Credentials: `Authorization` of every scheme, tokens, cookies, keys in fields and parameters.

#![no_main]

use std::net::IpAddr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libfuzzer_sys::fuzz_target;
use rollcall_attribute::client::{ClientKey, Lenses, Settings, Source, Sources};
use rollcall_fuzz::{calls, seeds};
use rollcall_model::hash::HashKey;

/// `Authorization`, `Cookie`, an API key and the query, a line each.
const SEEDS: [&str; 8] = [
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJpc3MiOiJ4In0.c2ln\nsid=abc; theme=1\nkey\napi_key=x",
    "Basic YWxhZGRpbjpvcGVuc2VzYW1l\nPHPSESSID=\"a%62c\"; csrftoken=1\n\naccess_token=eyJhbGciOiJIUzI1NiJ9.e30.x",
    "Digest username=\"ada\", nonce=\"1\"\na=b;;=c; __Host-session=d=e\nx\n%61pi_key=%41;sessionid=7",
    "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request, Signature=5d67\n\n\n",
    "OAuth oauth_consumer_key=\"app\", oauth_token=\"ada\"\nlogin=\"\n",
    "Negotiate YII=\nauth_token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjE3LCJ0ZW5hbnQiOiJcdTAwNjEifQ.c2ln",
    "NTLM\tTlRM\nidentity=x; sid=1; sid=2; sid=3; sid=4; sid=5",
    "token",
];
const WORDS: [&str; 28] = [
    "Bearer ",
    "Basic ",
    "Digest ",
    "AWS4 ",
    "Hawk ",
    "NTLM ",
    "username=\"",
    "Credential=",
    "keyid=",
    "token=",
    "eyJ",
    ".",
    "eyJzdWIiOiJhZGEifQ",
    "sid=",
    "session",
    "csrf",
    "jwt=",
    "; ",
    "=",
    "\"",
    "%41",
    "%",
    "&api_key=",
    ";access_token=",
    "\n",
    "\t",
    "e30",
    "account=",
];

fn lenses(all: bool) -> Lenses {
    let text: &[&str] = if all {
        &[
            "authorization",
            "api-key",
            "session",
            "jwt:sub",
            "jwt:tenant",
            "header:x-account",
            "query:key",
            "cookie:account",
        ]
    } else {
        &["api-key", "jwt:sub"]
    };
    let sources = text.iter().map(|source| source.parse::<Source>().unwrap());
    let settings = Settings { credentials: Sources::new(sources).unwrap(), ..Settings::default() };
    Lenses::new(settings, HashKey::new([3; 16]))
}

/// The lines of an input, and their keys.
fn keys(lenses: &mut Lenses, lines: [&[u8]; 4]) -> Vec<ClientKey> {
    let [authorization, cookie, key, query] = lines;
    let fields =
        [("Authorization", authorization), ("Cookie", cookie), ("X-Api-Key", key), ("X-Account", key)];
    let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let request = calls::request(b"GET", b"/", &fields, b"");
    let clients = lenses.of(&calls::exchange(&request, IpAddr::from([198, 51, 100, 7]), None), query);
    assert_eq!(clients.authenticated, !authorization.is_empty() || clients.keys().len() > 2);
    clients.keys().to_vec()
}

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    if data.len() > 12_000 {
        return;
    }
    let mut parts = data.splitn(4, |&byte| byte == b'\n');
    let mut lines = [(); 4].map(|()| parts.next().unwrap_or_default());
    lines[0] = lines[0].trim_ascii();
    for all in [true, false] {
        let mut lenses = lenses(all);
        let first = keys(&mut lenses, lines);
        assert!((2..=6).contains(&first.len()));
        assert_eq!(first, keys(&mut lenses, lines), "what is remembered of tokens changes nothing");
        // Letters of cookies and parameters may be encoded.
        let mut spelled = lines;
        let (cookie, query) = (encoded(lines[1]), encoded(lines[3]));
        (spelled[1], spelled[3]) = (&cookie, &query);
        if !lines[1].starts_with(b"\"") {
            assert_eq!(first, keys(&mut lenses, spelled), "another spelling is no other client");
        }
    }
    let mut lenses = lenses(true);
    let [line, ..] = lines;
    // Another signature is no other token, and no password matters.
    let token = |signature: &str| [b"Bearer eyJ.", line, b".", signature.as_bytes()].concat();
    if !line.is_empty() && !line.contains(&b'.') {
        let of = |lenses: &mut Lenses, signature| keys(lenses, [&token(signature), b"", b"", b""]);
        assert_eq!(of(&mut lenses, "a"), of(&mut lenses, "bc"));
    }
    if !line.contains(&b':') && line.len() < 300 {
        let basic = |password: &[u8]| {
            ["Basic ".as_bytes(), BASE64_STANDARD.encode([line, b":", password].concat()).as_bytes()].concat()
        };
        let of = |lenses: &mut Lenses, password| keys(lenses, [&basic(password), b"", b"", b""]);
        assert_eq!(of(&mut lenses, lines[1]), of(&mut lenses, lines[2]));
    }
});

/// Values with some letters percent-encoded: those between `=` and what ends a value, every other one.
fn encoded(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    let mut in_value = false;
    // Letters that may belong to an escape stay.
    let mut plain = 0;
    for &byte in text {
        match byte {
            b'=' => in_value = true,
            b';' | b'&' => in_value = false,
            _ => {}
        }
        plain = if byte == b'%' { 0 } else { plain + 1 };
        // `ey` tells a token by its beginning, which nobody encodes.
        if in_value && plain > 3 && byte.is_ascii_alphabetic() && byte % 2 == 1 {
            encoded.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            encoded.push(byte);
        }
    }
    encoded
}
