//! The addresses of callers, and of those that a log knows by name only.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use rollcall_model::hash::HashKey;

/// Names that have an address to themselves, some 30 MiB of them. Names beyond share the addresses above.
const NAMED: usize = 1 << 18;

/// The longest name (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 255;

/// The first address that nobody has (RFC 1112, section 4: class E).
const RESERVED: u32 = 0xf000_0000;
/// The addresses of names beyond [`NAMED`].
const SHARED: u32 = 0xf800_0000;
const SHARED_BITS: u32 = 0x03ff_ffff;

/// Tells the address of a caller, and gives each name one of 240.0.0.0/4, in the order that they come.
#[derive(Debug)]
pub(super) struct Hosts {
    known: HashMap<Box<[u8]>, Ipv4Addr>,
    most: usize,
    key: HashKey,
}

impl Default for Hosts {
    fn default() -> Hosts {
        // Nobody gains by a collision here that he could not have by any other name.
        Hosts { known: HashMap::new(), most: NAMED, key: HashKey::new([0; 16]) }
    }
}

impl Hosts {
    /// The address of a caller, and its port as far as it is written; `None` if `text` names nobody.
    pub(super) fn find(&mut self, text: &[u8]) -> Option<(IpAddr, Option<u16>)> {
        let text = text.trim_ascii();
        if let Some(found) = address(text) {
            return Some(found);
        }
        let is_text = |byte: &u8| byte.is_ascii_graphic() || *byte >= 0x80;
        if text.is_empty() || text == b"-" || text.len() > LONGEST_NAME || !text.iter().all(is_text) {
            return None;
        }
        Some((IpAddr::V4(self.named(text)), None))
    }

    /// How many names have an address to themselves.
    pub(super) fn names(&self) -> u64 {
        self.known.len() as u64
    }

    fn named(&mut self, name: &[u8]) -> Ipv4Addr {
        let name = name.to_ascii_lowercase();
        if let Some(address) = self.known.get(&name[..]) {
            return *address;
        }
        if self.known.len() >= self.most {
            return Ipv4Addr::from_bits(SHARED | self.key.hash(&name) as u32 & SHARED_BITS);
        }
        // A network of IPv4 is no client: it does not matter that they lie side by side.
        let address = Ipv4Addr::from_bits(RESERVED | self.known.len() as u32);
        self.known.insert(name.into(), address);
        address
    }
}

/// Whether `text` can be the name of a host: one whose last label is a number is none, but half an address (RFC 1123,
/// section 2.1).
pub(super) fn is_name(text: &[u8]) -> bool {
    let is_text = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte) || *byte >= 0x80;
    let last = text.rsplit(|byte| *byte == b'.').find(|label| !label.is_empty());
    text.len() <= LONGEST_NAME
        && text.iter().all(is_text)
        && text.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
        && last.is_some_and(|label| !label.iter().all(u8::is_ascii_digit))
}

/// An address with or without a port, brackets or an interface.
pub(super) fn address(text: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    // No address or pair is longer: an IPv4-mapped one with an interface and a port.
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 80)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address.to_canonical(), None));
    }
    if let Ok(pair) = text.parse::<SocketAddr>() {
        return Some((pair.ip().to_canonical(), Some(pair.port())));
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let inner = inner.split_once('%').map_or(inner, |(address, _)| address);
    inner.parse::<IpAddr>().ok().map(|address| (address.to_canonical(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(hosts: &mut Hosts, text: &str) -> Option<String> {
        hosts.find(text.as_bytes()).map(|(address, port)| match port {
            Some(port) => format!("{address} {port}"),
            None => address.to_string(),
        })
    }

    #[test]
    fn addresses_are_themselves_and_names_get_one_each() {
        let mut hosts = Hosts::default();
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("192.0.2.7:443", Some("192.0.2.7 443")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:db8::7]:443", Some("2001:db8::7 443")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("a.example", Some("240.0.0.0")),
            ("b.example", Some("240.0.0.1")),
            ("A.Example", Some("240.0.0.0")),
            ("-", None),
            ("", None),
            ("two words", None),
        ] {
            assert_eq!(found(&mut hosts, text).as_deref(), expected, "{text}");
        }
        assert_eq!(hosts.names(), 2);
    }

    #[test]
    fn names_beyond_the_bound_take_no_memory() {
        let mut hosts = Hosts { most: 2, ..Hosts::default() };
        let all: Vec<_> = (0..100).filter_map(|n| found(&mut hosts, &format!("host-{n}"))).collect();
        assert_eq!(hosts.names(), 2);
        assert_eq!(all.len(), 100);
        assert_eq!(found(&mut hosts, "host-50").as_ref(), all.get(50));
        assert!(all[2..].iter().all(|address| matches!(&address[..3], "248" | "249" | "250" | "251")));
    }
}
