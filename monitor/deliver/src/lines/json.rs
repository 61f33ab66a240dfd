//! JSON written by hand into a byte buffer, for the one record that is written for every exchange.
//!
//! **Bytes that are not text.** A request target is bytes, a JSON string is text. Valid UTF-8 is written as it is, so a
//! decoded string is what was on the wire. A byte that is not part of valid UTF-8 is written as the four
//! characters `\xhh` (lower-case hexadecimal). So that this stays unambiguous, a backslash on the wire that is followed by
//! `x` and two hexadecimal digits is itself written `\x5c`. Two different byte strings are therefore never
//! written alike, and replacing each `\xhh` by its byte gives back the wire's bytes.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_model::{hex, time::Timestamp};

/// What to do with a byte of a string.
const PLAIN: u8 = 0;
/// Escaped by two characters (the value), or six (`u`).
const CONTROL: u8 = b'u';
/// A backslash, or a byte past ASCII: looked at more closely.
const SPECIAL: u8 = 1;

const CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            b'"' => b'"',
            0x00..=0x1f => CONTROL,
            b'\\' | 0x80..=0xff => SPECIAL,
            _ => PLAIN,
        };
        byte += 1;
    }
    class
};

/// Appends `bytes` as a JSON string, quotes included, by the rule of the module.
pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let mut start = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let class = CLASS[usize::from(byte)];
        if class == PLAIN {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        at += match class {
            CONTROL => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex::digits(byte));
                1
            }
            SPECIAL => special(out, &bytes[at..]),
            letter => {
                out.extend_from_slice(&[b'\\', letter]);
                1
            }
        };
        start = at;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// Appends text as a JSON string, quotes included, without the rule for bytes.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    // A `Vec` takes every write, and a string always serialises.
    drop(serde_json::to_writer(out, text));
}

/// Appends printable ASCII as part of a JSON string.
pub(super) fn content(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// Appends a number in decimal.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends an address without quotes.
pub(super) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => ipv4(out, address),
        // A `Vec` takes every write.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        number(out, u64::from(octet));
    }
}

/// Writes timestamps as [`Timestamp`] displays them, several times as fast: within one second only six digits change.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    text: Vec<u8>,
}

impl Clock {
    /// Appends `at` as a JSON string, quotes included.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        const SECOND: u64 = 1_000_000_000;
        let second = at.0 / SECOND;
        if self.second != Some(second) {
            self.text.clear();
            // A `Vec` takes every write.
            drop(write!(self.text, "{}", Timestamp(second * SECOND)));
            // Of `2026-07-31T12:00:00.000000Z`, all up to the point.
            self.text.truncate(self.text.len().saturating_sub(8));
            self.second = Some(second);
        }
        let mut micros = at.0 % SECOND / 1_000;
        let mut fraction = *b".000000Z\"";
        for digit in fraction[1..7].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.push(b'"');
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&fraction);
    }
}

/// Appends what `rest` starts with, a backslash or a byte past ASCII, and tells how many bytes that was.
fn special(out: &mut Vec<u8>, rest: &[u8]) -> usize {
    match rest {
        [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            escape(out, b'\\');
            1
        }
        [b'\\', ..] => {
            out.extend_from_slice(b"\\\\");
            1
        }
        _ => {
            // At most four bytes make a character; more would make long targets quadratic.
            let window = &rest[..rest.len().min(4)];
            let valid = match std::str::from_utf8(window) {
                Ok(text) => text,
                Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
            };
            match valid.chars().next() {
                Some(character) => {
                    out.extend_from_slice(&rest[..character.len_utf8()]);
                    character.len_utf8()
                }
                None => {
                    escape(out, rest[0]);
                    1
                }
            }
        }
    }
}

/// Appends the four characters `\xhh`, the backslash escaped for JSON.
fn escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(b"\\\\x");
    out.extend_from_slice(&hex::digits(byte));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(input: &[u8]) -> String {
        let mut out = Vec::new();
        bytes(&mut out, input);
        serde_json::from_slice(&out).unwrap()
    }

    /// The inverse that the module's documentation promises.
    fn wire(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            match rest {
                [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    let digits = std::str::from_utf8(&rest[2..4]).unwrap();
                    out.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &rest[4..];
                }
                _ => {
                    out.push(first);
                    rest = tail;
                }
            }
        }
        out
    }

    #[test]
    fn text_stays_what_it_was() {
        for plain in
            ["/v1/customers/17?q=a+b%20c", "/käse/日本/🧀", "a\"b\\c\n\t\u{1}\u{7f}", "\\", "\\xg0", "\\\\"]
        {
            assert_eq!(decoded(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_told_apart_from_text_that_looks_like_them() {
        assert_eq!(decoded(b"/\xff"), "/\\xff");
        assert_eq!(decoded(b"/\\xff"), "/\\x5cxff");
        assert_eq!(decoded(b"/\\xFF"), "/\\x5cxFF");
        assert_eq!(decoded(b"/\xc3\xa4\xc3"), "/\u{e4}\\xc3");
        assert_eq!(decoded(b"\xed\xa0\x80"), "\\xed\\xa0\\x80");
    }

    #[test]
    fn numbers_and_addresses() {
        let mut out = Vec::new();
        for n in [0, 7, 10, 12345, u64::MAX] {
            number(&mut out, n);
            out.push(b' ');
        }
        address(&mut out, "10.0.255.1".parse().unwrap());
        out.push(b' ');
        address(&mut out, "2001:db8::1".parse().unwrap());
        assert_eq!(out, b"0 7 10 12345 18446744073709551615 10.0.255.1 2001:db8::1");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(input: Vec<u8>) {
            prop_assert_eq!(wire(&decoded(&input)), input);
        }

        #[test]
        fn backslashes_come_back(input in r"[\\x0-9af\xff]{0,12}") {
            prop_assert_eq!(wire(&decoded(input.as_bytes())), input.as_bytes());
        }

        #[test]
        fn timestamps_read_as_everywhere(at in 0u64..4_000_000_000_000_000_000) {
            let mut out = Vec::new();
            Clock::default().write(&mut out, Timestamp(at));
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}\"", Timestamp(at)));
        }
    }
}
