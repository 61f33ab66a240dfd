//! What follows from the peaks: limits to suggest, and how they compare with those in force.

use std::time::Duration;

use rollcall::{
    detect::{Limit, Limits, Peaks, peaks::Peak},
    time::Timestamp,
};
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
    /// Of all routes together: the highest peak of each window.
    pub overall: Vec<Suggestion>,
    /// Those nearest to a limit, or furthest above one, first.
    pub routes: Vec<OfRoute>,
    /// Flags that would have been silent with the margin.
    pub flags: Vec<String>,
    /// Limits for all routes that are lower than those in force and would have been silent, too.
    pub lower: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct OfRoute {
    pub route: String,
    pub alerts: u64,
    /// Whom they are about.
    pub clients: Vec<String>,
    pub windows: Vec<Suggestion>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Suggestion {
    #[serde(skip)]
    pub limit: Limit,
    pub window_s: u64,
    /// The most objects that one client had within the window.
    pub peak: u32,
    /// Who had them, and when.
    pub client: Option<String>,
    pub at: Option<Timestamp>,
    /// Client keys that had at least half as many, that one included.
    pub near: u64,
    pub in_force: u32,
    pub suggested: u32,
}

impl Report {
    pub(super) fn new(peaks: &Peaks, limits: &Limits, raised: &Raised, margin: u32) -> Report {
        let routes = peaks.routes();
        let mut routes: Vec<OfRoute> = routes
            .into_iter()
            .zip(peaks.near())
            .map(|((route, peaks), near)| {
                let windows = suggestions(limits, peaks, &near, margin);
                let raised = raised.routes.get(&**route).cloned().unwrap_or_default();
                let clients = raised.clients.into_iter().collect();
                OfRoute { route: route.to_string(), alerts: raised.alerts, clients, windows }
            })
            .collect();
        // By name where two are as near.
        routes.sort_by(|a, b| nearness(&b.windows).total_cmp(&nearness(&a.windows)).then(a.route.cmp(&b.route)));
        let overall: Vec<Suggestion> = (0..limits.as_slice().len())
            .filter_map(|window| {
                let of_window = routes.iter().filter_map(|route| route.windows.get(window));
                of_window.reduce(|most, other| if other.peak > most.peak { other } else { most }).cloned()
            })
            .collect();
        let (first, last) = raised.time.unzip();
        let span = first.zip(last).map_or(Duration::ZERO, |(first, last)| last.since(first));
        Report {
            v: 1,
            calls: raised.exchanges,
            first,
            last,
            hours: span.as_secs_f64() / 3_600.0,
            enough: span >= ENOUGH,
            left_out: peaks.left_out(),
            margin_percent: margin,
            alerts: raised.routes.values().map(|route| route.alerts).sum(),
            other_alerts: raised.others,
            flags: flags(limits, &routes),
            lower: lower(limits, &routes),
            overall,
            routes,
        }
    }
}

fn suggestions(limits: &Limits, peaks: &[Peak], near: &[u64], margin: u32) -> Vec<Suggestion> {
    let one = |((limit, peak), near): ((&Limit, &Peak), &u64)| Suggestion {
        limit: *limit,
        window_s: limit.window.as_secs(),
        peak: peak.distinct,
        client: peak.client.map(|client| client.to_string()),
        at: peak.client.map(|_| peak.at),
        near: *near,
        in_force: limit.distinct,
        suggested: nice::limit(peak.distinct, margin),
    };
    limits.as_slice().iter().zip(peaks).zip(near).map(one).collect()
}

impl Suggestion {
    /// The limit in force does not suffice with the margin.
    pub(super) fn is_more(&self) -> bool {
        self.suggested > self.in_force
    }

    /// The limit in force would have been passed.
    pub(super) fn is_passed(&self) -> bool {
        self.peak > self.in_force
    }
}

/// How near the peaks come to the limits in force; above 1 if they pass one.
fn nearness(windows: &[Suggestion]) -> f64 {
    let share = |window: &Suggestion| f64::from(window.peak) / f64::from(window.in_force);
    windows.iter().map(share).fold(0.0, f64::max)
}

/// The limits in force, and for each route that needs more, what it needs.
fn flags(limits: &Limits, routes: &[OfRoute]) -> Vec<String> {
    let mut flags = vec![format!("--limit {}", joined(limits.as_slice().iter().copied()))];
    for route in routes {
        for more in route.windows.iter().filter(|window| window.is_more()) {
            let limit = Limit { distinct: more.suggested, ..more.limit };
            flags.push(format!("--limit {}", quoted(&format!("{}={limit}", route.route))));
        }
    }
    flags
}

/// The limits in force with each lowered to what routes without a limit of their own need.
fn lower(limits: &Limits, routes: &[OfRoute]) -> Option<String> {
    if routes.is_empty() {
        return None;
    }
    let lowered = |(number, limit): (usize, &Limit)| {
        let others = routes.iter().filter_map(|route| route.windows.get(number)).filter(|one| !one.is_more());
        // Where every route needs more than the limit, none tells how low it can be.
        let needed = others.map(|one| one.suggested).max().unwrap_or(limit.distinct);
        Limit { distinct: needed.min(limit.distinct), ..*limit }
    };
    let lower: Vec<Limit> = limits.as_slice().iter().enumerate().map(lowered).collect();
    (lower != limits.as_slice()).then(|| format!("--limit {}", joined(lower.into_iter())))
}

fn joined(limits: impl Iterator<Item = Limit>) -> String {
    limits.map(|limit| limit.to_string()).collect::<Vec<_>>().join(",")
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, peaks: [u32; 2]) -> OfRoute {
        let limits = limits();
        let peaks = peaks.map(|distinct| Peak { distinct, ..Peak::default() });
        let windows = suggestions(&limits, &peaks, &[1, 1], 50);
        OfRoute { route: name.to_owned(), alerts: 0, clients: Vec::new(), windows }
    }

    fn limits() -> Limits {
        Limits::new(["20/10s", "30/1min"].map(|limit| limit.parse().unwrap())).unwrap()
    }

    #[test]
    fn routes_that_need_more_get_limits_of_their_own() {
        let routes = [route("GET /a/{id}", [40, 40]), route("GET /it's/{id}", [4, 21]), route("GET /c/{id}", [8, 8])];
        assert_eq!(
            flags(&limits(), &routes),
            [
                "--limit 20/10s,30/1min",
                "--limit 'GET /a/{id}=60/10s'",
                "--limit 'GET /a/{id}=60/1min'",
                r"--limit 'GET /it'\''s/{id}=40/1min'",
            ]
        );
        assert_eq!(lower(&limits(), &routes).as_deref(), Some("--limit 12/10s,12/1min"));
        assert_eq!(lower(&limits(), &routes[..1]), None);
        assert_eq!(lower(&limits(), &[]), None);
    }

    #[test]
    fn what_comes_nearest_to_its_limit_counts() {
        assert_eq!(nearness(&route("GET /a/{id}", [10, 27]).windows), 0.9);
        assert!(route("GET /a/{id}", [21, 0]).windows[0].is_passed());
        assert!(!route("GET /a/{id}", [20, 0]).windows[0].is_passed());
    }
}
