//! A synthetic API of 37 million accounts, and the ordinary traffic that it has: a stream of calls in the order of
//! time, the same for the same seed, of which no more is in memory than what is about to happen.
//!
//! Whoever calls is an [`Agent`] that wakes, says what it will call, and says when it wants to wake again.

mod customers;
mod machines;
mod offices;
mod people;
mod signups;

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use rollcall_model::time::Timestamp;
use rollcall_tests::random::{Random, Shuffled};

use crate::{
    call::Call,
    ids::{ACCOUNTS, Ids},
};

/// A Monday, midnight UTC: the day by which the engine learns what is usual.
pub(crate) const WARM_UP: Timestamp = Timestamp(1_789_948_800_000_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The route of the reports, which load fifty accounts at once.
pub(crate) const REPORT_ROUTE: &str = "GET /v1/reports/accounts/{id}";
/// The token of the partner whose batch runs by night.
pub(crate) const PARTNER_TOKEN: u64 = 7_000_000_001;

/// Numbers of tokens: of customers by day, of others by who they are.
const TOKENS_OF_OTHERS: u64 = 7_000_000_000;

/// Whoever calls.
trait Agent {
    /// Seconds until it wants to wake again.
    fn wake(&mut self, now: &mut Now<'_>) -> f64;
}

/// What an agent sees of the world, and where its calls go.
struct Now<'a> {
    at: Timestamp,
    random: &'a mut Random,
    ids: Ids,
    /// The number that the next new account gets.
    next_account: &'a mut u64,
    calls: &'a mut Vec<Call>,
}

/// See the [module](self).
pub(crate) struct World {
    random: Random,
    ids: Ids,
    next_account: u64,
    agents: Vec<Box<dyn Agent>>,
    queue: BinaryHeap<Due>,
    sequence: u64,
    calls: Vec<Call>,
}

struct Due {
    at: Timestamp,
    sequence: u64,
    what: What,
}

enum What {
    Call(Box<Call>),
    Wake(usize),
}

impl World {
    /// The world of a seed, from [`WARM_UP`] on.
    pub(crate) fn new(ids: Ids, seed: u64) -> World {
        let accounts = Shuffled::new(ACCOUNTS, seed);
        let mut random = Random::seeded(seed);
        let mut agents: Vec<Box<dyn Agent>> = vec![
            Box::new(customers::Customers::new(accounts)),
            Box::new(signups::SignUps),
            Box::new(machines::Partner::default()),
        ];
        agents.extend(offices::employees(accounts, &mut random));
        agents.extend(people::dashboards(accounts));
        agents.extend(people::reports(accounts));
        agents.extend(machines::probes(accounts));
        agents.extend(machines::crawlers());
        let mut world = World {
            random,
            ids,
            next_account: ACCOUNTS,
            queue: BinaryHeap::new(),
            sequence: 0,
            calls: Vec::new(),
            agents: Vec::new(),
        };
        for number in 0..agents.len() {
            let at = WARM_UP + Duration::from_secs_f64(world.random.unit() * 60.0);
            world.put(at, What::Wake(number));
        }
        world.agents = agents;
        world
    }

    fn put(&mut self, at: Timestamp, what: What) {
        self.sequence += 1;
        self.queue.push(Due { at, sequence: self.sequence, what });
    }

    #[cfg(test)]
    fn queued(&self) -> usize {
        self.queue.len()
    }
}

/// Never ends.
impl Iterator for World {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        loop {
            let Due { at, what, .. } = self.queue.pop()?;
            let agent = match what {
                What::Call(call) => return Some(*call),
                What::Wake(agent) => agent,
            };
            let mut calls = std::mem::take(&mut self.calls);
            let mut now = Now {
                at,
                random: &mut self.random,
                ids: self.ids,
                next_account: &mut self.next_account,
                calls: &mut calls,
            };
            let pause = self.agents[agent].wake(&mut now).max(0.001);
            for call in calls.drain(..) {
                self.put(call.at, What::Call(Box::new(call)));
            }
            self.calls = calls;
            self.put(at + Duration::from_secs_f64(pause), What::Wake(agent));
        }
    }
}

impl Now<'_> {
    /// The hour of the day, with its fraction.
    fn hour(&self) -> f64 {
        (self.at.0 / 1_000_000 % 86_400_000) as f64 / 3_600_000.0
    }

    /// Days since [`WARM_UP`].
    fn day(&self) -> u64 {
        self.at.since(WARM_UP).as_secs() / DAY.as_secs()
    }

    /// So many seconds from now.
    fn after(&self, seconds: f64) -> Timestamp {
        self.at + Duration::from_secs_f64(seconds.max(0.0))
    }

    /// A call that reads an account, `seconds` from now: `before` and `behind` stand around the identifier.
    fn read(&self, seconds: f64, from: IpAddr, token: u64, place: (&str, &str), account: u64) -> Call {
        let mut target = place.0.to_owned();
        self.ids.push(&mut target, account);
        target.push_str(place.1);
        Call {
            token: Some(token),
            account: Some(account),
            response_bytes: 700 + account % 600,
            ..Call::get(self.after(seconds), from, target)
        }
    }
}

/// The hours of ordinary life: how much happens, over the mean of the day. Most in the afternoon, least at three.
fn cycle(hour: f64) -> f64 {
    1.0 + 0.7 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin()
}

const MOST_OF_CYCLE: f64 = 1.7;

/// Seconds until it is eight o'clock if offices are closed, which they are from six in the evening.
fn until_office_hours(hour: f64, random: &mut Random) -> Option<f64> {
    let hours = match hour {
        _ if hour < 8.0 => 8.0 - hour,
        _ if hour >= 18.0 => 32.0 - hour,
        _ => return None,
    };
    Some(hours * 3_600.0 + random.unit() * 1_800.0)
}

/// An address of a household, each another one: an IPv6 network of its own for every fifth.
fn home(number: u64) -> IpAddr {
    let scattered = Shuffled::new(1 << 24, 77).at(number % (1 << 24));
    if number.is_multiple_of(5) {
        let network = (0x2a01_000c_u128 << 96) | u128::from(scattered) << 64;
        IpAddr::V6(Ipv6Addr::from_bits(network | 0x1234_5678))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(0x5400_0000 | scattered as u32))
    }
}

/// The address that a mobile carrier puts some 800 of its customers behind.
pub(crate) fn carrier(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(81, 200, (number / 4) as u8, (number % 4 * 50 + 7) as u8))
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is due first is the greatest: the heap gives that out.
impl Ord for Due {
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_calls_in_the_order_of_time() {
        let calls = |seed| World::new(Ids::Sequential, seed).take(20_000).collect::<Vec<_>>();
        let (a, b) = (calls(1), calls(1));
        assert!(a == b);
        assert!(a.is_sorted_by_key(|call| call.at));
        assert!(a != calls(2));
        assert!(a.iter().any(|call| call.target.starts_with("/v1/customers/")));
    }

    #[test]
    fn only_what_is_about_to_happen_is_in_memory() {
        let mut world = World::new(Ids::Uuid, 1);
        world.by_ref().take(100_000).for_each(drop);
        assert!(world.queued() < 5_000, "{}", world.queued());
    }

    #[test]
    fn an_ordinary_hour_has_all_that_is_to_be_there() {
        let ten = WARM_UP + Duration::from_secs(10 * 3_600);
        let hour = World::new(Ids::Sequential, 1)
            .skip_while(|call| call.at < ten)
            .take_while(|call| call.at < ten + Duration::from_secs(3_600));
        let calls: Vec<Call> = hour.collect();
        let rate = calls.len() as f64 / 3_600.0;
        assert!((10.0..25.0).contains(&rate), "{rate} calls/s");
        for part in [
            "/v1/reports/accounts/",
            "/v1/dashboard/",
            "/v1/accounts?page=",
            "/v1/login",
            "/health",
            "/static/",
            "/blog/",
            "/orders",
        ] {
            assert!(calls.iter().any(|call| call.target.contains(part)), "{part}");
        }
        for status in [200, 201, 401, 404, 503] {
            assert!(calls.iter().any(|call| call.status == status), "{status}");
        }
        let addresses: HashSet<IpAddr> = calls.iter().map(|call| call.peer).collect();
        assert!(addresses.len() > 2_000 && addresses.contains(&carrier(3)), "{}", addresses.len());
    }
}
