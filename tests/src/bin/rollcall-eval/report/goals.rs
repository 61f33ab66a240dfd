//! What was to be reached, and whether it was.

use super::{
    attacks::{Row, rows},
    benign,
    scale::{accuracy, speeds, tests},
    table::{count, mebibytes, met, millions, table},
};
use crate::{
    logs::LOGS,
    outcome::{Outcome, SYNTHETIC},
    parts::Run,
    score::per,
    world::DAY,
};

/// A goal of accounts: its text, the attacks that it is for, and the most.
const ACCOUNTS: [(&str, &[&str], f64); 5] = [
    (
        "the breach, sequential or random: alert at ≤ 30 accounts, every seed",
        &["breach-sequential", "breach-random", "breach-uuid", "breach-check-digit", "breach-time-ordered"],
        30.0,
    ),
    (
        "the same volume over 1,000 and 50,000 addresses, rotating tokens, sequential: ≤ 100 accounts in all",
        &["thousand-sequential", "fifty-thousand-sequential"],
        100.0,
    ),
    (
        "the same, random order, benign first-touch rate ≤ 1/s: ≤ 500 accounts in all",
        &["thousand-random", "fifty-thousand-random", "fifty-thousand-uuid"],
        500.0,
    ),
    ("1/min from one client, sequential: ≤ 60 accounts", &["minute-sequential"], 60.0),
    ("1/min from one client, random: ≤ 300 accounts", &["minute-random", "minute-uuid"], 300.0),
];

const F1: f64 = 0.99;
const MEMORY: u64 = 64 << 20;
const RECALL: f64 = 0.99;
const SPEED: f64 = 3e6;

pub(super) fn section(run: &Run) -> Option<String> {
    let mut goals = Vec::new();
    let synthetic = rows(run, SYNTHETIC);
    for (text, names, most) in ACCOUNTS {
        let of: Vec<&Row<'_>> = synthetic.iter().filter(|row| names.contains(&row.shape.name)).collect();
        if !of.is_empty() {
            let worst = of.iter().map(|row| row.worst()).fold(0.0, f64::max);
            let figure = match of.iter().max_by(|a, b| a.worst().total_cmp(&b.worst())) {
                Some(row) if row.is_caught() => {
                    format!("{} at worst (`{}`)", count(Some(worst)), row.shape.name)
                }
                Some(row) => format!("`{}`: caught {}/{}", row.shape.name, row.caught(), row.outcomes.len()),
                None => String::new(),
            };
            goals.push(vec![text.to_owned(), figure, met(worst <= most)]);
        }
    }
    goals.extend(false_alerts(run));
    goals.extend(scale(run));
    (!goals.is_empty()).then(|| {
        let table = table(&["goal", "figure", "result"], goals);
        format!("## Goals\n\n{table}")
    })
}

fn false_alerts(run: &Run) -> Vec<Vec<String>> {
    let mut goals = Vec::new();
    let all: Vec<_> = benign::outcomes(run).collect();
    let logs: Vec<_> =
        all.iter().copied().filter(|outcome| LOGS.contains(&outcome.traffic.as_str())).collect();
    if !logs.is_empty() {
        let (alerts, _) = benign::sum(logs.into_iter());
        goals.push(vec!["recorded logs: 0 false alerts".to_owned(), alerts.to_string(), met(alerts == 0)]);
    }
    let days: Vec<_> =
        all.iter().copied().filter(|outcome| !LOGS.contains(&outcome.traffic.as_str())).collect();
    if !days.is_empty() {
        let count = days.len();
        let (alerts, _) = benign::sum(days.into_iter());
        goals.push(vec![
            "the synthetic API's ordinary day: 0 false alerts".to_owned(),
            format!("{alerts} in {count} days"),
            met(alerts == 0),
        ]);
    }
    if !all.is_empty() {
        let (alerts, observed) = benign::sum(all.into_iter());
        let a_week = per(alerts, observed, 7 * DAY);
        goals.push(vec![
            "all ordinary traffic: ≤ 1 false alert a week, extrapolated".to_owned(),
            format!("{a_week:.2}"),
            met(a_week <= 1.0),
        ]);
    }
    goals
}

fn scale(run: &Run) -> Vec<Vec<String>> {
    let mut goals = Vec::new();
    for test in tests(run, "clients") {
        let f1 = accuracy(test).f1;
        goals.push(vec![
            format!(
                "10 M clients in one window, T = 100: F1 ≥ {F1} in ≤ {} ({}, {})",
                mebibytes(MEMORY),
                test.lens,
                test.attackers
            ),
            format!("{f1:.4} in {}", mebibytes(test.peak_bytes)),
            met(f1 >= F1 && test.peak_bytes <= MEMORY),
        ]);
    }
    for test in tests(run, "flood") {
        let recall = accuracy(test).recall;
        goals.push(vec![
            format!("100 M rotated keys: recall ≥ {RECALL}, 0 false positives ({})", test.lens),
            format!(
                "{recall:.4}, {} false positives with {} keys",
                test.wrong,
                millions(test.clients as f64)
            ),
            met(recall >= RECALL && test.wrong == 0 && test.clients >= 100_000_000),
        ]);
    }
    for speed in speeds(run) {
        goals.push(vec![
            format!("speed ≥ {}/s on one core ({})", millions(SPEED), speed.what),
            format!("{}/s", millions(speed.median)),
            met(speed.median >= SPEED),
        ]);
    }
    goals
}

/// Whether anything was attacked.
pub(super) fn has_attacks(run: &Run) -> bool {
    run.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Attack(_)))
}
