//! Whose reads are asked for, as it is written on the command line.

use std::net::IpAddr;

use ipnet::IpNet;
use rollcall_attribute::client::{ClientKey, CredentialKind};
use rollcall_store::exposure::Who;

/// The longest id of an alert.
const ID: usize = 16;

/// Digits of a credential's hash that are enough to tell it.
const HASH: usize = 4;

/// Parses an alert's id, or a client with or without the kind of its key.
pub(super) fn parse(text: &str) -> Result<Who, String> {
    let text = text.trim();
    let is_hex = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if is_hex(text, ID) {
        return Ok(Who::Alert(text.to_ascii_lowercase()));
    }
    if matches!(text, "*" | "all" | "all:*") {
        return Ok(Who::Client(vec!["all:*".to_owned()]));
    }
    if let Some(key) = ClientKey::parse(text) {
        return Ok(Who::Client(vec![key.to_string()]));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let address = address.to_canonical();
        return Ok(Who::Client(vec![
            ClientKey::Peer(address).to_string(),
            ClientKey::Forwarded(address).to_string(),
        ]));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return Ok(Who::Client(vec![ClientKey::Prefix(network.trunc()).to_string()]));
    }
    let credential = text.strip_prefix("credential:").unwrap_or(text);
    if let Some((kind, hash)) = credential.split_once(':') {
        // As people shorten it.
        let hash = hash.trim_end_matches(['…', '*', '.']);
        let is_known = CredentialKind::ALL.iter().any(|known| known.name() == kind);
        if is_known && hash.len() >= HASH && is_hex(hash, 32) {
            return Ok(Who::Client(vec![format!("credential:{kind}:{}*", hash.to_ascii_lowercase())]));
        }
    }
    Err("expected the id of an alert, such as 4c5162c3863df409, or a client, such as 198.51.100.7, 2001:db8::/64, \
         bearer:3f2a… or *"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_and_clients_are_told_apart() {
        let client = |keys: &[&str]| Who::Client(keys.iter().map(|&key| key.to_owned()).collect());
        for (text, who) in [
            ("4c5162c3863df409", Who::Alert("4c5162c3863df409".to_owned())),
            ("4C51", Who::Alert("4c51".to_owned())),
            ("198.51.100.7", client(&["peer:198.51.100.7", "forwarded:198.51.100.7"])),
            ("::ffff:198.51.100.7", client(&["peer:198.51.100.7", "forwarded:198.51.100.7"])),
            ("2001:DB8::7", client(&["peer:2001:db8::7", "forwarded:2001:db8::7"])),
            ("peer:198.51.100.7", client(&["peer:198.51.100.7"])),
            ("2001:db8::/64", client(&["prefix:2001:db8::/64"])),
            ("bearer:3f2a…", client(&["credential:bearer:3f2a*"])),
            ("credential:api-key:3F2A9", client(&["credential:api-key:3f2a9*"])),
            ("*", client(&["all:*"])),
        ] {
            assert_eq!(parse(text), Ok(who), "{text}");
        }
        for text in
            ["", "somebody", "4c5162c3863df4090", "bearer:", "bearer:xyz1", "bearer:3f[a-z]", "peer:x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
