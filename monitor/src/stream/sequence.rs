//! TCP sequence numbers: a circle of 2³², on which "before" means "less than half a turn behind" (RFC 9293,
//! section 3.4).

/// Whether `a` stands before `b`.
pub fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `a` stands after `b`.
pub fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

/// The later of two.
pub fn latest(a: u32, b: u32) -> u32 {
    if after(a, b) { a } else { b }
}

/// The earlier of two.
pub fn earliest(a: u32, b: u32) -> u32 {
    if before(a, b) { a } else { b }
}

/// How many bytes lie from `from` up to `to`: zero when `to` does not stand after `from`.
pub fn distance(from: u32, to: u32) -> u32 {
    if after(to, from) { to.wrapping_sub(from) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(before(u32::MAX - 3, 5));
        assert!(after(5, u32::MAX - 3));
        assert!(!before(7, 7) && !after(7, 7));
        assert_eq!(distance(u32::MAX, 2), 3);
        assert_eq!(distance(2, u32::MAX), 0);
        assert_eq!(latest(u32::MAX, 1), 1);
        assert_eq!(earliest(u32::MAX, 1), u32::MAX);
    }
}
