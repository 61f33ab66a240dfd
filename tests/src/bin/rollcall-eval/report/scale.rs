//! Scale, memory and speed.

use super::table::{mebibytes, millions, table};
use crate::{
    outcome::{Outcome, ScaleOutcome, SpeedOutcome},
    parts::Run,
    score::Accuracy,
};

pub(super) fn tests<'a>(run: &'a Run, test: &'a str) -> impl Iterator<Item = &'a ScaleOutcome> {
    run.outcomes.iter().filter_map(move |outcome| match outcome {
        Outcome::Scale(scale) if scale.test == test => Some(scale),
        _ => None,
    })
}

pub(super) fn speeds(run: &Run) -> impl Iterator<Item = &SpeedOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Speed(speed) => Some(speed),
        _ => None,
    })
}

pub(super) fn accuracy(scale: &ScaleOutcome) -> Accuracy {
    Accuracy::of(scale.right, scale.right + scale.wrong, scale.wanted)
}

const COLUMNS: [&str; 11] = [
    "test",
    "lens",
    "attackers' objects",
    "clients",
    "observations",
    "precision",
    "recall",
    "F1",
    "false positives",
    "an observation",
    "most memory of the process",
];

pub(super) fn section(run: &Run) -> Option<String> {
    let mut text = String::new();
    let all: Vec<&ScaleOutcome> = tests(run, "clients").chain(tests(run, "flood")).collect();
    if !all.is_empty() {
        text.push_str(&format!(
            "## Scale\n\n\
             One window of an hour, the limit 100/1h. `clients`: 1,000 of 10 M clients touch more than 100 objects, the \
             others 1.42 on average and up to 60. `flood`: 1,000 do while keys with one object each pour in. Attackers' \
             objects are 101 to 2,000 (Pareto, α = 1.5), or 101 to 200, each as likely. With the lens `credential`, each \
             observation comes from another address.\n\n{}",
            table(&COLUMNS, all.into_iter().map(row))
        ));
    }
    let speeds: Vec<&SpeedOutcome> = speeds(run).collect();
    if !speeds.is_empty() {
        let rows = speeds.iter().map(|speed| {
            let shown = |rate: f64| format!("{}/s", millions(rate));
            let mut row = vec![speed.what.clone()];
            row.extend([speed.median, speed.slowest, speed.fastest].map(shown));
            row.push(format!("{:.0} ns", 1e9 / speed.median));
            row
        });
        text.push_str(&format!(
            "{}## Speed\n\nThe detector by itself on one core, 100,000 clients in steady state, the usual limits.\n\n{}",
            if text.is_empty() { "" } else { "\n" },
            table(&["keys of a call", "observations a second", "slowest run", "fastest run", "an observation"], rows)
        ));
    }
    (!text.is_empty()).then_some(text)
}

fn row(scale: &ScaleOutcome) -> Vec<String> {
    let accuracy = accuracy(scale);
    let spread = if scale.attackers == "uniform" { "101 to 200" } else { "101 to 2,000" };
    vec![
        scale.test.clone(),
        scale.lens.clone(),
        spread.to_owned(),
        millions(scale.clients as f64),
        millions(scale.observations as f64),
        format!("{:.4}", accuracy.precision),
        format!("{:.4}", accuracy.recall),
        format!("{:.4}", accuracy.f1),
        scale.wrong.to_string(),
        format!("{:.0} ns", scale.ns_per_observation),
        mebibytes(scale.peak_bytes),
    ]
}
