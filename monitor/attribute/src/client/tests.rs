use std::net::SocketAddr;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rollcall_http::{Limits, Request};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Endpoints};

use super::*;

fn lenses(sources: &[&str]) -> Lenses {
    let credentials = match sources {
        [] => Sources::default(),
        sources => Sources::new(sources.iter().map(|source| source.parse().unwrap())).unwrap(),
    };
    Lenses::new(Settings { credentials, ..Settings::default() }, HashKey::new([3; 16]))
}

fn clients(lenses: &mut Lenses, peer: &str, query: &str, fields: &[(&str, &str)]) -> Clients {
    clients_of(lenses, peer, query, fields, false)
}

fn clients_of(
    lenses: &mut Lenses,
    peer: &str,
    query: &str,
    fields: &[(&str, &str)],
    truncated: bool,
) -> Clients {
    let mut request = Request { truncated, ..Request::default() };
    for (name, value) in fields {
        request.push_field(name.as_bytes(), value.as_bytes(), Limits::HEAD_MAX);
    }
    let exchange = Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: SocketAddr::new(peer.parse().unwrap(), 40_000),
            server: SocketAddr::from(([192, 0, 2, 1], 80)),
        },
        request: &request,
        start: 1,
        proxied_for: None,
        at: Timestamp(1),
        status: Some(200),
        request_bytes: 100,
        response_bytes: 100,
        first_byte_at: None,
        last_byte_at: None,
        response_type: None,
        response_length: None,
        sampling: 1.0,
    };
    lenses.of(&exchange, query.as_bytes())
}

/// The credentials of a call, as logs show them.
fn credentials(lenses: &mut Lenses, query: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let clients = clients(lenses, "198.51.100.7", query, fields);
    let credentials = clients.keys().iter().filter(|key| matches!(key, ClientKey::Credential(_)));
    credentials.map(ClientKey::id).collect()
}

fn kinds(credentials: &[String]) -> Vec<&str> {
    credentials.iter().map(|id| id.split(':').next().unwrap()).collect()
}

fn token(claims: &str, signature: &str) -> String {
    let [head, claims] = [r#"{"alg":"HS256"}"#, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("Bearer {head}.{claims}.{signature}")
}

#[test]
fn a_call_has_several_keys_at_once() {
    let mut lenses = lenses(&[]);
    let fields = [("X-Forwarded-For", "203.0.113.9"), ("Authorization", "Bearer abc"), ("X-Api-Key", "k")];
    let behind = clients(&mut lenses, "127.0.0.1", "", &fields);
    let shown: Vec<_> = behind.keys().iter().map(|key| (key.kind(), key.id())).collect();
    assert_eq!(shown[0], ("forwarded", "203.0.113.9".to_owned()));
    assert_eq!(shown[1], ("prefix", "203.0.113.0/24".to_owned()));
    assert_eq!((shown[2].0, shown[3].0), ("credential", "credential"));
    assert_eq!((behind.address().to_string().as_str(), behind.authenticated), ("203.0.113.9", true));
    assert_eq!(behind.by_address(), &behind.keys()[..1], "an IPv4 network has no limit of its own");
    assert_eq!(behind.by_credential(), &behind.keys()[2..]);

    let direct = clients(&mut lenses, "2001:db8::1:2", "", &fields[..1]);
    let shown: Vec<_> = direct.keys().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["peer:2001:db8::1:2", "prefix:2001:db8::/64"]);
    assert_eq!(direct.by_address(), direct.keys(), "a subscriber has a whole /64");
    assert!(!direct.authenticated);
    let refused = clients(&mut lenses, "127.0.0.1", "", &[("X-Forwarded-For", "unknown")]);
    assert_eq!((direct.refused_chain, behind.refused_chain, refused.refused_chain), (false, false, true));
}

#[test]
fn credentials_are_found_in_their_usual_places() {
    let mut lenses = lenses(&[]);
    for (query, fields, expected) in [
        ("", &[("authorization", "Bearer abc")][..], &["bearer"][..]),
        ("", &[("Authorization", "Basic YWRhOjE=")], &["basic"]),
        ("", &[("Authorization", "Token abc")], &["authorization"]),
        ("", &[("Authorization", "NTLM abc")], &[]),
        ("", &[("X-API-Key", "abc")], &["api-key"]),
        ("api_key=abc", &[], &["api-key"]),
        ("a=b&%61pi_key=abc", &[], &["api-key"]),
        ("", &[("Cookie", "theme=dark; PHPSESSID=abc")], &["session"]),
        ("", &[("Cookie", "theme=dark"), ("cookie", "connect.sid=s%3Aabc")], &["session"]),
        ("key=abc", &[("Cookie", "theme=dark"), ("X-Request-Id", "1")], &[]),
        ("", &[("Authorization", "")], &[]),
        ("", &[("X-API-Key", "")], &[]),
    ] {
        assert_eq!(kinds(&credentials(&mut lenses, query, fields)), expected, "{query} {fields:?}");
    }
}

#[test]
fn spelling_makes_no_other_credential() {
    let mut lenses = lenses(&[]);
    let mut same = |a: (&str, &[(&str, &str)]), b: (&str, &[(&str, &str)])| {
        credentials(&mut lenses, a.0, a.1) == credentials(&mut lenses, b.0, b.1)
    };
    assert!(same(("api_key=abc", &[]), ("x=1&API_KEY=a%62c", &[])));
    assert!(same(("api_key=abc", &[]), ("", &[("x-api-key", "abc")])), "a key is one wherever it stands");
    assert!(same(("", &[("Cookie", "sid=s:abc")]), ("", &[("Cookie", "a=b; sid=\"s%3Aabc\"")])));
    assert!(same(
        ("", &[("Authorization", "Basic YWRhOjE=")]),
        ("", &[("Authorization", "basic  YWRhOjI=")])
    ));
    assert!(!same(("api_key=abc", &[]), ("api_key=abd", &[])));
    assert!(!same(("", &[("Cookie", "sid=1")]), ("", &[("Cookie", "session=1")])));
}

#[test]
fn a_claim_outlives_its_tokens() {
    let mut lenses = lenses(&[]);
    let mut of = |claims: &str, signature: &str| {
        credentials(&mut lenses, "", &[("Authorization", &token(claims, signature))])
    };
    let first = of(r#"{"sub":"ada","iat":1}"#, "c2ln");
    assert_eq!(kinds(&first), ["bearer", "claim"]);
    let again = of(r#"{"sub":"ada","iat":1}"#, "c2lo");
    assert_eq!(first, again, "another signature is no other token");
    let later = of(r#"{"iat":2,"sub":"ada"}"#, "c2ln");
    assert_ne!(first[0], later[0]);
    assert_eq!(first[1], later[1]);
    assert_ne!(of(r#"{"sub":"bob","iat":1}"#, "c2ln")[1], first[1]);
    assert_eq!(kinds(&of(r#"{"iat":3}"#, "c2ln")), ["bearer"]);
    assert_eq!(of(r#"{"sub":"ada","iat":1}"#, "c2ln"), first);
}

#[test]
fn the_operator_says_where_to_look() {
    let mut named = lenses(&["header:X-Account", "query:key", "cookie:who", "jwt:uid"]);
    let fields = [
        ("X-Account", "1"),
        ("Cookie", "who=2; PHPSESSID=9"),
        ("X-API-Key", "9"),
        ("Authorization", &token(r#"{"uid":4}"#, "c2ln")),
    ];
    let found = credentials(&mut named, "key=3&api_key=9", &fields);
    assert_eq!(kinds(&found), ["named", "claim", "named", "named"]);
    let only = credentials(&mut lenses(&["jwt:sub"]), "", &[("Authorization", "Bearer abc")]);
    assert_eq!(only, [""; 0]);
}

#[test]
fn what_is_too_much_is_counted() {
    let mut lenses = lenses(&[]);
    let cookies: Vec<String> = (0..9).map(|n| format!("session{n}={n}")).collect();
    let found =
        credentials(&mut lenses, "", &[("Cookie", &cookies.join(";")), ("Authorization", "Bearer abc")]);
    assert_eq!(kinds(&found), ["bearer", "session", "session", "session"], "cookies come last");
    assert_eq!(clients(&mut lenses, "198.51.100.7", "", &[("Cookie", &cookies.join(";"))]).dropped, 5);
}

#[test]
fn a_call_whose_head_was_cut_is_its_peers_alone() {
    let mut lenses = lenses(&[]);
    let fields = [("X-Forwarded-For", "6.6.6.6"), ("Authorization", "Bearer abc"), ("Cookie", "sid=ey")];
    for peer in ["127.0.0.1", "198.51.100.7"] {
        let cut = clients_of(&mut lenses, peer, "api_key=abc", &fields, true);
        assert_eq!((cut.keys()[0].to_string(), cut.by_credential().len()), (format!("peer:{peer}"), 0));
        assert!(cut.authenticated, "it may have carried anything");
        assert_eq!(cut.refused_chain, peer == "127.0.0.1");
    }
    let whole = clients(&mut lenses, "127.0.0.1", "", &fields);
    assert_eq!((whole.keys()[0].id().as_str(), whole.by_credential().len()), ("6.6.6.6", 2));
}

/// How the first credential of a call was shown.
fn shown(lenses: &mut Lenses, fields: &[(&str, &str)]) -> Shown {
    clients(lenses, "198.51.100.7", "", fields).shown()[0]
}

#[test]
fn a_person_is_one_in_whatever_spelling() {
    let mut lenses = lenses(&[]);
    let basic = |text: &str| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text));
    let claims = token(r#"{"sub":"Ada","iat":1}"#, "a");
    for spellings in [
        &[
            ("X-Api-Key", "Key-1+a/b=="),
            ("X-Api-Key", "KEY-1+A/B"),
            ("X-Api-Key", "key-1-a_b."),
            ("X-Api-Key", "\"key-1+a/b\""),
            ("Authorization", "Bearer key1AB"),
            ("Authorization", "ApiKey key1aB"),
            ("Cookie", "session=key1%61b"),
        ][..],
        &[
            ("Authorization", &basic("ada:1")),
            ("Authorization", &basic("ADA:2")),
            ("Authorization", &basic("ada.:2")),
            ("Authorization", &claims),
            ("Authorization", &token(r#"{"iat":2,"sub":"ada"}"#, "b")),
            ("Cookie", &format!("access_token={}", claims.trim_start_matches("Bearer "))),
        ],
    ] {
        let [first, rest @ ..] = spellings else { unreachable!() };
        let person = shown(&mut lenses, &[*first]).person;
        for other in rest {
            assert_eq!(shown(&mut lenses, &[*other]).person, person, "{other:?}");
        }
    }
    let one = |lenses: &mut Lenses, key| shown(lenses, &[("X-Api-Key", key)]).person;
    assert_ne!(one(&mut lenses, "key-1"), one(&mut lenses, "key-2"));
}

#[test]
fn a_credential_is_proved_by_the_whole_of_it() {
    let mut lenses = lenses(&[]);
    let basic = |text: &str| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text));
    let mut whole = |value: &str| shown(&mut lenses, &[("Authorization", value)]).whole;
    assert_ne!(whole(&basic("ada:1")), whole(&basic("ada:2")));
    assert_eq!(whole(&basic("ada:1")), whole(&basic("ada:1")));
    let claims = r#"{"sub":"ada"}"#;
    assert_ne!(whole(&token(claims, "a")), whole(&token(claims, "b")));
    let digest = |response: &str| format!("Digest username=\"ada\", response=\"{response}\"");
    assert_ne!(whole(&digest("1")), whole(&digest("2")));
    assert_ne!(whole("Bearer 1"), whole("Bearer 2"));
}

#[test]
fn two_ways_of_showing_a_credential_are_told() {
    let mut lenses = lenses(&[]);
    let mut mixed = |fields: &[(&str, &str)]| clients(&mut lenses, "198.51.100.7", "", fields).is_mixed();
    let [one, other] =
        ["ada:1", "ada:2"].map(|text| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text)));
    assert!(!mixed(&[("Authorization", &one)]));
    assert!(!mixed(&[("Authorization", &one), ("X-Api-Key", "k"), ("Cookie", "theme=1")]));
    assert!(mixed(&[("Authorization", &one), ("Authorization", &other)]));
    assert!(mixed(&[("Authorization", "Negotiate YII="), ("Cookie", "sid=1")]));
    assert!(mixed(&[("Authorization", &one), ("Authorization", &one), ("Authorization", &other)]));
}
