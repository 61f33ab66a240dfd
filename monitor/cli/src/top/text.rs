//! Text as a terminal may have it.

use rollcall_model::time::Timestamp;

/// The text without what a terminal would obey, or what would change how the rest is read: control characters, and those
/// that turn the direction of text around or can't be seen.
pub(crate) fn clean(text: &str) -> String {
    let shown = |char: char| if is_harmless(char) { char } else { char::REPLACEMENT_CHARACTER };
    text.chars().map(shown).collect()
}

fn is_harmless(char: char) -> bool {
    let invisible = matches!(
        char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !char.is_control() && !invisible
}

/// Cells as lines, each column as wide as its widest cell: numbers to the right, as `is_number` tells by the column.
pub(crate) fn columns<const N: usize>(
    rows: &[[String; N]],
    is_number: impl Fn(usize) -> bool,
) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let shown = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| match is_number(at) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        shown.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A time to the second, as people write it.
pub(crate) fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How long, in the largest unit that says enough.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", seconds / 60),
        6_000..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A rate, short.
pub(super) fn rate(value: f64) -> String {
    if value <= 0.0 {
        "0".to_owned()
    } else if value < 9.95 {
        format!("{value:.1}")
    } else {
        grouped(value.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(clean("GET /v1/{id}"), "GET /v1/{id}");
        assert_eq!(clean("é漢🙂"), "é漢🙂");
        for text in ["\u{1b}[2J", "\u{9b}2J", "a\u{7}", "a\n", "\u{202e}x", "\u{200b}", "\u{7f}"] {
            assert!(clean(text).contains('\u{fffd}'), "{text:?}");
        }
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([grouped(7), grouped(1_234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([age(5), age(119), age(7_200), age(864_000)], ["5 s", "1 min", "2 h", "10 d"]);
        assert_eq!([rate(0.0), rate(0.25), rate(51.6), rate(12_345.0)], ["0", "0.2", "52", "12,345"]);
    }
}
