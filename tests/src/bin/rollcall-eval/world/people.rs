//! People whose pages load many accounts at once.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_tests::random::Shuffled;

use super::{Agent, Now, TOKENS_OF_OTHERS, until_office_hours};
use crate::call::Call;

const DASHBOARDS: u64 = 30;
/// Pages of a dashboard. Each shows ten to fifteen accounts.
const PAGES: u64 = 3;
const REPORTERS: u64 = 3;
/// Accounts that a report loads at once.
const REPORTED: u64 = 50;
const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7)";

/// Of the times that somebody comes back, the token has expired in so many.
const EXPIRED: f64 = 0.03;

struct Dashboard {
    number: u64,
    accounts: Shuffled,
}

/// People with a dashboard, half of them behind each of two addresses.
pub(super) fn dashboards(accounts: Shuffled) -> impl Iterator<Item = Box<dyn Agent>> {
    (0..DASHBOARDS).map(move |number| -> Box<dyn Agent> { Box::new(Dashboard { number, accounts }) })
}

impl Agent for Dashboard {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        if let Some(closed) = until_office_hours(now.hour(), now.random) {
            return closed;
        }
        let from = IpAddr::V4(Ipv4Addr::new(62, 20, (self.number % 2) as u8, 9));
        if now.random.chance(EXPIRED) {
            let account = self.accounts.at(3_000_000);
            let token = TOKENS_OF_OTHERS + 100 + self.number;
            // The token has expired: it is renewed.
            let mut refused = now.read(0.0, from, token, ("/v1/dashboard/", ""), account);
            (refused.status, refused.response_bytes, refused.account) = (401, 60, None);
            now.calls.push(refused);
            return 2.0;
        }
        let page = now.random.between(0, PAGES);
        let shown = 10 + (self.number + page) % 6;
        for n in 0..shown {
            let account = self.accounts.at(3_000_000 + (self.number * PAGES + page) * 15 + n);
            let token = TOKENS_OF_OTHERS + 100 + self.number;
            let call = now.read(n as f64 * 0.02, from, token, ("/v1/dashboard/", ""), account);
            now.calls.push(Call { agent: Cow::Borrowed(BROWSER), ..call });
        }
        // Nobody turns the page before having looked at it.
        30.0 + now.random.exponential(900.0)
    }
}

struct Reporter {
    number: u64,
    accounts: Shuffled,
}

/// People who look at reports.
pub(super) fn reports(accounts: Shuffled) -> impl Iterator<Item = Box<dyn Agent>> {
    (0..REPORTERS).map(move |number| -> Box<dyn Agent> { Box::new(Reporter { number, accounts }) })
}

impl Agent for Reporter {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        if let Some(closed) = until_office_hours(now.hour(), now.random) {
            return closed;
        }
        let from = IpAddr::V4(Ipv4Addr::new(62, 30, 0, self.number as u8 + 1));
        for n in 0..REPORTED {
            let account = self.accounts.at(4_000_000 + self.number * REPORTED + n);
            let token = TOKENS_OF_OTHERS + 200 + self.number;
            let call = now.read(n as f64 * 0.01, from, token, ("/v1/reports/accounts/", ""), account);
            now.calls.push(Call { agent: Cow::Borrowed(BROWSER), ..call });
        }
        600.0 + now.random.exponential(1_800.0)
    }
}
