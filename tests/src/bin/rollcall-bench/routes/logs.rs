//! Detection over recorded access logs of public sites: ordinary visitors and crawlers, nobody who enumerates.

use std::{
    collections::HashSet,
    env,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rollcall_attribute::route::{OTHER, Summary};
use rollcall_detect::alert::{Alert, AlertState, Severity};
use rollcall_engine::detection::{Detection, Settings};
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::{
    Input,
    access_log::{Call, Reader},
};

use crate::report::Figure;

/// What came of one log.
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) calls: usize,
    pub(super) unread: u64,
    pub(super) clients: usize,
    pub(super) targets: usize,
    pub(super) routes: Vec<Summary>,
    /// About clients.
    pub(super) alerts: Vec<Alert>,
    /// About routes.
    pub(super) notices: Vec<Alert>,
}

impl Outcome {
    pub(super) fn figures(&self) -> Vec<Figure> {
        let name = self.name;
        let of_calls = |count: u64| format!("{:.1} %", count as f64 / self.calls.max(1) as f64 * 100.0);
        let sum = |count: fn(&Summary) -> u64| self.routes.iter().map(count).sum();
        let other = sum(|route| if *route.route == *OTHER { route.calls } else { 0 });
        vec![
            Figure::exact(
                format!("{name}: calls, clients, different targets"),
                format!("{}, {}, {}", self.calls, self.clients, self.targets),
            ),
            Figure::exact(format!("{name}: routes learned"), self.routes.len()),
            Figure::exact(format!("{name}: calls in `~other`"), of_calls(other)).goal("0", other == 0),
            Figure::exact(
                format!("{name}: calls with objects"),
                of_calls(sum(|route| route.calls_with_objects)),
            ),
            Figure::exact(format!("**{name}: alerts about clients**"), self.alerts.len())
                .goal("0", self.alerts.is_empty()),
            Figure::exact(format!("{name}: notices about routes"), self.notices.len()),
        ]
    }

    /// Which routes were taken for values, and whom the alerts are about.
    pub(super) fn notes(&self) -> Vec<String> {
        let name = self.name;
        let list =
            |routes: Vec<String>| if routes.is_empty() { "none".to_owned() } else { routes.join(", ") };
        let named = self.routes.iter().filter(|route| route.route.contains("{name}"));
        let named = named.map(|route| format!("`{}`", route.route)).collect();
        let notices =
            self.notices.iter().map(|notice| format!("{} `{}`", notice.rule.name(), notice.route)).collect();
        let mut notes = vec![
            format!("{name}: routes with `{{name}}`: {}.", list(named)),
            format!("{name}: notices: {}.", list(notices)),
        ];
        if self.unread > 0 {
            notes.push(format!("{name}: {} lines are no calls.", self.unread));
        }
        notes.extend(self.alerts.iter().map(|alert| {
            format!(
                "**{name}: alert about {} {}** on `{}`: {} objects in {} s, such as {}.",
                alert.client.kind,
                alert.client.id,
                alert.route,
                alert.figures.distinct,
                alert.window_s,
                alert.sample_objects.join(", ")
            )
        }));
        notes
    }
}

/// Where the logs are: `$ROLLCALL_SHARED`, or the directory `shared` beside the repository.
pub(super) fn directory() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    env::var_os("ROLLCALL_SHARED").map_or_else(beside, PathBuf::from).join("data/logs")
}

/// Runs detection over each log in `directory`; `None` if there is none.
pub(super) fn run(directory: &Path) -> Result<Option<Vec<Outcome>>> {
    if !directory.is_dir() {
        return Ok(None);
    }
    let logs = ["elastic_apache.log", "nasa_19950801.tsv"];
    logs.into_iter()
        .map(|name| Ok(detect(name, &read(&directory.join(name))?)))
        .collect::<Result<_>>()
        .map(Some)
}

/// What a log holds.
struct Log {
    /// In the order of time.
    calls: Vec<Call>,
    /// Lines that are no calls.
    unread: u64,
}

fn read(path: &Path) -> Result<Log> {
    let input = Input::open(path, None)?;
    let (name, format) = (input.name().to_owned(), input.format());
    let mut calls = Vec::new();
    let mut reader = Reader::new();
    reader.read(&name, input.into_reader(), format, |call| calls.push(call.clone()))?;
    reader.finish(|call| calls.push(call.clone()));
    Ok(Log { calls, unread: reader.summary().unread.total() })
}

/// Detection with its defaults.
fn detect(name: &'static str, log: &Log) -> Outcome {
    let mut detection = Detection::new(Settings::default(), HashKey::new([7; 16]));
    let mut out = Vec::new();
    let mut second = 0;
    for call in &log.calls {
        if call.at.0 / 1_000_000_000 != second {
            second = call.at.0 / 1_000_000_000;
            detection.tick(Timestamp(second * 1_000_000_000), &mut out);
        }
        let exchange = call.exchange();
        detection.call(&exchange, &mut out);
        detection.complete(&exchange, &mut out);
    }
    out.retain(|alert| alert.state == AlertState::Open);
    let (notices, alerts) = out.into_iter().partition(|alert| alert.severity == Severity::Info);
    Outcome {
        name,
        calls: log.calls.len(),
        unread: log.unread,
        clients: log.calls.iter().map(|call| call.endpoints.client.ip()).collect::<HashSet<_>>().len(),
        targets: log.calls.iter().map(|call| call.request.target()).collect::<HashSet<_>>().len(),
        routes: detection.routes(),
        alerts,
        notices,
    }
}
