//! Addresses: who called, as far as hops that are trusted tell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use rollcall_tests::{Client, deadline};

use super::{CALLER, PROXY, Scene, keys, request};

/// Its /24, or its /64.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// Keys of a call without credentials.
fn expected(kind: &str, address: &str) -> Result<[String; 2]> {
    let network = network(address.parse::<IpAddr>().with_context(|| address.to_owned())?);
    Ok([format!("{kind}:{address}"), format!("prefix:{network}")])
}

const XFF: &str = "X-Forwarded-For";
const FORWARDED: &str = "Forwarded";
const REAL: &str = "X-Real-IP";

#[test]
fn what_a_trusted_peer_forwards_is_believed_and_nobody_else() -> Result<()> {
    let hops = |count: usize| format!("203.0.113.7{}", ", 127.0.0.1".repeat(count));
    let (some_hops, many_hops) = (hops(31), hops(63));
    let here = "127.0.0.1";
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let of_x_forwarded_for: &[Case<'_>] = &[
        ("nothing", &[], "peer", here),
        ("one address", &[(XFF, "203.0.113.7")], "forwarded", "203.0.113.7"),
        ("what the client made up", &[(XFF, "198.51.100.1, 203.0.113.7")], "forwarded", "203.0.113.7"),
        ("a trusted hop between", &[(XFF, "1.1.1.1, 203.0.113.7, 127.0.0.1")], "forwarded", "203.0.113.7"),
        ("a field for each hop", &[(XFF, "1.1.1.1"), (XFF, "203.0.113.7")], "forwarded", "203.0.113.7"),
        ("a port", &[(XFF, "203.0.113.7:4711")], "forwarded", "203.0.113.7"),
        ("IPv6", &[(XFF, "2001:db8::7")], "forwarded", "2001:db8::7"),
        ("IPv6 with a port", &[(XFF, "[2001:db8:0:1::7]:4711")], "forwarded", "2001:db8:0:1::7"),
        ("IPv4 in IPv6", &[(XFF, "::ffff:203.0.113.7")], "forwarded", "203.0.113.7"),
        ("no address", &[(XFF, "unknown")], "peer", here),
        ("31 hops and the client", &[(XFF, &some_hops)], "forwarded", "203.0.113.7"),
        ("64 hops", &[(XFF, &many_hops)], "peer", here),
        ("X-Real-IP comes last", &[(REAL, "1.1.1.1"), (XFF, "203.0.113.7")], "forwarded", "203.0.113.7"),
        (
            "two that agree",
            &[(FORWARDED, "for=203.0.113.7"), (XFF, "203.0.113.7")],
            "forwarded",
            "203.0.113.7",
        ),
        (
            "one that the client adds",
            &[(FORWARDED, "for=1.1.1.1"), (XFF, "203.0.113.7")],
            "forwarded",
            "203.0.113.7",
        ),
    ];
    let of_forwarded: &[Case<'_>] = &[
        ("Forwarded", &[(FORWARDED, "for=203.0.113.7;proto=https")], "forwarded", "203.0.113.7"),
        (
            "Forwarded, IPv6",
            &[(FORWARDED, r#"For="[2001:db8::7]:4711";by=127.0.0.1"#)],
            "forwarded",
            "2001:db8::7",
        ),
        (
            "Forwarded, quoted",
            &[(FORWARDED, r#"for=1.1.1.1, for="203.0.113.7";host="x, for=198.51.100.1""#)],
            "forwarded",
            "203.0.113.7",
        ),
        ("Forwarded, a quote left open", &[(FORWARDED, r#"for=203.0.113.7;host="x"#)], "peer", here),
        ("Forwarded, hidden", &[(FORWARDED, "for=_gazonk")], "peer", here),
    ];
    let of_real_ip: &[Case<'_>] = &[("X-Real-IP", &[(REAL, "203.0.113.7")], "forwarded", "203.0.113.7")];
    let of_nothing_known: &[Case<'_>] =
        &[("two that don't agree", &[(FORWARDED, "for=1.1.1.1"), (XFF, "203.0.113.7")], "peer", here)];
    let caller = CALLER.to_string();
    let untrusted: &[Case<'_>] = &[
        ("an untrusted peer", &[(XFF, "203.0.113.7")], "peer", &caller),
        ("an untrusted peer's Forwarded", &[(FORWARDED, "for=203.0.113.7")], "peer", &caller),
        ("an untrusted peer's X-Real-IP", &[(REAL, "203.0.113.7")], "peer", &caller),
    ];
    // A proxy writes one of the headers: which one is learned of each, so each has a daemon of its own.
    for (trusted, untrusted) in
        [(of_x_forwarded_for, untrusted), (of_forwarded, &[]), (of_real_ip, &[]), (of_nothing_known, &[])]
    {
        let scene = Scene::start(false, &[])?;
        for (source, cases) in [(PROXY, trusted), (CALLER, untrusted)] {
            let mut client = Client::connect_from(source, scene.entrance())?;
            for (_, fields, ..) in cases {
                client.send(request("GET", "/v1/customers/17", fields, ""))?;
                client.response()?;
            }
        }
        // Of the trusted peer's chains, those that say something and name nobody.
        let says_nothing = |case: &&Case<'_>| !case.1.is_empty() && case.2 == "peer";
        let refused = trusted.iter().filter(says_nothing).count();
        deadline::until(&format!("{refused} refused chains in the metrics"), || {
            let metrics = scene.daemon.metrics()?;
            Ok((metrics.sum("rollcall_forwarded_refused_total", &[]) == refused as f64).then_some(()))
        })?;
        let cases: Vec<_> = trusted.iter().chain(untrusted).collect();
        let (seen, _) = scene.finish(cases.len())?;
        for ((what, _, kind, address), seen) in cases.into_iter().zip(&seen) {
            assert_eq!(keys(&seen.back), expected(kind, address)?, "{what}");
        }
    }
    Ok(())
}

#[test]
fn behind_nginx_nobody_chooses_an_address() -> Result<()> {
    let many = ["198.51.100.1"; 63].join(", ");
    let long = "x".repeat(1000);
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[(XFF, "198.51.100.1")],
        &[(XFF, "127.0.0.1")],
        &[(XFF, "198.51.100.1, 127.0.0.1, 127.0.0.1")],
        &[(XFF, &many)],
        &[(XFF, &long)],
        &[(XFF, "198.51.100.1"), (XFF, "198.51.100.2")],
        &[(REAL, "198.51.100.1")],
        &[(FORWARDED, "for=198.51.100.1")],
    ];
    let caller = CALLER.to_string();
    // nginx hands a client's own Forwarded on. Which header is nginx's, Rollcall is told, or learns from the first call.
    for arguments in [&["--forwarded-header", "x-forwarded-for"][..], &[]] {
        let scene = Scene::start(true, arguments)?;
        let mut client = scene.client()?;
        for fields in cases {
            client.send(request("GET", "/v1/customers/17", fields, ""))?;
            client.response()?;
        }
        let (seen, _) = scene.finish(cases.len())?;
        for (fields, seen) in cases.iter().zip(&seen) {
            let front = seen.front.as_ref().context("nginx is there")?;
            assert_eq!(keys(front), expected("peer", &caller)?, "{fields:?}");
            assert_eq!(keys(&seen.back), expected("forwarded", &caller)?, "{fields:?}, {arguments:?}");
        }
    }
    Ok(())
}

#[test]
fn a_proxy_header_names_the_client_if_the_peer_is_trusted() -> Result<()> {
    let binary = |family: u8, addresses: &[u8]| {
        let length = (addresses.len() as u16 + 4).to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &length, addresses, &[0x9c, 0x40, 0, 80]].concat()
    };
    let v4 = binary(0x11, &[203, 0, 113, 7, 127, 0, 0, 1]);
    let v6 = binary(0x21, &["2001:db8::7", "2001:db8::1"].map(octets).concat());
    type Case<'a> = (&'a str, Ipv4Addr, &'a [u8], &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Case<'_>; 9] = [
        (
            "version 1",
            PROXY,
            b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 80\r\n",
            &[],
            "forwarded",
            "203.0.113.7",
        ),
        (
            "version 1, IPv6",
            PROXY,
            b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 80\r\n",
            &[],
            "forwarded",
            "2001:db8::7",
        ),
        ("version 1, unknown", PROXY, b"PROXY UNKNOWN\r\n", &[], "peer", "127.0.0.1"),
        ("version 2", PROXY, &v4, &[], "forwarded", "203.0.113.7"),
        ("version 2, IPv6", PROXY, &v6, &[], "forwarded", "2001:db8::7"),
        ("version 2, the proxy itself", PROXY, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &[], "peer", "127.0.0.1"),
        ("and a header of the client's", PROXY, &v4, &[(XFF, "198.51.100.1")], "forwarded", "203.0.113.7"),
        ("an untrusted peer", CALLER, &v4, &[], "peer", "127.0.0.66"),
        (
            "an untrusted peer, version 1",
            CALLER,
            b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 80\r\n",
            &[],
            "peer",
            "127.0.0.66",
        ),
    ];
    let scene = Scene::start(false, &[])?;
    for (_, source, header, fields, ..) in &cases {
        let mut client = Client::connect_from(*source, scene.entrance())?;
        client.send([header, &request("GET", "/v1/customers/17", fields, "")[..]].concat())?;
        client.response()?;
        // It holds for the whole connection.
        client.send(request("GET", "/v1/customers/18", fields, ""))?;
        client.response()?;
    }
    let (seen, _) = scene.finish(2 * cases.len())?;
    for ((what, .., kind, address), seen) in cases.iter().zip(seen.chunks(2)) {
        for seen in seen {
            assert_eq!(keys(&seen.back), expected(kind, address)?, "{what}");
        }
    }
    Ok(())
}

fn octets(address: &str) -> [u8; 16] {
    address.parse::<Ipv6Addr>().map(|address| address.octets()).unwrap_or_default()
}

#[test]
fn networks_are_as_wide_as_the_operator_says() -> Result<()> {
    let scene = Scene::start(false, &["--client-prefix", "16,48"])?;
    let mut client = Client::connect_from(PROXY, scene.entrance())?;
    let cases = [("203.0.113.7", "203.0.0.0/16"), ("2001:db8:1:2::7", "2001:db8:1::/48")];
    for (address, _) in cases {
        client.send(request("GET", "/v1/customers/17", &[(XFF, address)], ""))?;
        client.response()?;
    }
    let (seen, _) = scene.finish(cases.len())?;
    for ((address, network), seen) in cases.iter().zip(&seen) {
        assert_eq!(keys(&seen.back), [format!("forwarded:{address}"), format!("prefix:{network}")]);
    }
    Ok(())
}
