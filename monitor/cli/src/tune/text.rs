//! The report as people read it.

use std::fmt::Write as _;

use rollcall_attribute::route::LimitsBy;
use rollcall_model::time::Timestamp;
use serde::Serialize;

use super::report::{OfRoute, Report, Suggestion, nearness, quoted};

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
    let shown =
        report.routes.iter().take_while(|route| nearness(&route.windows) >= SHARE).take(SHOWN).count();
    for route in &report.routes[..shown] {
        table(out, route);
    }
    let rest = report.routes.len() - shown;
    if rest > 0 {
        line!(
            out,
            "{rest} more routes with accounts stay further below the limits; --output json has them.\n"
        );
    }
}

fn table(out: &mut String, route: &OfRoute) {
    line!(out, "{}", route.route);
    line!(out, "  {}", learned(route));
    line!(out, "  window   half  99 of 100    peak  in force  suggested  by, at");
    for window in &route.windows {
        let name = window.window_name();
        let or_dash = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
        let [half, most, in_force] = [window.p50, window.p99, window.in_force].map(or_dash);
        let suggested = or_dash(window.needs_more().then_some(window.suggested));
        let who = match (&window.client, window.at) {
            (Some(client), Some(at)) => format!("{client}, {}", second(at)),
            _ => "-".to_owned(),
        };
        let mark = if window.is_passed() { '!' } else { ' ' };
        let peak = window.peak;
        line!(out, "  {name:<7} {half:>5} {most:>10} {peak:>7}{mark} {in_force:>8} {suggested:>10}  {who}");
    }
    line!(out, "");
}

/// What the route is taken for, and by what its limits are told.
fn learned(route: &OfRoute) -> String {
    let is = match (route.class, route.class_by) {
        (Some(class), Some(by)) => format!("{} by {}; ", word(&class), word(&by)),
        _ => String::new(),
    };
    let clients = match route.norm_clients {
        1 => "1 client of an earlier day".to_owned(),
        clients => format!("{clients} clients of earlier days"),
    };
    match route.limits_by {
        None => format!("{is}limits: usual"),
        Some(LimitsBy::Set) => format!("{is}limits: set"),
        Some(by) => format!("{is}limits: {}, from {clients}", word(&by)),
    }
}

/// As `rollcall routes` has it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
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
    if !report.asked.is_empty() {
        line!(
            out,
            "It would have asked what everybody reads much of. Where that is content and no accounts:"
        );
        for route in report.asked.iter().take(SHOWN) {
            line!(out, "    --content {}", quoted(route));
        }
    }
    if report.other_alerts > 0 {
        line!(out, "{} alerts come from other rules; no limit keeps those silent.", report.other_alerts);
    }
    line!(out, "");
}

fn flags(out: &mut String, report: &Report) {
    if report.routes.iter().any(|route| route.windows.iter().any(Suggestion::needs_more)) {
        line!(out, "Silent with a margin of {} %:", report.margin_percent);
        line!(out, "");
        line!(out, "    {}", report.flags.join(" \\\n    "));
    } else {
        let margin = report.margin_percent;
        line!(
            out,
            "The limits in force at the end are silent with a margin of {margin} %: there is nothing to set."
        );
    }
    line!(out, "");
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
            .routes
            .iter()
            .take(1)
            .flat_map(|route| &route.windows)
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
