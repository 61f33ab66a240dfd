//! Numbers in every way that servers' own parsers read them, and the one way that they are written here.
//!
//! `+17`, `017`, `17.0`, `1.7e1` (JavaScript, PHP, JSON), `1_7` (Python, Ruby), `0x11`, `0o21` and `0b10001` (JavaScript).
//! Only where the whole text is a number that is an integer: of anything else no two spellings are one.

/// Digits that an exponent may make of a number: far beyond account numbers.
const LONGEST: usize = 40;

/// Digits of account numbers that have separators in them: those of 64 bits. What is longer is two numbers
/// (`1234567890123_9876543210987`).
const LONGEST_SEPARATED: usize = 19;

/// From so many digits and letters on, `1234567e8` is a digest rather than a number with an exponent.
const DIGEST: usize = 8;

/// An integer, as it was found.
enum Integer<'a> {
    Digits(&'a [u8]),
    /// So many digits.
    Computed([u8; LONGEST], usize),
}

/// Appends the integer that `text` stands for, in decimal digits and without leading zeros. False, and nothing is
/// appended, if it stands for none.
pub(super) fn push(out: &mut String, text: &[u8]) -> bool {
    let (negative, text) = without_sign(text);
    match read(text) {
        Some(Integer::Digits(digits)) => push_digits(out, negative, digits),
        Some(Integer::Computed(buffer, length)) => push_digits(out, negative, &buffer[..length]),
        None => return false,
    }
    true
}

/// Whether `text` stands for an integer.
pub(super) fn is_integer(text: &[u8]) -> bool {
    read(without_sign(text).1).is_some()
}

fn without_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'+', digits @ ..] => (false, digits),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

fn read(text: &[u8]) -> Option<Integer<'_>> {
    if !matches!(text.first(), Some(b'0'..=b'9' | b'.')) {
        return None;
    }
    if text.iter().all(u8::is_ascii_digit) {
        return Some(Integer::Digits(text));
    }
    let mut buffer = [0; LONGEST];
    let length = match text {
        [b'0', letter, digits @ ..] if radix_of(*letter).is_some() => {
            let value = in_radix(digits, radix_of(*letter)?)?.to_string();
            buffer[..value.len()].copy_from_slice(value.as_bytes());
            value.len()
        }
        text => Decimal::of(text)?.integer(&mut buffer)?,
    };
    Some(Integer::Computed(buffer, length))
}

fn push_digits(out: &mut String, negative: bool, digits: &[u8]) {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count().min(digits.len().saturating_sub(1));
    let digits = &digits[zeros..];
    if negative && digits != b"0" {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

fn radix_of(letter: u8) -> Option<u32> {
    match letter {
        b'x' | b'X' => Some(16),
        b'o' | b'O' => Some(8),
        b'b' | b'B' => Some(2),
        _ => None,
    }
}

/// Numbers up to 2^53: JavaScript's. Longer ones are addresses and digests.
fn in_radix(digits: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, radix).ok().filter(|value| *value < 1 << 53)
}

/// A number in decimal digits that is more than digits.
struct Decimal<'a> {
    /// In front of the point, perhaps with separators.
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a [u8]) -> Option<Decimal<'a>> {
        let (mantissa, exponent) = match memchr::memchr2(b'e', b'E', text) {
            Some(at) => {
                let exponent = std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()?;
                (&text[..at], Some(exponent))
            }
            None => (text, None),
        };
        let point = memchr::memchr(b'.', mantissa);
        let (whole, fraction) = match point {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &[][..]),
        };
        let separated = whole.contains(&b'_');
        let digits = whole.iter().filter(|byte| byte.is_ascii_digit()).count();
        let well_parted = || whole.split(|&byte| byte == b'_').all(|part| !part.is_empty());
        let usable = digits > 0
            && whole.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_')
            && fraction.iter().all(u8::is_ascii_digit)
            && (!separated || (digits <= LONGEST_SEPARATED && well_parted()))
            && (exponent.is_none() || point.is_some() || text.len() < DIGEST)
            // Nothing times a power of ten: `0e17` is no number that anybody writes.
            && (exponent.is_none() || whole.iter().chain(fraction).any(|byte| (b'1'..=b'9').contains(byte)));
        usable.then_some(Decimal { whole, fraction, exponent: exponent.unwrap_or(0) })
    }

    /// Writes the digits of the integer that it is, and tells how many; `None` if it is none.
    fn integer(&self, buffer: &mut [u8; LONGEST]) -> Option<usize> {
        let whole = self.whole.iter().filter(|byte| byte.is_ascii_digit());
        let mut digits = whole.clone().chain(self.fraction);
        let before_point = i32::try_from(whole.count()).ok()?.checked_add(self.exponent)?;
        let length = usize::try_from(before_point).ok().filter(|length| (1..=LONGEST).contains(length))?;
        for slot in &mut buffer[..length] {
            *slot = digits.next().copied().unwrap_or(b'0');
        }
        digits.all(|&digit| digit == b'0').then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &str) -> Option<String> {
        let mut out = String::new();
        push(&mut out, text.as_bytes()).then_some(out)
    }

    #[test]
    fn one_integer_has_one_spelling() {
        for text in [
            "17", "+17", "017", "00017", "17.0", "17.000", "17.", "1.7e1", "1.7E+1", "170e-1", "1_7",
            "0_1_7", "0x11", "0X011", "0o21", "0b10001", "+17.0",
        ] {
            assert_eq!(integer(text).as_deref(), Some("17"), "{text}");
        }
        for (text, expected) in [
            ("-5", "-5"),
            ("-005.0", "-5"),
            ("-0", "0"),
            ("0.0", "0"),
            ("12345678901234567890123.0", "12345678901234567890123"),
            ("9007199254740993.0", "9007199254740993"),
            ("+12025550143", "12025550143"),
        ] {
            assert_eq!(integer(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_integer_is_none() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "e1",
            "17.5",
            "1.75e1",
            "17a",
            "a17",
            "1e400",
            "1e-1",
            "0e17",
            "00e1",
            "1__7",
            "_17",
            "17_",
            "--17",
            "+-17",
            "0x",
            "0x+1",
            "0xg",
            "12345e67",
            "1234567e8",
            "1.2.3",
            "2015-05-17",
            "1234567890_9876543210",
            "0x00112233445566778899aabbccddeeff00112233",
            "1e99999999999",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
