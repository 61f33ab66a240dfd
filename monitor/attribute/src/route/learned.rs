//! Routes learned from traffic.
//!
//! Identifiers of a known form are taken out of a path before it comes here ([`super::shape`]), so the first call of a
//! route already has its object. What no form gives away shows by its number: where answered paths differ in one
//! segment by more than [`NAMES`] words, these are values, `{name}` stands for them, and the routes that there were
//! become one, that of identifiers in this place among them. The latest calls of each have been kept ([`Routes::remember`]); they are handed on as calls of the new
//! route ([`Learned::recalled`]), so that those who made them have no head start.
//!
//! Which routes there are depends on which paths were called, not on the order. Nothing here grows without bound: room
//! is split by what a route has proved to be, so that nobody fills it with rubbish: half for routes with objects that
//! were answered, a quarter for other answered ones (pages, images), a quarter for those that were only ever refused.
//! What finds no room is [`OTHER`](super::OTHER), and counted; room is made, if it can be, where most words stand in one
//! place.

mod stored;
mod unify;

use std::{collections::VecDeque, sync::Arc};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

pub(super) use stored::State;

use rollcall_model::hash::HashKey;

use super::{
    path::CanonicalPath,
    routes::{Origin, Proof, Route, RouteId, Routes, Touch},
    shape::{self, Kind, Shape},
    template::LONGEST,
};

/// Words in one place that are still words of the API. Of 2,640 public descriptions, 4 have more than 200 in one place;
/// 999 places of 1,000 have 62 at most.
pub const NAMES: usize = 200;

/// Words in one place that are taken for values when there is no room for more routes: 999 places of 1,000 in public
/// descriptions have fewer.
const NAMES_IN_NEED: usize = 64;

/// After so many calls without room, it is looked for: that takes a look at every place.
const LOOK_FOR_ROOM: u64 = 64;

/// The longest template that is kept; what is longer belongs to [`OTHER`](super::OTHER).
pub(super) const MAX_TEMPLATE: usize = 512;

/// Learned routes.
#[derive(Debug)]
pub(super) struct Learned {
    key: HashKey,
    /// By the template that the form of a path gives: all but those with `{name}`.
    index: HashTable<(u64, RouteId)>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    room: [usize; 3],
    used: [usize; 3],
    overflowed: u64,
    /// Places with too many words, still to be seen to.
    crowded: VecDeque<(u32, Place)>,
    /// Calls of routes that had to move, until all have moved.
    moved: Vec<Moved>,
    recalled: Vec<Recalled>,
    way: Vec<u32>,
}

/// One place in paths: what stands before it is the way to the node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Node {
    children: Vec<(Box<str>, u32)>,
    ends: Vec<End>,
    /// Words that answered paths have here: as their last segment, and amid.
    words: [usize; 2],
    /// Words are values here.
    names: [bool; 2],
    /// An answered path ends here, and one goes on.
    answered: [bool; 2],
}

/// Whether a segment is a path's last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Last = 0,
    Amid = 1,
}

/// A route ends here.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct End {
    method: Box<str>,
    operation: Option<Box<str>>,
    route: RouteId,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a CanonicalPath,
    pub(super) shape: &'a Shape,
    pub(super) operation: Option<&'a str>,
    pub(super) proof: Proof,
}

/// A route, and which segments are values that no form gives away: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) route: RouteId,
    pub(super) names: u64,
}

/// What is known of a route that had to move: the name that it had, and its latest calls.
#[derive(Debug)]
struct Moved {
    name: Arc<str>,
    end: End,
    touches: Vec<Touch>,
}

/// A call from before it was known that it had an object.
#[derive(Clone, Debug)]
pub struct Recalled {
    pub route: RouteId,
    pub object: String,
    pub touch: Touch,
}

impl Learned {
    /// Room for at most `most` routes.
    pub(super) fn new(most: usize, key: HashKey) -> Learned {
        let quarter = most / 4;
        Learned {
            key,
            index: HashTable::new(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            room: [quarter, quarter, most - 2 * quarter],
            used: [0; 3],
            overflowed: 0,
            crowded: VecDeque::new(),
            moved: Vec::new(),
            recalled: Vec::new(),
            way: Vec::new(),
        }
    }

    /// Calls that found no room for their route.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// How many routes there are.
    pub(super) fn len(&self) -> usize {
        self.used.iter().sum()
    }

    /// Moves out the calls that turned out to have touched objects.
    pub(super) fn recalled(&mut self) -> std::vec::Drain<'_, Recalled> {
        self.recalled.drain(..)
    }

    /// The route of a call. If `learn`, the call counts, and its route is learned if it is new.
    pub(super) fn find(&mut self, call: &Call<'_>, learn: bool, routes: &mut Routes) -> Found {
        let hash = self.key.hash(call.shape.template.as_bytes());
        let known = self
            .index
            .find(hash, |&(other, route)| other == hash && *routes.get(route).name == *call.shape.template);
        if let Some(&(_, route)) = known
            && (!learn || !self.rises(route, call.proof, routes))
        {
            return Found { route, names: 0 };
        }
        let found = self.look(call);
        if !learn {
            return found.unwrap_or_default();
        }
        if call.shape.template.len() > MAX_TEMPLATE || call.shape.kinds.len() > LONGEST {
            self.overflowed += 1;
            return Found::default();
        }
        match found {
            Some(found) if self.rises(found.route, call.proof, routes) => {
                self.raise(found.route, call.proof, routes);
                self.go(&mut keys(&routes.get(found.route).name));
            }
            Some(found) => return found,
            None if self.used[call.proof as usize] >= self.room[call.proof as usize] => {
                self.overflowed += 1;
                if self.overflowed.is_multiple_of(LOOK_FOR_ROOM) {
                    self.make_room();
                    self.unify(routes);
                }
                return self.look(call).unwrap_or_default();
            }
            None => self.learn(call, hash, routes),
        }
        if call.proof > Proof::Refused {
            self.answered();
            self.unify(routes);
        }
        self.look(call).unwrap_or_default()
    }

    /// Whether the call proves more of its route than was known, and there is room for that.
    fn rises(&self, route: RouteId, proof: Proof, routes: &Routes) -> bool {
        routes.get(route).proof < proof && self.used[proof as usize] < self.room[proof as usize]
    }

    fn raise(&mut self, route: RouteId, proof: Proof, routes: &mut Routes) {
        let route = routes.get_mut(route);
        self.used[route.proof as usize] -= 1;
        self.used[proof as usize] += 1;
        route.proof = proof;
    }

    /// Goes the way of a call without leaving a trace.
    fn look(&self, call: &Call<'_>) -> Option<Found> {
        let mut names = 0;
        let mut node = 0;
        let last = call.path.len().saturating_sub(1);
        let mut key = String::new();
        for (at, (&kind, segment)) in
            call.shape.kinds.iter().zip(call.path.segments()).enumerate().take(LONGEST)
        {
            let place = if at == last { Place::Last } else { Place::Amid };
            let of: &Node = &self.nodes[node as usize];
            node = match kind {
                Kind::Literal if of.names[place as usize] => {
                    names |= 1 << at;
                    of.child(shape::NAME)?
                }
                Kind::Literal => of.child(segment.folded)?,
                Kind::Identifier(length) if of.names[place as usize] && length == segment.folded.len() => {
                    of.child(shape::NAME)?
                }
                kind => {
                    key.clear();
                    shape::push(&mut key, kind, segment.folded);
                    of.child(&key)?
                }
            };
        }
        let end = self.nodes[node as usize].end(call.method, call.operation)?;
        Some(Found { route: end.route, names })
    }

    /// Learns the route of a call.
    fn learn(&mut self, call: &Call<'_>, hash: u64, routes: &mut Routes) {
        let mut keys: Vec<String> = Vec::with_capacity(call.path.len());
        for (&kind, segment) in call.shape.kinds.iter().zip(call.path.segments()) {
            let mut key = String::new();
            shape::push(&mut key, kind, segment.folded);
            keys.push(key);
        }
        let names = self.go(&mut keys);
        let name = name(call.method, &keys, call.operation);
        let mut route = Route::new(name.into(), Origin::Learned);
        route.is_static = matches!(call.shape.kinds.last(), Some(Kind::Static(_)));
        route.proof = call.proof;
        route.hash = hash;
        self.used[call.proof as usize] += 1;
        if let Some(seen) = routes.take_over(&route.name) {
            route.seen.merge(&seen);
        }
        let route = routes.insert(route);
        if names.is_empty() {
            self.index.insert_unique(hash, (hash, route), |&(hash, _)| hash);
        }
        let end = End { method: call.method.into(), operation: call.operation.map(Into::into), route };
        self.end_of_way().ends.push(end);
    }

    /// Goes the way of `keys`, and makes it as it goes. Where words are values, `{name}` takes their place in `keys`,
    /// and they are returned.
    fn go(&mut self, keys: &mut [String]) -> Vec<String> {
        let mut names = Vec::new();
        let mut node = 0;
        self.way.clear();
        self.way.push(node);
        let last = keys.len().saturating_sub(1);
        for (at, key) in keys.iter_mut().enumerate() {
            let place = if at == last { Place::Last } else { Place::Amid };
            if is_value(key) && self.nodes[node as usize].names[place as usize] {
                names.push(std::mem::replace(key, shape::NAME.to_owned()));
            }
            node = match self.nodes[node as usize].child(key) {
                Some(child) => child,
                None => self.make_child(node, key),
            };
            self.way.push(node);
        }
        names
    }

    fn make_child(&mut self, of: u32, key: &str) -> u32 {
        let child = match self.free.pop() {
            Some(child) => child,
            None => {
                self.nodes.push(Node::default());
                u32::try_from(self.nodes.len() - 1).expect("routes are bounded far below that")
            }
        };
        let children = &mut self.nodes[of as usize].children;
        let at = children.partition_point(|(known, _)| **known < *key);
        children.insert(at, (key.into(), child));
        child
    }

    fn end_of_way(&mut self) -> &mut Node {
        let node = self.way.last().copied().unwrap_or_default();
        &mut self.nodes[node as usize]
    }
}

impl Node {
    fn child(&self, key: &str) -> Option<u32> {
        let found = self.children.binary_search_by(|(known, _)| (**known).cmp(key));
        found.ok().map(|at| self.children[at].1)
    }

    fn end(&self, method: &str, operation: Option<&str>) -> Option<&End> {
        self.ends.iter().find(|end| *end.method == *method && end.operation.as_deref() == operation)
    }
}

/// Whether a key is a word, and not what stands for values or files.
fn is_word(key: &str) -> bool {
    !key.starts_with('{') && !key.starts_with("*.")
}

/// Whether `{name}` takes its place where words are values.
fn is_value(key: &str) -> bool {
    is_word(key) || key == shape::IDENTIFIER
}

/// A route's name: `POST /graphql query customer`.
fn name(method: &str, keys: &[String], operation: Option<&str>) -> String {
    let mut name = format!("{method} ");
    if keys.is_empty() {
        name.push('/');
    }
    for key in keys {
        name.push('/');
        name.push_str(key);
    }
    if let Some(operation) = operation {
        name.push(' ');
        name.push_str(operation);
    }
    name
}

/// The keys in a route's name.
fn keys(name: &str) -> Vec<String> {
    let path = name.split(' ').nth(1).unwrap_or_default();
    path.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
