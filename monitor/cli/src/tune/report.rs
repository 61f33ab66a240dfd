//! What follows from the peaks: limits to suggest, and how they compare with those in force.

use std::{sync::Arc, time::Duration};

use rollcall_attribute::route::full_name::fields;
use rollcall_detect::{Limit, Peaks, Policy, limit::MAX_LIMITS, peaks::Peak};
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
    #[serde(flatten, serialize_with = "fields::serialize")]
    pub route: String,
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
    /// Client keys that had at least half as many, that one included.
    pub near: u64,
    /// The limit on this route; `None` where the window has none.
    pub in_force: Option<u32>,
    pub suggested: u32,
    /// The limit on routes that have none of their own.
    #[serde(skip)]
    everywhere: Option<u32>,
}

impl Report {
    pub(super) fn new(peaks: &Peaks, policy: &Policy, raised: &Raised, margin: u32) -> Report {
        let everywhere = policy.usual(None);
        let of_route = |((route, peaks), near): ((&Arc<str>, &[Peak]), [u64; MAX_LIMITS])| {
            let in_force = policy.usual(Some(route));
            let limits = in_force.into_iter().zip(everywhere.iter().copied());
            let windows = policy.windows().iter().zip(peaks).zip(near).zip(limits);
            let one = |(((window, peak), near), limits): (((&Duration, &Peak), u64), _)| {
                Suggestion::new(*window, peak, near, limits, margin)
            };
            let raised = raised.routes.get(&**route).cloned().unwrap_or_default();
            OfRoute {
                route: route.to_string(),
                alerts: raised.alerts,
                clients: raised.clients.into_iter().collect(),
                windows: windows.map(one).collect(),
            }
        };
        let mut routes: Vec<OfRoute> = peaks.routes().into_iter().zip(peaks.near()).map(of_route).collect();
        // By name where two are as near.
        routes.sort_by(|a, b| {
            nearness(&b.windows).total_cmp(&nearness(&a.windows)).then(a.route.cmp(&b.route))
        });
        let overall: Vec<Suggestion> = (0..policy.windows().len())
            .filter_map(|window| {
                let of_window = routes.iter().filter_map(|route| route.windows.get(window));
                let most =
                    of_window.reduce(|most, other| if other.peak > most.peak { other } else { most })?;
                Some(Suggestion { in_force: most.everywhere, ..most.clone() })
            })
            .collect();
        let (first, last) = raised.time.unzip();
        let span = first.zip(last).map_or(Duration::ZERO, |(first, last)| last.since(first));
        let limits = in_force(policy);
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
            flags: flags(&limits, &routes),
            lower: lower(&limits, &routes),
            overall,
            routes,
        }
    }
}

impl Suggestion {
    fn new(
        window: Duration,
        peak: &Peak,
        near: u64,
        (in_force, everywhere): (Option<u32>, Option<u32>),
        margin: u32,
    ) -> Suggestion {
        Suggestion {
            window,
            window_s: window.as_secs(),
            peak: peak.distinct,
            client: peak.client.map(|client| client.to_string()),
            at: peak.client.map(|_| peak.at),
            near,
            in_force,
            suggested: nice::limit(peak.distinct, margin),
            everywhere,
        }
    }

    /// The limit on routes that have none of their own does not suffice with the margin. Where there is none, the route has
    /// one of its own, or nothing to need.
    fn needs_its_own(&self) -> bool {
        match self.everywhere {
            Some(limit) => self.suggested > limit,
            None => self.in_force.is_some(),
        }
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

/// The limits on routes that have none of their own.
fn in_force(policy: &Policy) -> Vec<Limit> {
    let limit = |(&window, distinct): (&Duration, Option<u32>)| Some(Limit { distinct: distinct?, window });
    policy.windows().iter().zip(policy.usual(None)).filter_map(limit).collect()
}

/// How near the peaks come to the limits in force; above 1 if they pass one.
pub(super) fn nearness(windows: &[Suggestion]) -> f64 {
    let share = |one: &Suggestion| one.in_force.map_or(0.0, |limit| f64::from(one.peak) / f64::from(limit));
    windows.iter().map(share).fold(0.0, f64::max)
}

/// The limits for everyone, and for each route that needs more, what it needs.
fn flags(limits: &[Limit], routes: &[OfRoute]) -> Vec<String> {
    let mut flags = vec![format!("--limit {}", joined(limits))];
    for route in routes {
        for more in route.windows.iter().filter(|window| window.needs_its_own()) {
            let limit = Limit { distinct: more.suggested, window: more.window };
            flags.push(format!("--limit {}", quoted(&format!("{}={limit}", route.route))));
        }
    }
    flags
}

/// The limits for everyone, with each lowered to what routes without a limit of their own need.
fn lower(limits: &[Limit], routes: &[OfRoute]) -> Option<String> {
    let lowered = |limit: &Limit| {
        let of_window =
            routes.iter().flat_map(|route| &route.windows).filter(|one| one.window == limit.window);
        // Where every route needs more than the limit, none tells how low it can be.
        let needed = of_window.filter(|one| !one.needs_its_own()).map(|one| one.suggested).max();
        Limit { distinct: needed.unwrap_or(limit.distinct).min(limit.distinct), ..*limit }
    };
    let mut lower: Vec<Limit> = limits.iter().map(lowered).collect();
    // A longer window that allows less than a shorter one would make that one idle.
    for number in 1..lower.len() {
        let least = lower[number - 1].distinct.min(limits[number].distinct);
        lower[number].distinct = lower[number].distinct.max(least);
    }
    (lower != limits).then(|| format!("--limit {}", joined(&lower)))
}

fn joined(limits: &[Limit]) -> String {
    limits.iter().map(Limit::to_string).collect::<Vec<_>>().join(",")
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let rules = ["20/10s", "30/1min", "GET /own/{id}=50/2min"].map(|limit| limit.parse().unwrap());
        Policy::new(&rules, &[]).unwrap()
    }

    fn limits() -> Vec<Limit> {
        in_force(&policy())
    }

    fn route(name: &str, peaks: [u32; 3]) -> OfRoute {
        let policy = policy();
        let limits = policy.usual(Some(name)).into_iter().zip(policy.usual(None));
        let windows = policy.windows().iter().zip(peaks).zip(limits);
        let one = |((window, distinct), limits): ((&Duration, u32), _)| {
            Suggestion::new(*window, &Peak { distinct, ..Peak::default() }, 1, limits, 50)
        };
        let windows = windows.map(one).collect();
        OfRoute { route: name.to_owned(), alerts: 0, clients: Vec::new(), windows }
    }

    #[test]
    fn routes_that_need_more_get_limits_of_their_own() {
        let routes = [
            route("GET /a/{id}", [40, 40, 40]),
            route("GET /it's/{id}", [4, 21, 21]),
            route("GET /own/{id}", [8, 8, 8]),
        ];
        assert_eq!(
            flags(&limits(), &routes),
            [
                "--limit 20/10s,30/1min",
                "--limit 'GET /a/{id}=60/10s'",
                "--limit 'GET /a/{id}=60/1min'",
                r"--limit 'GET /it'\''s/{id}=40/1min'",
                "--limit 'GET /own/{id}=12/2min'",
            ]
        );
        assert_eq!(lower(&limits(), &routes).as_deref(), Some("--limit 12/10s,12/1min"));
        assert_eq!(lower(&limits(), &routes[..1]), None);
        assert_eq!(lower(&limits(), &[]), None);
    }

    #[test]
    fn no_longer_window_is_lowered_below_a_shorter_one() {
        let routes = [route("GET /a/{id}", [9, 40, 40]), route("GET /b/{id}", [3, 6, 6])];
        assert_eq!(lower(&limits(), &routes).as_deref(), Some("--limit 15/10s,15/1min"));
    }

    #[test]
    fn what_comes_nearest_to_its_limit_counts() {
        assert_eq!(nearness(&route("GET /a/{id}", [10, 27, 27]).windows), 0.9);
        assert!(route("GET /a/{id}", [21, 0, 0]).windows[0].is_passed());
        assert!(!route("GET /a/{id}", [20, 0, 0]).windows[0].is_passed());
    }
}
