//! The report as people read it.

use std::fmt::Write as _;

use rollcall_model::time::Timestamp;

use super::report::{OfRoute, Report, Suggestion, nearness};

/// Routes that are shown at most, JSON has all; and the share of a limit that one has to come to.
const SHOWN: usize = 10;
const SHARE: f64 = 0.1;

/// Clients of alerts that are named for each route.
const NAMED: usize = 3;

/// Writing to a `String` does not fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => { { let _ = writeln!($out, $($text)*); } };
}

pub(super) fn of(report: &Report) -> String {
    let mut out = String::new();
    if report.routes.is_empty() {
        line!(out, "None of {} calls touched an account: no limit could have been passed.", report.calls);
        line!(
            out,
            "Tell where the accounts are: --route, --openapi and --object-param, in docs/attribution.md."
        );
        return out;
    }
    routes(&mut out, report);
    comparison(&mut out, report);
    flags(&mut out, report);
    caveats(&mut out, report);
    out
}

fn routes(out: &mut String, report: &Report) {
    table(out, "Every route: the highest of each window", &report.overall);
    let shown =
        report.routes.iter().take_while(|route| nearness(&route.windows) >= SHARE).take(SHOWN).count();
    for route in &report.routes[..shown] {
        table(out, &route.route, &route.windows);
    }
    let rest = report.routes.len() - shown;
    if rest > 0 {
        line!(
            out,
            "{rest} more routes with accounts stay further below the limits; --output json has them.\n"
        );
    }
}

fn table(out: &mut String, title: &str, windows: &[Suggestion]) {
    line!(out, "{title}");
    line!(out, "  window    peak    near  in force  suggested  by, at");
    for window in windows {
        let name = window.window_name();
        let in_force = window.in_force.map_or("-".to_owned(), |limit| limit.to_string());
        let who = match (&window.client, window.at) {
            (Some(client), Some(at)) => format!("{client}, {}", second(at)),
            _ => "-".to_owned(),
        };
        let mark = if window.is_passed() { '!' } else { ' ' };
        let Suggestion { peak, near, suggested, .. } = window;
        line!(out, "  {name:<7} {peak:>6}{mark} {near:>6} {in_force:>9} {suggested:>10}  {who}");
    }
    line!(out, "");
}

/// `2026-07-14T03:33:20Z`
fn second(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}

fn comparison(out: &mut String, report: &Report) {
    let over: Vec<&OfRoute> = report.routes.iter().filter(|route| route.alerts > 0).collect();
    if over.is_empty() {
        line!(out, "The limits in force would have raised no alert.");
    } else {
        line!(out, "The limits in force would have raised {} alerts:", report.alerts);
        for route in &over {
            let named = route.clients.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = route.clients.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            line!(out, "  {} on {}, about {named}{more}", route.alerts, route.route);
        }
        line!(
            out,
            "If one of these was an attack, do not make room for it: leave out what is suggested for its route. A program \
             that is meant to read much is better declared with --partner, and tuned without."
        );
    }
    if report.other_alerts > 0 {
        line!(out, "{} alerts come from other rules; no limit keeps those silent.", report.other_alerts);
    }
    line!(out, "");
}

fn flags(out: &mut String, report: &Report) {
    line!(out, "Silent with a margin of {} %:", report.margin_percent);
    line!(out, "");
    line!(out, "    {}", report.flags.join(" \\\n    "));
    line!(out, "");
    if report.flags.len() == 1 {
        line!(out, "No route needs more than those for everyone.");
        line!(out, "");
    }
    if let Some(lower) = &report.lower {
        let which = if report.flags.len() == 1 { "" } else { " in the first of these" };
        line!(out, "Lower limits{which} would have been as silent:");
        line!(out, "");
        line!(out, "    {lower}");
        line!(out, "");
    }
}

fn caveats(out: &mut String, report: &Report) {
    if !report.enough {
        let hours = if report.hours < 10.0 { 1 } else { 0 };
        line!(
            out,
            "This rests on {:.hours$} hours. Take 7 days or more, better a month: batch jobs, weekends and the ends of \
             months have peaks of their own.",
            report.hours
        );
        let short: Vec<String> = report
            .overall
            .iter()
            .filter(|one| one.window_s as f64 > report.hours * 3_600.0)
            .map(Suggestion::window_name)
            .collect();
        if !short.is_empty() {
            line!(out, "Less than a whole window was seen of: {}.", short.join(", "));
        }
    }
    if report.left_out > 0 {
        line!(
            out,
            "There was no room for {} touches of accounts: peaks may have been higher. Tune on shorter histories.",
            report.left_out
        );
    }
}
