//! The address for which a trusted proxy calls, from `X-Forwarded-For`.
//!
//! Each proxy appends the address it was called from, so the rightmost entry is the word of the peer itself,
//! the one before it the word of that hop, and so on. The walk goes right to left for as long as the hop that
//! vouches for an entry is trusted: what an untrusted client wrote into the header itself is never read.

use std::net::{IpAddr, SocketAddr};

use super::TrustedProxies;
use crate::http::exchange::Request;

/// Hops that are walked. Real chains have up to five; a longer one is somebody's attempt to make us work.
const MAX_HOPS: usize = 32;

/// The longest entry that can be an address: `[` 45 characters of IPv6 `]:65535`, and some space around.
const MAX_ENTRY: usize = 64;

/// The client's address as trusted proxies tell it, canonical; `None` if `peer` is not one, or its chain
/// names nobody: the field is missing, the entry that decides is not an address, or there are too many hops.
/// If every hop is trusted, the first of them is the client.
pub fn forwarded_for(peer: IpAddr, request: &Request, trusted: &TrustedProxies) -> Option<IpAddr> {
    if !trusted.contains(peer) {
        return None;
    }
    let mut client = None;
    for (hop, entry) in request.values("x-forwarded-for").rev().flat_map(Entries).enumerate() {
        if hop == MAX_HOPS {
            return None;
        }
        let entry = entry.trim_ascii();
        if entry.is_empty() {
            continue;
        }
        let address = address(entry)?;
        client = Some(address);
        if !trusted.contains(address) {
            break;
        }
    }
    client
}

/// The entries of one field, last one first. An entry that is too long to be an address ends the work on it:
/// it comes out cut, which is no address either.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let longest = self.0.len().min(MAX_ENTRY + 1);
        let tail = &self.0[self.0.len() - longest..];
        let (rest, entry) = match tail.iter().rposition(|&byte| byte == b',') {
            Some(comma) => (self.0.len() - longest + comma, &tail[comma + 1..]),
            None => (0, tail),
        };
        self.0 = &self.0[..rest];
        if entry.len() > MAX_ENTRY { Some(b"?") } else { Some(entry) }
    }
}

/// Reads `ip`, `ip:port`, `[v6]` and `[v6]:port`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        client::{ClientKey, Clients},
        http::exchange::Header,
    };

    fn request(fields: &[&[u8]]) -> Request {
        let mut request = Request::default();
        for value in fields {
            let start = u16::try_from(request.head.len()).unwrap();
            request.head.extend_from_slice(b"X-Forwarded-For");
            let middle = u16::try_from(request.head.len()).unwrap();
            request.head.extend_from_slice(value);
            let end = u16::try_from(request.head.len()).unwrap();
            request.headers.push(Header { name: start..middle, value: middle..end });
        }
        request
    }

    fn key(peer: &str, fields: &[&str]) -> String {
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
        let trusted = TrustedProxies::new([
            TrustedProxies::parse("127.0.0.0/8").unwrap(),
            TrustedProxies::parse("10.0.0.0/8").unwrap(),
            TrustedProxies::parse("2001:db8:1::/48").unwrap(),
        ]);
        Clients::of(peer.parse().unwrap(), &request(&fields), &trusted).keys()[0].to_string()
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
    fn different_keys_have_different_bytes() {
        let address = "198.51.100.1".parse().unwrap();
        assert_ne!(ClientKey::Peer(address).to_bytes(), ClientKey::Forwarded(address).to_bytes());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_key(fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)) {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            Clients::of("127.0.0.1".parse().unwrap(), &request(&fields), &TrustedProxies::default());
        }

        #[test]
        fn what_an_untrusted_client_claims_never_matters(
            claim in "[ -~]{0,80}",
            client in 0_u32..0x0a00_0000,
        ) {
            let client = IpAddr::from(client.to_be_bytes());
            let field = format!("{claim}, {client}");
            prop_assert_eq!(key("127.0.0.1", &[&field]), format!("forwarded:{}", client));
        }
    }
}
