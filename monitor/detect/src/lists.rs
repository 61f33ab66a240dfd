//! Lists: who has just been given one whose things it reads now.
//!
//! An application that shows a list reads each thing in it, in the order of the list: of numbers, one after the other. Its calls
//! for pages of the list come between. So that order says nothing, while what was read still counts.

use std::time::Duration;

use rollcall_model::{
    hash::HashKey,
    state::table::{self, cell},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::client::pair_hash;

/// Clients and lists that are remembered.
const SLOTS: usize = 4_096;

/// Things that one call for a list explains, at most.
const EACH: u64 = 50;

/// For so long after the last call.
const LONG: Duration = Duration::from_secs(600);

/// See the [module](self). What comes to the same place takes it over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lists(#[serde(with = "table")] Vec<Slot>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slot {
    pair: u64,
    last: Timestamp,
    calls: u64,
}
cell!(Slot { pair: u64, last: Timestamp, calls: u64 });

impl Lists {
    /// Nobody has been given one.
    pub(super) fn new() -> Lists {
        Lists(vec![Slot::default(); SLOTS])
    }

    /// Whether it is one that was written down.
    pub(super) fn fits(&self) -> bool {
        self.0.len() == SLOTS
    }

    /// Takes in that the pair of a client and a route was answered with what may be a list.
    pub(super) fn note(&mut self, pair: u64, now: Timestamp) {
        let Some(slot) = self.0.get_mut(pair as usize % SLOTS) else { return };
        let goes_on = slot.pair == pair && now.since(slot.last) < LONG;
        *slot = Slot { pair, last: now, calls: if goes_on { slot.calls.saturating_add(1) } else { 1 } };
    }

    /// Whether a `client`, by its hash, has been given as much of the list above `route` as explains so many things of it.
    pub(crate) fn explain(
        &self,
        key: HashKey,
        client: u64,
        route: &str,
        things: u64,
        now: Timestamp,
    ) -> bool {
        let Some(list) = list(route) else { return false };
        let pair = pair_hash(client, key.hash(list.as_bytes()));
        let slot = self.0.get(pair as usize % SLOTS);
        slot.is_some_and(|slot| {
            slot.pair == pair && now.since(slot.last) < LONG && slot.calls.saturating_mul(EACH) >= things
        })
    }
}

/// The name of the list in which a route's things are: `GET /v1/requests` of `GET /v1/requests/{id}`.
fn list(route: &str) -> Option<&str> {
    route.rfind("/{").map(|end| &route[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_for_a_list_explain_its_things() {
        let (key, at) = (HashKey::new([5; 16]), |seconds: u64| Timestamp(seconds * 1_000_000_000));
        let mut lists = Lists::new();
        let asks =
            |lists: &mut Lists, route: &str, now| lists.note(pair_hash(7, key.hash(route.as_bytes())), now);
        let explain = |lists: &Lists, client, things, now| {
            lists.explain(key, client, "GET /v1/requests/{id}", things, now)
        };
        asks(&mut lists, "GET /v1/requests", at(1_000));
        asks(&mut lists, "GET /v1/others", at(1_000));
        assert!(explain(&lists, 7, 50, at(1_001)));
        assert!(!explain(&lists, 7, 51, at(1_001)), "more than there is on a page");
        assert!(!explain(&lists, 8, 5, at(1_001)), "somebody else");
        assert!(!explain(&lists, 7, 5, at(1_700)), "too long ago");
        asks(&mut lists, "GET /v1/requests", at(1_500));
        assert!(explain(&lists, 7, 100, at(1_700)));
    }
}
