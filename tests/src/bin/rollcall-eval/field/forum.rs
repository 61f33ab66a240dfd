//! A forum, whose topics have a title before their number, and crawlers that read old ones.

use std::net::Ipv4Addr;

use super::{Answer, Caller, Day};

const USERS: u64 = 120;
const WORDS: [&str; 16] = [
    "bread", "river", "winter", "guitar", "solar", "bridge", "market", "garden", "router", "island",
    "coffee", "castle", "server", "forest", "camera", "ticket",
];
const NEWEST: u64 = 3_000;

const PAGE: Answer<'static> = (200, "text/html; charset=utf-8", 50_000);
const POSTS: Answer<'static> = (200, "application/json", 60_000);

pub(super) fn day(day: &mut Day) {
    for user in 0..USERS {
        if !day.random.chance(0.6) {
            continue;
        }
        let caller = Caller::regular(user, &mut day.random);
        let mut at = day.awake();
        for _ in 0..day.random.between(2, 15) {
            // What is newest is read most.
            let topic = NEWEST - (day.random.unit().powi(3) * NEWEST as f64) as u64;
            day.get(at, caller, &topic_at(topic), POSTS);
            for avatar in 0..day.random.between(3, 20) {
                let target = format!("/user_avatar/forum.example.com/{}/48", crate::call::scattered(avatar));
                day.get(at + 0.3, caller, &target, (200, "image/png", 4_000));
            }
            at += day.random.exponential(120.0);
        }
    }
    for (crawler, each) in [(1, 60.0), (2, 90.0)] {
        let agent = "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot.html)";
        let caller = Caller { address: Ipv4Addr::new(66, 60, 7, crawler), session: None, agent };
        // A sixth of the day's hours.
        let mut at = 7_200.0 * f64::from(crawler);
        let end = at + 14_400.0;
        while at < end {
            let topic = day.random.between(1, NEWEST);
            day.get(at, caller, &topic_at(topic), PAGE);
            at += day.random.exponential(each);
        }
    }
}

fn topic_at(topic: u64) -> String {
    let word = |n: u64| WORDS[(crate::call::scattered(topic * 4 + n) % WORDS.len() as u128) as usize];
    format!("/t/{}-{}-{}-{}/{topic}", word(0), word(1), word(2), word(3))
}
