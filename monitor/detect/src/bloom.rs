//! Lines of blocked Bloom filters (Putze, Sanders, Singler, 2007): all bits of an entry stand in one, so that a look-up
//! waits for memory once.

/// Sets the first `bits` bits of an entry with this hash; how many of them were not set.
pub(super) fn add<const WORDS: usize>(line: &mut [u64; WORDS], hash: u64, bits: u32) -> u64 {
    let mut lacked = 0;
    for (word, bit) in places::<WORDS>(hash, bits) {
        lacked += u64::from(line[word] & bit == 0);
        line[word] |= bit;
    }
    lacked
}

/// Whether the first `bits` bits of an entry with this hash are all set.
pub(super) fn has<const WORDS: usize>(line: &[u64; WORDS], hash: u64, bits: u32) -> bool {
    places::<WORDS>(hash, bits).all(|(word, bit)| line[word] & bit != 0)
}

/// The bits of an entry, by nine bits of the hash each, from the lowest on: the line itself is told by the upper ones.
fn places<const WORDS: usize>(hash: u64, bits: u32) -> impl Iterator<Item = (usize, u64)> {
    const { assert!(WORDS <= 8, "nine bits of the hash tell 512 bits apart") };
    (0..bits).map(move |n| {
        let bit = ((hash >> (9 * n)) & 511) * WORDS as u64 / 8;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}
