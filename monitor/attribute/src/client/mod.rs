//! Who called: the client keys of an exchange, all at once.
//!
//! A call is seen through several lenses: the address it came from, that address's network, and each credential in it.
//! All count side by side, so that a client that changes one of them is still the same through the others.
//!
//! The address is that of the TCP peer, or the one that trusted proxies forwarded ([`forwarded`]). A trusted proxy in
//! front of everyone is not counted as a client itself: it would be one client that reads every account.
//!
//! Credentials leave this module as keyed hashes only.
//!
//! What lies behind a head's cut may say something else than what lies before it: a proxy's own field, a second credential.
//! A call whose head was cut is its peer's, and nobody else's.

mod authorization;
mod cookie;
mod credentials;
mod fields;
pub mod forwarded;
mod header;
mod key;
mod keys;
mod source;
mod token;
pub mod trusted;
pub mod whole;
mod writers;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use credentials::Shown;
pub use fields::Traits;
pub use header::{ForwardedHeader, ForwardedHeaderError};
pub use key::KEY_BYTES;
pub use key::{ClientKey, Credential, CredentialKind};
pub use source::{Source, SourceError, Sources};
pub use trusted::{TrustedProxies, TrustedProxyError};
pub use writers::Writers;

use credentials::Credentials;
use fields::{Field, Fields};
use header::ForwardedHeaders;
use keys::Keys;
use rollcall_http::exchange::Exchange;
use rollcall_model::hash::HashKey;

/// An address, its network, and the credentials.
pub const MOST_KEYS: usize = 2 + credentials::MOST;

/// Values of `Authorization` that are looked at. Servers refuse more than one, or take the first or the last.
const AUTHORIZATIONS: usize = 2;

/// How callers are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub trusted_proxies: TrustedProxies,
    /// The headers in which they forward addresses.
    pub forwarded_headers: Vec<ForwardedHeader>,
    /// Bits of an IPv4 address that make its network, 0 to 32.
    pub prefix_v4: u8,
    /// Bits of an IPv6 address that make its network, 0 to 128.
    pub prefix_v6: u8,
    pub credentials: Sources,
}

/// Tells who called. Settings, buffers, and what has been learned of proxies.
#[derive(Debug)]
pub struct Lenses {
    trusted: TrustedProxies,
    writers: Writers,
    prefix_v4: u8,
    prefix_v6: u8,
    fields: Fields,
    credentials: Credentials,
}

/// The keys of one call, without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    keys: Keys,
    /// There is more to the call's credentials than the keys tell.
    mixed: bool,
    address: IpAddr,
    /// The call carries something that may be a credential.
    pub authenticated: bool,
    /// What trusted proxies forwarded names nobody.
    pub refused_chain: bool,
    /// Credentials beyond the few that count.
    pub dropped: u32,
    pub traits: Traits,
}

/// What could not be attributed as claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCounters {
    /// Calls from trusted proxies whose forwarded address named nobody, or can't be told: they count as the proxy's own.
    pub refused_chains: u64,
    /// Credentials beyond the few that count of one call.
    pub credentials_dropped: u64,
}

impl ClientCounters {
    /// Takes in one call.
    pub fn count(&mut self, clients: &Clients) {
        self.refused_chains += u64::from(clients.refused_chain);
        self.credentials_dropped += u64::from(clients.dropped);
    }
}

/// Loopback is trusted to forward, /24 and /64 are networks, and credentials stand in the usual places.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            trusted_proxies: TrustedProxies::default(),
            forwarded_headers: ForwardedHeader::ALL.to_vec(),
            prefix_v4: 24,
            prefix_v6: 64,
            credentials: Sources::default(),
        }
    }
}

impl Lenses {
    /// Lenses as `settings` say; `key` hashes credentials.
    pub fn new(settings: Settings, key: HashKey) -> Lenses {
        let Settings { trusted_proxies, forwarded_headers, prefix_v4, prefix_v6, credentials } = settings;
        Lenses {
            trusted: trusted_proxies,
            writers: Writers::default(),
            prefix_v4: prefix_v4.min(32),
            prefix_v6: prefix_v6.min(128),
            fields: Fields::new(&forwarded_headers, &credentials),
            credentials: Credentials::new(credentials, key),
        }
    }

    /// Who made the call. `query` is that of its target.
    pub fn of(&mut self, exchange: &Exchange<'_>, query: &[u8]) -> Clients {
        let request = exchange.request;
        let peer = exchange.endpoints.client.ip().to_canonical();
        let mut present = ForwardedHeaders::default();
        let mut traits = Traits::default();
        let mut cookies = false;
        let mut authorizations = 0;
        self.credentials.clear();
        for (at, header) in request.headers.iter().enumerate() {
            let name = request.slice(&header.name);
            traits.field(name);
            let Some(field) = self.fields.find(name) else { continue };
            let value = request.slice(&header.value);
            match field {
                Field::UserAgent => traits.agent(value),
                Field::Forwarded(header) => present.insert(header, at),
                Field::Cookie => cookies = true,
                // What comes behind the cut might be another, which the server goes by.
                _ if request.truncated => {}
                Field::Authorization if authorizations < AUTHORIZATIONS => {
                    authorizations += 1;
                    self.credentials.authorization(value);
                }
                Field::Authorization => self.credentials.overlook(),
                Field::Credential(kind) => self.credentials.field(name, kind, value),
            }
        }
        if cookies && !request.truncated {
            self.credentials.cookies(request, |name| self.fields.find(name));
        }
        if !query.is_empty() && !request.truncated {
            self.credentials.query(query);
        }
        let (proxied_for, trusted) = (exchange.proxied_for, &self.trusted);
        let forwarded =
            forwarded::forwarded_for(peer, proxied_for, request, present, trusted, &mut self.writers);
        let mut clients = self.clients(peer, forwarded, authorizations > 0 || request.truncated, traits);
        clients.refused_chain =
            forwarded.is_none() && (!present.is_empty() || request.truncated) && self.trusted.contains(peer);
        clients
    }

    /// What has been learned of proxies.
    pub fn writers(&self) -> &Writers {
        &self.writers
    }

    /// Goes on with what was learned of proxies.
    pub fn resume(&mut self, writers: Writers) {
        self.writers = writers;
    }

    /// Who made a call whose forwarded address and credentials are known as `keys` from when it was evaluated first: they
    /// count again as what they were. Networks are those of today's settings.
    pub fn recorded(&mut self, exchange: &Exchange<'_>, keys: &[ClientKey]) -> Clients {
        self.credentials.clear();
        let mut forwarded = None;
        for key in keys {
            match key {
                ClientKey::Forwarded(address) => forwarded = Some(*address),
                ClientKey::Credential(credential) => self.credentials.recall(*credential),
                ClientKey::Peer(_) | ClientKey::Prefix(_) => {}
            }
        }
        let peer = exchange.endpoints.client.ip().to_canonical();
        self.clients(peer, forwarded, false, Traits::default())
    }

    /// The keys of a call from `peer` without anything in it.
    #[cfg(test)]
    pub fn test_clients(&self, peer: IpAddr) -> Clients {
        self.clients(peer, None, false, Traits::default())
    }

    fn clients(&self, peer: IpAddr, forwarded: Option<IpAddr>, authorized: bool, traits: Traits) -> Clients {
        let address = forwarded.unwrap_or(peer);
        let length = if address.is_ipv4() { self.prefix_v4 } else { self.prefix_v6 };
        let network = IpNet::new_assert(address, length).trunc();
        let credentials = self.credentials.found();
        Clients {
            keys: Keys::new(
                forwarded.map_or(ClientKey::Peer(peer), ClientKey::Forwarded),
                network,
                credentials.iter().map(|found| (found.credential, found.shown)),
            ),
            mixed: self.credentials.mixed(),
            address,
            authenticated: authorized || !credentials.is_empty(),
            refused_chain: false,
            dropped: self.credentials.dropped(),
            traits,
        }
    }
}

impl Clients {
    /// The keys of a call whose caller is known otherwise than from an exchange: a peer, its /24 or /64, and
    /// credentials, of which the first few count.
    pub fn new(peer: IpAddr, credentials: &[Credential]) -> Clients {
        let network = IpNet::new_assert(peer, if peer.is_ipv4() { 24 } else { 64 }).trunc();
        let shown = credentials.iter().map(|&credential| (credential, Shown::of(credential)));
        Clients {
            keys: Keys::new(ClientKey::Peer(peer), network, shown),
            mixed: credentials.len() > credentials::MOST,
            address: peer,
            authenticated: !credentials.is_empty(),
            refused_chain: false,
            dropped: 0,
            traits: Traits::default(),
        }
    }

    /// The address that the call came from, as far as trusted hops tell.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Every key: the address, its network, and the credentials.
    pub fn keys(&self) -> &[ClientKey] {
        self.keys.all()
    }

    /// The keys of the address that limits apply to. A subscriber has a whole /64 to call from; an IPv4 network holds
    /// many people, and more calls from it than from one of them are no sign by themselves: it has no limit.
    pub fn by_address(&self) -> &[ClientKey] {
        &self.keys()[..if self.address.is_ipv4() { 1 } else { 2 }]
    }

    /// The keys that a client can make up.
    pub fn by_credential(&self) -> &[ClientKey] {
        &self.keys()[2..]
    }

    /// How each of the credentials was shown, in the same order.
    pub fn shown(&self) -> &[Shown] {
        self.keys.shown()
    }

    /// Whether the call shows a credential that the keys don't tell, or one of them in two ways.
    pub fn is_mixed(&self) -> bool {
        self.mixed
    }
}

#[cfg(test)]
mod tests;
