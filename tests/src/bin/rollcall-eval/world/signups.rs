//! New customers: their accounts continue where the newest one ends.

use super::{Agent, MOST_OF_CYCLE, Now, TOKENS_OF_OTHERS, customers::post, cycle, home};

const A_DAY: f64 = 2_000.0;

pub(super) struct SignUps;

impl Agent for SignUps {
    fn wake(&mut self, now: &mut Now<'_>) -> f64 {
        if now.random.chance(cycle(now.hour()) / MOST_OF_CYCLE) {
            let account = *now.next_account;
            *now.next_account += 1;
            let from = home(10_000_000 + account);
            now.calls.push(post(now, 0.0, from, "/v1/customers", 201));
            let mut seconds = 1.0;
            for _ in 0..=now.random.below(3) {
                let call =
                    now.read(seconds, from, TOKENS_OF_OTHERS + account, ("/v1/customers/", ""), account);
                now.calls.push(call);
                seconds += now.random.exponential(30.0);
            }
        }
        now.random.exponential(86_400.0 / A_DAY / MOST_OF_CYCLE)
    }
}
