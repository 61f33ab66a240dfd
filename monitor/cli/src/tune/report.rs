//! What was learned, what came near it, and what to set so that all of it is silent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rollcall_attribute::route::{Class, LimitsBy, Norm, Summary, Why, full_name::fields};
use rollcall_detect::{Limit, Peaks, Policy, peaks::Peak};
use rollcall_model::time::Timestamp;
use serde::Serialize;

use super::{nice, raised::Raised};

/// A history that is shorter has no weekend in it, or no working day.
const ENOUGH: Duration = Duration::from_secs(7 * 86_400);

/// What `--output json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub v: u32,
    pub calls: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub hours: f64,
    /// The history is long enough to rest on.
    pub enough: bool,
    /// Touches that found no room: if there are any, the peaks may have been higher.
    pub left_out: u64,
    pub margin_percent: u32,
    /// Alerts that the limits in force would have raised.
    pub alerts: u64,
    /// Alerts by rules that no limit keeps silent.
    pub other_alerts: u64,
    /// Routes of which the daemon would have asked whether accounts are read there or content: `busy-route`.
    pub asked: Vec<String>,
    /// Those nearest to a limit, or furthest above one, first.
    pub routes: Vec<OfRoute>,
    /// Flags that would have been silent with the margin; none where what is in force would be.
    pub flags: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct OfRoute {
    #[serde(flatten, serialize_with = "fields::serialize")]
    pub route: String,
    /// What it is, and by what that is told; `None` if it has gone up into another since.
    pub class: Option<Class>,
    pub class_by: Option<Why>,
    /// By what the limits in force at the end are told, if they are followed; and by how many clients of earlier days.
    pub limits_by: Option<LimitsBy>,
    pub norm_clients: u64,
    pub alerts: u64,
    /// Whom they are about.
    pub clients: Vec<String>,
    pub windows: Vec<Suggestion>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Suggestion {
    #[serde(skip)]
    pub window: Duration,
    pub window_s: u64,
    /// The most objects that one client had within the window.
    pub peak: u32,
    /// Who had them, and when.
    pub client: Option<String>,
    pub at: Option<Timestamp>,
    /// What half of the clients, and 99 of 100, do not go beyond on a day, as far as that is known at the end.
    pub p50: Option<u32>,
    pub p99: Option<u32>,
    /// The limit on this route at the end; `None` where the window has none.
    pub in_force: Option<u32>,
    /// The peak and the margin.
    pub suggested: u32,
}

impl Report {
    pub(super) fn new(
        peaks: &Peaks,
        inventory: &[Summary],
        policy: &Policy,
        raised: &Raised,
        margin: u32,
    ) -> Report {
        let inventory: BTreeMap<&str, &Summary> =
            inventory.iter().map(|summary| (&*summary.route, summary)).collect();
        let of_route = |(route, peaks): (&Arc<str>, &[Peak])| {
            let summary = inventory.get(&**route);
            let raised = raised.routes.get(&**route).cloned().unwrap_or_default();
            let norm = summary.and_then(|summary| summary.norm.as_ref());
            OfRoute {
                route: route.to_string(),
                class: summary.map(|summary| summary.class),
                class_by: summary.map(|summary| summary.class_by),
                limits_by: norm.map(|norm| norm.by),
                norm_clients: norm.map_or(0, |norm| norm.clients),
                alerts: raised.alerts,
                clients: raised.clients.into_iter().collect(),
                windows: suggestions(policy, route, norm, peaks, margin),
            }
        };
        let mut routes: Vec<OfRoute> = peaks.routes().into_iter().map(of_route).collect();
        // By name where two are as near.
        routes.sort_by(|a, b| {
            nearness(&b.windows).total_cmp(&nearness(&a.windows)).then(a.route.cmp(&b.route))
        });
        let (first, last) = raised.time.unzip();
        let span = first.zip(last).map_or(Duration::ZERO, |(first, last)| last.since(first));
        Report {
            v: 2,
            calls: raised.exchanges,
            first,
            last,
            hours: span.as_secs_f64() / 3_600.0,
            enough: span >= ENOUGH,
            left_out: peaks.left_out(),
            margin_percent: margin,
            alerts: raised.routes.values().map(|route| route.alerts).sum(),
            other_alerts: raised.others,
            asked: raised.asked.iter().cloned().collect(),
            flags: flags(policy, &routes),
            routes,
        }
    }
}

impl Suggestion {
    /// The limit in force does not suffice with the margin.
    pub(super) fn needs_more(&self) -> bool {
        self.in_force.is_some_and(|limit| self.suggested > limit)
    }

    /// The limit in force would have been passed.
    pub(super) fn is_passed(&self) -> bool {
        self.in_force.is_some_and(|limit| self.peak > limit)
    }

    /// `10s`, `1min`, `1d`
    pub(super) fn window_name(&self) -> String {
        let limit = Limit { distinct: 1, window: self.window }.to_string();
        limit.split_once('/').map_or(String::new(), |(_, window)| window.to_owned())
    }
}

/// Window by window what was usual, what the most was, and what is in force: what the operator set at whichever hour, or else
/// what was learned.
fn suggestions(
    policy: &Policy,
    route: &str,
    norm: Option<&Norm>,
    peaks: &[Peak],
    margin: u32,
) -> Vec<Suggestion> {
    let learned = norm.filter(|norm| norm.by != LimitsBy::Set);
    let set = policy.usual(Some(route));
    let windows = policy.windows().iter().zip(peaks).zip(set).enumerate();
    let one = |(number, ((&window, peak), set)): (usize, ((&Duration, &Peak), Option<u32>))| {
        let of = |norm: Option<&Norm>| norm.and_then(|norm| norm.windows.get(number).copied());
        Suggestion {
            window,
            window_s: window.as_secs(),
            peak: peak.distinct,
            client: peak.client.map(|client| client.to_string()),
            at: peak.client.map(|_| peak.at),
            p50: of(norm).and_then(|usual| usual.p50),
            p99: of(norm).and_then(|usual| usual.p99),
            in_force: of(learned).map_or(set, |window| window.limit),
            suggested: nice::limit(peak.distinct, margin),
        }
    };
    windows.map(one).collect()
}

/// How near the peaks come to the limits in force; above 1 if they pass one.
pub(super) fn nearness(windows: &[Suggestion]) -> f64 {
    let share = |one: &Suggestion| one.in_force.map_or(0.0, |limit| f64::from(one.peak) / f64::from(limit));
    windows.iter().map(share).fold(0.0, f64::max)
}

/// The limits for everyone, if the operator sets them; and of each route that needs more, or for which some are set, all that
/// are not everyone's. Nothing is learned on a route with a limit of its own, so it gets those that it has by now as well.
fn flags(policy: &Policy, routes: &[OfRoute]) -> Vec<String> {
    let everyones = policy.usual(None);
    let mut flags = Vec::new();
    if !policy.has_defaults() {
        let limit =
            |(&window, &distinct): (&Duration, &Option<u32>)| Some(Limit { distinct: distinct?, window });
        let limits = policy.windows().iter().zip(&everyones).filter_map(limit);
        let limits: Vec<String> = limits.map(|limit| limit.to_string()).collect();
        flags.push(format!("--limit {}", limits.join(",")));
    }
    for route in routes {
        let needs_more = route.windows.iter().any(Suggestion::needs_more);
        let set = policy.usual(Some(&route.route));
        for ((window, set), everyones) in route.windows.iter().zip(set).zip(&everyones) {
            let more = || window.in_force.map(|limit| limit.max(window.suggested));
            let wanted = if needs_more { more() } else { set };
            if let Some(distinct) = wanted.filter(|_| wanted != *everyones) {
                let limit = Limit { distinct, window: window.window };
                flags.push(format!("--limit {}", quoted(&format!("{}={limit}", route.route))));
            }
        }
    }
    flags
}

/// For a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use rollcall_attribute::route::NormWindow;

    fn policy(rules: &[&str]) -> Policy {
        let rules: Vec<_> = rules.iter().map(|limit| limit.parse().unwrap()).collect();
        Policy::new(&rules, &[]).unwrap()
    }

    /// With the limits that were learned, if they were.
    fn route(policy: &Policy, name: &str, learned: Option<&[u32]>, peaks: &[u32]) -> OfRoute {
        let window = |(length, &limit): (&Duration, &u32)| NormWindow {
            window_s: length.as_secs(),
            limit: Some(limit),
            p50: Some(1),
            p99: Some(2),
        };
        let norm = learned.map(|limits| Norm {
            by: LimitsBy::Own,
            learning: false,
            clients: 40,
            windows: policy.windows().iter().zip(limits).map(window).collect(),
        });
        let peaks: Vec<Peak> = peaks.iter().map(|&distinct| Peak { distinct, ..Peak::default() }).collect();
        OfRoute {
            route: name.to_owned(),
            class: Some(Class::Accounts),
            class_by: Some(Why::Objects),
            limits_by: norm.as_ref().map(|norm| norm.by),
            norm_clients: 40,
            alerts: 0,
            clients: Vec::new(),
            windows: suggestions(policy, name, norm.as_ref(), &peaks, 50),
        }
    }

    #[test]
    fn routes_that_need_more_get_limits_of_their_own() {
        let policy = policy(&["20/10s", "30/1min", "GET /own/{id}=50/2min"]);
        let route = |name, peaks: &[u32]| route(&policy, name, None, peaks);
        let routes = [
            route("GET /a/{id}", &[40, 40, 40]),
            route("GET /it's/{id}", &[4, 21, 21]),
            route("GET /own/{id}", &[8, 8, 8]),
        ];
        assert_eq!(
            flags(&policy, &routes),
            [
                "--limit 20/10s,30/1min",
                "--limit 'GET /a/{id}=60/10s'",
                "--limit 'GET /a/{id}=60/1min'",
                r"--limit 'GET /it'\''s/{id}=40/1min'",
                "--limit 'GET /own/{id}=50/2min'",
            ]
        );
    }

    /// A flag for everyone would end all learning, and one for a route its own.
    #[test]
    fn what_was_learned_stays_where_it_suffices_and_is_said_where_it_does_not() {
        let policy = policy(&[]);
        let learned = Some(&[8, 8, 9, 10, 15][..]);
        let quiet = route(&policy, "GET /a/{id}", learned, &[2, 3, 3, 4, 5]);
        assert!(!quiet.windows.iter().any(|window| window.is_passed()));
        assert_eq!(flags(&policy, &[quiet]), Vec::<String>::new());
        let loud = route(&policy, "GET /a/{id}", learned, &[2, 3, 12, 12, 12]);
        assert_eq!(
            flags(&policy, &[loud]),
            [
                "--limit 'GET /a/{id}=8/10s'",
                "--limit 'GET /a/{id}=8/1min'",
                "--limit 'GET /a/{id}=20/10min'",
                "--limit 'GET /a/{id}=20/1h'",
                "--limit 'GET /a/{id}=20/1d'",
            ]
        );
    }

    #[test]
    fn what_comes_nearest_to_its_limit_counts() {
        let policy = policy(&["20/10s", "30/1min", "30/2min"]);
        let route = |peaks: &[u32]| route(&policy, "GET /a/{id}", None, peaks);
        assert_eq!(nearness(&route(&[10, 27, 27]).windows), 0.9);
        assert!(route(&[21, 0, 0]).windows[0].is_passed());
        assert!(!route(&[20, 0, 0]).windows[0].is_passed());
    }
}
