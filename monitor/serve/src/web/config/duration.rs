//! Durations as Go writes them: `1s`, `250ms`, `1m30s`, `1.5h`, `0`.

use std::time::Duration;

/// Units in nanoseconds; the longer ones first of those that begin alike.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
];

/// A year: nobody waits longer for a request.
const LONGEST: f64 = 365.0 * 24.0 * 3_600e9;

/// The duration that `text` says; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, nanoseconds) = UNITS.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        total += number * nanoseconds;
        rest = &rest[unit.len()..];
    }
    (!text.is_empty() && total <= LONGEST).then(|| Duration::from_nanos(total as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("1s", 1_000), ("250ms", 250), ("1m30s", 90_000), ("1.5h", 5_400_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", "-1s", "1 s", "1x", "1s1", "1..5s", "999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
