//! A support desk: twelve agents, each of whom reads 100 to 300 different customers a day, one after the other.

use std::net::Ipv4Addr;

use super::{BROWSER, Caller, Day};

const AGENTS: u64 = 12;
const CUSTOMERS: (u64, u64) = (100_000, 1_000_000);
const HOURS: (f64, f64) = (9.0 * 3_600.0, 17.0 * 3_600.0);

pub(super) fn day(day: &mut Day) {
    for agent in 0..AGENTS {
        let caller = Caller {
            address: Ipv4Addr::new(10, 2, 0, 10 + agent as u8),
            session: Some(500_000 + agent),
            agent: BROWSER,
        };
        let reads = day.random.between(100, 301);
        let pause = (HOURS.1 - HOURS.0) / reads as f64 - 20.0;
        let mut at = HOURS.0 + day.random.unit() * 600.0;
        for _ in 0..reads {
            let customer = day.random.between(CUSTOMERS.0, CUSTOMERS.1);
            let bytes = day.random.between(3_000, 3_800);
            let target = format!("/crm/customers/{customer}");
            day.get(at, caller, &target, (200, "application/json", bytes));
            if day.random.chance(0.5) {
                day.get(
                    at + 2.0,
                    caller,
                    &format!("{target}/orders"),
                    (200, "application/json", bytes - 900),
                );
            }
            at += 20.0 + day.random.exponential(pause);
        }
    }
}
