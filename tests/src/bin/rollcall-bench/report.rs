//! The document: a preamble, and a section of Markdown a benchmark.

use std::fmt::{self, Display, Formatter};

use anyhow::Result;
use rollcall_tests::machine;

use crate::summary::Summary;

/// What one benchmark has found.
pub(crate) struct Section {
    pub title: &'static str,
    /// What is measured, and how.
    pub method: String,
    pub figures: Vec<Figure>,
    /// What doesn't fit the table of figures.
    pub tables: Vec<Table>,
    /// What a reader has to know besides.
    pub notes: Vec<String>,
}

/// A table with columns of its own.
pub(crate) struct Table {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// One line of a section's table.
#[derive(Default)]
pub(crate) struct Figure {
    name: String,
    value: String,
    spread: String,
    interval: String,
    goal: String,
    verdict: String,
}

impl Figure {
    /// A figure that is what it is.
    pub(crate) fn exact(name: impl Into<String>, value: impl Display) -> Figure {
        Figure { name: name.into(), value: value.to_string(), ..Figure::default() }
    }

    /// A median with its spread.
    pub(crate) fn spread(name: impl Into<String>, summary: Summary, shown: impl Fn(f64) -> String) -> Figure {
        Figure {
            name: name.into(),
            value: shown(summary.median),
            spread: format!("{} to {}", shown(summary.p10), shown(summary.p90)),
            ..Figure::default()
        }
    }

    /// The 95 % interval of the median.
    pub(crate) fn interval(mut self, (low, high): (f64, f64), shown: impl Fn(f64) -> String) -> Figure {
        self.interval = format!("{} to {}", shown(low), shown(high));
        self
    }

    /// What was to be reached, and whether it was.
    pub(crate) fn goal(self, goal: impl Into<String>, met: bool) -> Figure {
        self.judged(goal, if met { "met" } else { "**not met**" })
    }

    /// What was to be reached, and how near it is.
    pub(crate) fn judged(mut self, goal: impl Into<String>, verdict: impl Into<String>) -> Figure {
        self.goal = goal.into();
        self.verdict = verdict.into();
        self
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.method)?;
        if !self.figures.is_empty() {
            self.figures(f)?;
        }
        for table in &self.tables {
            writeln!(f, "{}{table}", if self.figures.is_empty() { "" } else { "\n" })?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "- {note}")?;
        }
        Ok(())
    }
}

impl Section {
    fn figures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| figure | median or value | p10 to p90 | 95 % interval of the median | goal | result |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for Figure { name, value, spread, interval, goal, verdict } in &self.figures {
            writeln!(f, "| {name} | {value} | {spread} | {interval} | {goal} | {verdict} |")?;
        }
        Ok(())
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        write!(f, "|{}", "---|".repeat(self.columns.len()))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n| {} |", row.join(" | ")))
    }
}

/// What stands before the sections.
pub(crate) fn preamble(cores: usize, seconds: Option<u64>) -> Result<String> {
    let shortened = match seconds {
        Some(seconds) => format!(" --seconds {seconds}"),
        None => String::new(),
    };
    Ok(format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --write{shortened}`; how each figure is measured stands above it. Everything, servers and \
         clients included, shares {cores} cores.\n\n\
         Machine: {}.\n",
        machine::line()?
    ))
}

/// A share of one core, in per cent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// A time, in nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    format!("{value:.0} ns")
}

/// A ratio.
pub(crate) fn ratio(value: f64) -> String {
    format!("{value:.3}")
}

/// Bytes, in MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A count a second.
pub(crate) fn rate(value: f64) -> String {
    if value >= 1e6 { format!("{:.2} M/s", value / 1e6) } else { format!("{value:.0}/s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_table_with_goals_and_results() {
        let summary = Summary { median: 0.951, p10: 0.94, p90: 0.96 };
        let section = Section {
            title: "Throughput",
            method: "Of requests.".into(),
            figures: vec![
                Figure::spread("with", summary, ratio).interval((0.949, 0.953), ratio).goal("≥ 0.96", false),
                Figure::exact("lost", 0),
            ],
            tables: vec![Table { columns: vec!["a", "b"], rows: vec![vec!["1".into(), "2".into()]] }],
            notes: vec!["Loopback.".into()],
        };
        assert_eq!(
            section.to_string(),
            "## Throughput\n\nOf requests.\n\n\
             | figure | median or value | p10 to p90 | 95 % interval of the median | goal | result |\n\
             |---|---|---|---|---|---|\n\
             | with | 0.951 | 0.940 to 0.960 | 0.949 to 0.953 | ≥ 0.96 | **not met** |\n\
             | lost | 0 |  |  |  |  |\n\n\
             | a | b |\n|---|---|\n| 1 | 2 |\n\n\
             - Loopback.\n"
        );
    }
}
