//! How each attack was caught.

use std::collections::BTreeMap;

use super::table::{count, table, time};
use crate::{
    attack::{SHAPES, Shape},
    logs::LOGS,
    outcome::{AttackOutcome, Outcome, SYNTHETIC},
    parts::Run,
    score::rank,
};

/// One shape amid one traffic, with every seed.
pub(super) struct Row<'a> {
    pub(super) shape: &'static Shape,
    pub(super) outcomes: Vec<&'a AttackOutcome>,
}

impl Row<'_> {
    /// Seeds with which it was caught.
    pub(super) fn caught(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.caught.is_some()).count()
    }

    pub(super) fn is_caught(&self) -> bool {
        self.caught() == self.outcomes.len()
    }

    /// Accounts read before the alert, with each seed: infinitely many if there was none.
    fn accounts(&self) -> Vec<f64> {
        let before = |outcome: &&AttackOutcome| {
            outcome.caught.as_ref().map_or(f64::INFINITY, |caught| caught.accounts as f64)
        };
        self.outcomes.iter().map(before).collect()
    }

    /// The most that were.
    pub(super) fn worst(&self) -> f64 {
        self.accounts().into_iter().fold(0.0, f64::max)
    }

    fn delays(&self) -> Vec<f64> {
        let delay =
            |outcome: &&AttackOutcome| outcome.caught.as_ref().map_or(f64::INFINITY, |caught| caught.delay_s);
        self.outcomes.iter().map(delay).collect()
    }

    /// The first alert's rule, severity and kind of client, as they were with each seed.
    fn rules(&self) -> String {
        let mut rules: BTreeMap<String, usize> = BTreeMap::new();
        for caught in self.outcomes.iter().filter_map(|outcome| outcome.caught.as_ref()) {
            let alert = &caught.alert;
            let text = format!("{} ({}, {})", alert.rule, alert.kind, alert.severity);
            *rules.entry(text).or_default() += 1;
        }
        rules.into_keys().collect::<Vec<_>>().join("; ")
    }

    fn cells(&self) -> Vec<String> {
        let (accounts, delays) = (self.accounts(), self.delays());
        let read = self.outcomes.iter().map(|outcome| outcome.read).max().unwrap_or_default();
        vec![
            format!("`{}`", self.shape.name),
            self.shape.about.to_owned(),
            format!("{}/{}", self.caught(), self.outcomes.len()),
            count(rank(&accounts, 0.5)),
            count(rank(&accounts, 0.95)),
            if self.is_caught() { count(Some(self.worst())) } else { format!("not caught: {read} read") },
            time(rank(&delays, 0.5)),
            time(rank(&delays, 1.0)),
            self.rules(),
        ]
    }
}

/// The rows of one traffic, in the order of [`SHAPES`].
pub(super) fn rows<'a>(run: &'a Run, amid: &str) -> Vec<Row<'a>> {
    let rows = SHAPES.iter().map(|shape| {
        let attacks = run.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Attack(attack) if attack.amid == amid && attack.shape == shape.name => Some(attack),
            _ => None,
        });
        Row { shape, outcomes: attacks.collect() }
    });
    rows.filter(|row| !row.outcomes.is_empty()).collect()
}

const COLUMNS: [&str; 9] = [
    "attack",
    "what it does",
    "recall",
    "accounts before the alert: median",
    "p95",
    "worst",
    "delay: median",
    "worst",
    "first alert",
];

pub(super) fn section(run: &Run) -> Option<String> {
    let mut text = String::new();
    for amid in std::iter::once(SYNTHETIC).chain(LOGS) {
        let rows = rows(run, amid);
        if !rows.is_empty() {
            let title = if amid == SYNTHETIC { "Attacks amid the synthetic API's traffic" } else { "" };
            let title = if title.is_empty() { format!("Attacks amid `{amid}`") } else { title.to_owned() };
            let table = table(&COLUMNS, rows.iter().map(Row::cells));
            text.push_str(&format!("{}## {title}\n\n{table}", if text.is_empty() { "" } else { "\n" }));
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{engine::Raised, outcome::Caught};

    pub(crate) fn run(outcomes: Vec<Outcome>) -> Run {
        Run {
            all: true,
            scenarios: Vec::new(),
            seeds: 3,
            full: false,
            outcomes,
            took: Duration::from_secs(9),
            logs: true,
            cases: true,
        }
    }

    fn attack(seed: u64, accounts: Option<u64>) -> Outcome {
        let alert = Raised {
            at: 1,
            rule: "distinct-objects".to_owned(),
            severity: "warning".to_owned(),
            kind: "peer".to_owned(),
            client: "192.0.2.7".to_owned(),
            route: "GET /v1/customers/{id}".to_owned(),
            distinct: 21,
            window_s: 10,
        };
        Outcome::Attack(AttackOutcome {
            shape: "breach-random".to_owned(),
            amid: SYNTHETIC.to_owned(),
            seed,
            caught: accounts.map(|accounts| Caught { accounts, calls: accounts, delay_s: 2.0, alert }),
            read: accounts.unwrap_or(500),
        })
    }

    #[test]
    fn a_row_has_the_middle_and_the_worst_of_all_seeds() {
        let all = run(vec![attack(1, Some(21)), attack(2, Some(25)), attack(3, Some(23))]);
        let found = rows(&all, SYNTHETIC);
        let cells = found[0].cells();
        assert_eq!(cells[2..6], ["3/3", "23", "25", "25"]);
        assert_eq!(cells[8], "distinct-objects (peer, warning)");
        assert_eq!(found[0].worst(), 25.0);
    }

    #[test]
    fn what_is_not_caught_once_is_said_to_be_so() {
        let all = run(vec![attack(1, Some(21)), attack(2, None), attack(3, Some(23))]);
        let found = rows(&all, SYNTHETIC);
        assert_eq!(found[0].cells()[2..6], ["2/3", "23", "–", "not caught: 500 read"]);
        assert!(!found[0].is_caught() && found[0].worst().is_infinite());
        assert!(section(&run(Vec::new())).is_none());
    }
}
