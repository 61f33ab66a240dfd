//! Values in canonical form, so that one object has one spelling.
//!
//! Numbers lose leading zeros, plus signs stay (they mark telephone numbers), UUIDs, ULIDs, hexadecimal digests and
//! e-mail addresses have one case. All else is told apart as it stands: a client that varies it only raises its own
//! count. Octets that don't print, `/` and `,` are percent-encoded.

use std::fmt::Write as _;

use super::identifier;
use crate::percent;

/// Octets of values that stay encoded: parts of an object are joined by `/`, objects of a call are listed with commas.
pub(super) const RESERVED: &[u8] = b"%/,";

/// Appends the canonical form of `octets`.
pub(super) fn push(text: &mut String, octets: &[u8]) {
    let start = text.len();
    let mut rest = octets;
    loop {
        percent::push_plain(text, &mut rest);
        let Some((&octet, tail)) = rest.split_first() else { break };
        percent::push(text, octet, RESERVED);
        rest = tail;
    }
    shape(text, start);
}

/// Appends canonical text in canonical form: what stands in a path has been decoded already.
pub(super) fn push_form(text: &mut String, canonical: &str) {
    let start = text.len();
    text.push_str(canonical);
    shape(text, start);
}

/// Appends a number of JSON: `7.0` and `70e-1` are `7`.
pub(super) fn push_number(text: &mut String, number: &[u8]) {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    if digits.iter().all(u8::is_ascii_digit) {
        return push(text, number);
    }
    let parsed = std::str::from_utf8(number).ok().and_then(|number| number.parse::<f64>().ok());
    match parsed {
        // Integers below 2^53 are exact.
        Some(parsed) if parsed.fract() == 0.0 && parsed.abs() < 9_007_199_254_740_992.0 => {
            // Writing to a String does not fail.
            let _ = write!(text, "{parsed:.0}");
        }
        _ => push(text, number),
    }
}

fn shape(text: &mut String, start: usize) {
    let value = &text[start..];
    let bytes = value.as_bytes();
    if bytes.iter().all(u8::is_ascii_digit) {
        let zeros = bytes.iter().take_while(|&&byte| byte == b'0').count().min(bytes.len().saturating_sub(1));
        if zeros > 0 {
            text.replace_range(start..start + zeros, "");
        }
        return;
    }
    if identifier::is_caseless(value) {
        text[start..].make_ascii_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_has_one_spelling() {
        for (octets, canonical) in [
            ("7", "7"),
            ("007", "7"),
            ("0", "0"),
            ("000", "0"),
            ("-5", "-5"),
            ("+12025550143", "+12025550143"),
            ("550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
            ("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"),
            ("Ada@Example.org", "ada@example.org"),
            ("Ada", "Ada"),
            ("a b/c,d%", "a%20b%2Fc%2Cd%25"),
            ("caf\u{e9}", "caf%C3%A9"),
        ] {
            let mut text = "x".to_owned();
            push(&mut text, octets.as_bytes());
            assert_eq!(text[1..], *canonical, "{octets}");
        }
    }

    #[test]
    fn numbers_have_one_form() {
        for (number, canonical) in [
            ("7", "7"),
            ("7.0", "7"),
            ("70e-1", "7"),
            ("7E0", "7"),
            ("-7.0", "-7"),
            ("7.5", "7.5"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1e400", "1e400"),
        ] {
            let mut text = String::new();
            push_number(&mut text, number.as_bytes());
            assert_eq!(text, canonical, "{number}");
        }
    }
}
