//! Values that are nobody's: moments and days, versions, coordinates, sizes.
//!
//! They differ from call to call as identifiers do, so a route for each would be no route; and who asks for many of them
//! has read no accounts.

/// What a value that is nobody's may hide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It can be nothing else.
    Plain,
    /// Where accounts stand it is one: servers that read a number as far as it goes take `17x1` for 17, and some customers'
    /// numbers are days.
    Ambiguous,
}

/// Years that are written in paths.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2099;

/// The longest value: two moments with fractions and zones.
const LONGEST: usize = 72;

/// `2024-05-01`: what is shorter behind words may well be a number (`INV-2024-05`).
const SHORTEST_DAY: usize = 10;

/// Words in front of a day that are looked over.
const MOST_WORDS: usize = 6;

/// If `text` is a value that is nobody's, what it may hide.
pub fn find(text: &[u8]) -> Option<Value> {
    if !(3..=LONGEST).contains(&text.len()) {
        return None;
    }
    match text[0] {
        b'0'..=b'9' => {
            if text.iter().all(u8::is_ascii_digit) {
                return (text.len() == 8 && is_compact_day(text)).then_some(Value::Ambiguous);
            }
            if is_moment(text) || is_span(text) {
                return Some(Value::Plain);
            }
            (is_size(text) || is_version(text) || is_coordinates(text)).then_some(Value::Ambiguous)
        }
        b'g' | b'G' if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"geo:")) => {
            is_coordinates(&text[4..]).then_some(Value::Ambiguous)
        }
        b'@' | b'-' | b'+' => is_coordinates(text).then_some(Value::Ambiguous),
        b'v' | b'V' => is_version(&text[1..]).then_some(Value::Plain),
        b'P' | b'p' => is_duration(&text[1..]).then_some(Value::Plain),
        _ => None,
    }
}

/// Where a day with marks, or a moment, stands behind words: `dt=2024-05-01`, `logs-app-2024.05.01`,
/// `scheduled__2024-05-01T00:00:00Z`. What is there anew each day has one route.
pub(super) fn behind(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let is_start = |at: usize| b"-_=:.".contains(&text[at - 1]) && text[at].is_ascii_digit();
    let starts = (2..text.len()).filter(|&at| is_start(at)).take(MOST_WORDS);
    let has_words = text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'.');
    let is_whole = |at: &usize| (SHORTEST_DAY..=LONGEST).contains(&(text.len() - at));
    starts.filter(is_whole).find(|&at| has_words && is_moment(&text[at..])).map(|at| at..text.len())
}

/// Whether `text` is a moment, a day, a week, a month, a quarter, or a time of day.
pub(super) fn is_moment(text: &[u8]) -> bool {
    let split = text.iter().position(|byte| b"Tt ".contains(byte)).or_else(|| underscore(text));
    if let Some(at) = split {
        return is_day(&text[..at]) && is_time(&text[at + 1..]);
    }
    is_day(text) && text.len() != 8 || is_day_backwards(text) || is_period(text) || is_clock(text)
}

/// `2024-05-01_10-00`: the mark between day and time, and not one in a span of two days.
fn underscore(text: &[u8]) -> Option<usize> {
    (text.get(10) == Some(&b'_') && text.len() < 20).then_some(10)
}

/// Two moments: `2024-05-01..2024-05-31`.
fn is_span(text: &[u8]) -> bool {
    [&b".."[..], b"--", b",", b"_", b"~", b":"].into_iter().any(|mark| {
        memchr::memmem::find(text, mark).is_some_and(|at| {
            let (from, to) = (&text[..at], &text[at + mark.len()..]);
            let is_end = |text: &[u8]| is_moment(text) || is_compact_day(text);
            is_end(from) && is_end(to) && (from.len() > 5 || mark != b":")
        })
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    let is_short = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_short.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

fn is_date(year: &[u8], month: &[u8], day: &[u8]) -> bool {
    let [Some(year), Some(month), Some(day)] = [number(year), number(month), number(day)] else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    YEARS.contains(&year) && (1..=days).contains(&day)
}

/// Whether `digits` are a year, or a day.
pub(super) fn is_year_or_day(digits: &[u8]) -> bool {
    is_compact_day(digits) || (digits.len() == 4 && number(digits).is_some_and(|year| YEARS.contains(&year)))
}

fn is_compact_day(text: &[u8]) -> bool {
    text.len() == 8 && is_date(&text[..4], &text[4..6], &text[6..])
}

/// `2024-05-01`, `2024.5.1`, `20240501`.
fn is_day(text: &[u8]) -> bool {
    if is_compact_day(text) {
        return true;
    }
    let Some((year, rest)) = text.split_at_checked(4) else { return false };
    let Some((&mark, rest)) = rest.split_first().filter(|(mark, _)| b"-._".contains(mark)) else {
        return false;
    };
    let mut parts = rest.split(|&byte| byte == mark);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(month), Some(day), None) => month.len() <= 2 && day.len() <= 2 && is_date(year, month, day),
        _ => false,
    }
}

/// `01-05-2024`, `1.5.2024`, by the day or by the month.
fn is_day_backwards(text: &[u8]) -> bool {
    let Some(mark) = text.iter().find(|byte| b"-._".contains(byte)) else { return false };
    let mut parts = text.split(|byte| byte == mark);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(a), Some(b), Some(year), None) => {
            year.len() == 4 && a.len() <= 2 && b.len() <= 2 && (is_date(year, b, a) || is_date(year, a, b))
        }
        _ => false,
    }
}

/// `2024-05`, `2024-W05`, `2024-W05-3`, `2024-Q1`, `2024Q1`.
fn is_period(text: &[u8]) -> bool {
    let Some((year, rest)) = text.split_at_checked(4) else { return false };
    if !number(year).is_some_and(|year| YEARS.contains(&year)) {
        return false;
    }
    match rest {
        [b'-', month @ ..] if month.len() == 2 && number(month).is_some() => {
            number(month).is_some_and(|month| (1..=12).contains(&month))
        }
        [b'-', b'Q' | b'q', b'1'..=b'4'] | [b'Q' | b'q', b'1'..=b'4'] => true,
        [b'-', b'W' | b'w', week @ ..] | [b'W' | b'w', week @ ..] => {
            let week = match week {
                [week @ .., b'-', b'1'..=b'7'] => week,
                week => week,
            };
            week.len() <= 2 && number(week).is_some_and(|week| (1..=53).contains(&week))
        }
        _ => false,
    }
}

/// `10:30`, `10:30:00`, with a fraction and a zone.
fn is_clock(text: &[u8]) -> bool {
    memchr::memchr(b':', text).is_some() && is_time(text)
}

/// A time of day: also `1030`, `10-30-00`, `10`.
fn is_time(text: &[u8]) -> bool {
    let time = without_zone(text);
    let (time, fraction) = match memchr::memchr2(b'.', b',', time) {
        Some(at) => (&time[..at], Some(&time[at + 1..])),
        None => (time, None),
    };
    if fraction.is_some_and(|digits| number(digits).is_none()) {
        return false;
    }
    let mark = time.iter().find(|byte| b":-_".contains(byte));
    let in_order = |hour, minute, second| {
        let below = |part: Option<&[u8]>, most| {
            part.is_none_or(|part| part.len() == 2 && number(part).is_some_and(|number| number < most))
        };
        below(hour, 25) && below(minute, 60) && below(second, 61)
    };
    match mark {
        Some(mark) => {
            let mut parts = time.split(|byte| byte == mark);
            let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
            parts.next().is_none() && in_order(hour, minute, second)
        }
        None => matches!(time.len(), 2 | 4 | 6) && in_order(time.get(..2), time.get(2..4), time.get(4..6)),
    }
}

/// `Z`, `+02:00`, `+0200`, `-05`; `+` as a form writes it.
fn without_zone(text: &[u8]) -> &[u8] {
    if let [time @ .., b'Z' | b'z'] = text {
        return time;
    }
    let Some(sign) = text.iter().rposition(|byte| b"+- ".contains(byte)).filter(|&at| at >= 2) else {
        return text;
    };
    let zone = &text[sign + 1..];
    let is_zone = match zone {
        [_, _] | [_, _, _, _] => text[sign] != b'-' || memchr::memchr(b':', &text[..sign]).is_some(),
        [_, _, b':', _, _] => true,
        _ => false,
    };
    let digits = zone.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
    if is_zone && digits { &text[..sign] } else { text }
}

/// `P30D`, `PT1H30M`, without the P (ISO 8601): each number has a unit behind it.
fn is_duration(text: &[u8]) -> bool {
    let mut is_number = false;
    let mut count = 0;
    for &byte in text {
        match byte {
            b'0'..=b'9' => is_number = true,
            b'T' | b't' if !is_number => {}
            b'.' | b',' if is_number => is_number = false,
            b'Y' | b'M' | b'W' | b'D' | b'H' | b'S' | b'd' | b'h' | b'm' | b's' | b'w' | b'y'
                if is_number =>
            {
                (is_number, count) = (false, count + 1);
            }
            _ => return false,
        }
    }
    !is_number && count > 0
}

/// `800x600`, `800x600@2x`.
fn is_size(text: &[u8]) -> bool {
    let text = match text {
        [size @ .., b'@', b'1'..=b'4', b'x'] => size,
        size => size,
    };
    let Some(at) = memchr::memchr2(b'x', b'X', text) else { return false };
    let is_side = |side: &[u8]| {
        (2..=5).contains(&side.len()) && side[0] != b'0' && number(side).is_some_and(|side| side <= 20_000)
    };
    is_side(&text[..at]) && is_side(&text[at + 1..])
}

/// `2.3.1`, `10.0.19041.1348`, `2.3.1-beta.2`: three numbers or more. Fewer may well be the version of an API.
fn is_version(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    let (numbers, behind) = text.split_at(end);
    let mut count = 0;
    for (at, part) in numbers.split(|&byte| byte == b'.').enumerate() {
        // No version has come to a thousand, but for those that are years.
        let most = if at == 0 { 4 } else { 8 };
        if part.is_empty() || part.len() > most {
            return false;
        }
        if at == 0 && part.len() == 4 && !number(part).is_some_and(|year| YEARS.contains(&year)) {
            return false;
        }
        count += 1;
    }
    let is_label =
        |label: &[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(byte));
    let is_behind = match behind {
        [] => true,
        [b'-' | b'+' | b'_', label @ ..] => {
            label.first().is_some_and(u8::is_ascii_alphabetic) && is_label(label)
        }
        [b'a'..=b'z', ..] => behind.len() <= 8 && is_label(behind),
        _ => false,
    };
    (3..=4).contains(&count) && is_behind
}

/// `48.8566,2.3522`, `@48.85,2.35,12z`.
fn is_coordinates(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"@").unwrap_or(text);
    let mut parts = text.split(|&byte| byte == b',' || byte == b';');
    let (Some(latitude), Some(longitude)) = (parts.next(), parts.next()) else { return false };
    let rest: &[u8] = parts.next().unwrap_or_default();
    let is_rest =
        rest.len() <= 12 && rest.iter().all(|byte| byte.is_ascii_digit() || b".-azm".contains(byte));
    let has_point = memchr::memchr(b'.', latitude).is_some() && memchr::memchr(b'.', longitude).is_some();
    parts.next().is_none() && is_rest && has_point && is_degrees(latitude, 90) && is_degrees(longitude, 180)
}

fn is_degrees(text: &[u8], most: u32) -> bool {
    let digits = match text.trim_ascii_start() {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    let Some(point) = memchr::memchr(b'.', digits) else { return false };
    let fraction = &digits[point + 1..];
    (1..=3).contains(&point)
        && number(&digits[..point]).is_some_and(|whole| whole <= most)
        && (1..=16).contains(&fraction.len())
        && fraction.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_is_told() {
        for text in [
            "2024-05-01",
            "2024-05-01T10:00:00Z",
            "2026-09-14T00:01:00.000Z",
            "2024-05-01T10:00:00.123456+02:00",
            "2024-05-01T10:00:00-0500",
            "2024-05-01T10:00",
            "2024-05-01 10:00:00",
            "2024-05-01_10-00",
            "20240501T100000Z",
            "20240501T1000",
            "2024-05",
            "2024-W05",
            "2024-W05-3",
            "2024W05",
            "2024-Q1",
            "2024Q1",
            "2024.05.01",
            "2024_05_01",
            "1.5.2024",
            "01-05-2024",
            "12-31-2024",
            "2024-05-01..2024-05-31",
            "2024-05-01,2024-05-31",
            "2024-05-01_2024-05-31",
            "2024-05-01T00:00Z--2024-06-01T00:00Z",
            "10:30",
            "10:30:00",
            "v2.3.1",
            "v1.20.3-rc.1",
            "P30D",
            "PT1H30M",
            "pt0.5s",
        ] {
            assert_eq!(find(text.as_bytes()), Some(Value::Plain), "{text}");
        }
        for text in [
            "20240501",
            "800x600",
            "1920x1080@2x",
            "2.3.1",
            "1.2.3-beta.1",
            "1.2.3-SNAPSHOT",
            "10.0.19041.1348",
            "2024.1.15",
            "48.8566,2.3522",
            "-33.86,151.21",
            "@48.85,2.35,12z",
            "+48.85,-2.35",
            "geo:48.85,-2.35",
        ] {
            assert!(find(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn days_stand_behind_words() {
        for (text, before) in [
            ("dt=2024-05-01", "dt="),
            ("logs-app3-2024.05.01", "logs-app3-"),
            ("scheduled__2024-05-01T00:00:00+00:00", "scheduled__"),
            ("report-2024-05-01", "report-"),
            (".ds-logs-2024.05.01", ".ds-logs-"),
        ] {
            assert_eq!(behind(text.as_bytes()), Some(before.len()..text.len()), "{text}");
        }
        for text in
            ["INV-2024-05", "INV-2024-0815", "2024-05-01", "a-2024-05-01-17", "a-17-2024-13-01", "a", ""]
        {
            assert_eq!(behind(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_people_are_somebodys() {
        for text in [
            "17",
            "20241301",
            "20240230",
            "18991231",
            "123-45-6789",
            "2024-13-01",
            "2024-05-32",
            "1017x1",
            "1017.0.1",
            "17,18",
            "148.8566,2.3522",
            "1.5,2",
            "25:61",
            "2024-0815",
            "2024",
            "v2",
            "v2.1",
            "987.100.000-00",
            "4111-1111-1111-1111",
            "words",
            "P30",
            "PD",
            "P10017",
            "",
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }
}
