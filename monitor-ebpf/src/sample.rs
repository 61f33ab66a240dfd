//! Sampling by request target: all calls for one target are captured, or none, so that counts of distinct
//! objects stay unbiased: n = k/p with relative error √((1−p)/(p·n)).

use crate::packet::Bytes;

/// The rate that means everything.
pub const ALL: u32 = u32::MAX;

/// Words of the target that are hashed: 128 bytes, after which targets are not told apart.
pub const WORDS: usize = 16;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What sampling says of a packet.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// Not subject to it: captured whatever the rate.
    Exempt = 0,
    /// Among the targets that are captured at this rate.
    Kept,
    /// Not among them.
    LeftOut,
}

/// What sampling says of the `length` bytes of payload at `start`.
///
/// Left out is what is one whole request without a body whose target is sampled out. Anything else is captured:
/// leaving out part of a message would cost the daemon its place in the stream.
#[inline(always)]
pub fn sampled(bytes: &impl Bytes, start: u32, length: u32, rate: u32, key: u64) -> Sampled {
    if length < 16 {
        return Sampled::Exempt;
    }
    let Some([last]) = bytes.words(start + length - 4) else { return Sampled::Exempt };
    let Some(word) = bytes.long(start) else { return Sampled::Exempt };
    let target = match &word.to_ne_bytes() {
        [b'G', b'E', b'T', b' ', ..] => start + 4,
        [b'H', b'E', b'A', b'D', b' ', ..] => start + 5,
        [b'D', b'E', b'L', b'E', b'T', b'E', b' ', ..] => start + 7,
        _ => return Sampled::Exempt,
    };
    if last.to_ne_bytes() != *b"\r\n\r\n" {
        return Sampled::Exempt;
    }
    let mut state = key;
    for index in 0..WORDS as u32 {
        let Some(word) = bytes.long(target + index * 8) else { return Sampled::Exempt };
        let (next, end) = step(state, u64::from_le(word));
        state = next;
        if end {
            break;
        }
    }
    if captured(state, rate) { Sampled::Kept } else { Sampled::LeftOut }
}

/// One step of the hash over a target that is read eight bytes at a time, little-endian. Returns the new
/// state, and whether the target's end (a space) was in this word.
///
/// A keyed multiply and shift: the decision shows nowhere, so a client learns nothing of the key.
#[inline(always)]
pub fn step(state: u64, word: u64) -> (u64, bool) {
    let x = word ^ (LOW * 0x20);
    let space = x.wrapping_sub(LOW) & !x & HIGH;
    let keep = if space == 0 {
        u64::MAX
    } else {
        // Only the lowest match is exact: a borrow may mark the byte above it.
        ((space & space.wrapping_neg()) >> 7) - 1
    };
    let mixed = (state ^ (word & keep)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29), space != 0)
}

/// Whether a target with this final `state` is captured at `rate` (units of 2^-32).
#[inline(always)]
pub fn captured(state: u64, rate: u32) -> bool {
    (state >> 32) as u32 <= rate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> (u64, bool) {
        let mut state = 7;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let (next, end) = step(state, u64::from_le_bytes(word));
            state = next;
            if end {
                return (state, true);
            }
        }
        (state, false)
    }

    #[test]
    fn nothing_after_the_target_counts() {
        let (one, end) = hash(b"/v1/customers/17 HTTP/1.1\r\nA: b\r\n");
        assert!(end);
        assert_eq!(one, hash(b"/v1/customers/17 HTTP/1.0\r\nCookie: x\r\n").0);
        assert_ne!(one, hash(b"/v1/customers/18 HTTP/1.1\r\nA: b\r\n").0);
    }

    #[test]
    fn rate_is_kept_over_a_walk() {
        let rate = u32::MAX / 10;
        let kept = (0..100_000)
            .filter(|n| captured(hash(format!("/v1/customers/{n} HTTP/1.1").as_bytes()).0, rate))
            .count();
        assert!((9_500..10_500).contains(&kept), "{kept} of 100000 at 0.1");
    }
}
