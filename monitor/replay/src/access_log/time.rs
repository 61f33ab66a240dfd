//! Times as access logs write them.

use rollcall_model::time::Timestamp;

const SECOND: u64 = 1_000_000_000;

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Reads a time in any of the forms that logs have: `17/May/2015:10:05:03 +0000`, with brackets or without; RFC 3339, with
/// a blank for the `T`, and in UTC if it names no offset; seconds since the epoch with or without a fraction, and
/// milliseconds, microseconds and nanoseconds, told by their size.
pub(super) fn read(text: &[u8]) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"[").unwrap_or(text);
    let text = text.strip_suffix(b"]").unwrap_or(text);
    match text {
        [.., b'+' | b'-', _, _] | [_, _, _, _, b'-' | b'/', ..] => calendar(text),
        [_, _, b'/', ..] | [_, b'/', ..] => common(text),
        _ => epoch(text),
    }
}

/// Takes digits off the front of `rest`.
fn number(rest: &mut &[u8], most: usize) -> Option<u64> {
    let digits = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, tail) = rest.split_at(digits);
    *rest = tail;
    if digits.is_empty() {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Takes one of `bytes` off the front of `rest`.
fn one(rest: &mut &[u8], bytes: &[u8]) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    bytes.contains(first).then_some(())
}

/// Takes `.123` off the front of `rest`, in nanoseconds; 0 without any.
fn fraction(rest: &mut &[u8]) -> u64 {
    let [b'.' | b',', tail @ ..] = *rest else { return 0 };
    let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanoseconds =
        (0..9).fold(0, |sum, at| sum * 10 + if at < digits { u64::from(tail[at] - b'0') } else { 0 });
    *rest = &tail[digits..];
    nanoseconds
}

/// What is left of a time: nothing or `Z`, `+01:30`, `-0130`; in minutes.
fn offset(rest: &[u8]) -> Option<i64> {
    let rest = rest.trim_ascii();
    let (sign, mut rest) = match rest {
        [] | b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = number(&mut rest, 2)?;
    let rest = &mut rest.strip_prefix(b":").unwrap_or(rest);
    let minutes = if rest.is_empty() { 0 } else { number(rest, 2)? };
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) as i64)
}

/// `2026-07-14T03:33:20.123+02:00`
fn calendar(text: &[u8]) -> Option<Timestamp> {
    let rest = &mut &*text;
    let year = number(rest, 4)?;
    one(rest, b"-/")?;
    let month = number(rest, 2)?;
    one(rest, b"-/")?;
    let day = number(rest, 2)?;
    one(rest, b"Tt ")?;
    let time = clock(rest)?;
    compose(year, month, day, time, fraction(rest), offset(rest)?)
}

/// `17/May/2015:10:05:03 +0000`
fn common(text: &[u8]) -> Option<Timestamp> {
    let rest = &mut &*text;
    let day = number(rest, 2)?;
    one(rest, b"/")?;
    let (name, tail) = rest.split_at_checked(3)?;
    *rest = tail;
    let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))? as u64 + 1;
    one(rest, b"/")?;
    let year = number(rest, 4)?;
    one(rest, b":")?;
    let time = clock(rest)?;
    compose(year, month, day, time, fraction(rest), offset(rest)?)
}

/// `10:05:03`, in seconds. A leap second is the second after it.
fn clock(rest: &mut &[u8]) -> Option<u64> {
    let hour = number(rest, 2)?;
    one(rest, b":")?;
    let minute = number(rest, 2)?;
    one(rest, b":")?;
    let second = number(rest, 2)?;
    (hour < 24 && minute < 60 && second <= 60).then_some((hour * 60 + minute) * 60 + second)
}

fn compose(year: u64, month: u64, day: u64, time: u64, fraction: u64, offset: i64) -> Option<Timestamp> {
    // Nanoseconds since 1970 last until 2554.
    if !(1970..=2500).contains(&year) {
        return None;
    }
    let mut midnight = *b"yyyy-mm-ddT00:00:00Z";
    // By hand: formatting would take more than all else that is done with a line.
    for (number, digits) in [(year, 0..4), (month, 5..7), (day, 8..10)] {
        let mut rest = number;
        for digit in midnight[digits].iter_mut().rev() {
            (*digit, rest) = (b'0' + (rest % 10) as u8, rest / 10);
        }
    }
    let midnight: Timestamp = std::str::from_utf8(&midnight).ok()?.parse().ok()?;
    let seconds = (midnight.0 / SECOND + time).checked_add_signed(-offset * 60)?;
    Some(Timestamp(seconds * SECOND + fraction))
}

/// `1784000000`, `1784000000.123`, `1784000000123`, …
fn epoch(text: &[u8]) -> Option<Timestamp> {
    let rest = &mut &*text;
    let whole = number(rest, 19)?;
    // The year 5138 in seconds is 1973 in milliseconds, and so on.
    let unit = match whole {
        0..100_000_000_000 => SECOND,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let fraction = fraction(rest) / (SECOND / unit);
    match *rest {
        [] => {}
        // As floating-point numbers are written now and then.
        [b'e' | b'E', ..] => {
            let seconds: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            let sensible = (0.0..1e11).contains(&seconds);
            return sensible.then_some(Timestamp((seconds * SECOND as f64) as u64));
        }
        _ => return None,
    }
    Some(Timestamp(whole.checked_mul(unit)?.checked_add(fraction)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("17/May/2015:10:05:03 +0000", "2015-05-17T10:05:03.000000Z"),
            ("[17/May/2015:10:05:03 +0000]", "2015-05-17T10:05:03.000000Z"),
            ("29/Feb/2024:10:05:04 +0130", "2024-02-29T08:35:04.000000Z"),
            ("31/Dec/2023:23:30:00 -0100", "2024-01-01T00:30:00.000000Z"),
            ("1/Jan/2026:00:00:00.250 +0000", "2026-01-01T00:00:00.250000Z"),
            ("2026-07-14T03:33:20.123456Z", "2026-07-14T03:33:20.123456Z"),
            ("2026-07-14T05:33:20+02:00", "2026-07-14T03:33:20.000000Z"),
            ("2026-07-14 03:33:20,5", "2026-07-14T03:33:20.500000Z"),
            ("2026/07/14 03:33:20", "2026-07-14T03:33:20.000000Z"),
            ("2026-07-14T03:33:20-0030", "2026-07-14T04:03:20.000000Z"),
            ("1784000000", "2026-07-14T03:33:20.000000Z"),
            ("1784000000.123", "2026-07-14T03:33:20.123000Z"),
            ("1784000000123", "2026-07-14T03:33:20.123000Z"),
            ("1784000000123.456", "2026-07-14T03:33:20.123456Z"),
            ("1784000000123456", "2026-07-14T03:33:20.123456Z"),
            ("1784000000123456000", "2026-07-14T03:33:20.123456Z"),
            ("1.784e9", "2026-07-14T03:33:20.000000Z"),
            ("807256800", "1995-08-01T06:00:00.000000Z"),
        ] {
            assert_eq!(
                read(text.as_bytes()).map(|time| time.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "[]",
            "01/Jan/2026",
            "32/Foo/2026:00:00:00 +0000",
            "00/Jan/2026:00:00:00 +0000",
            "31/Feb/2026:00:00:00 +0000",
            "29/Feb/2026:00:00:00 +0000",
            "2026-06-31T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-07-14T25:00:00Z",
            "2026-07-14T03:33:20 Mars",
            "1969-12-31T23:59:59Z",
            "99999999999999999999",
            "1784000000x",
            "1e99",
            "nan",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: Vec<u8>) {
            let _ = read(&text);
        }

        #[test]
        fn nothing_like_a_time_panics(text in "[0-9./:+eTZ-]{0,40}") {
            let _ = read(text.as_bytes());
        }

        #[test]
        fn times_are_read_as_they_are_shown(at in 0u64..16_000_000_000_000_000_000) {
            let at = Timestamp(at / 1000 * 1000);
            prop_assert_eq!(read(at.to_string().as_bytes()), Some(at));
        }
    }
}
