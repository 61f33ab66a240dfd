use proptest::prelude::*;
use rollcall_http::Limits;

use super::*;

fn request(fields: &[(&str, &[u8])]) -> Request {
    let mut request = Request::default();
    for (name, value) in fields {
        request.push_field(name.as_bytes(), value, Limits::HEAD_MAX);
    }
    request
}

fn trusted() -> TrustedProxies {
    TrustedProxies::new([
        TrustedProxies::parse("127.0.0.0/8").unwrap(),
        TrustedProxies::parse("10.0.0.0/8").unwrap(),
        TrustedProxies::parse("2001:db8:1::/48").unwrap(),
    ])
}

fn client(peer: &str, proxied_for: Option<&str>, fields: &[(&str, &[u8])]) -> String {
    client_of(&mut Writers::default(), peer, proxied_for, &request(fields), fields)
}

fn client_of(
    writers: &mut Writers,
    peer: &str,
    proxied_for: Option<&str>,
    request: &Request,
    fields: &[(&str, &[u8])],
) -> String {
    let peer = peer.parse::<IpAddr>().unwrap().to_canonical();
    let mut present = ForwardedHeaders::default();
    for (at, (name, _)) in fields.iter().enumerate() {
        name.parse().into_iter().for_each(|header| present.insert(header, at));
    }
    let proxied_for = proxied_for.map(|address| address.parse().unwrap());
    match forwarded_for(peer, proxied_for, request, present, &trusted(), writers) {
        Some(address) => format!("forwarded:{address}"),
        None => format!("peer:{peer}"),
    }
}

fn key(peer: &str, fields: &[&str]) -> String {
    let fields: Vec<(&str, &[u8])> =
        fields.iter().map(|field| ("X-Forwarded-For", field.as_bytes())).collect();
    client(peer, None, &fields)
}

#[test]
fn a_chain_is_believed_hop_by_hop() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("203.0.113.9", &[], "peer:203.0.113.9"),
        ("::ffff:203.0.113.9", &[], "peer:203.0.113.9"),
        ("203.0.113.9", &["198.51.100.1"], "peer:203.0.113.9"),
        ("127.0.0.1", &[], "peer:127.0.0.1"),
        ("127.0.0.1", &["198.51.100.1"], "forwarded:198.51.100.1"),
        ("::ffff:127.0.0.1", &["::ffff:198.51.100.1"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["198.51.100.1:4711"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["[2001:db8::7]:4711"], "forwarded:2001:db8::7"),
        ("127.0.0.1", &["[2001:db8::7]"], "forwarded:2001:db8::7"),
        ("127.0.0.1", &["2001:db8::7"], "forwarded:2001:db8::7"),
        ("127.0.0.1", &["1.1.1.1, 198.51.100.1"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["1.1.1.1, 198.51.100.1 , 10.0.0.4"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["1.1.1.1", "198.51.100.1", "10.0.0.4"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["198.51.100.1,,\t,"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["nonsense, 198.51.100.1"], "forwarded:198.51.100.1"),
        ("127.0.0.1", &["198.51.100.1, nonsense"], "peer:127.0.0.1"),
        ("127.0.0.1", &["nonsense, 10.0.0.4"], "peer:127.0.0.1"),
        ("127.0.0.1", &["198.51.100.256"], "peer:127.0.0.1"),
        ("127.0.0.1", &["unknown"], "peer:127.0.0.1"),
        ("127.0.0.1", &[""], "peer:127.0.0.1"),
        ("127.0.0.1", &["127.0.0.7"], "forwarded:127.0.0.7"),
        ("127.0.0.1", &["10.0.0.9, 10.0.0.4"], "forwarded:10.0.0.9"),
    ];
    for (peer, fields, expected) in cases {
        assert_eq!(key(peer, fields), *expected, "{peer} {fields:?}");
    }
}

#[test]
fn a_chain_that_is_too_long_gets_the_peer() {
    let chain = |hops: usize| format!("198.51.100.1{}", ", 10.0.0.1".repeat(hops - 1));
    assert_eq!(key("127.0.0.1", &[&chain(32)]), "forwarded:198.51.100.1");
    assert_eq!(key("127.0.0.1", &[&chain(33)]), "peer:127.0.0.1");
    assert_eq!(key("127.0.0.1", &[&",".repeat(60_000)]), "peer:127.0.0.1");
    assert_eq!(key("127.0.0.1", &[&"1".repeat(60_000)]), "peer:127.0.0.1");
    assert_eq!(key("127.0.0.1", &[&format!("{},1.1.1.1", "1".repeat(60_000))]), "forwarded:1.1.1.1");
}

#[test]
fn forwarded_is_read_as_rfc_7239_has_it() {
    for (field, expected) in [
        ("for=198.51.100.1", "forwarded:198.51.100.1"),
        ("For=\"198.51.100.1:4711\";proto=http;by=10.0.0.1", "forwarded:198.51.100.1"),
        ("proto=https; for=\"[2001:db8::7]:4711\"", "forwarded:2001:db8::7"),
        ("for=\"[2001:db8::7]\"", "forwarded:2001:db8::7"),
        ("for=1.1.1.1, for=198.51.100.1", "forwarded:198.51.100.1"),
        ("for=1.1.1.1, for=198.51.100.1 ,for=10.0.0.4", "forwarded:198.51.100.1"),
        ("for=1.1.1.1;ext=\"a,b;for=2.2.2.2\", for=198.51.100.1", "forwarded:198.51.100.1"),
        ("ext=\"\\\",\";for=198.51.100.1", "forwarded:198.51.100.1"),
        ("for=unknown", "peer:127.0.0.1"),
        ("for=_hidden, for=10.0.0.4", "peer:127.0.0.1"),
        ("by=10.0.0.1", "peer:127.0.0.1"),
        ("for=198.51.100.1;for=198.51.100.2", "peer:127.0.0.1"),
        ("for=\"1.1.1.1, for=198.51.100.1", "peer:127.0.0.1"),
        ("for=1.1.1.1;host=\"x, for=198.51.100.1", "peer:127.0.0.1"),
        ("for=1.1.1.1;\", for=198.51.100.1", "peer:127.0.0.1"),
        ("for=1.1.1.1;x=\"\\\", for=198.51.100.1", "peer:127.0.0.1"),
        ("", "peer:127.0.0.1"),
    ] {
        assert_eq!(client("127.0.0.1", None, &[("Forwarded", field.as_bytes())]), expected, "{field}");
        assert_eq!(client("203.0.113.9", None, &[("Forwarded", field.as_bytes())]), "peer:203.0.113.9");
    }
    let chain = |hops: usize| format!("for=198.51.100.1{}", ", for=10.0.0.1".repeat(hops - 1));
    let long = |field: &str| client("127.0.0.1", None, &[("Forwarded", field.as_bytes())]);
    assert_eq!(long(&chain(32)), "forwarded:198.51.100.1");
    assert_eq!(long(&chain(33)), "peer:127.0.0.1");
    assert_eq!(long(&format!("{}for=1.1.1.1", "for=x,".repeat(9_000))), "forwarded:1.1.1.1");
}

#[test]
fn headers_that_disagree_are_not_believed() {
    let ask = |fields: &[(&str, &str)]| {
        let fields: Vec<(&str, &[u8])> =
            fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        client("127.0.0.1", None, &fields)
    };
    let (xff, forwarded, real) = ("X-Forwarded-For", "Forwarded", "X-Real-IP");
    assert_eq!(ask(&[(xff, "198.51.100.1"), (forwarded, "for=198.51.100.1")]), "forwarded:198.51.100.1");
    assert_eq!(ask(&[(xff, "198.51.100.1"), (forwarded, "for=198.51.100.2")]), "peer:127.0.0.1");
    assert_eq!(ask(&[(xff, "198.51.100.1"), (forwarded, "for=unknown")]), "peer:127.0.0.1");
    assert_eq!(ask(&[(real, "198.51.100.3")]), "forwarded:198.51.100.3");
    assert_eq!(ask(&[(real, "198.51.100.3"), (xff, "198.51.100.1")]), "peer:127.0.0.1");
    assert_eq!(ask(&[(real, "198.51.100.1"), (xff, "198.51.100.1")]), "forwarded:198.51.100.1");
    assert_eq!(ask(&[(real, "10.0.0.4"), (xff, "198.51.100.1, 10.0.0.4")]), "forwarded:198.51.100.1");
    assert_eq!(ask(&[(real, "10.0.0.4"), (forwarded, "for=198.51.100.1")]), "forwarded:198.51.100.1");
    assert_eq!(ask(&[(real, "nonsense")]), "peer:127.0.0.1");
}

/// What becomes of a client that adds each of the other headers to its calls, by way of a proxy that writes one of them and
/// has written it for somebody else before.
#[test]
fn the_header_that_a_proxy_always_writes_is_believed_alone() {
    let field = |header: ForwardedHeader, address: &str| match header {
        ForwardedHeader::Forwarded => format!("for={address}"),
        _ => address.to_owned(),
    };
    for own in ForwardedHeader::ALL {
        let mut writers = Writers::default();
        let mut ask = |peer: &str, fields: &[(ForwardedHeader, &str)]| {
            let values: Vec<String> =
                fields.iter().map(|&(header, address)| field(header, address)).collect();
            let names = fields.iter().map(|(header, _)| header.name());
            let fields: Vec<(&str, &[u8])> = names.zip(values.iter().map(|value| value.as_bytes())).collect();
            client_of(&mut writers, peer, None, &request(&fields), &fields)
        };
        let (made_up, thief) = ("1.1.1.1", "198.51.100.66");
        let others = ForwardedHeader::ALL.into_iter().filter(|&header| header != own);
        for first in [&[][..], &[(own, "192.0.2.7")]] {
            if !first.is_empty() {
                assert_eq!(ask("127.0.0.1", first), "forwarded:192.0.2.7");
            }
            for n in 0..2_000 {
                let header = others.clone().nth(n % 2).unwrap();
                let all = others.clone().map(|header| (header, made_up)).chain([(own, thief)]);
                let told = match n % 3 {
                    0 => ask("127.0.0.1", &[(own, thief), (header, made_up)]),
                    1 => ask("127.0.0.1", &[(header, made_up), (own, thief)]),
                    _ => ask("127.0.0.1", &all.collect::<Vec<_>>()),
                };
                let expected = if first.is_empty() {
                    ["peer:127.0.0.1", "forwarded:198.51.100.66"]
                } else {
                    ["forwarded:198.51.100.66"; 2]
                };
                assert!(expected.contains(&told.as_str()), "{own} {n}: {told}");
            }
        }
        assert_eq!(
            ask("10.0.0.9", &[(own, thief), (others.clone().next().unwrap(), made_up)]),
            "peer:10.0.0.9"
        );
    }
}

#[test]
fn a_head_that_was_cut_vouches_for_nobody() {
    let cut = |peer: &str, proxied_for, fields: &[(&str, &[u8])]| {
        let request = Request { truncated: true, ..request(fields) };
        client_of(&mut Writers::default(), peer, proxied_for, &request, fields)
    };
    let xff: [(&str, &[u8]); 1] = [("X-Forwarded-For", b"6.6.6.6")];
    assert_eq!(cut("127.0.0.1", None, &xff), "peer:127.0.0.1");
    assert_eq!(
        cut("127.0.0.1", None, &[("Forwarded", b"for=6.6.6.6"), ("X-Real-IP", b"6.6.6.6")]),
        "peer:127.0.0.1"
    );
    assert_eq!(cut("198.51.100.1", None, &xff), "peer:198.51.100.1");
    // What a connection begins with is not part of any head.
    assert_eq!(cut("127.0.0.1", Some("198.51.100.1"), &xff), "forwarded:198.51.100.1");
    assert_eq!(cut("127.0.0.1", Some("10.0.0.4"), &xff), "peer:127.0.0.1");
}

#[test]
fn the_proxy_protocol_is_the_nearest_hop() {
    let xff = |value: &'static str| [("X-Forwarded-For", value.as_bytes())];
    assert_eq!(client("127.0.0.1", Some("198.51.100.1"), &[]), "forwarded:198.51.100.1");
    assert_eq!(client("127.0.0.1", Some("::ffff:198.51.100.1"), &[]), "forwarded:198.51.100.1");
    assert_eq!(client("203.0.113.9", Some("198.51.100.1"), &[]), "peer:203.0.113.9");
    assert_eq!(client("127.0.0.1", Some("198.51.100.1"), &xff("6.6.6.6")), "forwarded:198.51.100.1");
    assert_eq!(client("127.0.0.1", Some("10.0.0.4"), &xff("198.51.100.1")), "forwarded:198.51.100.1");
    assert_eq!(client("127.0.0.1", Some("10.0.0.4"), &[]), "forwarded:10.0.0.4");
    assert_eq!(client("127.0.0.1", Some("10.0.0.4"), &xff("nonsense")), "peer:127.0.0.1");
}

proptest! {
    #[test]
    fn addresses_are_read_as_the_library_reads_them(text in "[0-9.]{0,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
        prop_assert_eq!(ipv4(text.as_bytes()), text.parse().ok());
    }

    #[test]
    fn any_bytes_give_a_key(
        name in prop::sample::select(ForwardedHeader::ALL.to_vec()),
        fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|field| (name.name(), field.as_slice())).collect();
        client("127.0.0.1", None, &fields);
    }

    #[test]
    fn what_an_untrusted_client_claims_never_matters(
        claim in "[ -~]{0,80}",
        client in 0_u32..0x0a00_0000,
    ) {
        let client = IpAddr::from(client.to_be_bytes());
        let field = format!("{claim}, {client}");
        prop_assert_eq!(key("127.0.0.1", &[&field]), format!("forwarded:{}", client));
        // A header of its own line can hold anything, quotes too.
        let own = format!("for={client}");
        let fields = [("Forwarded", claim.as_bytes()), ("Forwarded", own.as_bytes())];
        prop_assert_eq!(self::client("127.0.0.1", None, &fields), format!("forwarded:{}", client));
    }
}
