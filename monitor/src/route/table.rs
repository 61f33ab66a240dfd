//! The bounded table of routes.
//!
//! Its room is split by what a route has proved to be, so that nobody fills it with rubbish: half for routes
//! with objects that were answered, a quarter for other answered ones (pages, images), a quarter for those
//! that were only ever refused. A route moves up when it proves itself. Below the caps the routes do not
//! depend on the order of traffic.

use std::sync::Arc;

use hashbrown::{HashTable, hash_table::Entry};

use super::outcome;
use crate::hash::HashKey;

/// The route of everything that has none of its own.
pub const OTHER: &str = "~other";

/// Learned routes by template. Letter case does not tell routes apart, for some servers ignore it and would
/// give a client as many routes as there are ways to write one; the first spelling seen names the route.
#[derive(Debug)]
pub struct Table {
    key: HashKey,
    routes: HashTable<Entered>,
    room: [usize; 3],
    used: [usize; 3],
    other: Arc<str>,
    overflowed: u64,
    folded: String,
}

/// How full the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Routes learned.
    pub routes: u64,
    /// Attributions to [`OTHER`], because the table was full or the template too long.
    pub overflowed: u64,
}

#[derive(Debug)]
struct Entered {
    hash: u64,
    route: Arc<str>,
    proof: Proof,
}

/// What a route has proved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    Refused,
    Answered,
    WithObjects,
}

impl Table {
    /// A table for at most `max_routes` routes.
    pub fn new(max_routes: usize, key: HashKey) -> Table {
        let quarter = max_routes / 4;
        Table {
            key,
            routes: HashTable::new(),
            room: [quarter, quarter, max_routes - 2 * quarter],
            used: [0; 3],
            other: OTHER.into(),
            overflowed: 0,
            folded: String::new(),
        }
    }

    /// The route with this template, as it is learned now or was before.
    pub fn route(&mut self, template: &str, has_object: bool, status: Option<u16>) -> Arc<str> {
        let proof = match (outcome::is_touch(status), has_object) {
            (false, _) => Proof::Refused,
            (true, false) => Proof::Answered,
            (true, true) => Proof::WithObjects,
        };
        self.folded.clear();
        self.folded.push_str(template);
        self.folded.make_ascii_lowercase();
        let hash = self.key.hash(self.folded.as_bytes());
        let same = |entered: &Entered| entered.hash == hash && entered.route.eq_ignore_ascii_case(template);
        match self.routes.entry(hash, same, |entered| entered.hash) {
            Entry::Occupied(mut entry) => {
                let entered = entry.get_mut();
                if entered.proof < proof && self.used[proof as usize] < self.room[proof as usize] {
                    self.used[entered.proof as usize] -= 1;
                    self.used[proof as usize] += 1;
                    entered.proof = proof;
                }
                Arc::clone(&entered.route)
            }
            Entry::Vacant(entry) => {
                if self.used[proof as usize] >= self.room[proof as usize] {
                    self.overflowed += 1;
                    return Arc::clone(&self.other);
                }
                self.used[proof as usize] += 1;
                let route: Arc<str> = template.into();
                entry.insert(Entered { hash, route: Arc::clone(&route), proof });
                route
            }
        }
    }

    /// The route of a template that is too long to be kept.
    pub fn too_long(&mut self) -> Arc<str> {
        self.overflowed += 1;
        Arc::clone(&self.other)
    }

    /// How full the table is.
    pub fn counters(&self) -> Counters {
        Counters { routes: self.routes.len() as u64, overflowed: self.overflowed }
    }
}
