//! A gallery of 200 users, who scroll through a feed: the page of a list, and then what is on it, in its order.

use super::{Answer, Caller, Day};

const USERS: u64 = 200;
const THINGS: u64 = 5_000;
/// On each page of the feed.
const PAGE: u64 = 30;

/// Each thing is data about it.
pub(super) fn items(day: &mut Day) {
    feed(day, "/api/items/", |size| (200, "application/json", 400 + size % 3_600));
}

/// Each thing is a picture, which only the answer's type tells.
pub(super) fn pictures(day: &mut Day) {
    feed(day, "/media/", |size| (200, "image/jpeg", 20_000 + size % 300_000));
}

fn feed(day: &mut Day, before: &str, answer: fn(u64) -> Answer<'static>) {
    for user in 0..USERS {
        if !day.random.chance(0.6) {
            continue;
        }
        let caller = Caller::regular(user, &mut day.random);
        let mut at = day.awake();
        // Most begin with what is newest, others somewhere in the past.
        let mut place = if day.random.chance(0.6) { 0 } else { day.random.between(0, THINGS / 2) };
        for _ in 0..day.random.between(1, 6) {
            let target = format!("/api/feed?offset={place}&limit={PAGE}");
            day.get(at, caller, &target, (200, "application/json", 9_000));
            at += 0.3;
            for thing in (place..place + PAGE).map(|place| THINGS - place) {
                let size = day.random.bits();
                day.get(at, caller, &format!("{before}{thing}"), answer(size));
                at += if day.random.chance(0.75) { 0.05 } else { day.random.exponential(3.0) };
            }
            place += PAGE;
            at += day.random.exponential(20.0);
        }
    }
}
