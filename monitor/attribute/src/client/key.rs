//! Client keys: one way of telling who called. A call has several at once.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One way of telling who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientKey {
    /// The TCP peer. Nobody can choose it freely.
    Peer(IpAddr),
    /// The network of the caller's address, peer or forwarded.
    Prefix(IpNet),
    /// The address that a trusted proxy forwarded.
    Forwarded(IpAddr),
    /// What the caller proved itself with, or claims to be.
    Credential(Credential),
}

/// A credential, as no more than its keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Credential {
    pub kind: CredentialKind,
    /// 128 bits under the installation's key: see [`rollcall_model::hash::HashKey::identity`].
    pub hash: [u8; 16],
}

/// Where a credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CredentialKind {
    /// A bearer token (RFC 6750).
    Bearer,
    /// The user of basic authentication (RFC 7617), without the password.
    Basic,
    /// `Authorization` of any other scheme.
    Authorization,
    /// An API key, in a field or a query parameter with one of the usual names.
    ApiKey,
    /// A session cookie with one of the usual names.
    Session,
    /// A claim of a JSON Web Token (RFC 7519). Its signature is not checked.
    Claim,
    /// A header field, a query parameter or a cookie that the operator named.
    Named,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [CredentialKind; 7] = [
        CredentialKind::Bearer,
        CredentialKind::Basic,
        CredentialKind::Authorization,
        CredentialKind::ApiKey,
        CredentialKind::Session,
        CredentialKind::Claim,
        CredentialKind::Named,
    ];

    /// The name in logs and alerts.
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::Bearer => "bearer",
            CredentialKind::Basic => "basic",
            CredentialKind::Authorization => "authorization",
            CredentialKind::ApiKey => "api-key",
            CredentialKind::Session => "session",
            CredentialKind::Claim => "claim",
            CredentialKind::Named => "named",
        }
    }
}

impl Credential {
    /// The credential that is shown as `text`; `None` if none is.
    pub fn parse(text: &str) -> Option<Credential> {
        let (kind, hash) = text.split_once(':')?;
        let is_digits = hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let hash = u128::from_str_radix(hash, 16).ok().filter(|_| is_digits)?;
        let kind = CredentialKind::ALL.into_iter().find(|known| known.name() == kind)?;
        Some(Credential { kind, hash: hash.to_be_bytes() })
    }
}

/// A key as bytes to hash: its kind, a finer one, and sixteen bytes.
pub const KEY_BYTES: usize = 18;

impl ClientKey {
    /// The key that is shown as `text`: `peer:198.51.100.7`. `None` if none is.
    pub fn parse(text: &str) -> Option<ClientKey> {
        let (kind, id) = text.split_once(':')?;
        match kind {
            "peer" => id.parse().ok().map(ClientKey::Peer),
            "prefix" => id.parse().ok().map(ClientKey::Prefix),
            "forwarded" => id.parse().ok().map(ClientKey::Forwarded),
            "credential" => Credential::parse(id).map(ClientKey::Credential),
            _ => None,
        }
    }

    /// The lens: `peer`, `prefix`, `forwarded` or `credential`.
    pub fn kind(&self) -> &'static str {
        match self {
            ClientKey::Peer(_) => "peer",
            ClientKey::Prefix(_) => "prefix",
            ClientKey::Forwarded(_) => "forwarded",
            ClientKey::Credential(_) => "credential",
        }
    }

    /// What tells this client from others of its kind, as text.
    pub fn id(&self) -> String {
        match self {
            ClientKey::Peer(address) | ClientKey::Forwarded(address) => address.to_string(),
            ClientKey::Prefix(network) => network.to_string(),
            ClientKey::Credential(credential) => credential.to_string(),
        }
    }

    /// The key as bytes to hash; different keys give different bytes.
    pub fn to_bytes(self) -> [u8; KEY_BYTES] {
        let (kind, detail, value) = match self {
            ClientKey::Peer(address) => (0, 0, octets(address)),
            ClientKey::Forwarded(address) => (1, 0, octets(address)),
            ClientKey::Prefix(IpNet::V4(network)) => (2, network.prefix_len(), octets(network.addr().into())),
            ClientKey::Prefix(IpNet::V6(network)) => (3, network.prefix_len(), octets(network.addr().into())),
            ClientKey::Credential(Credential { kind, hash }) => (4, kind as u8, hash),
        };
        let mut bytes = [0; KEY_BYTES];
        (bytes[0], bytes[1]) = (kind, detail);
        bytes[2..].copy_from_slice(&value);
        bytes
    }
}

/// An address in 16 bytes. IPv4 ones are mapped: keys hold canonical addresses, so none is there already.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

/// `bearer:` and 32 hexadecimal digits.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.kind.name(), u128::from_be_bytes(self.hash))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn different_keys_have_different_bytes() {
        let address: IpAddr = "198.51.100.0".parse().unwrap();
        let credential = |kind| ClientKey::Credential(Credential { kind, hash: [7; 16] });
        let keys = [
            ClientKey::Peer(address),
            ClientKey::Forwarded(address),
            ClientKey::Prefix("198.51.100.0/24".parse().unwrap()),
            ClientKey::Prefix("198.51.100.0/25".parse().unwrap()),
            ClientKey::Prefix("::ffff:198.51.100.0/24".parse().unwrap()),
            credential(CredentialKind::Bearer),
            credential(CredentialKind::Basic),
        ];
        assert_eq!(keys.map(ClientKey::to_bytes).into_iter().collect::<BTreeSet<_>>().len(), keys.len());
        for key in keys {
            assert_eq!(ClientKey::parse(&key.to_string()), Some(key));
        }
        for other in ["", "peer", "peer:", "198.51.100.7", "all:*", "credential:198.51.100.7"] {
            assert_eq!(ClientKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_credential_shows_its_kind_and_its_hash() {
        let credential = Credential { kind: CredentialKind::ApiKey, hash: *b"\x00\x0123456789abcdef" };
        assert_eq!(credential.to_string(), "api-key:00013233343536373839616263646566");
        assert_eq!(Credential::parse(&credential.to_string()), Some(credential));
        for other in ["", "api-key", "api-key:1", "key:00013233343536373839616263646566"] {
            assert_eq!(Credential::parse(other), None);
        }
    }
}
