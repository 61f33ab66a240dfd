//! The keys of a call with how each credential was shown: as observations are told, and nothing that is kept.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Clients, Shown, credentials};

/// Hashes of [`Shown`], for each credential.
type Hashes = [(u64, u64); credentials::MOST];

pub fn serialize<S: Serializer>(clients: &Clients, serializer: S) -> Result<S::Ok, S::Error> {
    let mut hashes = Hashes::default();
    for (hashes, shown) in hashes.iter_mut().zip(clients.shown()) {
        *hashes = (shown.whole, shown.person);
    }
    (clients, &hashes[..clients.shown().len()]).serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Clients, D::Error> {
    let (mut clients, hashes) = <(Clients, Vec<(u64, u64)>)>::deserialize(deserializer)?;
    let shown = clients.keys.shown_mut();
    if shown.len() != hashes.len() {
        return Err(D::Error::custom("credentials without how they were shown"));
    }
    for (shown, (whole, person)) in shown.iter_mut().zip(hashes) {
        *shown = Shown { whole, person };
    }
    Ok(clients)
}
