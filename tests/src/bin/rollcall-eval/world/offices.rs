//! Offices: employees behind one address who work on cases of customers.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_tests::random::{Random, Shuffled};

use super::{Agent, Now, TOKENS_OF_OTHERS, until_office_hours};
use crate::{call::Call, ids::ACCOUNTS};

const OFFICES: u64 = 50;
/// Accounts that an employee is concerned with.
const CASES: u64 = 80;
/// Of what an employee reads, so much belongs to a case.
const OF_CASES: f64 = 0.85;

struct Employee {
    number: u64,
    from: IpAddr,
    reads_a_day: f64,
    accounts: Shuffled,
}

/// The employees of all offices: 5 to 40 in each, who read 5 to 60 accounts a day.
pub(super) fn employees(accounts: Shuffled, random: &mut Random) -> Vec<Box<dyn Agent>> {
    let mut employees: Vec<Box<dyn Agent>> = Vec::new();
    for office in 0..OFFICES {
        for _ in 0..random.between(5, 41) {
            employees.push(Box::new(Employee {
                number: employees.len() as u64,
                from: IpAddr::V4(Ipv4Addr::new(62, 10, office as u8, 5)),
                reads_a_day: random.between(5, 61) as f64,
                accounts,
            }));
        }
    }
    employees
}

impl Agent for Employee {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        if let Some(closed) = until_office_hours(now.hour(), now.random) {
            return closed;
        }
        let token = TOKENS_OF_OTHERS + 1_000 + self.number;
        let agent = Cow::Borrowed("Mozilla/5.0 (Windows NT 10.0; Win64; x64)");
        if now.random.chance(0.1) {
            let target = format!("/v1/accounts?page={}", 1 + now.random.below(20));
            let call = Call::get(now.at, self.from, target);
            now.calls.push(Call { token: Some(token), agent: agent.clone(), response_bytes: 9_000, ..call });
        }
        let account = if now.random.chance(OF_CASES) {
            self.accounts.at((1_000_000 + self.number * CASES + now.random.between(0, CASES)) % ACCOUNTS)
        } else {
            now.random.between(0, ACCOUNTS)
        };
        let call = now.read(2.0, self.from, token, ("/v1/customers/", ""), account);
        now.calls.push(Call { agent: agent.clone(), ..call });
        if now.random.chance(0.5) {
            let call = now.read(3.0, self.from, token, ("/v1/customers/", "/orders"), account);
            now.calls.push(Call { agent, ..call });
        }
        20.0 + now.random.exponential((36_000.0 / self.reads_a_day - 20.0).max(1.0))
    }
}
