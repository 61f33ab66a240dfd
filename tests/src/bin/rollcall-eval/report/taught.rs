//! The breach on a route of own data, by the route's age and by what an attacker has done before.

use super::table::{count, table, time};
use crate::{
    engine::InForce,
    known::BREACHES,
    outcome::{AttackOutcome, KnownOutcome, Outcome, TaughtOutcome},
    parts::Run,
    taught::ATTACKERS,
};

pub(super) fn known(run: &Run) -> impl Iterator<Item = &KnownOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Known(known) => Some(known),
        _ => None,
    })
}

pub(super) fn taught(run: &Run) -> impl Iterator<Item = &TaughtOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Taught(taught) => Some(taught),
        _ => None,
    })
}

impl AttackOutcome {
    /// Accounts read before the alert: infinitely many if there was none.
    pub(super) fn accounts(&self) -> f64 {
        self.caught.as_ref().map_or(f64::INFINITY, |caught| caught.accounts as f64)
    }
}

pub(super) fn section(run: &Run) -> Option<String> {
    let mut text = String::new();
    if known(run).next().is_some() {
        let rows = known(run).map(|known| {
            let alert = known.attack.caught.as_ref().map(|caught| &caught.alert);
            vec![
                time(Some(known.age_s)),
                format!("`{}`", known.attack.shape),
                known.attack.seed.to_string(),
                in_force(&known.limits, known.known),
                accounts(&known.attack),
                alert.map_or_else(String::new, |alert| {
                    format!("{} ({}, {})", alert.rule, alert.kind, alert.severity)
                }),
            ]
        });
        let columns = [
            "age of the route",
            "attack",
            "seed",
            "limits in force",
            "accounts before the alert",
            "first alert",
        ];
        text.push_str(&format!(
            "## The breach by the route's age\n\n\
             Amid the synthetic API's traffic, most of whose customers read their own account.\n\n{}",
            table(&columns, rows)
        ));
    }
    if taught(run).next().is_some() {
        let rows = ATTACKERS.iter().filter_map(|attacker| {
            let of = |name: &str| {
                taught(run).find(|taught| taught.attacker == attacker.name && taught.breach.shape == name)
            };
            let [in_order, random] = [of(BREACHES[0])?, of(BREACHES[1])?];
            let told = |at: u64| format!(", the first at {at} accounts");
            Some(vec![
                attacker.name.to_owned(),
                attacker.about.to_owned(),
                in_order.identities.to_string(),
                if in_order.identities == 0 { 0 } else { in_order.days }.to_string(),
                in_order.prepared.to_string(),
                format!("{}{}", in_order.alerts, in_order.told_at.map_or_else(String::new, told)),
                in_order.asked_at.map_or_else(String::new, |at| format!("at {at} accounts")),
                in_order.false_alerts.to_string(),
                in_force(&in_order.limits, in_order.known),
                accounts(&in_order.breach),
                accounts(&random.breach),
            ])
        });
        let columns = [
            "attacker",
            "what it does",
            "identities",
            "days",
            "accounts read meanwhile",
            "alerts about it meanwhile",
            "asked about the route",
            "alerts about others",
            "limits in force afterwards",
            "accounts before the alert of the breach that follows, in order",
            "in random order",
        ];
        text.push_str(&format!(
            "{}## Attackers who teach\n\n\
             At a bank of 2,000 customers, 1,200 of whom come on a day and read their own account. Attackers know the limits \
             in force each morning. The breach that follows is that of one more identity, at 10.44 calls/s.\n\n{}",
            if text.is_empty() { "" } else { "\n" },
            table(&columns, rows)
        ));
    }
    (!text.is_empty()).then_some(text)
}

fn accounts(attack: &AttackOutcome) -> String {
    match attack.caught {
        Some(_) => count(Some(attack.accounts())),
        None => format!("not caught: {} read", attack.read),
    }
}

/// Limits as one writes them.
fn in_force(limits: &[InForce], known: bool) -> String {
    let shown: Vec<String> = limits
        .iter()
        .filter_map(|window| {
            let length = match window.window_s {
                seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
                seconds if seconds > 60 => format!("{} min", seconds / 60),
                seconds => format!("{seconds} s"),
            };
            window.limit.map(|limit| format!("{limit}/{length}"))
        })
        .collect();
    match (limits.is_empty(), known) {
        (true, _) => "none yet".to_owned(),
        (false, true) => shown.join(", "),
        (false, false) => format!("{} (learning)", shown.join(", ")),
    }
}
