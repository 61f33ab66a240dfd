//! `/metrics`: a page of Prometheus text, and what must hold of it at any time.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Segments that the kernel programs were shown, by direction.
pub const SEEN: &str = "rollcall_segments_seen_total";
/// The same segments by direction and outcome: each has exactly one.
pub const OUTCOMES: &str = "rollcall_segments_total";
/// The label of both that tells the direction.
pub const DIRECTION: &str = "direction";
/// The label of [`OUTCOMES`] that tells the outcome.
pub const OUTCOME: &str = "outcome";

/// Requests known to have been made and not reported.
pub const REQUESTS_LOST: &str = "rollcall_requests_lost_total";
/// The prefix of what the streams and the parser count.
const HTTP: &str = "rollcall_http_";
/// Outcomes of segments that mean that something may be missing from the report.
const LOSSES: [&str; 4] = ["over_budget", "ring_full", "no_memory", "unreadable"];

/// The samples of one page.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Parses the text format, version 0.0.4.
    pub fn parse(page: &str) -> Result<Metrics> {
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| Sample::parse(line).with_context(|| format!("metrics line {line:?}")));
        Ok(Metrics { samples: samples.collect::<Result<_>>()? })
    }

    /// Whether the page has a sample called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// The sum of all samples called `name` that carry all of `labels`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = self.samples.iter().filter(|sample| sample.name == name && sample.carries(labels));
        wanted.fold(0.0, |sum, sample| sum + sample.value)
    }

    /// The sums of the samples called `name` for each value of `label`.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<&str, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.name == name) {
            if let Some(value) = sample.labels.get(label) {
                *sums.entry(value.as_str()).or_default() += sample.value;
            }
        }
        sums
    }

    /// The samples that are not as they were `before`, with the difference.
    pub fn changes_since(&self, before: &Metrics) -> Vec<(String, f64)> {
        let earlier: BTreeMap<_, _> =
            before.samples.iter().map(|sample| (sample.series(), sample.value)).collect();
        let difference = |sample: &Sample| {
            let series = sample.series();
            let difference = sample.value - earlier.get(&series).copied().unwrap_or(0.0);
            (difference != 0.0).then_some((series, difference))
        };
        self.samples.iter().filter_map(difference).collect()
    }

    /// Segments that were lost, for whatever reason.
    pub fn segments_lost(&self) -> f64 {
        LOSSES.iter().fold(0.0, |sum, outcome| sum + self.sum(OUTCOMES, &[(OUTCOME, outcome)]))
    }

    /// Requests known to be lost.
    pub fn requests_lost(&self) -> f64 {
        self.sum(REQUESTS_LOST, &[])
    }

    /// What became of segments and requests, for a failure's message.
    pub fn summary(&self) -> String {
        let outcomes = self.by(OUTCOMES, OUTCOME).into_iter().filter(|(_, count)| *count > 0.0);
        let outcomes: Vec<String> = outcomes.map(|(outcome, count)| format!("{outcome} {count}")).collect();
        let http = self.samples.iter().filter(|sample| sample.name.starts_with(HTTP) && sample.value > 0.0);
        let http: Vec<String> = http.map(|sample| format!("{} {}", sample.series(), sample.value)).collect();
        let lost = self.requests_lost();
        format!("segments: {}; requests lost: {lost}; {}", outcomes.join(", "), http.join(", "))
    }

    /// Fails unless, for each direction, the segments seen are the sum of their outcomes.
    pub fn check_accounting(&self) -> Result<()> {
        let seen = self.by(SEEN, DIRECTION);
        ensure!(!seen.is_empty(), "no {SEEN} with a {DIRECTION} in /metrics");
        for (direction, seen) in seen {
            let outcomes = self.sum(OUTCOMES, &[(DIRECTION, direction)]);
            ensure!(
                seen == outcomes,
                "{direction}: {seen} segments seen, {outcomes} accounted for: {:?}",
                self.by(OUTCOMES, OUTCOME)
            );
        }
        Ok(())
    }
}

impl Sample {
    fn parse(line: &str) -> Result<Sample> {
        let (series, value) = match line.rfind('}') {
            Some(end) => line.split_at(end + 1),
            None => line.split_once(' ').context("no value")?,
        };
        let value = value.split_whitespace().next().context("no value")?.parse()?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, parse_labels(labels.trim_end_matches('}'))?),
            None => (series, BTreeMap::new()),
        };
        Ok(Sample { name: name.to_owned(), labels, value })
    }

    fn series(&self) -> String {
        let labels: Vec<&str> = self.labels.values().map(String::as_str).collect();
        format!("{}{{{}}}", self.name, labels.join(","))
    }

    fn carries(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(label, value)| self.labels.get(*label).is_some_and(|own| own == value))
    }
}

fn parse_labels(mut text: &str) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").context("a label without a value")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().context("a label's value without an end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next().context("an escape without an end")?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.trim_start_matches([',', ' ']).to_owned(), value);
        text = &rest[end + 1..];
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_escapes_and_plain_samples() {
        let page = "# HELP a b\n# TYPE a counter\na 3\nb{x=\"1\",y=\"q\\\"}\"} 2\nb{x=\"1\",y=\"r\"} 4.5e1\n";
        let metrics = Metrics::parse(page).unwrap();
        assert_eq!(metrics.sum("a", &[]), 3.0);
        assert_eq!(metrics.sum("b", &[("x", "1")]), 47.0);
        assert_eq!(metrics.sum("b", &[("y", "q\"}")]), 2.0);
        assert_eq!(metrics.by("b", "y")["r"], 45.0);
    }

    #[test]
    fn a_segment_without_outcome_is_an_error() {
        let page = format!(
            "{SEEN}{{direction=\"request\"}} 3\n{OUTCOMES}{{direction=\"request\",outcome=\"submitted\"}} 2\n"
        );
        let error = Metrics::parse(&page).unwrap().check_accounting().unwrap_err();
        assert!(error.to_string().contains("3 segments seen, 2 accounted for"), "{error}");
    }
}
