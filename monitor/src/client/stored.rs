//! The keys of a call as they are written down: as many as there are.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{ClientKey, Clients, MOST_KEYS, Shown, Traits, credentials};

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    keys: Cow<'a, [ClientKey]>,
    mixed: bool,
    address: IpAddr,
    authenticated: bool,
    refused_chain: bool,
    dropped: u32,
    traits: Traits,
}

impl Serialize for Clients {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &Clients {
            keys: _,
            count: _,
            shown: _,
            mixed,
            address,
            authenticated,
            refused_chain,
            dropped,
            traits,
        } = self;
        Stored { keys: self.keys().into(), mixed, address, authenticated, refused_chain, dropped, traits }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Clients, D::Error> {
        let Stored { keys, mixed, address, authenticated, refused_chain, dropped, traits } =
            Stored::deserialize(deserializer)?;
        // An address and its network are always there.
        let Some(&first) = keys.first().filter(|_| (2..=MOST_KEYS).contains(&keys.len())) else {
            return Err(D::Error::invalid_length(keys.len(), &"two client keys or a few more"));
        };
        let mut clients = Clients {
            keys: [first; MOST_KEYS],
            count: 0,
            shown: [Shown::default(); credentials::MOST],
            mixed,
            address,
            authenticated,
            refused_chain,
            dropped,
            traits,
        };
        for (key, shown) in keys[2..].iter().zip(&mut clients.shown) {
            // Passwords are hashed for no disk: what was shown with the name is not known any more.
            if let ClientKey::Credential(credential) = key {
                *shown = Shown::of(*credential);
            }
        }
        keys.iter().for_each(|&key| clients.push(key));
        Ok(clients)
    }
}
