//! Who called: the client keys of an exchange.
//!
//! A call has one key for now: the address that trusted proxies forwarded, else the TCP peer. A trusted proxy
//! in front of everyone is not counted as a client itself: it would be one client that reads every account.

pub mod forwarded;
pub mod trusted;

use std::{fmt, net::IpAddr};

pub use forwarded::forwarded_for;
pub use trusted::{TrustedProxies, TrustedProxyError};

use crate::http::exchange::Request;

/// One way of telling who called. A call has several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientKey {
    /// The TCP peer. Nobody can choose it freely.
    Peer(IpAddr),
    /// The address that a trusted proxy forwarded.
    Forwarded(IpAddr),
}

/// The keys of one call, without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    keys: [ClientKey; 1],
}

/// A key as bytes to hash: one of its kind, sixteen of its address.
pub(crate) const KEY_BYTES: usize = 17;

impl ClientKey {
    /// The lens: `peer` or `forwarded`.
    pub fn kind(&self) -> &'static str {
        match self {
            ClientKey::Peer(_) => "peer",
            ClientKey::Forwarded(_) => "forwarded",
        }
    }

    /// What tells this client from others of its kind, as text.
    pub fn id(&self) -> String {
        self.address().to_string()
    }

    /// The address in the key.
    pub fn address(&self) -> IpAddr {
        match self {
            ClientKey::Peer(address) | ClientKey::Forwarded(address) => *address,
        }
    }

    /// The key as bytes to hash; different keys give different bytes.
    pub(crate) fn to_bytes(self) -> [u8; KEY_BYTES] {
        let (kind, address) = match self {
            ClientKey::Peer(address) => (0, address),
            ClientKey::Forwarded(address) => (1, address),
        };
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let mut bytes = [0; KEY_BYTES];
        bytes[0] = kind;
        bytes[1..].copy_from_slice(&octets);
        bytes
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.address())
    }
}

impl Clients {
    /// Who sent `request` from the TCP peer `peer`.
    pub fn of(peer: IpAddr, request: &Request, trusted: &TrustedProxies) -> Clients {
        let peer = peer.to_canonical();
        let key = match forwarded_for(peer, request, trusted) {
            Some(address) => ClientKey::Forwarded(address),
            None => ClientKey::Peer(peer),
        };
        Clients { keys: [key] }
    }

    /// The address that the call came from, as far as trusted hops tell.
    pub fn address(&self) -> IpAddr {
        self.keys[0].address()
    }

    /// The keys that count.
    pub fn keys(&self) -> &[ClientKey] {
        &self.keys
    }
}
