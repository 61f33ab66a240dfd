//! What people run, for a week, and walks through identifiers of the forms that they have there.

use super::table::{count, table};
use crate::{
    forms::MOMENTS,
    outcome::{DayOutcome, FormOutcome, Outcome, WeekOutcome},
    parts::Run,
};

pub(super) fn weeks(run: &Run) -> impl Iterator<Item = &WeekOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Week(week) => Some(week),
        _ => None,
    })
}

pub(super) fn forms(run: &Run) -> impl Iterator<Item = &FormOutcome> {
    run.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Form(form) => Some(form),
        _ => None,
    })
}

impl WeekOutcome {
    /// Alerts on days from `from` up to `end`, counted from 0.
    pub(super) fn sum(&self, from: usize, end: usize) -> DayOutcome {
        let days = self.days.iter().take(end).skip(from);
        days.fold(DayOutcome::default(), |sum, day| DayOutcome {
            alerts: sum.alerts + day.alerts,
            critical: sum.critical + day.critical,
        })
    }
}

impl FormOutcome {
    /// Whether its values are those of accounts.
    pub(super) fn is_of_accounts(&self) -> bool {
        !self.case.starts_with(MOMENTS)
    }
}

pub(super) fn section(run: &Run) -> Option<String> {
    let mut text = String::new();
    if weeks(run).next().is_some() {
        let rows = weeks(run).map(|week| {
            let shown = |from, end| {
                let DayOutcome { alerts, critical } = week.sum(from, end);
                format!("{alerts} / {critical}")
            };
            let alerts = week.alerts.iter().map(|alert| format!("{} on `{}`", alert.rule, alert.route));
            vec![
                week.workload.clone(),
                week.seed.map_or_else(String::new, |seed| seed.to_string()),
                week.calls.to_string(),
                shown(0, 1),
                shown(1, 2),
                shown(2, week.days.len()),
                week.questions.to_string(),
                alerts.collect::<Vec<_>>().join("; "),
            ]
        });
        let columns = [
            "workload",
            "seed",
            "calls in a week",
            "first day: alerts / of which critical",
            "second day",
            "third to seventh day",
            "routes asked about",
            "the first alerts",
        ];
        text.push_str(&format!(
            "## What people run\n\n\
             From a cold start, with nothing declared, and day by day for a week: recorded cases the same each day, what is \
             made up new each day. All alerts are false ones.\n\n{}",
            table(&columns, rows)
        ));
    }
    if forms(run).next().is_some() {
        let rows = forms(run).map(|form| {
            vec![
                form.case.clone(),
                format!("`{}`", form.example),
                form.walked.to_string(),
                form.routes.to_string(),
                match form.found {
                    None if !form.is_of_accounts() => "none needed: moments".to_owned(),
                    found => count(found.map(|found| found as f64)),
                },
            ]
        });
        text.push_str(&format!(
            "{}## Forms of identifiers\n\nOne client walks, in an otherwise empty engine.\n\n{}",
            if text.is_empty() { "" } else { "\n" },
            table(&["case", "first call", "walked", "routes", "accounts before the alert"], rows)
        ));
    }
    (!text.is_empty()).then_some(text)
}
