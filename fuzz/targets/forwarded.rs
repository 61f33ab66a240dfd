//! Forwarded addresses: nothing that a client writes makes another client of it.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::client::{Lenses, Settings};
use rollcall_fuzz::{calls, seeds};
use rollcall_model::hash::HashKey;

const SEEDS: [&str; 8] = [
    "6.6.6.6",
    "6.6.6.6, 127.0.0.1,, [::1]:80",
    "for=6.6.6.6;proto=http, for=\"[2001:db8::1]:80\"",
    "for=\"6.6.6.6",
    "for=\"\\\"6.6.6.6, for=127.0.0.1",
    "::ffff:127.0.0.1, 127.0.0.1:80",
    "unknown, _hidden",
    "For = 1.1.1.1 ; for=2.2.2.2",
];
const WORDS: [&str; 16] = [
    "for=",
    "For=\"",
    "127.0.0.1",
    "[::1]",
    "6.6.6.6",
    ", ",
    "\"",
    "\\",
    ";",
    ":80",
    "::ffff:",
    "unknown",
    "203.0.113.9",
    "by=",
    "proto=",
    "\t",
];
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Whom the nearest proxy saw.
const SEEN: &str = "203.0.113.9";

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let seen: IpAddr = SEEN.parse().unwrap();
    let mut lenses = Lenses::new(Settings::default(), HashKey::new([7; 16]));
    let mut address = |fields: &[(&str, &[u8])], peer: IpAddr, proxied_for: Option<IpAddr>| {
        let request = calls::request(b"GET", b"/", fields, b"");
        let clients = lenses.of(&calls::exchange(&request, peer, proxied_for), b"");
        assert!(clients.by_address().len() + clients.by_credential().len() <= clients.keys().len());
        clients.address()
    };
    let append = |last: &str| [data, b", ", last.as_bytes()].concat();
    let (chain, elements) = (append(SEEN), append(&format!("for={SEEN}")));
    // The proxy appends to what it got, or adds a field.
    if data.len() < 8192 {
        assert_eq!(address(&[("X-Forwarded-For", &chain)], PROXY, None), seen);
        let told = address(&[("Forwarded", &elements)], PROXY, None);
        assert!(told == seen || (told == PROXY && data.contains(&b'"')), "{told}");
        let both = [("X-Forwarded-For", &chain[..]), ("Forwarded", data), ("X-Real-IP", data)];
        let told = address(&both, PROXY, None);
        assert!(told == seen || told == PROXY, "{told}");
        let both = [("X-Forwarded-For", data), ("Forwarded", &elements)];
        let told = address(&both, PROXY, None);
        assert!(told == seen || told == PROXY, "{told}");
    }
    let own = [("x-forwarded-for", data), ("X-FORWARDED-FOR", SEEN.as_bytes()), ("x-real-ip", data)];
    // Which of them the proxy writes need not be known yet.
    let told = address(&own, PROXY, None);
    assert!(told == seen || told == PROXY, "{told}");
    let element = format!("for={SEEN}");
    let own = [("forwarded", data), ("Forwarded", element.as_bytes()), ("x-real-ip", data)];
    let told = address(&own, PROXY, None);
    assert!(told == seen || told == PROXY, "{told}");
    // Nobody else is believed, and a PROXY header that names somebody untrusted decides.
    let all = [("x-forwarded-for", data), ("forwarded", data), ("x-real-ip", data)];
    assert_eq!(address(&all, seen, None), seen);
    assert_eq!(address(&all, seen, Some(PROXY)), seen);
    assert_eq!(address(&all, PROXY, Some(seen)), seen);
    address(&all, PROXY, Some(PROXY));
    address(&all, PROXY, None);
});
