//! Attackers who try to teach the engine what is usual, and then read accounts.
//!
//! They do so at a bank with 2,000 customers who read their own account: small enough to be had for days and for each of them. They
//! know the limits in force and stay below, as nobody outside could.

use std::{
    iter::Peekable,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
    vec,
};

use anyhow::{Context as _, Result};
use rollcall_model::time::Timestamp;
use rollcall_tests::random::{Random, Shuffled};

use crate::{
    api,
    call::Call,
    engine::{Engine, InForce, Raised},
    ids::{ACCOUNTS, Ids},
    known::{BREACHES, ROUTE, breach},
    outcome::{Outcome, TaughtOutcome},
    score::Watch,
    world::{DAY, WARM_UP},
};

/// What one process does.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Part {
    #[arg(long)]
    pub(crate) attacker: String,
}

/// One who prepares, and then reads accounts at the breach's rate.
pub(crate) struct Attacker {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    lesson: Lesson,
    /// Days of preparation: the first, and the one after the last.
    days: (u64, u64),
    /// When the breach begins, after the start of the daemon.
    breach: Duration,
}

/// What is done each day to teach something.
#[derive(Clone, Copy)]
enum Lesson {
    Nothing,
    /// So many identities read what stays below the limits in force, in each window.
    Raise(u64),
    /// So many identities come that nobody has seen, and each reads a few accounts.
    MadeUp(u64),
    /// One walks, round the clock.
    Walk,
    /// So many identities read as one reads a catalogue.
    Browse(u64),
    /// Six ask for the same few accounts again and again, as if these were everybody's.
    Share,
}

/// Amid which traffic.
const AMID: &str = "bank";

const CUSTOMERS: u64 = 2_000;
/// Of whom this share comes on a day: 1,200.
const PRESENT: f64 = 0.6;

/// Each identity that only looks as if it browsed reads so many accounts a day.
const BROWSED: u64 = 200;
/// A made-up identity reads so many.
const FEW: u64 = 6;
/// What identities read that want to look like others: the same accounts over and over.
const POOL: u64 = 400;

/// Numbers of tokens of attackers.
const TOKENS: u64 = 8_000_000_000;

const HOUR: u64 = 3_600;

const NOTHING: Attacker = Attacker {
    name: "",
    about: "",
    lesson: Lesson::Nothing,
    days: (0, 0),
    breach: Duration::from_secs((8 * 24 + 14) * HOUR),
};

const fn attacker(name: &'static str, about: &'static str, lesson: Lesson, days: (u64, u64)) -> Attacker {
    Attacker { name, about, lesson, days, ..NOTHING }
}

const fn young(name: &'static str, about: &'static str, seconds: u64) -> Attacker {
    Attacker { name, about, breach: Duration::from_secs(seconds), ..NOTHING }
}

/// What else one client may do on a route of own data.
const OTHERS: [&str; 3] = ["minute-sequential", "minute-random", "minute-uuid"];

/// Those who teach nothing, and come when it is known what is usual.
pub(crate) const PLAIN: [&str; 2] = ["none", "day 2"];

pub(crate) const ATTACKERS: [Attacker; 15] = [
    attacker("none", "no preparation, on the ninth day", Lesson::Nothing, (0, 0)),
    young("first minute", "walks from the first minute of the daemon's life", 60),
    young("hour 2", "walks while the route is two hours old", 2 * HOUR),
    young("day 2", "walks on the route's second day, at 14 o'clock", 38 * HOUR),
    attacker(
        "raise 1 %",
        "12 identities stay just below the limits in force, from the third day on",
        Lesson::Raise(12),
        (2, 8),
    ),
    attacker("raise 2 %", "24 identities do so", Lesson::Raise(24), (2, 8)),
    attacker("raise 8 %", "96 identities do so", Lesson::Raise(96), (2, 8)),
    attacker("raise one", "one patient identity does so", Lesson::Raise(1), (2, 8)),
    attacker(
        "made up",
        "5,000 identities a day that are never seen again, 6 accounts each",
        Lesson::MadeUp(5_000),
        (1, 8),
    ),
    attacker(
        "walk",
        "one walks from the first minute on, an account a minute for a week",
        Lesson::Walk,
        (0, 8),
    ),
    attacker(
        "decoy 2 %",
        "24 identities read 200 accounts a day, from the first day on",
        Lesson::Browse(24),
        (0, 8),
    ),
    attacker("decoy 8 %", "96 identities do so", Lesson::Browse(96), (0, 8)),
    attacker("decoy 33 %", "400 identities do so", Lesson::Browse(400), (0, 8)),
    attacker(
        "share",
        "6 identities ask for accounts that each three of them share, every few seconds, from the second day on",
        Lesson::Share,
        (1, 8),
    ),
    attacker("late decoy", "400 identities do so, from the fourth day on", Lesson::Browse(400), (3, 8)),
];

pub(crate) fn run(part: &Part) -> Result<()> {
    let attacker =
        ATTACKERS.iter().find(|attacker| attacker.name == part.attacker).context("no such attacker")?;
    let start = WARM_UP + attacker.breach;
    let mut prepared = Prepared::new();
    let mut traffic = Vec::new().into_iter().peekable();
    for day in 0..=attacker.breach.as_secs() / DAY.as_secs() {
        traffic = prepared.morning(attacker, day);
        prepared.until(&mut traffic, start);
    }
    // Where nothing was taught, it is seen how all else fares that an attacker may do.
    let others = if PLAIN.contains(&attacker.name) { &OTHERS[..] } else { &[] };
    for &name in BREACHES.iter().chain(others) {
        api::in_a_copy(|| {
            let (limits, known) = prepared.engine.in_force(ROUTE).unwrap_or_default();
            let mut rest = traffic.clone().map(|(call, _)| call);
            let breach = breach(&mut prepared.engine, &mut rest, name, 1, start, AMID)?;
            api::tell(&Outcome::Taught(prepared.outcome(attacker, breach, limits, known)))
        })?;
    }
    Ok(())
}

/// Calls in the order of time, and which are the attacker's.
type Traffic = Peekable<vec::IntoIter<(Call, bool)>>;

/// What has happened so far.
struct Prepared {
    engine: Engine,
    watch: Watch,
    raised: Vec<Raised>,
    alerts: u64,
    false_alerts: u64,
    told_at: Option<u64>,
    asked_at: Option<u64>,
    identities: u64,
}

impl Prepared {
    fn new() -> Prepared {
        Prepared {
            engine: Engine::undeclared(),
            watch: Watch::default(),
            raised: Vec::new(),
            alerts: 0,
            false_alerts: 0,
            told_at: None,
            asked_at: None,
            identities: 0,
        }
    }

    /// The traffic of a day, whose limits are those of the morning.
    fn morning(&mut self, attacker: &Attacker, day: u64) -> Traffic {
        let midnight = WARM_UP + DAY * day as u32;
        let mut calls: Vec<(Call, bool)> =
            customers(midnight, day).into_iter().map(|call| (call, false)).collect();
        if (attacker.days.0..attacker.days.1).contains(&day) {
            let limits = self.engine.in_force(ROUTE).map(|(limits, _)| limits).unwrap_or_default();
            let lesson = attacker.lesson.calls(midnight, day, &limits);
            self.identities = attacker.lesson.identities(day + 1 - attacker.days.0);
            calls.extend(lesson.into_iter().map(|call| (call, true)));
        }
        calls.sort_by_key(|(call, _)| call.at);
        calls.into_iter().peekable()
    }

    fn until(&mut self, traffic: &mut Traffic, end: Timestamp) {
        while let Some((call, is_attack)) = traffic.next_if(|(call, _)| call.at < end) {
            let seen = self.engine.exchange(&call, &mut self.raised);
            if is_attack {
                self.watch.strike(call.at, &seen, call.account.as_slice());
            }
            if self.engine.questions() > 0 && self.watch.accounts() > 0 {
                self.asked_at.get_or_insert(self.watch.accounts());
            }
            for alert in self.raised.drain(..) {
                if self.watch.caught(call.at, std::slice::from_ref(&alert)).is_some() {
                    self.alerts += 1;
                    self.told_at.get_or_insert(self.watch.accounts());
                } else {
                    self.false_alerts += 1;
                }
            }
        }
    }

    fn outcome(
        &self,
        attacker: &Attacker,
        breach: crate::outcome::AttackOutcome,
        limits: Vec<InForce>,
        known: bool,
    ) -> TaughtOutcome {
        TaughtOutcome {
            attacker: attacker.name.to_owned(),
            identities: self.identities,
            days: attacker.days.1 - attacker.days.0,
            prepared: self.watch.accounts(),
            alerts: self.alerts,
            told_at: self.told_at,
            asked_at: self.asked_at,
            false_alerts: self.false_alerts,
            limits,
            known,
            breach,
        }
    }
}

impl Lesson {
    /// How many identities it takes for so many days.
    fn identities(self, days: u64) -> u64 {
        match self {
            Lesson::Nothing => 0,
            Lesson::Walk => 1,
            Lesson::Share => 6,
            Lesson::Raise(identities) | Lesson::Browse(identities) => identities,
            Lesson::MadeUp(a_day) => a_day * days,
        }
    }

    /// The calls of a day, where these limits are in force.
    fn calls(self, midnight: Timestamp, day: u64, limits: &[InForce]) -> Vec<Call> {
        let mut random = Random::seeded(7_000 + day);
        let mut calls = Vec::new();
        match self {
            Lesson::Nothing => {}
            Lesson::Walk => {
                let minutes = DAY.as_secs() / 60;
                calls.extend((0..minutes).map(|minute| {
                    let at = midnight + Duration::from_secs(60 * minute + 30);
                    read(at, 0, 9_000_000 + day * minutes + minute)
                }));
            }
            Lesson::MadeUp(a_day) => {
                for identity in (day * a_day..).take(a_day as usize) {
                    let mut at = random.unit() * 80_000.0;
                    for _ in 0..FEW {
                        let account = random.between(0, ACCOUNTS);
                        calls.push(read(midnight + Duration::from_secs_f64(at), identity, account));
                        at += random.exponential(60.0);
                    }
                }
            }
            Lesson::Browse(identities) => {
                for identity in 0..identities {
                    for _ in 0..BROWSED {
                        let at = midnight + Duration::from_secs_f64(25_000.0 + random.unit() * 55_000.0);
                        calls.push(read(at, identity, random.between(0, ACCOUNTS)));
                    }
                }
            }
            Lesson::Share => {
                for time in (0..DAY.as_secs()).step_by(5) {
                    let part = time / 5_400;
                    for identity in (part % 2 * 3..).take(3) {
                        let at = midnight + Duration::from_millis(1_000 * time + identity);
                        calls.push(read(at, identity, 5_000_000 + day * 16 + part));
                    }
                }
            }
            Lesson::Raise(identities) => {
                for identity in 0..identities {
                    let start = midnight + Duration::from_secs_f64(30_000.0 + random.unit() * 10_000.0);
                    let pool = Shuffled::new(POOL, day * identities + identity);
                    let moments = below(limits);
                    let pooled = moments.iter().enumerate();
                    calls.extend(pooled.map(|(place, &after)| {
                        read(
                            start + Duration::from_secs_f64(after),
                            identity,
                            3_000_000 + pool.at(place as u64 % POOL) * 7,
                        )
                    }));
                }
            }
        }
        calls
    }
}

/// Moments, seconds from the first, that come to four fifths of each limit and no further: more than that of what nobody had
/// touched would be told.
fn below(limits: &[InForce]) -> Vec<f64> {
    let mut moments = Vec::new();
    let mut from = 0.0;
    for window in limits {
        let end = 0.9 * window.window_s.min(40_000) as f64;
        let most = window.limit.map_or(0, |limit| limit as usize * 4 / 5).min(POOL as usize);
        let more = most.saturating_sub(moments.len());
        moments.extend((0..more).map(|place| from + (end - from) * (place + 1) as f64 / more as f64));
        from = end;
    }
    moments
}

/// A call of an attacker's identity.
fn read(at: Timestamp, identity: u64, account: u64) -> Call {
    let scattered = Shuffled::new(1 << 24, 78).at(identity % (1 << 24));
    let peer = IpAddr::V4(Ipv4Addr::from_bits(0x6800_0000 | scattered as u32));
    Call { account: Some(account), ..own(at, peer, TOKENS + identity, account) }
}

/// A call that reads an account.
fn own(at: Timestamp, peer: IpAddr, token: u64, account: u64) -> Call {
    let mut target = "/v1/customers/".to_owned();
    Ids::Sequential.push(&mut target, account);
    Call { token: Some(token), response_bytes: 700 + account % 600, ..Call::get(at, peer, target) }
}

/// What the customers call on a day: each its own account, in sessions.
fn customers(midnight: Timestamp, day: u64) -> Vec<Call> {
    let mut random = Random::seeded(6_000 + day);
    let accounts = Shuffled::new(ACCOUNTS, 6_000);
    let mut calls = Vec::new();
    for customer in 0..CUSTOMERS {
        if !random.chance(PRESENT) {
            continue;
        }
        let account = accounts.at(customer);
        let peer =
            IpAddr::V4(Ipv4Addr::from_bits(0x5400_0000 | Shuffled::new(1 << 24, 79).at(customer) as u32));
        for _ in 0..random.between(1, 4) {
            let mut seconds = random.unit() * 86_000.0;
            if random.chance(0.05) {
                // The token has expired.
                let refused =
                    own(midnight + Duration::from_secs_f64(seconds), peer, 1 + customer + CUSTOMERS, account);
                calls.push(Call { status: 401, response_bytes: 60, ..refused });
                seconds += 0.5;
            }
            for _ in 0..random.between(1, 6) {
                calls.push(own(midnight + Duration::from_secs_f64(seconds), peer, 1 + customer, account));
                seconds += random.exponential(15.0);
            }
        }
    }
    let end = midnight + DAY;
    calls.retain(|call| call.at < end);
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_below_the_limits_comes_near_to_each() {
        let limits = [(10, 20), (60, 30), (86_400, 300)]
            .map(|(window_s, limit)| InForce { window_s, limit: Some(limit) });
        let moments = below(&limits);
        let within = |seconds: f64| moments.iter().filter(|&&at| at < seconds).count();
        assert_eq!((within(10.0), within(60.0), moments.len()), (16, 24, 240));
        assert!(moments.is_sorted());
    }

    #[test]
    fn attackers_have_names_of_their_own() {
        let names: std::collections::HashSet<&str> = ATTACKERS.iter().map(|attacker| attacker.name).collect();
        assert_eq!(names.len(), ATTACKERS.len());
    }
}
