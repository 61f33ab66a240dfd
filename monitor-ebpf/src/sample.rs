//! Sampling by request target: all calls for one target are captured, or none, so that counts of distinct
//! objects stay unbiased: n = k/p with relative error √((1−p)/(p·n)).

/// Words of the target that are hashed: 128 bytes, after which targets are not told apart.
pub const WORDS: usize = 16;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

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
