//! What was to be reached, and whether it was.

use super::{
    attacks::{Row, rows},
    benign,
    field::{forms, weeks},
    scale::{accuracy, speeds, tests},
    table::{count, mebibytes, met, millions, table},
    taught,
};
use crate::{
    known::{self, KNOWN as KNOWN_FROM},
    logs::LOGS,
    outcome::{FormOutcome, Outcome, SYNTHETIC},
    parts::Run,
    score::per,
    taught::PLAIN,
    world::DAY,
};

/// A goal of accounts: its text, the attacks that it is for, and the most.
struct Goal {
    text: &'static str,
    attacks: &'static [&'static str],
    most: f64,
}

const fn goal(text: &'static str, attacks: &'static [&'static str], most: f64) -> Goal {
    Goal { text, attacks, most }
}

/// Amid the synthetic API.
const ACCOUNTS: [Goal; 6] = [
    goal(
        "the breach on a known route of own data, any order, every seed: ≤ 10 accounts",
        &["breach-sequential", "breach-random", "breach-uuid", "breach-check-digit", "breach-time-ordered"],
        10.0,
    ),
    goal(
        "over 1,000 and 50,000 addresses, rotating tokens, in order: ≤ 60 accounts in all",
        &["thousand-sequential", "fifty-thousand-sequential"],
        60.0,
    ),
    goal(
        "the same, random order: ≤ 250 accounts in all",
        &["thousand-random", "fifty-thousand-random", "fifty-thousand-uuid"],
        250.0,
    ),
    goal("299 a day by 200 identities, random order: found within a day", &["299-a-day-random"], 59_800.0),
    goal("guessing spread over 1,000 addresses, 95 % misses: ≤ 100 accounts", &["guessing-thousand"], 100.0),
    goal("pages of a list with 100 accounts each: ≤ 500 accounts", &["list-pages"], 500.0),
];

/// On a known route of own data, where there are customers only.
const OWN: [Goal; 3] = [
    goal("the same where there are customers only: ≤ 10 accounts", &known::BREACHES, KNOWN),
    goal(
        "1/min from one client, in order, on a route of own data: ≤ 40 accounts",
        &["minute-sequential"],
        40.0,
    ),
    goal(
        "1/min from one client, random order, on a route of own data: ≤ 120 accounts",
        &["minute-random", "minute-uuid"],
        120.0,
    ),
];

/// Amid recorded logs.
const AMID_LOGS: Goal = goal(
    "random order over many addresses amid the recorded logs: ≤ 500 accounts",
    &["thousand-random", "fifty-thousand-random"],
    500.0,
);

/// On a route that is not known yet, and on one that is.
const COLD: f64 = 25.0;
const KNOWN: f64 = 10.0;

/// A walk through identifiers of whatever form.
const FORM: u64 = 25;
/// False warnings of one workload on the first day.
const FIRST_DAY: u64 = 3;

const F1: f64 = 0.99;
const MEMORY: u64 = 64 << 20;
const RECALL: f64 = 0.99;
const SPEED: f64 = 3e6;

pub(super) fn section(run: &Run) -> Option<String> {
    let mut goals = Vec::new();
    let synthetic = rows(run, SYNTHETIC);
    goals.extend(field(run));
    goals.extend(known(run));
    goals.extend(ACCOUNTS.iter().filter_map(|goal| goal.row(synthetic.iter())));
    let amid_logs: Vec<Row<'_>> = LOGS.iter().flat_map(|log| rows(run, log)).collect();
    goals.extend(AMID_LOGS.row(amid_logs.iter()));
    goals.extend(false_alerts(run));
    goals.extend(scale(run));
    (!goals.is_empty()).then(|| {
        let table = table(&["goal", "figure", "result"], goals);
        format!("## Goals\n\n{table}")
    })
}

impl Goal {
    /// Whether these reach it, if it is for any of them.
    fn row<'a>(&self, rows: impl Iterator<Item = &'a Row<'a>>) -> Option<Vec<String>> {
        let of = rows.filter(|row| self.attacks.contains(&row.shape.name));
        let worst = of.max_by(|a, b| a.worst().total_cmp(&b.worst()))?;
        let figure = if worst.is_caught() {
            format!("{} at worst (`{}`)", count(Some(worst.worst())), worst.shape.name)
        } else {
            format!("`{}`: caught {}/{}", worst.shape.name, worst.caught(), worst.outcomes.len())
        };
        Some(vec![self.text.to_owned(), figure, met(worst.worst() <= self.most)])
    }
}

/// What people run, and the forms of identifiers.
fn field(run: &Run) -> Vec<Vec<String>> {
    let mut goals = Vec::new();
    let days = [
        (format!("first day: ≤ {FIRST_DAY} warnings each, 0 critical"), (0, 1), FIRST_DAY),
        ("second day: 0".to_owned(), (1, 2), 0),
        ("third to seventh day: 0".to_owned(), (2, usize::MAX), 0),
    ];
    for (text, (from, end), most) in days {
        let sums = weeks(run).map(|week| (&week.workload, week.sum(from, end)));
        let Some((workload, worst)) = sums.max_by_key(|(_, sum)| (sum.critical, sum.alerts)) else {
            continue;
        };
        let beyond = weeks(run).map(|week| week.sum(from, end));
        let beyond = beyond.filter(|sum| sum.critical > 0 || sum.alerts > most).count();
        let worst = match (worst.alerts, worst.critical) {
            (0, 0) => "0".to_owned(),
            (alerts, critical) => format!("{alerts}, {critical} of them critical, at worst ({workload})"),
        };
        goals.push(vec![
            format!("what people run, cold start, {text}"),
            format!("{worst}; beyond: {beyond} of {}", weeks(run).count()),
            met(beyond == 0),
        ]);
    }
    if forms(run).next().is_some() {
        let is_good = |form: &&FormOutcome| {
            form.routes == 1 && (!form.is_of_accounts() || form.found.is_some_and(|found| found <= FORM))
        };
        let (all, good) = (forms(run).count(), forms(run).filter(is_good).count());
        goals.push(vec![
            format!("walks through each form of identifiers: found at ≤ {FORM}, one route"),
            format!("{good} of {all}"),
            met(good == all),
        ]);
    }
    goals
}

/// The breach by the age of the route.
fn known(run: &Run) -> Vec<Vec<String>> {
    let by_age = [
        (format!("the breach on a cold start, any order: ≤ {COLD:.0} accounts"), false, COLD),
        (
            format!(
                "the same on the second and third day, offices and dashboards amid customers: ≤ {KNOWN:.0} accounts"
            ),
            true,
            KNOWN,
        ),
    ];
    let mut goals = Vec::new();
    for (text, is_known, most) in by_age {
        let of = taught::known(run).filter(|known| (known.age_s >= KNOWN_FROM.as_secs_f64()) == is_known);
        if let Some(worst) = of.map(|known| known.attack.accounts()).max_by(f64::total_cmp) {
            goals.push(vec![text, format!("{} at worst", count(Some(worst))), met(worst <= most)]);
        }
    }
    let plain = |shapes: &'static [&'static str]| {
        let of = taught::taught(run).filter(|taught| PLAIN.contains(&taught.attacker.as_str()));
        let of = of.filter(move |taught| shapes.contains(&taught.breach.shape.as_str()));
        of.map(|taught| taught.breach.accounts()).max_by(f64::total_cmp)
    };
    for Goal { text, attacks, most } in OWN {
        if let Some(worst) = plain(attacks) {
            goals.push(vec![text.to_owned(), format!("{} at worst", count(Some(worst))), met(worst <= most)]);
        }
    }
    goals
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
