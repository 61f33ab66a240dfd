//! Customers with the app: each reads its own account. Some are there every day, most rarely.

use std::{borrow::Cow, net::IpAddr};

use rollcall_tests::random::Shuffled;

use super::{Agent, MOST_OF_CYCLE, Now, carrier, cycle, home};
use crate::call::Call;

const CUSTOMERS: u64 = 150_000;
/// Eight of fifteen are behind one of so many addresses of carriers: some 800 behind each.
const CARRIERS: u64 = 100;
const SESSIONS_A_DAY: f64 = 270_000.0;
/// How often the customer of rank n is there goes with 1/nˢ. Drawn by the inverse of its integral.
const S: f64 = 0.7;

pub(super) struct Customers {
    accounts: Shuffled,
    by_rank: Shuffled,
}

impl Customers {
    pub(super) fn new(accounts: Shuffled) -> Customers {
        Customers { accounts, by_rank: Shuffled::new(CUSTOMERS, 5) }
    }

    fn session(&self, customer: u64, now: &mut Now<'_>) {
        let account = self.accounts.at(customer);
        let at_home = now.random.chance(0.1);
        let from =
            if customer % 15 < 8 && !at_home { carrier(customer / 15 % CARRIERS) } else { home(customer) };
        let token = |day: u64| 1 + customer + day * CUSTOMERS;
        let today = token(now.day() + 1);
        let mut seconds = 0.0;
        if now.random.chance(0.1) {
            now.calls.push(post(now, seconds, from, "/v1/login", 200));
            seconds += 0.4;
        } else if now.random.chance(0.03) {
            // The token has expired: it is renewed.
            let mut refused = now.read(seconds, from, token(now.day()), ("/v1/customers/", ""), account);
            (refused.status, refused.response_bytes, refused.account) = (401, 60, None);
            now.calls.push(refused);
            now.calls.push(post(now, seconds + 0.2, from, "/v1/token", 200));
            seconds += 0.5;
        }
        if now.random.chance(0.15) {
            let name = ["app", "vendor", "fonts", "icons"][now.random.below(4)];
            let call = Call::get(now.after(seconds), from, format!("/static/{name}.js"));
            now.calls.push(Call { response_bytes: 90_000, ..call });
        }
        for _ in 0..=now.random.below(5) {
            let behind = if now.random.chance(0.4) { "/orders" } else { "" };
            let call = now.read(seconds, from, today, ("/v1/customers/", behind), account);
            if now.random.chance(0.03) {
                // It fails, and is tried again.
                now.calls.push(Call { status: 503, response_bytes: 40, account: None, ..call.clone() });
                let at = now.after(seconds + 1.0);
                now.calls.push(Call { at, ..call });
            } else {
                now.calls.push(call);
            }
            seconds += 1.0 + now.random.exponential(15.0);
        }
    }
}

impl Agent for Customers {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        if now.random.chance(cycle(now.hour()) / MOST_OF_CYCLE) {
            let rank = now.random.unit().powf(1.0 / (1.0 - S)) * CUSTOMERS as f64;
            self.session(self.by_rank.at((rank as u64).min(CUSTOMERS - 1)), now);
        }
        now.random.exponential(86_400.0 / SESSIONS_A_DAY / MOST_OF_CYCLE)
    }
}

/// A call without a token.
pub(super) fn post(now: &Now<'_>, seconds: f64, from: IpAddr, target: &str, status: u16) -> Call {
    Call {
        method: Cow::Borrowed("POST"),
        status,
        response_bytes: 300,
        ..Call::get(now.after(seconds), from, target.to_owned())
    }
}
