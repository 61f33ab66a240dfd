//! Routes as they are written down, and how those of before a restart become those of now.
//!
//! Numbers stay: what else is written down may name them. Which routes are declared is up to the settings of now. One
//! that was declared before, or learned, and is declared now is the same route, with all that has been seen of it. One
//! that is no longer declared stays in the inventory, for it has been called, until it is learned.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{OTHER, Origin, Proof, RECENT, Route, RouteId, Routes, Seen};

/// [`Routes`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::route) struct State<'a> {
    routes: Vec<(u32, Cow<'a, Route>)>,
    /// The next number to be given out comes last.
    free: Cow<'a, [u32]>,
}

impl Routes {
    /// The routes, to be written down.
    pub(in crate::route) fn checkpoint(&self) -> State<'_> {
        let routes = (0..).zip(&self.slots);
        State {
            routes: routes.filter_map(|(id, route)| Some((id, Cow::Borrowed(route.as_ref()?)))).collect(),
            free: Cow::Borrowed(&self.free),
        }
    }

    /// The routes that `state` says, with each name once in `names`.
    pub(in crate::route) fn restore(
        key: HashKey,
        state: State<'_>,
        names: &mut Names,
    ) -> Result<Routes, Inconsistent> {
        let State { routes, free } = state;
        let mut slots: Vec<Option<Route>> = Vec::new();
        slots.resize_with(routes.len() + free.len(), || None);
        check(u32::try_from(slots.len()).is_ok(), "there are too many routes")?;
        for (id, route) in routes {
            let mut route = route.into_owned();
            check((id == 0) == (route.origin == Origin::Other), "the route of all others is not the first")?;
            check(id != 0 || *route.name == *OTHER, "the route of all others has another name")?;
            check(route.recent.len() <= RECENT, "a route remembers too many calls")?;
            route.name = names.share(&route.name);
            route.hash = key.hash(route.name.as_bytes());
            let slot = slots.get_mut(id as usize).ok_or(Inconsistent("a route's number is too high"))?;
            check(slot.replace(route).is_none(), "two routes have one number")?;
        }
        check(slots.first().is_some_and(Option::is_some), "the route of all others is missing")?;
        let free = free.into_owned();
        // As many numbers are free as slots are empty, so if each is another one, it is all of them.
        let distinct: BTreeSet<u32> = free.iter().copied().collect();
        let empty = |&id: &u32| slots.get(id as usize).is_some_and(Option::is_none);
        check(
            distinct.len() == free.len() && free.iter().all(empty),
            "a route's number is free, and is not",
        )?;
        Ok(Routes { slots, free, unclaimed: BTreeMap::new(), merged: Vec::new() })
    }

    /// Makes the routes of before those of now. `declared` has every name that may be declared from now on, with the
    /// origins in which it may be, foremost first. Routes that are no longer declared are kept, `most` of them, the latest.
    /// Returns the routes that are no longer learned ones.
    pub(in crate::route) fn settle(
        &mut self,
        declared: &BTreeMap<String, Vec<Origin>>,
        most: usize,
    ) -> BTreeSet<RouteId> {
        let mut named: BTreeMap<Arc<str>, Vec<RouteId>> = BTreeMap::new();
        for (id, route) in (0..).zip(&self.slots).skip(1) {
            if let Some(route) = route {
                named.entry(Arc::clone(&route.name)).or_default().push(RouteId(id));
            }
        }
        let mut gone = BTreeSet::new();
        let mut orphans = Vec::new();
        for (name, routes) in &named {
            match declared.get(&**name) {
                Some(origins) => self.merge(routes, origins, &mut gone),
                None => orphans.extend(routes.iter().filter(|route| self.is_declared(**route))),
            }
        }
        orphans.retain(|&route| {
            let called = self.get(route).seen.calls > 0;
            if !called {
                self.remove(route);
            }
            called
        });
        orphans.sort_by_key(|&route| (self.last_seen(route), route));
        for &route in orphans.iter().rev().skip(most) {
            self.remove(route);
        }
        for (name, mut routes) in named {
            routes.retain(|&route| self.exists(route) && self.is_declared(route));
            if !routes.is_empty() {
                self.unclaimed.insert(name, routes);
            }
        }
        gone
    }

    /// Makes one of the `routes` of a name that may be declared in `origins`, but for those that have another of these.
    fn merge(&mut self, routes: &[RouteId], origins: &[Origin], gone: &mut BTreeSet<RouteId>) {
        let Some(&foremost) = origins.first() else { return };
        let of = |origin| routes.iter().copied().find(|&route| self.origin(route) == origin);
        let other = || routes.iter().copied().find(|&route| !origins.contains(&self.origin(route)));
        let Some(kept) = of(foremost).or_else(other).or(routes.first().copied()) else { return };
        for &route in routes {
            let origin = self.origin(route);
            if origin == Origin::Learned {
                gone.insert(route);
            }
            if route != kept
                && !origins.contains(&origin)
                && let Some(removed) = self.remove(route)
            {
                self.get_mut(kept).seen.merge(&removed.seen);
            }
        }
        let kept = self.get_mut(kept);
        if kept.origin != foremost {
            (kept.origin, kept.is_static, kept.proof) = (foremost, false, Proof::default());
            kept.recent = Vec::new();
        }
    }

    /// The route of this name that had been declared, and is again.
    pub(super) fn claim(&mut self, name: &str, origin: Origin) -> Option<RouteId> {
        let at = self.unclaimed.get(name)?.iter().position(|&route| self.origin(route) == origin)?;
        let kept = self.unclaimed.get_mut(name)?;
        let claimed = kept.swap_remove(at);
        if kept.is_empty() {
            self.unclaimed.remove(name);
        }
        Some(claimed)
    }

    /// What was seen of a route that had been declared, and turns out to be learned now.
    pub(in crate::route) fn take_over(&mut self, name: &str) -> Option<Seen> {
        let mut seen = Seen::default();
        for route in self.unclaimed.remove(name)? {
            if let Some(removed) = self.remove(route) {
                seen.merge(&removed.seen);
            }
        }
        Some(seen)
    }

    /// When a route was last called.
    pub(in crate::route) fn last_seen(&self, route: RouteId) -> Timestamp {
        self.get(route).seen.last
    }

    /// Whether there is a route with this number.
    pub(in crate::route) fn exists(&self, route: RouteId) -> bool {
        self.slots.get(route.0 as usize).is_some_and(Option::is_some)
    }

    fn is_declared(&self, route: RouteId) -> bool {
        matches!(self.origin(route), Origin::Rule | Origin::Openapi)
    }
}
