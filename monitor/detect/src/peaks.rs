//! The most distinct objects that any client had within each window, route by route: what limits would have stayed silent.
//!
//! Exact, for histories that are replayed, not for a daemon. For each pair of a client key and a route every object of the
//! longest window is kept, some 80 bytes each. [`Bounds`] caps objects and pairs; what no longer finds room is counted
//! ([`Peaks::left_out`]), and the peaks are then lower bounds.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

mod span;

use rollcall_attribute::{client::ClientKey, observation::Observation};
use rollcall_model::{hash::HashKey, time::Timestamp};
use span::Span;

use super::{Policy, clock::Clock, limit::MAX_LIMITS};

/// Idle pairs are looked for after so many observations: often enough that they are few, and seldom enough that looking at
/// every pair costs little.
const SWEEP: u64 = 200_000;

/// Bounds on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Objects of all pairs within the longest window: 160 MiB of them.
    pub objects: usize,
    /// Pairs of a client key and a route, in all: they are kept when their objects are gone, 150 bytes each, so that a client
    /// that comes back is not another.
    pub pairs: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { objects: 2_000_000, pairs: 1_000_000 }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Peaks {
    policy: Policy,
    bounds: Bounds,
    key: HashKey,
    clock: Clock,
    routes: Vec<(Arc<str>, [Peak; MAX_LIMITS])>,
    numbers: BTreeMap<Arc<str>, u32>,
    pairs: BTreeMap<(ClientKey, u32), Pair>,
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

#[derive(Debug, Default)]
struct Pair {
    span: Option<Box<Span>>,
    most: [u32; MAX_LIMITS],
}

impl Peaks {
    /// Keeps peaks over the windows of `policy`, of everyone but its partners.
    pub fn new(policy: Policy, bounds: Bounds, key: HashKey) -> Peaks {
        Peaks {
            policy,
            bounds,
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
        if self.observed.is_multiple_of(SWEEP) || self.objects >= self.bounds.objects {
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

    /// The windows, shortest first.
    pub fn windows(&self) -> &[Duration] {
        self.policy.windows()
    }

    /// Every route with objects, by name, and its peak in each window.
    pub fn routes(&self) -> Vec<(&Arc<str>, &[Peak])> {
        let windows = self.windows().len();
        let mut routes: Vec<_> = self.routes.iter().map(|(route, all)| (route, &all[..windows])).collect();
        routes.sort_by_key(|(route, _)| *route);
        routes
    }

    /// For each route and window, in the order of [`Peaks::routes`], how many client keys had at least half as many objects
    /// as the peak, the peak's own included.
    pub fn near(&self) -> Vec<[u64; MAX_LIMITS]> {
        let mut near = vec![[0; MAX_LIMITS]; self.routes.len()];
        for ((_, route), pair) in &self.pairs {
            let (Some((_, peaks)), Some(near)) =
                (self.routes.get(*route as usize), near.get_mut(*route as usize))
            else {
                continue;
            };
            for ((most, peak), near) in pair.most.iter().zip(peaks).zip(near) {
                *near += u64::from(*most > 0 && u64::from(*most) * 2 >= u64::from(peak.distinct));
            }
        }
        let mut order: Vec<usize> = (0..self.routes.len()).collect();
        order.sort_by_key(|&number| &self.routes[number].0);
        order.into_iter().map(|number| near[number]).collect()
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
        let full = self.objects >= self.bounds.objects;
        if self.pairs.len() >= self.bounds.pairs && !self.pairs.contains_key(&(client, route)) {
            self.left_out += 1;
            return;
        }
        let windows = self.policy.windows();
        let pair = self.pairs.entry((client, route)).or_default();
        let span = pair.span.get_or_insert_default();
        let before = span.len();
        let is_in = span.touch(object, now, windows, !full);
        self.objects = self.objects + span.len() - before;
        if !is_in {
            self.left_out += 1;
            return;
        }
        let counts = &span.counts()[..windows.len()];
        let Some((_, peaks)) = self.routes.get_mut(route as usize) else { return };
        for ((count, most), peak) in counts.iter().zip(&mut pair.most).zip(peaks) {
            *most = (*most).max(*count);
            if *count > peak.distinct {
                *peak = Peak { distinct: *count, client: Some(client), at };
            }
        }
    }

    /// Forgets what the longest window has left behind.
    fn sweep(&mut self, now: Timestamp) {
        let mut objects = 0;
        for pair in self.pairs.values_mut() {
            let Some(span) = &mut pair.span else { continue };
            span.slide(now, self.policy.windows());
            if span.len() == 0 {
                pair.span = None;
            } else {
                objects += span.len();
            }
        }
        self.objects = objects;
    }
}

#[cfg(test)]
mod tests;
