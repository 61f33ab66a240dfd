//! A magazine: most read an article or two, what is new or what others read, and now and then somebody reads for an hour.

use super::{BROWSER, Caller, Day};

/// Of these, three in ten come on a day.
const SUBSCRIBERS: u64 = 1_000;
const PRESENT: f64 = 0.3;
/// So many come by a link, and never again.
const STRANGERS: u64 = 400;
/// And of these so many stay.
const KEEN: f64 = 0.01;
const ARTICLES: u64 = 3_000;

pub(super) fn day(day: &mut Day) {
    for reader in 0..SUBSCRIBERS + STRANGERS {
        let caller = if reader < SUBSCRIBERS {
            Caller::regular(reader, &mut day.random)
        } else {
            let address = (0x5800_0000 + day.random.between(0, 1 << 24) as u32).into();
            Caller { address, session: None, agent: BROWSER }
        };
        if reader < SUBSCRIBERS && !day.random.chance(PRESENT) {
            continue;
        }
        let is_keen = reader >= SUBSCRIBERS && day.random.chance(KEEN);
        let articles = if is_keen { day.random.between(15, 40) } else { day.random.between(1, 3) };
        let mut at = day.awake();
        for _ in 0..articles {
            // The older, the less read.
            let article = ARTICLES - (ARTICLES as f64 * day.random.unit().powi(6)) as u64;
            let size = 2_000 + article * 37 % 9_000;
            day.get(at, caller, &format!("/api/articles/{article}"), (200, "application/json", size));
            at += if is_keen { 2.0 + day.random.exponential(60.0) } else { day.random.exponential(200.0) };
        }
    }
}
