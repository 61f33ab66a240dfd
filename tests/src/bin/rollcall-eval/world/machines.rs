//! Programs that call: a partner's batch by night, probes of monitoring, crawlers.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_tests::random::Shuffled;

use super::{Agent, Now, PARTNER_TOKEN, TOKENS_OF_OTHERS};
use crate::call::Call;

/// What the partner's contract covers, one account after the other.
const PARTNERED: u64 = 20_000;
const PARTNERED_FROM: u64 = 20_000_000;
const HEALTH_PROBES: u64 = 3;
const CRAWLERS: u64 = 10;
const POSTS: u64 = 200;

/// Reads its accounts between two and four o'clock.
#[derive(Default)]
pub(super) struct Partner {
    read: u64,
}

impl Agent for Partner {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        let until_two = |hour: f64| (if hour < 2.0 { 2.0 - hour } else { 26.0 - hour }) * 3_600.0;
        if self.read == PARTNERED {
            self.read = 0;
            return until_two(now.hour());
        }
        if self.read == 0 && !(2.0..3.0).contains(&now.hour()) {
            return until_two(now.hour());
        }
        let from = IpAddr::V4(Ipv4Addr::new(62, 40, 0, 1));
        let account = PARTNERED_FROM + self.read;
        let call = now.read(0.0, from, PARTNER_TOKEN, ("/v1/customers/", ""), account);
        now.calls.push(Call { agent: Cow::Borrowed("partner-sync/2.1"), ..call });
        self.read += 1;
        0.1 + now.random.exponential(0.25)
    }
}

/// Looks whether the API is there.
struct Probe {
    number: u64,
    /// The account that it reads, over and over; if none, it asks for the API's health.
    account: Option<u64>,
}

/// Some that ask for health, and one that reads an account.
pub(super) fn probes(accounts: Shuffled) -> impl Iterator<Item = Box<dyn Agent>> {
    (0..=HEALTH_PROBES).map(move |number| -> Box<dyn Agent> {
        let account = (number == HEALTH_PROBES).then(|| accounts.at(5_000_000));
        Box::new(Probe { number, account })
    })
}

impl Agent for Probe {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        let from = IpAddr::V4(Ipv4Addr::new(62, 50, 0, self.number as u8 + 1));
        let call = match self.account {
            Some(account) => now.read(0.0, from, TOKENS_OF_OTHERS + 300, ("/v1/customers/", ""), account),
            None => Call { response_bytes: 20, ..Call::get(now.at, from, "/health".to_owned()) },
        };
        now.calls.push(Call { agent: Cow::Borrowed("probe/1.4"), ..call });
        10.0
    }
}

/// Reads what is public, some of which isn't there any more.
struct Crawler {
    number: u64,
}

pub(super) fn crawlers() -> impl Iterator<Item = Box<dyn Agent>> {
    (0..CRAWLERS).map(|number| -> Box<dyn Agent> { Box::new(Crawler { number }) })
}

impl Agent for Crawler {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        let post = now.random.between(0, POSTS);
        let (target, status) = match now.random.below(10) {
            0 => (format!("/pages/{}.html", title(post + POSTS)), 404),
            1 | 2 => (format!("/static/images/{}.png", title(post % 40)), 200),
            _ => (format!("/blog/{}.html", title(post)), 200),
        };
        let from = IpAddr::V4(Ipv4Addr::new(66, 60, self.number as u8, 20));
        now.calls.push(Call {
            status,
            agent: Cow::Borrowed("Mozilla/5.0 (compatible; ExampleBot/1.0)"),
            response_bytes: 12_000,
            ..Call::get(now.at, from, target)
        });
        2.0 + now.random.exponential(13.0)
    }
}

/// The title of a post, without digits.
fn title(number: u64) -> String {
    const FIRST: [&str; 20] = [
        "about", "better", "clear", "daily", "early", "fresh", "great", "hidden", "inside", "joint", "keen",
        "little", "modern", "new", "open", "plain", "quiet", "rare", "simple", "true",
    ];
    const SECOND: [&str; 20] = [
        "accounts",
        "bills",
        "cards",
        "dates",
        "earnings",
        "fees",
        "gifts",
        "homes",
        "ideas",
        "jobs",
        "keys",
        "loans",
        "money",
        "news",
        "offers",
        "plans",
        "questions",
        "rates",
        "savings",
        "terms",
    ];
    let (first, second) = (number as usize % FIRST.len(), number as usize / FIRST.len());
    format!("{}-{}", FIRST[first], SECOND[second % SECOND.len()])
}
