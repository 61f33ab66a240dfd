//! Numbers that people like to read and to set.

use rollcall_detect::limit::round_up;

/// The least that is suggested: who opens a few accounts of his own, one after the other, is no reason to get up.
pub(super) const LEAST: u32 = 5;

/// A limit that `peak` and `margin` percent more do not pass: rounded up to a nice number, and at least [`LEAST`].
pub(super) fn limit(peak: u32, margin: u32) -> u32 {
    let wanted = (u64::from(peak) * (100 + u64::from(margin))).div_ceil(100);
    u32::try_from(round_up(wanted)).unwrap_or(u32::MAX).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_nice_and_not_below_what_was_seen() {
        for (peak, margin, expected) in [
            (0, 50, 5),
            (1, 50, 5),
            (4, 50, 6),
            (6, 50, 9),
            (7, 50, 12),
            (20, 0, 20),
            (20, 50, 30),
            (21, 50, 40),
            (54, 50, 100),
            (300, 50, 500),
            (1_000, 100, 2_000),
            (u32::MAX, 1_000, u32::MAX),
        ] {
            assert_eq!(limit(peak, margin), expected, "{peak} and {margin} %");
        }
        let mut before = 0;
        for peak in 0..20_000 {
            let now = limit(peak, 0);
            assert!(now >= peak && now >= before);
            before = now;
        }
    }
}
