//! Dashboards on screens: each panel asks for the time from then to now, again and again.

use super::{Answer, Caller, Day};

const WATCHERS: u64 = 40;
const DATA: Answer<'static> = (200, "application/json", 20_000);

pub(super) fn day(day: &mut Day) {
    let since = day.midnight.0 / 1_000_000_000;
    for watcher in 0..WATCHERS {
        if !day.random.chance(0.7) {
            continue;
        }
        let caller = Caller::regular(watcher, &mut day.random);
        let mut at = day.awake();
        for _ in 0..day.random.between(10, 120) {
            for panel in 0..day.random.between(2, 5) {
                let now = since + at as u64;
                let target = format!(
                    "/proxy/{}/api/v1/query_range?query=up&start={}&end={now}&step=15",
                    panel + 1,
                    now - 21_600
                );
                day.get(at + 0.05 * panel as f64, caller, &target, DATA);
            }
            at += 30.0;
        }
    }
}
