//! Keyed hashing for every table whose keys an attacker can choose.
//!
//! One [`HashKey`] serves a whole engine. The daemon draws it at random when it starts, so that nobody can
//! work out colliding paths, objects or addresses; replay and tests hand in a fixed one, so that the same
//! input gives the same output.

use std::hash::Hasher as _;

use siphasher::{
    sip::SipHasher13,
    sip128::{Hasher128, SipHasher13 as Wide, SipHasher24},
};

/// Domains of [`HashKey::identity`] that no credential has: the last byte of theirs is its kind.
const CHECK: u64 = 0x01ff;
const SEAL: u64 = 0x02ff;
const OBJECT: u64 = 0x03ff;

/// The secret of an engine's hash tables. SipHash-1-3: the cheapest of the family that is still considered
/// safe against chosen-key flooding, and the one that Rust's own maps use.
#[derive(Clone, Copy)]
pub struct HashKey {
    short: SipHasher13,
    wide: Wide,
    shown: SipHasher24,
}

/// The keyed hash of what is written bit by bit: see [`HashKey::seal`].
#[derive(Clone)]
pub struct Seal {
    condensed: Wide,
    shown: SipHasher24,
}

impl HashKey {
    /// A key from 16 bytes.
    pub fn new(secret: [u8; 16]) -> HashKey {
        // A key of its own for what is shown to people.
        let shown = SipHasher24::new_with_key(&secret).hash(b"identity").as_bytes();
        HashKey {
            short: SipHasher13::new_with_key(&secret),
            wide: Wide::new_with_key(&secret),
            shown: SipHasher24::new_with_key(&shown),
        }
    }

    /// The keyed hash of `bytes`.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.short.hash(bytes)
    }

    /// Tells what was made with this key from what was made with others, and says nothing about the key.
    pub fn check(&self) -> [u8; 16] {
        self.identity(CHECK, b"")
    }

    /// What stands for an object that is not to be told: 64 bits that say nothing about it to whoever lacks the key.
    pub fn object(&self, object: &[u8]) -> u64 {
        // Truncated: any 64 bits of it are as good.
        u128::from_be_bytes(self.identity(OBJECT, object)) as u64
    }

    /// A seal for what is written down, to tell whether it has been changed since by whoever lacks the key.
    pub fn seal(&self) -> Seal {
        let mut condensed = self.wide;
        condensed.write_u64(SEAL);
        Seal { condensed, shown: self.shown }
    }

    /// The keyed hash of a secret, fit to be shown: 128 bits that say nothing about `secret` to whoever lacks the
    /// key. `domain` keeps apart equal secrets of different kinds.
    ///
    /// Tokens are long, so they are condensed by SipHash-1-3; what leaves is SipHash-2-4 of that.
    pub fn identity(&self, domain: u64, secret: &[u8]) -> [u8; 16] {
        let mut condensed = self.wide;
        condensed.write_u64(domain);
        condensed.write(secret);
        self.shown.hash(&condensed.finish128().as_bytes()).as_bytes()
    }
}

impl Seal {
    /// Takes in what is written next.
    pub fn add(&mut self, bytes: &[u8]) {
        self.condensed.write(bytes);
    }

    /// The seal of what has been taken in, however it was cut up.
    pub fn finish(&self) -> [u8; 16] {
        self.shown.hash(&self.condensed.finish128().as_bytes()).as_bytes()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

/// The secret is not shown.
impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_depends_on_key_domain_and_secret() {
        let key = HashKey::new([1; 16]);
        let identity = key.identity(1, b"secret");
        assert_eq!(identity, key.identity(1, b"secret"));
        assert_ne!(identity, key.identity(2, b"secret"));
        assert_ne!(identity, key.identity(1, b"secret "));
        assert_ne!(identity, HashKey::new([2; 16]).identity(1, b"secret"));
    }

    #[test]
    fn a_seal_depends_on_key_and_content_only() {
        let seal = |key, parts: &[&str]| {
            let mut seal = HashKey::new([key; 16]).seal();
            parts.iter().for_each(|part| seal.add(part.as_bytes()));
            seal.finish()
        };
        let whole = seal(1, &["what was written"]);
        assert_eq!(whole, seal(1, &["wha", "", "t was writ", "ten"]));
        assert_ne!(whole, seal(2, &["what was written"]));
        assert_ne!(whole, seal(1, &["what was written", " "]));
    }
}
