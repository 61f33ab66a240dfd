//! Hexadecimal digits.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What each octet is worth as a digit, in either case.
const VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut value = 0;
    while value < 16 {
        let digit = DIGITS[value as usize];
        values[digit as usize] = Some(value);
        values[digit.to_ascii_uppercase() as usize] = Some(value);
        value += 1;
    }
    values
};

/// What a digit is worth, in either case; `None` of other octets.
pub const fn value(digit: u8) -> Option<u8> {
    VALUES[digit as usize]
}

/// The octet that two digits stand for.
pub fn octet(high: u8, low: u8) -> Option<u8> {
    Some(value(high)? << 4 | value(low)?)
}

/// Fills `octets` with what `digits` stand for: `None` unless there are two for each.
pub fn fill(octets: &mut [u8], digits: &[u8]) -> Option<()> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != octets.len() || !rest.is_empty() {
        return None;
    }
    for (place, &[high, low]) in octets.iter_mut().zip(pairs) {
        *place = octet(high, low)?;
    }
    Some(())
}

/// The two digits of an octet, in lower case.
pub fn digits(octet: u8) -> [u8; 2] {
    [octet >> 4, octet & 15].map(|value| DIGITS[usize::from(value)])
}

/// The digits of `octets`, in lower case.
pub fn text(octets: &[u8]) -> String {
    octets.iter().flat_map(|&octet| digits(octet)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_two_digits() {
        for byte in 0..=255_u8 {
            let [high, low] = digits(byte);
            assert_eq!(octet(high, low), Some(byte));
            assert_eq!(octet(high.to_ascii_uppercase(), low.to_ascii_uppercase()), Some(byte));
            assert_eq!(value(byte), char::from(byte).to_digit(16).map(|value| value as u8), "{byte}");
        }
        assert_eq!(text(b"\x00\xf9z"), "00f97a");
    }

    #[test]
    fn octets_are_filled_by_two_digits_for_each() {
        let read = |digits: &[u8]| {
            let mut octets = [7; 3];
            fill(&mut octets, digits).map(|()| octets)
        };
        assert_eq!(read(b"00F97a"), Some(*b"\x00\xf9z"));
        for other in [&b""[..], b"00f9", b"00f97", b"00f97a0", b"00f97a00", b"00f97g"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
