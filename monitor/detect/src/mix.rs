//! Mixing of keyed hashes with what an attacker chooses.

/// A place in a table for `value` under `secret`, a keyed hash that nobody outside knows.
///
/// Two rounds of a fixed permutation with the secret before each (Even and Mansour, 1997). That is less than SipHash,
/// and enough where places are never shown: who can't see them can't aim at them.
pub(super) fn mix(secret: u64, value: u64) -> u64 {
    permute(permute(value ^ secret) ^ secret.rotate_left(32))
}

/// The finaliser of MurmurHash3 (Appleby): each bit of the input moves half of the output.
pub(super) fn permute(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The part of `hash` that chooses one of `count` places, evenly; it looks at the upper bits.
pub(super) fn place(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}
