//! The networks whose word on forwarded addresses counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks of proxies that are believed when they say for whom they call, each as its address and mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// Why a text does not name a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a network: {0:?} (write an address or a prefix, like 10.0.0.0/8 or 2001:db8::1)")]
pub struct TrustedProxyError(String);

impl TrustedProxies {
    /// Trusts exactly `networks`.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> TrustedProxies {
        let mut trusted = TrustedProxies { v4: Vec::new(), v6: Vec::new() };
        for network in networks {
            match network.trunc() {
                IpNet::V4(net) => trusted.v4.push((net.network().to_bits(), net.netmask().to_bits())),
                IpNet::V6(net) => trusted.v6.push((net.network().to_bits(), net.netmask().to_bits())),
            }
        }
        trusted
    }

    /// Reads one network: `10.0.0.0/8`, or a single address.
    pub fn parse(text: &str) -> Result<IpNet, TrustedProxyError> {
        let network = text.parse::<IpNet>().ok().map(canonical);
        let address = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
        network.map(|net| net.trunc()).or_else(address).ok_or_else(|| TrustedProxyError(text.to_owned()))
    }

    /// Whether `address` is that of a trusted proxy. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.iter().any(|(net, mask)| address.to_bits() & mask == *net),
            IpAddr::V6(address) => self.v6.iter().any(|(net, mask)| address.to_bits() & mask == *net),
        }
    }
}

/// A network of IPv4-mapped addresses as the one of IPv4 that it is: addresses are compared so.
fn canonical(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(mapped)) if mapped.prefix_len() >= 96 => {
            IpNet::V4(Ipv4Net::new_assert(address, mapped.prefix_len() - 96))
        }
        _ => network,
    }
}

/// Loopback: a proxy on the same host.
impl Default for TrustedProxies {
    fn default() -> TrustedProxies {
        TrustedProxies::new([
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_trusted_by_default_and_nothing_else() {
        let trusted = TrustedProxies::default();
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(trusted.contains(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn networks_and_single_addresses_are_read() {
        assert_eq!(TrustedProxies::parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(TrustedProxies::parse("::ffff:10.1.2.3/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(TrustedProxies::parse("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert_eq!(
            TrustedProxies::parse("10.0.0.0/33").unwrap_err().to_string(),
            "not a network: \"10.0.0.0/33\" (write an address or a prefix, like 10.0.0.0/8 or 2001:db8::1)"
        );
    }
}
