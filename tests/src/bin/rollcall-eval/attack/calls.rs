//! The calls that an attack makes, one by one.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use rollcall_model::time::Timestamp;
use rollcall_tests::random::{Random, Shuffled};

use super::{How, Order, Shape, Who};
use crate::{call::Call, ids::ACCOUNTS, world::carrier};

/// Numbers of tokens that nobody else has.
const TOKENS: u64 = 9_000_000_000;
/// A flood takes so long.
const FLOOD: Duration = Duration::from_secs(600);
/// Accounts that belong to whoever floods.
const OWN: u64 = 10;

/// A call of an attack, and what it takes.
pub(crate) struct Strike {
    pub(crate) call: Call,
    /// Accounts that it reads; none if it misses, or they are the caller's own.
    pub(crate) accounts: Vec<u64>,
    /// From this call on, the source's clock is set back.
    pub(crate) clock_back: bool,
}

/// An attack under way. Never ends by itself.
pub(crate) struct Attack {
    shape: Shape,
    random: Random,
    at: Timestamp,
    /// Calls so far.
    calls: u64,
    /// Places in the order of accounts so far.
    places: u64,
    /// Where a walk begins.
    from: u64,
    shuffled: Shuffled,
    addresses: Shuffled,
    read: Vec<u64>,
}

impl Attack {
    /// The attack with this shape, from `start` on.
    pub(crate) fn new(shape: Shape, seed: u64, start: Timestamp) -> Attack {
        let mut random = Random::seeded(seed.wrapping_mul(1_000_003) + 17);
        let range = match shape.order {
            Order::Shuffled(count) => count,
            _ => ACCOUNTS,
        };
        Attack {
            shape,
            at: start,
            calls: 0,
            places: 0,
            from: random.between(0, ACCOUNTS / 2),
            shuffled: Shuffled::new(range, random.bits()),
            addresses: Shuffled::new(1 << 28, random.bits()),
            read: Vec::new(),
            random,
        }
    }

    /// The next account in its order.
    fn account(&mut self) -> u64 {
        let place = self.places;
        self.places += 1;
        match self.shape.order {
            Order::Sequential => self.from + place,
            Order::Random => self.shuffled.at(place % ACCOUNTS),
            Order::Shuffled(count) => self.from + self.shuffled.at(place % count),
            Order::Threads(threads) => self.from + place % threads * 1_000_000 + place / threads,
        }
    }

    /// An address without neighbours, of 96.0.0.0/4.
    fn address(&self, number: u64) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x6000_0000 | self.addresses.at(number % (1 << 28)) as u32))
    }

    /// Makes the call one of who calls.
    fn sign(&mut self, call: &mut Call) {
        let own = self.address(1 << 27);
        let n = self.calls;
        let mut in_subnet = |network: u128, free: u32| {
            let host = u128::from(self.random.bits()) << 64 | u128::from(self.random.bits());
            IpAddr::V6(Ipv6Addr::from_bits(network | host >> (128 - free)))
        };
        let (peer, token) = match self.shape.who {
            Who::One => (own, Some(0)),
            Who::BehindCarrier => (carrier(7), Some(0)),
            Who::Pool(count) => (self.address(n % count), Some(1 + n)),
            Who::Identities(count) => (self.address(n % count), Some(1 + n % count)),
            Who::Addresses => (self.address(n), Some(0)),
            Who::Subnet64 => (in_subnet(0x2a02_0017_0005_0001 << 64, 64), None),
            Who::Subnet48 => (in_subnet(0x2a02_0017_0005_0000 << 64, 80), None),
            Who::Tokens => (own, Some(1 + n)),
            Who::Forwarded => {
                call.forwarded = Some(format!("{}, {own}", self.address(n)));
                (IpAddr::V4(Ipv4Addr::LOCALHOST), None)
            }
            Who::Agents => {
                call.agent = Cow::Owned(format!("client-{:x}/{}.0", self.random.bits(), n % 100));
                (own, Some(0))
            }
        };
        (call.peer, call.token) = (peer, token.map(|token| TOKENS + token));
    }

    /// The target of a call that reads `accounts`.
    fn target(&self, accounts: &[u64]) -> String {
        let mut target = "/v1/customers".to_owned();
        for (at, &account) in accounts.iter().enumerate() {
            target.push_str(match self.shape.how {
                How::Batch(_) if at == 0 => "?ids=",
                How::Batch(_) => ",",
                _ => "/",
            });
            self.shape.ids.push(&mut target, account);
        }
        target
    }

    /// A call before the walk, with a token that nobody has had.
    fn flood(&mut self, count: u64) -> Strike {
        let account = self.from + ACCOUNTS / 2 - 1 - self.random.between(0, OWN);
        let from = self.random.between(0, 1 << 20);
        let peer = self.address(from);
        let mut call = Call::get(self.at, peer, self.target(&[account]));
        call.token = Some(2 * TOKENS + self.calls);
        self.at = self.at + FLOOD / count as u32;
        Strike { call, accounts: Vec::new(), clock_back: false }
    }

    fn strike(&mut self) -> Strike {
        let mut accounts = Vec::new();
        let mut status = 200;
        let target = match self.shape.how {
            How::Pages(size) => {
                let page = self.places / size + self.from / size;
                accounts.extend((0..size).map(|_| self.account()));
                format!("/v1/accounts?page={page}")
            }
            How::Batch(size) => {
                accounts.extend((0..size).map(|_| self.account()));
                self.target(&accounts)
            }
            How::Guess(share) if !self.random.chance(share) => {
                status = 404;
                let nobody = ACCOUNTS + 1_000_000 + self.random.between(0, 19 * ACCOUNTS);
                self.target(&[nobody])
            }
            How::Repeats(repeats) if !self.calls.is_multiple_of(repeats + 1) => {
                let known = self.read[self.random.below(self.read.len())];
                accounts.push(known);
                self.target(&accounts)
            }
            how => {
                accounts.push(self.account());
                if matches!(how, How::Repeats(_)) {
                    self.read.extend_from_slice(&accounts);
                }
                self.target(&accounts)
            }
        };
        let mut call = Call::get(self.at, Ipv4Addr::LOCALHOST.into(), target);
        call.agent = Cow::Borrowed("okhttp/4.12");
        call.status = status;
        if status != 200 {
            call.response_bytes = 60;
        }
        self.sign(&mut call);
        let clock_back = matches!(self.shape.how, How::ClockBack(after) if self.calls >= after);
        // Neither a metronome nor without rhythm.
        let pause = (0.7 + 0.6 * self.random.unit()) / self.shape.rate;
        self.at = self.at + Duration::from_secs_f64(pause);
        Strike { call, accounts, clock_back }
    }
}

impl Iterator for Attack {
    type Item = Strike;

    fn next(&mut self) -> Option<Strike> {
        let strike = match self.shape.how {
            How::Flood(count) if self.calls < count => self.flood(count),
            _ => self.strike(),
        };
        self.calls += 1;
        Some(strike)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{attack::SHAPES, world::WARM_UP};

    fn attack(name: &str) -> Attack {
        let shape = SHAPES.iter().find(|shape| shape.name == name).unwrap();
        Attack::new(*shape, 1, WARM_UP)
    }

    fn targets(name: &str, count: usize) -> Vec<String> {
        attack(name).take(count).map(|strike| strike.call.target).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_attack() {
        for shape in SHAPES {
            let calls = |seed| {
                let attack = Attack::new(*shape, seed, WARM_UP);
                attack.take(50).map(|strike| strike.call).collect::<Vec<_>>()
            };
            assert_eq!(calls(1), calls(1), "{}", shape.name);
            assert_ne!(calls(1), calls(2), "{}", shape.name);
        }
    }

    #[test]
    fn rates_are_what_they_are_said_to_be() {
        let last = attack("breach-random").nth(10_440).unwrap().call.at;
        assert!((last.since(WARM_UP).as_secs_f64() - 1_000.0).abs() < 10.0);
    }

    #[test]
    fn walks_and_ranges_are_in_their_order() {
        let numbers =
            |name| -> Vec<u64> { attack(name).take(16).flat_map(|strike| strike.accounts).collect() };
        assert!(numbers("breach-sequential").array_windows().all(|[a, b]| b - a == 1));
        assert!(!numbers("shuffled").is_sorted());
        let threads = numbers("interleaved");
        assert_eq!((threads[1] - threads[0], threads[8] - threads[0]), (1_000_000, 1));
        assert_eq!(numbers("batches").len(), 160);
        assert_eq!(numbers("list-pages").len(), 1_600);
    }

    #[test]
    fn what_is_to_rotate_does_and_the_rest_stays() {
        let count = |name, key: fn(&Call) -> String| {
            attack(name).take(3_000).map(|strike| key(&strike.call)).collect::<HashSet<_>>().len()
        };
        let (peer, token) = (|call: &Call| call.peer.to_string(), |call: &Call| format!("{:?}", call.token));
        assert_eq!((count("breach-random", peer), count("breach-random", token)), (1, 1));
        assert_eq!((count("thousand-random", peer), count("thousand-random", token)), (1_000, 3_000));
        assert_eq!((count("299-a-day-random", peer), count("299-a-day-random", token)), (200, 200));
        assert_eq!((count("rotating-ipv4", peer), count("rotating-ipv4", token)), (3_000, 1));
        assert_eq!((count("rotating-tokens", peer), count("rotating-tokens", token)), (1, 3_000));
        let network = |bytes: usize| {
            move |call: &Call| match call.peer {
                IpAddr::V6(address) => address.octets()[..bytes].to_vec(),
                IpAddr::V4(_) => Vec::new(),
            }
        };
        let networks = |name, bytes| {
            attack(name).take(1_000).map(|strike| network(bytes)(&strike.call)).collect::<HashSet<_>>().len()
        };
        assert_eq!((networks("rotating-in-64", 8), networks("rotating-in-64", 16)), (1, 1_000));
        assert_eq!(networks("rotating-in-48", 6), 1);
        assert!(networks("rotating-in-48", 8) > 900);
        assert_eq!(count("rotating-agents", |call| call.agent.to_string()), 3_000);
        assert_eq!(count("rotating-forwarded", |call| call.forwarded.clone().unwrap()), 3_000);
    }

    #[test]
    fn guesses_miss_and_repeats_repeat() {
        let strikes: Vec<Strike> = attack("guessing").take(10_000).collect();
        let hits = strikes.iter().filter(|strike| strike.call.status == 200).count();
        assert!((400..600).contains(&hits), "{hits}");
        assert!(strikes.iter().all(|strike| strike.accounts.is_empty() == (strike.call.status == 404)));
        let read: Vec<u64> = attack("repeats").take(1_000).flat_map(|strike| strike.accounts).collect();
        assert_eq!((read.len(), read.iter().collect::<HashSet<_>>().len()), (1_000, 100));
        assert!(targets("batches", 1)[0].starts_with("/v1/customers?ids="));
    }
}
