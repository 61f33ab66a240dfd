//! Ordinary traffic, and what was raised about it.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use super::table::{mebibytes, table, time};
use crate::{
    engine::Raised,
    outcome::{BenignOutcome, Outcome},
    parts::Run,
    score::per,
    world::DAY,
};

/// Clients whose alerts are listed, of each traffic.
const LISTED: usize = 20;

pub(super) fn outcomes(run: &Run) -> impl Iterator<Item = &BenignOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Benign(benign) => Some(benign),
        _ => None,
    })
}

/// False alerts of all of this traffic, and the time that it took.
pub(super) fn sum<'a>(outcomes: impl Iterator<Item = &'a BenignOutcome>) -> (usize, Duration) {
    outcomes.fold((0, Duration::ZERO), |(alerts, time), outcome| {
        (alerts + outcome.alerts.len(), time + Duration::from_secs_f64(outcome.seconds))
    })
}

const COLUMNS: [&str; 11] = [
    "traffic",
    "seed",
    "time",
    "calls",
    "clients",
    "first reads of an account, mean",
    "false alerts",
    "a day",
    "a week",
    "a call, in the engine",
    "memory of the process",
];

pub(super) fn section(run: &Run) -> Option<String> {
    let all: Vec<&BenignOutcome> = outcomes(run).collect();
    if all.is_empty() {
        return None;
    }
    let (alerts, observed) = sum(all.iter().copied());
    let mut text = format!(
        "## Ordinary traffic\n\n{}\n\
         - In all, {alerts} false alerts in {}: {:.2} a day, {:.2} a week. Warnings count.\n\
         - A call in the engine: attribution, detection and alerts, and the making of the request, which live capture \
         has instead of parsing.\n\
         - The memory of the synthetic API's processes is that of the traffic's generator and of what scores it, too.\n",
        table(&COLUMNS, all.iter().map(|outcome| row(outcome))),
        time(Some(observed.as_secs_f64())),
        per(alerts, observed, DAY),
        per(alerts, observed, 7 * DAY),
    );
    for outcome in all {
        text.push_str(&list(outcome));
    }
    Some(text)
}

fn row(outcome: &BenignOutcome) -> Vec<String> {
    let observed = Duration::from_secs_f64(outcome.seconds);
    let of = |span| format!("{:.2}", per(outcome.alerts.len(), observed, span));
    let api = !outcome.ids.is_empty();
    vec![
        name(outcome),
        if api { outcome.seed.to_string() } else { String::new() },
        time(Some(outcome.seconds)),
        outcome.calls.to_string(),
        outcome.clients.to_string(),
        if api { format!("{:.2}/s", outcome.first_touches) } else { String::new() },
        outcome.alerts.len().to_string(),
        of(DAY),
        of(7 * DAY),
        format!("{:.0} ns", outcome.ns_per_call),
        mebibytes(outcome.peak_bytes),
    ]
}

fn name(outcome: &BenignOutcome) -> String {
    if outcome.ids.is_empty() {
        format!("`{}`", outcome.traffic)
    } else {
        format!("{}, {}", outcome.traffic, outcome.ids)
    }
}

/// The false alerts.
fn list(outcome: &BenignOutcome) -> String {
    let seed = if outcome.ids.is_empty() { String::new() } else { format!(", seed {}", outcome.seed) };
    let mut text = String::new();
    if outcome.warm_up_alerts > 0 {
        text.push_str(&format!(
            "- {}{seed}: {} alerts on the day of warming up, which do not count.\n",
            name(outcome),
            outcome.warm_up_alerts
        ));
    }
    let groups = grouped(&outcome.alerts);
    for (alert, count) in groups.iter().take(LISTED) {
        let times = if *count == 1 { String::new() } else { format!(" {count} times, first") };
        text.push_str(&format!("- **False alert**, {}{seed}:{times} {}\n", name(outcome), shown(alert)));
    }
    let more = groups.len().saturating_sub(LISTED);
    if more > 0 {
        text.push_str(&format!("- {}{seed}: and {more} more clients.\n", name(outcome)));
    }
    text
}

/// The first of the alerts that differ in their time only, and how many there are.
fn grouped(alerts: &[Raised]) -> Vec<(&Raised, usize)> {
    let mut groups: Vec<(&Raised, usize)> = Vec::new();
    for alert in alerts {
        let same = |known: &Raised| {
            (&known.rule, &known.kind, &known.client, &known.route)
                == (&alert.rule, &alert.kind, &alert.client, &alert.route)
        };
        match groups.iter_mut().find(|(known, _)| same(known)) {
            Some((_, count)) => *count += 1,
            None => groups.push((alert, 1)),
        }
    }
    groups
}

fn shown(alert: &Raised) -> String {
    format!(
        "{} `{}` ({}), {} `{}` on `{}`, {} in {} s.",
        Timestamp(alert.at),
        alert.rule,
        alert.severity,
        alert.kind,
        alert.client,
        alert.route,
        alert.distinct,
        alert.window_s
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_about_the_same_are_listed_together() {
        let alert = |at, client: &str| Raised {
            at,
            rule: "distinct-objects".to_owned(),
            severity: "warning".to_owned(),
            kind: "peer".to_owned(),
            client: client.to_owned(),
            route: "GET /v1/customers/{id}".to_owned(),
            distinct: 21,
            window_s: 10,
        };
        let alerts = [alert(1, "192.0.2.7"), alert(2, "192.0.2.8"), alert(3, "192.0.2.7")];
        let outcome = BenignOutcome {
            traffic: "x.log".to_owned(),
            seconds: 43_200.0,
            alerts: alerts.to_vec(),
            ..BenignOutcome::default()
        };
        let text = list(&outcome);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("`x.log`: 2 times, first 1970-01-01T00:00:00.000000Z"));
        assert_eq!(row(&outcome)[6..9], ["3", "6.00", "42.00"]);
    }
}
