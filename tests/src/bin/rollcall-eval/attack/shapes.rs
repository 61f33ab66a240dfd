//! The shapes that are evaluated.

use super::{BREACH, How, Order, Shape, Who};
use crate::ids::Ids;

/// What most have in common.
const PLAIN: Shape = Shape {
    name: "",
    about: "",
    ids: Ids::Sequential,
    rate: BREACH,
    order: Order::Sequential,
    who: Who::One,
    how: How::Plain,
    in_logs: false,
};

const fn shape(name: &'static str, about: &'static str) -> Shape {
    Shape { name, about, ..PLAIN }
}

const MINUTE: f64 = 1.0 / 60.0;
/// So many identities, each just below the daily limit.
const IDENTITIES: u64 = 200;
const PATIENT: f64 = IDENTITIES as f64 * 299.0 / 86_400.0;

/// Every shape, by which rows of the report are in order.
pub(crate) const SHAPES: &[Shape] = &[
    Shape { in_logs: true, ..shape("breach-sequential", "10.44 calls/s, one credential, one address") },
    Shape { order: Order::Random, in_logs: true, ..shape("breach-random", "the same in random order") },
    Shape { ids: Ids::Uuid, order: Order::Random, ..shape("breach-uuid", "the same, random UUIDs") },
    Shape { ids: Ids::CheckDigit, ..shape("breach-check-digit", "the same in order, with check digits") },
    Shape { ids: Ids::TimeOrdered, ..shape("breach-time-ordered", "the same in order, time-ordered UUIDs") },
    Shape {
        who: Who::Pool(1_000),
        in_logs: true,
        ..shape("thousand-sequential", "the breach's volume over 1,000 addresses, each call another token")
    },
    Shape {
        who: Who::Pool(1_000),
        order: Order::Random,
        in_logs: true,
        ..shape("thousand-random", "the same in random order")
    },
    Shape {
        who: Who::Pool(1_000),
        ids: Ids::CheckDigit,
        ..shape("thousand-check-digit", "the same in order, with check digits")
    },
    Shape {
        who: Who::Pool(1_000),
        ids: Ids::TimeOrdered,
        ..shape("thousand-time-ordered", "the same in order, time-ordered UUIDs")
    },
    Shape {
        who: Who::Pool(1_000),
        order: Order::Shuffled(100_000),
        ..shape("thousand-shuffled", "the same, a range of 100,000 shuffled")
    },
    Shape {
        who: Who::Pool(50_000),
        in_logs: true,
        ..shape("fifty-thousand-sequential", "over 50,000 addresses, each call another token")
    },
    Shape {
        who: Who::Pool(50_000),
        order: Order::Random,
        in_logs: true,
        ..shape("fifty-thousand-random", "the same in random order")
    },
    Shape {
        who: Who::Pool(50_000),
        ids: Ids::Uuid,
        order: Order::Random,
        ..shape("fifty-thousand-uuid", "the same, random UUIDs")
    },
    Shape { rate: MINUTE, in_logs: true, ..shape("minute-sequential", "1 call/min, one client") },
    Shape {
        rate: MINUTE,
        order: Order::Random,
        in_logs: true,
        ..shape("minute-random", "the same in random order")
    },
    Shape {
        rate: MINUTE,
        ids: Ids::Uuid,
        order: Order::Random,
        ..shape("minute-uuid", "the same, random UUIDs")
    },
    Shape {
        who: Who::Addresses,
        order: Order::Random,
        ..shape("rotating-ipv4", "each call another IPv4 address")
    },
    Shape {
        who: Who::Subnet64,
        order: Order::Random,
        ..shape("rotating-in-64", "each call another address of one IPv6 /64, no token")
    },
    Shape {
        who: Who::Subnet48,
        order: Order::Random,
        ..shape("rotating-in-48", "each call another /64 of one IPv6 /48, no token")
    },
    Shape { who: Who::Tokens, order: Order::Random, ..shape("rotating-tokens", "each call another token") },
    Shape {
        who: Who::Forwarded,
        order: Order::Random,
        ..shape("rotating-forwarded", "each call another made-up X-Forwarded-For, through a trusted proxy")
    },
    Shape {
        who: Who::Agents,
        order: Order::Random,
        ..shape("rotating-agents", "each call another User-Agent")
    },
    Shape { order: Order::Shuffled(100_000), ..shape("shuffled", "a range of 100,000 shuffled") },
    Shape { order: Order::Threads(8), ..shape("interleaved", "8 threads, each with a range of its own") },
    Shape {
        rate: PATIENT,
        who: Who::Identities(IDENTITIES),
        ..shape("299-a-day-sequential", "200 identities, each reads 299 accounts a day")
    },
    Shape {
        rate: PATIENT,
        who: Who::Identities(IDENTITIES),
        order: Order::Random,
        ..shape("299-a-day-random", "the same in random order")
    },
    Shape {
        how: How::Repeats(9),
        order: Order::Random,
        ..shape("repeats", "9 repeats of known accounts after each new one")
    },
    Shape {
        how: How::Batch(10),
        rate: BREACH / 10.0,
        ..shape("batches", "ids=… with 10 accounts each call")
    },
    Shape {
        how: How::Guess(0.05),
        order: Order::Random,
        rate: 1.0,
        ..shape("guessing", "identifiers are guessed, 95 % are of nobody; 1 call/s, one client")
    },
    Shape {
        how: How::Guess(0.05),
        order: Order::Random,
        who: Who::Pool(1_000),
        ..shape("guessing-thousand", "the same at the breach's rate over 1,000 addresses")
    },
    Shape {
        how: How::Flood(2_000_000),
        who: Who::Addresses,
        order: Order::Random,
        ..shape("flood", "2 M made-up tokens in 10 min, then one token from ever new addresses")
    },
    Shape {
        how: How::ClockBack(15),
        ..shape("clock-set-back", "the breach; after 15 accounts the clock is set back by an hour")
    },
    Shape {
        who: Who::BehindCarrier,
        ..shape("behind-carrier", "the breach from a mobile carrier's address")
    },
    Shape {
        how: How::Pages(100),
        rate: 1.0,
        ..shape("list-pages", "pages of a list, each with 100 accounts, 1 call/s, one client")
    },
    Shape {
        rate: 0.1,
        who: Who::Pool(50_000),
        order: Order::Random,
        ..shape("drip", "1 call in 10 s over 50,000 addresses, each call another token, random order")
    },
    Shape {
        rate: 1.0 / 3_600.0,
        order: Order::Random,
        ..shape("hourly", "1 call/h, one client, random order")
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn shapes_have_names_of_their_own() {
        let names: HashSet<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), SHAPES.len());
        assert!(SHAPES.iter().all(|shape| !shape.about.is_empty() && shape.rate > 0.0));
    }
}
