//! Partners: clients that read much because they are meant to, within a budget that is declared.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use rollcall_attribute::client::{ClientKey, Credential};

use super::limit::{LimitError, LimitRule};

/// A partner with (one part of) its budget, which takes the place of every limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    pub key: PartnerKey,
    pub budget: LimitRule,
}

/// How a partner is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartnerKey {
    /// An address, peer or forwarded.
    Address(IpAddr),
    /// Each address of a network, or the network as a client key.
    Network(IpNet),
    Credential(Credential),
}

/// Why a partner can't be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PartnerError {
    #[error("partner {0:?} is not KEY=N/WINDOW, like 192.0.2.7=50000/24h")]
    Form(String),
    #[error(
        "partner {0:?}: its key is no address, no network, and no credential as alerts show it, like \
         bearer:0123456789abcdef0123456789abcdef"
    )]
    Key(String),
    #[error("partner {partner:?}: {error}")]
    Budget { partner: String, error: LimitError },
}

impl PartnerKey {
    /// The key that a client would have if it were a partner.
    pub(super) fn of(client: &ClientKey) -> PartnerKey {
        match *client {
            ClientKey::Peer(address) | ClientKey::Forwarded(address) => PartnerKey::Address(address),
            ClientKey::Prefix(network) => PartnerKey::Network(network),
            ClientKey::Credential(credential) => PartnerKey::Credential(credential),
        }
    }
}

impl FromStr for PartnerKey {
    type Err = ();

    fn from_str(text: &str) -> Result<PartnerKey, ()> {
        let kinds = ["peer:", "forwarded:", "prefix:"];
        let text = kinds.iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(PartnerKey::Address(address.to_canonical()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(PartnerKey::Network(network.trunc()));
        }
        let text = text.strip_prefix("credential:").unwrap_or(text);
        Credential::parse(text).map(PartnerKey::Credential).ok_or(())
    }
}

impl FromStr for Partner {
    type Err = PartnerError;

    fn from_str(text: &str) -> Result<Partner, PartnerError> {
        let (key, budget) = text.rsplit_once('=').ok_or_else(|| PartnerError::Form(text.to_owned()))?;
        let key = key.trim().parse().map_err(|()| PartnerError::Key(text.to_owned()))?;
        let budget =
            budget.parse().map_err(|error| PartnerError::Budget { partner: text.to_owned(), error })?;
        Ok(Partner { key, budget })
    }
}

impl fmt::Display for PartnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartnerKey::Address(address) => address.fmt(f),
            PartnerKey::Network(network) => network.fmt(f),
            PartnerKey::Credential(credential) => credential.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_is_known_by_what_alerts_show() {
        for (text, key) in [
            ("192.0.2.7=50000/24h", "192.0.2.7"),
            ("2001:db8::/64=50000/24h", "2001:db8::/64"),
            ("192.0.2.77/24 = 5/1h", "192.0.2.0/24"),
            ("bearer:0123456789abcdef0123456789abcdef=5/1h", "bearer:0123456789abcdef0123456789abcdef"),
            (
                "credential:api-key:0123456789ABCDEF0123456789abcdef=5/1h@02:00-04:00",
                "api-key:0123456789abcdef0123456789abcdef",
            ),
        ] {
            assert_eq!(text.parse::<Partner>().unwrap().key.to_string(), key, "{text}");
        }
    }

    #[test]
    fn what_is_no_partner_gives_one_clear_line() {
        for (text, message) in [
            ("192.0.2.7", "partner \"192.0.2.7\" is not KEY=N/WINDOW, like 192.0.2.7=50000/24h"),
            (
                "batch=5/1h",
                "partner \"batch=5/1h\": its key is no address, no network, and no credential as alerts show it, \
                 like bearer:0123456789abcdef0123456789abcdef",
            ),
            (
                "192.0.2.7=x/1h",
                "partner \"192.0.2.7=x/1h\": limit \"x/1h\": \"x\" is not a number of objects from 1 to 4294967295",
            ),
        ] {
            assert_eq!(text.parse::<Partner>().unwrap_err().to_string(), message);
        }
        assert!("bearer:0123=5/1h".parse::<Partner>().is_err());
        assert!("bearer:+123456789abcdef0123456789abcdef=5/1h".parse::<Partner>().is_err());
    }
}
