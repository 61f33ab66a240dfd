//! Numbers with punctuation: of people, contracts, cards, telephones and invoices, and addresses of machines.
//!
//! Which countries write which is not known here: what tells them is how many digits there are, and how marks part them.
//! Marks are for people's eyes and mean nothing, so the same number without them is the same object; but two numbers with a
//! hyphen between them (`17-123456`, an account of a shop) are not one number.

use std::{net::Ipv6Addr, str};

use super::{moment, number};

/// Digits of a number that is parted by marks. What is shorter may be a version or a range, unless zeros lead it.
const FEWEST: usize = 7;
const FEWEST_WITH_ZERO: usize = 6;
const MOST: usize = 30;

/// A group that blanks set off: more digits are a number by itself.
const LONGEST_GROUP: usize = 7;

/// Letters in a code: before its first digit, in any other group, and in all.
const LONGEST_PREFIX: usize = 8;
const LONGEST_PART: usize = 4;
const MOST_LETTERS: usize = 12;
/// Codes with no more letters than these are those of registries, which take either case.
const FEW_LETTERS: usize = 4;

/// What a number with marks is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Grouped {
    digits: usize,
    groups: usize,
    first: usize,
    last: usize,
    /// The shortest group, and the shortest that is neither the first nor the last.
    shortest: usize,
    shortest_amid: usize,
    longest: usize,
    has_plus: bool,
    has_points: bool,
    has_hyphens: bool,
    has_blanks: bool,
}

/// Whether `text` is a number with punctuation: `123.456.789-09`, `4111-1111-1111-1111`, `+49 30 1234567`.
pub(super) fn is_grouped(text: &[u8]) -> bool {
    // The check digit of a Chilean number may be a K.
    let is_checked = |text: &[u8]| match text {
        [number @ .., b'-', b'A'..=b'Z' | b'a'..=b'z'] => {
            grouped(number).is_some_and(|of| of.has_points && of.longest == 3)
        }
        _ => false,
    };
    grouped(text).is_some() || is_checked(text)
}

fn grouped(text: &[u8]) -> Option<Grouped> {
    let (has_plus, number) = match text {
        [b'+', number @ ..] => (true, number),
        number => (false, number),
    };
    let mut found =
        Grouped { has_plus, shortest: usize::MAX, shortest_amid: usize::MAX, ..Grouped::default() };
    let mut length = 0;
    let mut before = b' ';
    let end = |found: &mut Grouped, length: usize, is_end: bool| {
        if length > 0 {
            found.groups += 1;
            (found.first, found.last) = (if found.groups == 1 { length } else { found.first }, length);
            (found.shortest, found.longest) = (found.shortest.min(length), found.longest.max(length));
            if found.groups > 1 && !is_end {
                found.shortest_amid = found.shortest_amid.min(length);
            }
        }
    };
    for &byte in number {
        match byte {
            b'0'..=b'9' => {
                (length, found.digits) = (length + 1, found.digits + 1);
            }
            b'.' | b'-' | b' ' | b'/' | b'(' | b')' => {
                // Only brackets have another mark beside them.
                let is_beside =
                    !before.is_ascii_digit() && !b"()".contains(&before) && !b"()".contains(&byte);
                if is_beside {
                    return None;
                }
                found.has_points |= byte == b'.';
                found.has_hyphens |= byte == b'-';
                found.has_blanks |= !b".-".contains(&byte);
                end(&mut found, length, false);
                length = 0;
            }
            _ => return None,
        }
        before = byte;
    }
    end(&mut found, length, true);
    let zero = number.iter().find(|byte| byte.is_ascii_digit()) == Some(&b'0');
    let fewest = if zero { FEWEST_WITH_ZERO } else { FEWEST };
    let has_marks = has_plus || found.has_points || found.has_hyphens || found.has_blanks;
    let fits = has_marks && before.is_ascii_digit() && (fewest..=MOST).contains(&found.digits);
    (fits && (has_plus || found.is_number(text))).then_some(found)
}

impl Grouped {
    /// Whether it is a number rather than a version or a moment.
    fn is_number(&self, text: &[u8]) -> bool {
        if self.has_blanks && self.longest > LONGEST_GROUP {
            return false;
        }
        if self.has_points {
            // 12.345.678: thousands. 756.9217.0769.85, and not 10.0.19041.1348.
            let is_thousands =
                self.groups > 2 && self.first <= 3 && self.shortest_amid == 3 && self.longest == 3;
            let is_long = self.digits >= 9 && self.shortest >= 2 && !is_year(text);
            let is_checked = self.has_hyphens && self.shortest_amid >= 2 && self.groups > 2;
            return (is_thousands && (self.last == 3 || self.has_hyphens))
                || (is_long && self.groups > 2)
                || is_checked;
        }
        self.groups > 1 && !moment::is_moment(text)
    }

    /// Whether hyphens in it are for the eye. With two groups alone only a check digit is set off by one.
    fn has_idle_hyphens(&self) -> bool {
        let has_check = self.groups == 2 && self.last <= 2 && self.first >= FEWEST;
        self.has_plus
            || self.has_points
            || self.has_blanks
            || (self.groups > 2 && self.shortest >= 2)
            || has_check
    }
}

fn is_year(text: &[u8]) -> bool {
    matches!(text, [b'1', b'9', _, _, mark, ..] | [b'2', b'0', _, _, mark, ..] if !mark.is_ascii_digit())
}

/// Whether `text` is letters and digits as registries and books write them: `QQ123456C`, `INV-2024-000123`, `DE89 3704 0044`.
pub(super) fn is_code(text: &[u8]) -> bool {
    letters_of_code(text).is_some()
}

fn letters_of_code(text: &[u8]) -> Option<usize> {
    let is_mark = |byte: &u8| b" -/_".contains(byte);
    let has_blanks = memchr::memchr(b' ', text).is_some();
    let (mut letters, mut digits, mut length) = (0, 0, 0);
    let mut has_number = has_blanks;
    for (at, part) in text.split(is_mark).enumerate() {
        let of = part.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
        let longest = if at == 0 { LONGEST_PREFIX } else { LONGEST_PART };
        if part.is_empty() || of > longest || !part.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        length += part.len() + usize::from(at > 0);
        // Amid the groups of a digest letters and digits are mixed.
        let is_amid = at > 0 && length < text.len();
        if is_amid && of > 0 && of < part.len() && !has_blanks {
            return None;
        }
        // `2000-to-2009` has none but years.
        has_number |= part.len() - of >= 3 && !moment::is_year_or_day(part);
        (letters, digits) = (letters + of, digits + part.len() - of);
    }
    let prefix = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let behind = &text[prefix..];
    let behind = behind.strip_prefix(b"-").or_else(|| behind.strip_prefix(b"_")).unwrap_or(behind);
    // `report-2024-05-01` is a report of a day, `2024-05-01-a` a page.
    let is_dated = moment::find(behind).is_some() || behind.get(..10).is_some_and(moment::is_moment);
    let is_version = matches!(text, [b'v' | b'V', b'0'..=b'9', ..]) && memchr::memchr(b'.', text).is_some();
    let fits = !is_version
        && has_number
        && (1..=MOST_LETTERS).contains(&letters)
        && digits >= 6
        && digits >= letters
        && digits <= MOST;
    (fits && !is_dated).then_some(letters)
}

/// The digits of a hardware address, in small letters: `00:1B:44:11:3A:B7`, `00-1b-44-11-3a-b7`, `001b.4411.3ab7`.
fn hardware_address(text: &[u8]) -> Option<String> {
    let mark = *text.iter().find(|byte| !byte.is_ascii_hexdigit())?;
    let length = match mark {
        b':' | b'-' => 2,
        b'.' => 4,
        _ => return None,
    };
    let is_group = |group: &[u8]| group.len() == length && group.iter().all(u8::is_ascii_hexdigit);
    let digits = text.len().checked_sub(text.iter().filter(|&&byte| byte == mark).count())?;
    (matches!(digits, 12 | 16) && text.split(|&byte| byte == mark).all(is_group)).then(|| {
        let digits = text.iter().filter(|byte| byte.is_ascii_hexdigit());
        digits.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    })
}

/// Whether `text` is the address of a machine: IPv6, or of its hardware.
pub(super) fn is_address(text: &str) -> bool {
    ipv6(text).is_some() || hardware_address(text.as_bytes()).is_some()
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    memchr::memchr(b':', text.as_bytes())?;
    text.parse().ok()
}

/// Appends the one spelling of what `text` is, if it is of a form of this module; false if it is none.
pub(super) fn push(out: &mut String, text: &str) -> bool {
    let bytes = text.as_bytes();
    if !bytes.iter().any(u8::is_ascii_punctuation) && memchr::memchr(b' ', bytes).is_none() {
        // Nothing is in between: of codes, the case alone.
        return false;
    }
    if let Some(grouped) = grouped(bytes) {
        let idle = grouped.has_idle_hyphens();
        let kept = bytes.iter().filter(|&&byte| byte.is_ascii_digit() || (byte == b'-' && !idle));
        let kept: Vec<u8> = kept.copied().collect();
        if !number::push(out, &kept) {
            out.push_str(str::from_utf8(&kept).unwrap_or_default());
        }
        return true;
    }
    if let Some(address) = ipv6(text) {
        out.push_str(&address.to_string());
        return true;
    }
    if let Some(digits) = hardware_address(bytes) {
        out.push_str(&digits);
        return true;
    }
    if memchr::memchr(b' ', bytes).is_some() && is_code(bytes) {
        let start = out.len();
        out.extend(text.chars().filter(|letter| *letter != ' '));
        out[start..].make_ascii_lowercase();
        return true;
    }
    false
}

/// Whether `text` is a code whose case does not matter.
pub(super) fn is_caseless(text: &[u8]) -> bool {
    letters_of_code(text).is_some_and(|letters| letters <= FEW_LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_punctuation_have_one_spelling() {
        for (text, expected) in [
            ("123-45-6789", "123456789"),
            ("123 45 6789", "123456789"),
            ("987.100.000-00", "98710000000"),
            ("987100000-00", "98710000000"),
            ("12.345.678", "12345678"),
            ("12.345.678/0001-95", "12345678000195"),
            ("12.345.678-9", "123456789"),
            ("12345678-9", "123456789"),
            ("0001-95", "0001-95"),
            ("4111-1111-1111-1111", "4111111111111111"),
            ("4111 1111 1111 1111", "4111111111111111"),
            ("+49 30 1234567", "49301234567"),
            ("+49-30-1234567", "49301234567"),
            ("(202)555-0143", "2025550143"),
            ("(202) 555-0143", "2025550143"),
            ("943 476 5919", "9434765919"),
            ("756.9217.0769.85", "7569217076985"),
            ("1 85 05 78 006 084 36", "185057800608436"),
            ("85.07.30-033.61", "85073003361"),
            ("978-0-306-40615-7", "978-0-306-40615-7"),
            ("17-123456", "17-123456"),
            ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
            ("GB29 NWBK 6016 1331 9268 19", "gb29nwbk60161331926819"),
            ("QQ 12 34 56 C", "qq123456c"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
            ("00:1B:44:11:3A:B7", "001b44113ab7"),
            ("00-1b-44-11-3a-b7", "001b44113ab7"),
            ("001b.4411.3ab7", "001b44113ab7"),
        ] {
            let mut out = String::new();
            assert!(push(&mut out, text), "{text}");
            assert_eq!(out, expected, "{text}");
        }
    }

    #[test]
    fn codes_are_letters_and_digits() {
        for text in [
            "QQ123456C",
            "12345678Z",
            "X1234567L",
            "INV-2024-000123",
            "RE2024-0815",
            "ORD_000170",
            "C01X00T47",
        ] {
            assert!(is_code(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_else_has_marks_is_none() {
        for text in [
            "1.2.3",
            "10.0.19041.1348",
            "2024.10.15.1234",
            "2015-05-17",
            "01-05-2024",
            "192.0.2",
            "100-200",
            "1.5",
            "1--2345678",
            "12345678-",
            "-",
            "",
            "17",
            "10000001 10000002 ",
            "report-2024-05-01",
            "sts-70-day-03-highlights",
            "logstash-monitorama-2013",
            "2000-to-2009",
            "850128.gif",
            "grok-1.20101030",
            "utf-8",
            "v1.2.3-4567",
            "12:30",
        ] {
            let (bytes, mut out) = (text.as_bytes(), String::new());
            assert!(!push(&mut out, text) && !is_code(bytes) && !is_grouped(bytes), "{text} {out}");
        }
    }
}
