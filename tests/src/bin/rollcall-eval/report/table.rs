//! Tables, and how figures are written in them.

use std::fmt::Write as _;

/// A table of Markdown.
pub(super) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// A count, or that there is none.
pub(super) fn count(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.0}"),
        _ => "–".to_owned(),
    }
}

/// A time in what it is best read in.
pub(super) fn time(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds < 120.0 => format!("{seconds:.1} s"),
        Some(seconds) if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) if seconds.is_finite() => format!("{:.1} h", seconds / 3_600.0),
        _ => "–".to_owned(),
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

pub(super) fn millions(value: f64) -> String {
    format!("{:.2} M", value / 1e6)
}

pub(super) fn met(met: bool) -> String {
    if met { "met" } else { "**not met**" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_of_markdown() {
        let rows = [vec!["1".to_owned(), count(Some(f64::INFINITY))]];
        assert_eq!(table(&["a", "b"], rows), "| a | b |\n|---|---|\n| 1 | – |\n");
        assert_eq!(
            [90.0, 600.0, 36_000.0].map(|seconds| time(Some(seconds))),
            ["90.0 s", "10 min", "10.0 h"]
        );
    }
}
