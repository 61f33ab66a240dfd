//! What people run, from a cold start and day by day for a week, at the defaults: there should be no alert about any of it.
//!
//! Recorded cases are the same each day. What is made up is new each day, by the same people.

mod dashboards;
mod forum;
mod gallery;
mod lake;
mod magazine;
mod maps;
mod shop;
mod storage;
mod support;
mod tracker;

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result};
use rollcall_model::time::Timestamp;
use rollcall_replay::access_log::Call;
use rollcall_tests::random::Random;

use crate::{
    api,
    engine::Engine,
    forms, logs,
    outcome::{DayOutcome, Outcome, WeekOutcome},
    world::{DAY, WARM_UP},
};

/// What one process does.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Part {
    /// [`RECORDED`], or one of [`made_up`].
    #[arg(long)]
    pub(crate) workload: String,
    #[arg(long)]
    pub(crate) seed: u64,
}

const DAYS: usize = 7;

/// The cases that are what people run.
const CASES: [&str; 7] = ["11", "12", "13", "14", "18", "19", "20"];

/// All of them, as one workload's name.
pub(crate) const RECORDED: &str = "cases";

/// Alerts that are kept to be shown.
const KEPT: usize = 3;

/// A kind of traffic that is made up.
struct Kind {
    name: &'static str,
    /// Makes the calls of a day, in any order.
    day: fn(&mut Day),
}

const KINDS: [Kind; 11] = [
    Kind { name: "gallery, items", day: gallery::items },
    Kind { name: "gallery, pictures", day: gallery::pictures },
    Kind { name: "shop with a crawler", day: shop::day },
    Kind { name: "map and video site", day: maps::day },
    Kind { name: "support desk", day: support::day },
    Kind { name: "magazine", day: magazine::day },
    Kind { name: "files of each", day: storage::day },
    Kind { name: "forum with crawlers", day: forum::day },
    Kind { name: "dashboards", day: dashboards::day },
    Kind { name: "issue tracker", day: tracker::day },
    Kind { name: "data of each day", day: lake::day },
];

/// A day that is being made up.
struct Day {
    midnight: Timestamp,
    random: Random,
    calls: Vec<Call>,
}

/// Somebody who calls: an address, and maybe a session.
#[derive(Clone, Copy)]
struct Caller {
    address: Ipv4Addr,
    session: Option<u64>,
    agent: &'static str,
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";

/// An answer: status, media type and size.
type Answer<'a> = (u16, &'a str, u64);

/// What is made up, by name.
pub(crate) fn made_up() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

pub(crate) fn run(part: &Part) -> Result<()> {
    if part.workload == RECORDED {
        for (name, path) in forms::of(&CASES)? {
            let mut calls = Vec::new();
            logs::read(&path, |call| calls.push(call.clone()))?;
            let again = |day: usize| {
                let later = DAY * day as u32;
                let mut calls = calls.clone();
                calls.iter_mut().for_each(|call| call.at = call.at + later);
                calls
            };
            api::tell(&Outcome::Week(week(&name, None, again)))?;
        }
        return Ok(());
    }
    let kind = KINDS.iter().find(|kind| kind.name == part.workload).context("no such workload")?;
    api::tell(&Outcome::Week(week(kind.name, Some(part.seed), |day| kind.calls(part.seed, day))))
}

/// Replays the calls of each day.
fn week(name: &str, seed: Option<u64>, calls: impl Fn(usize) -> Vec<Call>) -> WeekOutcome {
    let mut engine = Engine::undeclared();
    let (mut days, mut count, mut first) = (Vec::new(), 0, Vec::new());
    for day in 0..DAYS {
        let calls = calls(day);
        let mut raised = Vec::new();
        let critical = engine.critical();
        for call in &calls {
            engine.logged(call, &mut raised);
        }
        count += calls.len() as u64;
        days.push(DayOutcome { alerts: raised.len() as u64, critical: engine.critical() - critical });
        first.extend(raised);
        first.truncate(KEPT);
    }
    WeekOutcome {
        workload: name.to_owned(),
        seed,
        calls: count,
        days,
        questions: engine.questions(),
        alerts: first,
    }
}

impl Kind {
    /// The calls of a day, in the order of time.
    fn calls(&self, seed: u64, day: usize) -> Vec<Call> {
        let midnight = WARM_UP + DAY * day as u32;
        let mut day = Day { midnight, random: Random::seeded(seed * 1_000 + day as u64), calls: Vec::new() };
        (self.day)(&mut day);
        let end = midnight + DAY;
        day.calls.retain(|call| call.at < end);
        day.calls.sort_by_key(|call| call.at);
        day.calls
    }
}

impl Day {
    /// A call so many seconds after midnight.
    fn get(&mut self, seconds: f64, caller: Caller, target: &str, (status, media, bytes): Answer<'_>) {
        let at = self.midnight + Duration::from_secs_f64(seconds.max(0.0));
        let mut call = Call::new(at, caller.address.into(), b"GET", target.as_bytes());
        call.header(b"Host", b"www.example.com");
        call.header(b"User-Agent", caller.agent.as_bytes());
        if let Some(session) = caller.session {
            let session = format!("session={:032x}", crate::call::scattered(session));
            call.header(b"Cookie", session.as_bytes());
        }
        (call.status, call.response_bytes) = (Some(status), bytes);
        call.response_type.extend_from_slice(media.as_bytes());
        self.calls.push(call);
    }

    /// A moment of the day when people are awake.
    fn awake(&mut self) -> f64 {
        // The sum of three is about normal: most come in the afternoon, a few in the morning and late at night.
        let sum: f64 = (0..3).map(|_| self.random.unit()).sum();
        (7.0 + 16.0 * sum / 3.0) * 3_600.0
    }
}

impl Caller {
    /// One of the regulars: a session, and an address that one of three changes each day.
    fn regular(number: u64, random: &mut Random) -> Caller {
        let address = if number.is_multiple_of(3) { random.between(0, 1 << 20) } else { number };
        let network = if number.is_multiple_of(3) { 0x5100_0000 } else { 0x5400_0000 };
        Caller {
            address: Ipv4Addr::from_bits(network + address as u32),
            session: Some(number),
            agent: BROWSER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_is_another_one_and_the_same_again() {
        for kind in &KINDS {
            let targets = |day| {
                let calls = kind.calls(1, day);
                assert!(calls.is_sorted_by_key(|call| call.at), "{}", kind.name);
                calls.iter().map(|call| call.request.target().to_vec()).collect::<Vec<_>>()
            };
            assert_eq!(targets(0), targets(0), "{}", kind.name);
            assert_ne!(targets(0), targets(1), "{}", kind.name);
        }
    }
}
