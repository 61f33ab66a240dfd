//! Places in a stream, and the TCP sequence numbers that name them on the wire (RFC 9293, section 3.4).
//!
//! A place has 64 bits, so that places of one connection are compared and subtracted as numbers are. Its low half is the
//! sequence number.

/// The first place of a stream whose first byte has this sequence number: far enough from zero that what comes before it has
/// places, too.
pub fn first(seq: u32) -> u64 {
    1 << 32 | u64::from(seq)
}

/// The place with the sequence number `seq` that is nearest to `place`.
pub fn nearest(place: u64, seq: u32) -> u64 {
    let distance = seq.wrapping_sub(place as u32) as i32;
    place.saturating_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_on_where_sequence_numbers_wrap() {
        let start = first(u32::MAX - 3);
        assert_eq!(start as u32, u32::MAX - 3);
        assert_eq!(nearest(start, 5), start + 9);
        assert_eq!(nearest(start + 9, u32::MAX - 3), start);
        assert_eq!(nearest(start, start as u32), start);
        let far = start + (10 << 32);
        assert_eq!(nearest(far, (far + 1_000) as u32), far + 1_000);
        assert_eq!(nearest(far, (far - 1_000) as u32), far - 1_000);
    }
}
