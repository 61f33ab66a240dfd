//! The keys of a call, without allocation. Written down are as many as there are.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{ClientKey, Credential, MOST_KEYS, Shown, credentials};

/// An address, its network, and the first few credentials, with how each of these was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    keys: [ClientKey; MOST_KEYS],
    count: u8,
    shown: [Shown; credentials::MOST],
}

impl Keys {
    pub(super) fn new(
        address: ClientKey,
        network: IpNet,
        credentials: impl IntoIterator<Item = (Credential, Shown)>,
    ) -> Keys {
        let mut keys =
            Keys { keys: [address; MOST_KEYS], count: 2, shown: [Shown::default(); credentials::MOST] };
        keys.keys[1] = ClientKey::Prefix(network);
        let slots = keys.keys[2..].iter_mut().zip(&mut keys.shown);
        for ((key, shown), (credential, was_shown)) in slots.zip(credentials) {
            (*key, *shown) = (ClientKey::Credential(credential), was_shown);
            keys.count += 1;
        }
        keys
    }

    pub(super) fn all(&self) -> &[ClientKey] {
        &self.keys[..usize::from(self.count)]
    }

    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown[..usize::from(self.count) - 2]
    }

    pub(super) fn shown_mut(&mut self) -> &mut [Shown] {
        &mut self.shown[..usize::from(self.count) - 2]
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        let keys = Vec::<ClientKey>::deserialize(deserializer)?;
        let &[address, ClientKey::Prefix(network), ref rest @ ..] = &keys[..] else {
            return Err(D::Error::custom("client keys without an address and its network"));
        };
        let credentials = rest.iter().map(|key| match key {
            // Passwords are hashed for no disk: what was shown with the name is not known any more.
            ClientKey::Credential(credential) => Some((*credential, Shown::of(*credential))),
            _ => None,
        });
        let credentials: Option<Vec<_>> = credentials.collect();
        let known = credentials.filter(|known| known.len() <= credentials::MOST);
        let known =
            known.ok_or_else(|| D::Error::custom("client keys that are no credentials, or too many"))?;
        Ok(Keys::new(address, network, known))
    }
}
