//! Every route that there is, with what has been seen of it: the API inventory.
//!
//! What of it is written down becomes that of another process. //! Numbers stay: what else is written down may name them. Which routes are declared is up to the settings of now. One
//! that was declared before, or learned, and is declared now is the same route, with all that has been seen of it. One
//! that is no longer declared stays in the inventory, for it has been called, until it is learned.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use rollcall_http::exchange::Exchange;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
    time::Timestamp,
};

use super::{
    callers::Callers,
    class::{Answers, Class, Classes, Read, Why},
    full_name::fields,
    outcome,
};
use crate::client::Clients;

/// The route of everything that has none of its own.
pub const OTHER: &str = "~other";

/// A route by number. [`RouteId::OTHER`] is always there; others as long as their routes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteId(pub(super) u32);

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Everything that has no route of its own.
    Other,
    /// Seen in traffic.
    Learned,
    /// `--route`
    Rule,
    /// `--openapi`
    Openapi,
}

/// One route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) name: Arc<str>,
    pub(super) origin: Origin,
    /// Static files.
    pub(super) is_static: bool,
    /// What a learned one has proved to be.
    pub(super) proof: Proof,
    /// Hash of the form by which a learned one is found. It follows from the name of each that is found by it.
    #[serde(skip)]
    pub(super) hash: u64,
    pub(super) seen: Seen,
    /// Calls since the start, complete or not.
    #[serde(skip)]
    called: u64,
    /// Calls of which it was watched who made them.
    watched: u8,
    /// The latest calls of a route without objects: see [`super::learned`].
    pub(super) recent: Vec<Touch>,
}

/// What a route has proved to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Proof {
    #[default]
    Refused,
    Answered,
    WithObjects,
}

/// A call that may turn out to have touched an object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Touch {
    pub at: Timestamp,
    pub clients: Clients,
    pub response_bytes: u64,
    pub sampling: f64,
}

/// Calls up to which a learned route is new. What it takes for few routes to hide a walk is as many objects on each as the
/// limits allow; and a page or a service of few routes has soon called each of them as often.
pub const FEW: u64 = 5;

/// Calls of a route up to which it is watched who makes them: what one client alone asks for is not called often.
const WATCHED: u8 = 8;

/// Calls that are remembered of a route without objects.
const RECENT: usize = 3;

/// What has been seen of a route.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    calls: u64,
    /// By class: 1xx to 5xx, and unknown.
    statuses: [u64; 6],
    with_objects: u64,
    /// Answered with data though no credential came with the call.
    open: u64,
    first: Timestamp,
    last: Timestamp,
    callers: Callers,
    answers: Answers,
}

/// A route as the inventory shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Service, method and template.
    #[serde(flatten, serialize_with = "fields::serialize")]
    pub route: Arc<str>,
    pub origin: Origin,
    /// Whether the OpenAPI document knows it; `null` without one.
    pub documented: Option<bool>,
    /// Static files: no objects, no findings.
    #[serde(rename = "static")]
    pub is_static: bool,
    /// What its answers are, and by what that is told.
    pub class: Class,
    pub class_by: Why,
    pub calls: u64,
    /// Of these, calls that name an object.
    pub calls_with_objects: u64,
    /// Different clients, by address: about.
    pub callers: u64,
    pub statuses: Statuses,
    /// Calls that were answered with data and carried no credential.
    pub open_calls: u64,
    /// Different objects that were touched in the running hour, about, and what is in order, once that is known. The
    /// detector's to tell: 0 from here.
    pub objects_hour: u64,
    pub objects_hour_limit: Option<u32>,
    /// What clients usually touch. The detector's to tell: `None` from here.
    pub norm: Option<Norm>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// How many different objects of a route clients usually touch, and what is in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Norm {
    /// By what the limits are told.
    pub by: LimitsBy,
    /// It is not known yet: limits are the usual ones, or on their way.
    pub learning: bool,
    /// Clients of earlier days by which it is told, about.
    pub clients: u64,
    /// Shortest first.
    pub windows: Vec<NormWindow>,
}

/// By what the limits of a route are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitsBy {
    /// The operator set them.
    Set,
    /// Somebody has allowed everybody more room there.
    Allowed,
    /// It is not known yet what is usual.
    Learning,
    /// Most clients touch their own.
    Own,
    /// Many clients come to more than half of a usual limit.
    Many,
    /// Neither: the limits are the usual ones.
    Usual,
}

/// What of it holds for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NormWindow {
    pub window_s: u64,
    pub limit: Option<u32>,
    /// What half of the clients, and what 99 of 100, do not go beyond.
    pub p50: Option<u32>,
    pub p99: Option<u32>,
}

/// Calls by the class of their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statuses {
    #[serde(rename = "1xx")]
    pub informational: u64,
    #[serde(rename = "2xx")]
    pub successful: u64,
    #[serde(rename = "3xx")]
    pub redirected: u64,
    #[serde(rename = "4xx")]
    pub refused: u64,
    #[serde(rename = "5xx")]
    pub failed: u64,
    pub unknown: u64,
}

/// All routes.
#[derive(Debug)]
pub struct Routes {
    slots: Vec<Option<Route>>,
    free: Vec<u32>,
    /// Routes that had been declared before a restart, by name, until they are declared again or learned.
    unclaimed: BTreeMap<Arc<str>, Vec<RouteId>>,
    /// Routes that have become part of others, and those.
    merged: Vec<(RouteId, RouteId)>,
}

/// [`Routes`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRoutes<'a> {
    routes: Vec<(u32, Cow<'a, Route>)>,
    /// The next number to be given out comes last.
    free: Cow<'a, [u32]>,
}

impl RouteId {
    /// The route of everything that has none of its own.
    pub const OTHER: RouteId = RouteId(0);
}

/// Just [`OTHER`].
impl Default for Routes {
    fn default() -> Routes {
        Routes {
            slots: vec![Some(Route::new(OTHER.into(), Origin::Other))],
            free: Vec::new(),
            unclaimed: BTreeMap::new(),
            merged: Vec::new(),
        }
    }
}

impl Route {
    pub(super) fn new(name: Arc<str>, origin: Origin) -> Route {
        Route {
            name,
            origin,
            is_static: false,
            proof: Proof::default(),
            hash: 0,
            seen: Seen::default(),
            called: 0,
            watched: 0,
            recent: Vec::new(),
        }
    }
}

impl Routes {
    /// Adds a route.
    pub(super) fn insert(&mut self, route: Route) -> RouteId {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(route);
                RouteId(slot)
            }
            None => {
                self.slots.push(Some(route));
                RouteId(u32::try_from(self.slots.len() - 1).expect("routes are bounded far below that"))
            }
        }
    }

    /// Adds a declared route, or finds the one that a restart has kept.
    pub(super) fn declare(&mut self, method: &str, path: &str, origin: Origin) -> RouteId {
        let name = format!("{method} {path}");
        match self.claim(&name, origin) {
            Some(kept) => kept,
            None => self.insert(Route::new(name.into(), origin)),
        }
    }

    /// Takes a route out that is the same as another.
    pub(super) fn merge_into(&mut self, other: RouteId, route: RouteId) -> Option<Route> {
        let removed = self.remove(route);
        if removed.is_some() {
            self.merged.push((route, other));
        }
        removed
    }

    /// Takes a route out.
    pub(super) fn remove(&mut self, route: RouteId) -> Option<Route> {
        let removed = self.slots.get_mut(route.0 as usize)?.take();
        if removed.is_some() {
            self.free.push(route.0);
        }
        removed
    }

    /// The route with this number.
    pub(super) fn get(&self, route: RouteId) -> &Route {
        self.slots[route.0 as usize].as_ref().expect("numbers handed out name routes until they are removed")
    }

    /// The route with this number.
    pub(super) fn get_mut(&mut self, route: RouteId) -> &mut Route {
        self.slots[route.0 as usize].as_mut().expect("numbers handed out name routes until they are removed")
    }

    /// Method and template of a route.
    pub fn name(&self, route: RouteId) -> &Arc<str> {
        &self.get(route).name
    }

    /// Where a route comes from.
    pub fn origin(&self, route: RouteId) -> Origin {
        self.get(route).origin
    }

    /// Whether a route is that of static files.
    pub fn is_static(&self, route: RouteId) -> bool {
        self.get(route).is_static
    }

    /// Whether it is to be watched who makes a call of a route; it is taken note of.
    pub(super) fn watch(&mut self, route: RouteId) -> bool {
        let route = self.get_mut(route);
        let is_watched = route.origin == Origin::Other || route.watched < WATCHED;
        route.watched = route.watched.saturating_add(1).min(WATCHED);
        is_watched
    }

    /// Who has called a route.
    pub(super) fn callers(&self, route: RouteId) -> &Callers {
        &self.get(route).seen.callers
    }

    /// Every route's number.
    pub(super) fn ids(&self) -> impl Iterator<Item = RouteId> {
        let slots = (0..).zip(&self.slots);
        slots.filter(|(_, route)| route.is_some()).map(|(id, _)| RouteId(id))
    }

    /// How often a route has been called, complete or not.
    pub fn calls(&self, route: RouteId) -> u64 {
        let route = self.get(route);
        route.called.max(route.seen.calls)
    }

    /// Moves out the routes that have become part of others since the last time, each with the one that it is now.
    pub fn merged(&mut self) -> std::vec::Drain<'_, (RouteId, RouteId)> {
        self.merged.drain(..)
    }

    /// What a call of a route read that named so many objects.
    pub(super) fn read(
        &self,
        route: RouteId,
        exchange: &Exchange<'_>,
        declared: Option<Class>,
        objects: usize,
    ) -> Read {
        let route = self.get(route);
        route.seen.answers.read(exchange, &route.name, route.is_static, declared, objects)
    }

    /// Takes note of a call of a route, which may not be complete.
    pub fn call(&mut self, route: RouteId) {
        self.get_mut(route).called += 1;
    }

    /// Takes down a call of a route, complete as it is now. `open` tells that it was answered with data though no
    /// credential came with it. `caller` is the keyed hash of the client's address.
    pub fn see(
        &mut self,
        route: RouteId,
        exchange: &Exchange<'_>,
        has_object: bool,
        read: Read,
        open: bool,
        caller: u64,
    ) {
        let seen = &mut self.get_mut(route).seen;
        if seen.calls == 0 {
            seen.first = exchange.at;
        }
        seen.calls += 1;
        let class = exchange.status.map_or(5, |status| usize::from(status / 100).clamp(1, 5) - 1);
        seen.statuses[class] += 1;
        seen.with_objects += u64::from(has_object);
        seen.open += u64::from(open);
        // Exchanges come in as they end, not as they begin.
        seen.first = seen.first.min(exchange.at);
        seen.last = seen.last.max(exchange.at);
        seen.callers.insert(caller);
        if outcome::is_touch(exchange.status) {
            seen.answers.add(read, exchange);
        }
    }

    /// Remembers a call without an object, in case that a part of the path turns out to be one.
    pub(super) fn remember(&mut self, route: RouteId, touch: Touch) {
        let recent = &mut self.get_mut(route).recent;
        let address = touch.clients.address();
        if let Some(known) = recent.iter_mut().find(|known| known.clients.address() == address) {
            *known = touch;
        } else if recent.len() < RECENT {
            recent.push(touch);
        } else if let Some(oldest) = recent.iter_mut().min_by_key(|known| known.at) {
            *oldest = touch;
        }
    }

    /// Every route that has been called, by name. `documented` tells that there is an OpenAPI document.
    pub(super) fn summaries(&self, documented: bool, classes: &Classes) -> Vec<Summary> {
        let called = self.slots.iter().flatten().filter(|route| route.seen.calls > 0);
        let mut summaries: Vec<_> = called.map(|route| route.summary(documented, classes)).collect();
        summaries.sort_by(|a, b| a.route.cmp(&b.route));
        summaries
    }

    /// The routes, to be written down.
    pub(super) fn checkpoint(&self) -> StoredRoutes<'_> {
        let routes = (0..).zip(&self.slots);
        StoredRoutes {
            routes: routes.filter_map(|(id, route)| Some((id, Cow::Borrowed(route.as_ref()?)))).collect(),
            free: Cow::Borrowed(&self.free),
        }
    }

    /// The routes that `state` says, with each name once in `names`.
    pub(super) fn restore(
        key: HashKey,
        state: StoredRoutes<'_>,
        names: &mut Names,
    ) -> Result<Routes, Inconsistent> {
        let StoredRoutes { routes, free } = state;
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
    pub(super) fn settle(
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
    fn claim(&mut self, name: &str, origin: Origin) -> Option<RouteId> {
        let at = self.unclaimed.get(name)?.iter().position(|&route| self.origin(route) == origin)?;
        let kept = self.unclaimed.get_mut(name)?;
        let claimed = kept.swap_remove(at);
        if kept.is_empty() {
            self.unclaimed.remove(name);
        }
        Some(claimed)
    }

    /// What was seen of a route that had been declared, and turns out to be learned now.
    pub(super) fn take_over(&mut self, name: &str) -> Option<Seen> {
        let mut seen = Seen::default();
        for route in self.unclaimed.remove(name)? {
            if let Some(removed) = self.remove(route) {
                seen.merge(&removed.seen);
            }
        }
        Some(seen)
    }

    /// When a route was last called.
    pub(super) fn last_seen(&self, route: RouteId) -> Timestamp {
        self.get(route).seen.last
    }

    /// Whether there is a route with this number.
    pub(super) fn exists(&self, route: RouteId) -> bool {
        self.slots.get(route.0 as usize).is_some_and(Option::is_some)
    }

    fn is_declared(&self, route: RouteId) -> bool {
        matches!(self.origin(route), Origin::Rule | Origin::Openapi)
    }
}

impl Route {
    fn summary(&self, documented: bool, classes: &Classes) -> Summary {
        let Seen { calls, statuses, with_objects, open, first, last, callers, answers } = &self.seen;
        let (class, class_by) =
            answers.class(&self.name, self.is_static, classes.of(&self.name), *with_objects > 0);
        let [informational, successful, redirected, refused, failed, unknown] = *statuses;
        Summary {
            route: Arc::clone(&self.name),
            origin: self.origin,
            documented: documented.then_some(self.origin == Origin::Openapi),
            is_static: self.is_static,
            class,
            class_by,
            calls: *calls,
            calls_with_objects: *with_objects,
            callers: callers.count(),
            statuses: Statuses { informational, successful, redirected, refused, failed, unknown },
            open_calls: *open,
            objects_hour: 0,
            objects_hour_limit: None,
            norm: None,
            first_seen: *first,
            last_seen: *last,
        }
    }
}

impl Seen {
    /// Takes in what was seen of a route that is the same after all.
    pub(super) fn merge(&mut self, other: &Seen) {
        if other.calls == 0 {
            return;
        }
        self.first = if self.calls == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.calls += other.calls;
        for (mine, theirs) in self.statuses.iter_mut().zip(&other.statuses) {
            *mine += theirs;
        }
        self.with_objects += other.with_objects;
        self.open += other.open;
        self.callers.merge(&other.callers);
        self.answers.merge(&other.answers);
    }
}

impl Proof {
    /// What a call with this outcome proves.
    pub(super) fn of(status: Option<u16>, has_object: bool) -> Proof {
        match (outcome::is_touch(status), has_object) {
            (false, _) => Proof::Refused,
            (true, false) => Proof::Answered,
            (true, true) => Proof::WithObjects,
        }
    }
}
