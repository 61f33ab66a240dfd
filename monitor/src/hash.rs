//! Keyed hashing for every table whose keys an attacker can choose.
//!
//! One [`HashKey`] serves a whole engine. The daemon draws it at random when it starts, so that nobody can
//! work out colliding paths, objects or addresses; replay and tests hand in a fixed one, so that the same
//! input gives the same output.

use siphasher::sip::SipHasher13;

/// The secret of an engine's hash tables. SipHash-1-3: the cheapest of the family that is still considered
/// safe against chosen-key flooding, and the one that Rust's own maps use.
#[derive(Clone, Copy)]
pub struct HashKey(SipHasher13);

impl HashKey {
    /// A key from 16 bytes.
    pub fn new(secret: [u8; 16]) -> HashKey {
        HashKey(SipHasher13::new_with_key(&secret))
    }

    /// The keyed hash of `bytes`.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.0.hash(bytes)
    }
}

/// The secret is not shown.
impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(…)")
    }
}
