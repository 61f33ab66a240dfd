//! The most distinct objects that any client had within each window, route by route, with who it was and when.
//!
//! It is what no norm can tell, for these name nobody, forget within days, and leave out whoever is told: what it takes to be
//! silent about everything that a history has, and whom to ask about it.
//!
//! Exact, for histories that are replayed, not for a daemon. For each pair of a client key and a route every object of the
//! longest window is kept, some 80 bytes each, up to a number of objects; what no longer finds room is counted
//! ([`Peaks::left_out`]), and the peaks are then lower bounds.

use std::{collections::BTreeMap, sync::Arc};

mod span;

use rollcall_attribute::{client::ClientKey, observation::Observation};
use rollcall_model::{hash::HashKey, time::Timestamp};
use span::Span;

use super::{Policy, clock::Clock, limit::MAX_LIMITS};

/// Idle pairs are looked for after so many observations: often enough that they are few, and seldom enough that looking at
/// every pair costs little.
const SWEEP: u64 = 200_000;

/// Objects of all pairs within the longest window, by default: 160 MiB of them.
pub const MOST_OBJECTS: usize = 2_000_000;

/// See the [module](self).
#[derive(Debug)]
pub struct Peaks {
    policy: Policy,
    most_objects: usize,
    key: HashKey,
    clock: Clock,
    routes: Vec<(Arc<str>, [Peak; MAX_LIMITS])>,
    numbers: BTreeMap<Arc<str>, u32>,
    pairs: BTreeMap<(ClientKey, u32), Span>,
    objects: usize,
    observed: u64,
    left_out: u64,
}

/// The most objects that one client had of one route within one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    pub distinct: u32,
    /// Who had them; the first, if several had as many. `None` while nobody had any.
    pub client: Option<ClientKey>,
    /// When.
    pub at: Timestamp,
}

impl Peaks {
    /// Keeps peaks over the windows of `policy`, of everyone but its partners, by `most_objects` at a time.
    pub fn new(policy: Policy, most_objects: usize, key: HashKey) -> Peaks {
        Peaks {
            policy,
            most_objects,
            key,
            clock: Clock::default(),
            routes: Vec::new(),
            numbers: BTreeMap::new(),
            pairs: BTreeMap::new(),
            objects: 0,
            observed: 0,
            left_out: 0,
        }
    }

    /// Takes in what the detector gets.
    pub fn observe(&mut self, observation: &Observation) {
        let now = self.clock.observe(observation.at);
        let Observation { clients, route, .. } = observation;
        let is_partner = self.policy.has_partner(clients.keys(), route);
        if observation.objects.is_empty() || !observation.is_read() || is_partner {
            return;
        }
        self.observed += 1;
        if self.observed.is_multiple_of(SWEEP) || self.objects >= self.most_objects {
            self.sweep(now);
        }
        let route = self.number(&observation.route);
        for &client in clients.by_address().iter().chain(clients.by_credential()) {
            for object in observation.objects.iter() {
                let object = self.key.hash(object.as_bytes());
                self.touch(client, route, object, now, observation.at);
            }
        }
    }

    /// Every route with objects, by name, and its peak in each window.
    pub fn routes(&self) -> Vec<(&Arc<str>, &[Peak])> {
        let windows = self.policy.windows().len();
        let mut routes: Vec<_> = self.routes.iter().map(|(route, all)| (route, &all[..windows])).collect();
        routes.sort_by_key(|(route, _)| *route);
        routes
    }

    /// Touches that found no room: if there are any, the peaks may have been higher.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn number(&mut self, route: &Arc<str>) -> u32 {
        if let Some(number) = self.numbers.get(route) {
            return *number;
        }
        // The router bounds how many there are.
        let number = self.routes.len() as u32;
        self.numbers.insert(route.clone(), number);
        self.routes.push((route.clone(), Default::default()));
        number
    }

    fn touch(&mut self, client: ClientKey, route: u32, object: u64, now: Timestamp, at: Timestamp) {
        let full = self.objects >= self.most_objects;
        if full && !self.pairs.contains_key(&(client, route)) {
            self.left_out += 1;
            return;
        }
        let windows = self.policy.windows();
        let span = self.pairs.entry((client, route)).or_default();
        let before = span.len();
        let is_in = span.touch(object, now, windows, !full);
        self.objects = self.objects + span.len() - before;
        if !is_in {
            self.left_out += 1;
            return;
        }
        let Some((_, peaks)) = self.routes.get_mut(route as usize) else { return };
        for (&count, peak) in span.counts()[..windows.len()].iter().zip(peaks) {
            if count > peak.distinct {
                *peak = Peak { distinct: count, client: Some(client), at };
            }
        }
    }

    /// Forgets what the longest window has left behind.
    fn sweep(&mut self, now: Timestamp) {
        let windows = self.policy.windows();
        self.pairs.retain(|_, span| {
            span.slide(now, windows);
            span.len() > 0
        });
        self.objects = self.pairs.values().map(Span::len).sum();
    }
}

#[cfg(test)]
mod tests;
