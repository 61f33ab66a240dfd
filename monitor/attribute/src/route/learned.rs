//! Routes learned from traffic.
//!
//! Identifiers of a known form are taken out of a path before it comes here ([`super::shape`]), so the first call of a
//! route already has its object. What no form gives away shows by its number: where answered paths differ in one
//! segment by more than [`NAMES`] words, these are values, `{name}` stands for them, and the routes that there were
//! become one, that of identifiers in this place among them: every route that goes through one of them is taken out of the tree
//! and put in again; it may meet others there, which makes one of them, and may crowd the next place. The latest calls of each have been kept ([`Routes::remember`]); they are handed on as calls of the new
//! route ([`Learned::recalled`]), so that those who made them have no head start.
//!
//! Which routes there are depends on which paths were called, not on the order. Nothing here grows without bound: room
//! is split by what a route has proved to be, so that nobody fills it with rubbish: half for routes with objects that
//! were answered, a quarter for other answered ones (pages, images), a quarter for those that were only ever refused.
//! What finds no room is [`OTHER`](super::OTHER), and counted; room is made, if it can be, where most words stand in one
//! place.

use std::{
    borrow::Cow,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, check},
};

use super::{
    callers::Callers,
    path::CanonicalPath,
    routes::{Origin, Proof, Route, RouteId, Routes, Touch},
    shape::{self, Kind, Shape},
    takers::{self, FEW_CALLERS, Prior, Taken, Taker, Takers, Verdict},
    template::LONGEST,
};
use crate::client::Clients;

/// Words in one place that are still words of the API. Of 2,640 public descriptions, 4 have more than 200 in one place;
/// 999 places of 1,000 have 62 at most.
pub const NAMES: usize = 200;

/// Words in one place below a name in plural (`/users`) that are taken for values, whoever asks for them.
const OWN_NAMES: usize = 40;

/// Words in one place below a name in plural that are taken for values where each has been asked for by a client of its own: what
/// belongs to whom it is asked for by (`/dav/files/anna/…`). Words of an API are asked for by several clients, and each client
/// asks for several.
const OWNED: usize = 8;

/// Titles in one place, beside an identifier, that are taken for values: `/t/what-this-is-about/17`.
const SLUGS: usize = 8;

/// Words in one place that are taken for values when there is no room for more routes: 999 places of 1,000 in public
/// descriptions have fewer.
const NAMES_IN_NEED: usize = 64;

/// After so many calls without room, it is looked for: that takes a look at every place.
const LOOK_FOR_ROOM: u64 = 64;

/// The share of all room that each service has in any case: nobody who fills the rest through one shuts the others out.
const SHARE: usize = 64;

/// Clients that make a word shared, and the share of a place's clients, as one in so many, that have to use it; so many are
/// enough whatever their share.
const SEVERAL: u64 = 3;
const SHARED_BY: u64 = 4;
const MANY: u64 = 16;

/// With fewer words beside identifiers in a place that takes values, the words are identifiers too.
const FEWEST_STRAYS: usize = 20;

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
    /// By [`Proof`], like the next two. Shared with other services.
    room: [usize; 3],
    used: [usize; 3],
    /// Room that other services have taken.
    elsewhere: [usize; 3],
    overflowed: u64,
    takers: Takers,
    /// Places of values, still to be seen to.
    crowded: VecDeque<(u32, Place, Kept)>,
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

/// Which words stay words in a place of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// None: there are more than any API has.
    None,
    /// Those that a good share of its clients use.
    Share,
    /// And those that many use, however many others there are: what is asked for below `/users` may well be somebody whom
    /// everybody knows, and not below other names.
    Many,
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

/// [`Learned`], written down. Where words are crowded, what has moved and what is recalled is seen to within the call that
/// brings it up, so none of it is left between calls.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredLearned<'a> {
    nodes: Cow<'a, [Node]>,
    /// The next number to be given out comes last.
    free: Cow<'a, [u32]>,
    overflowed: u64,
    takers: Cow<'a, [Taker]>,
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
            elsewhere: [0; 3],
            overflowed: 0,
            takers: Takers::new(key),
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

    /// How many routes there are, by [`Proof`].
    pub(super) fn used(&self) -> [usize; 3] {
        self.used
    }

    /// Leaves room for what others have learned.
    pub(super) fn share_room(&mut self, elsewhere: [usize; 3]) {
        self.elsewhere = elsewhere;
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
            None if !self.has_room(call.proof) => {
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
        routes.get(route).proof < proof && self.has_room(proof)
    }

    fn has_room(&self, proof: Proof) -> bool {
        let proof = proof as usize;
        self.used[proof] + self.elsewhere[proof] < self.room[proof]
            || self.used[proof] < self.room[proof] / SHARE
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
                Kind::Literal if of.names[place as usize] => match self.kept(of, segment.folded, place) {
                    Some(kept) => kept,
                    None => {
                        names |= 1 << at;
                        of.child(self.placeholder(of, place))?
                    }
                },
                Kind::Literal => of.child(segment.folded)?,
                Kind::Identifier(id) if of.names[place as usize] && id.is_whole(segment.folded.len()) => {
                    of.child(self.placeholder(of, place))?
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

    /// Whether identifiers have been answered in the place of a segment.
    pub(super) fn has_identifiers(&self, path: &CanonicalPath, shape: &Shape, at: usize) -> bool {
        let mut node = &self.nodes[0];
        let mut key = String::new();
        for (&kind, segment) in shape.kinds.iter().zip(path.segments()).take(at) {
            key.clear();
            shape::push(&mut key, kind, segment.folded);
            let place = Place::Amid as usize;
            let child =
                node.child(&key).or_else(|| node.names[place].then(|| node.child(shape::NAME)).flatten());
            let Some(child) = child else { return false };
            node = &self.nodes[child as usize];
        }
        let place = if at + 1 == path.len() { Place::Last } else { Place::Amid } as usize;
        node.names[place]
            || node.child(shape::IDENTIFIER).is_some_and(|child| self.nodes[child as usize].answered[place])
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
            let of = &self.nodes[node as usize];
            if is_value(key) && of.names[place as usize] && self.kept(of, key, place).is_none() {
                let placeholder = self.placeholder(of, place);
                if key != placeholder {
                    names.push(std::mem::replace(key, placeholder.to_owned()));
                }
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

    /// The way just gone is that of an answered path: its words count.
    fn answered(&mut self) {
        let last = self.way.len().saturating_sub(2);
        for at in 0..self.way.len().saturating_sub(1) {
            let (parent, child) = (self.way[at], self.way[at + 1]);
            let place = if at == last { Place::Last } else { Place::Amid };
            if std::mem::replace(&mut self.nodes[child as usize].answered[place as usize], true) {
                continue;
            }
            let node = &mut self.nodes[parent as usize];
            if node.children.iter().any(|(key, other)| *other == child && is_word(key)) {
                node.words[place as usize] += 1;
                if node.words[place as usize] == NAMES + 1 {
                    self.crowded.push_back((parent, place, Kept::None));
                }
            }
        }
    }

    /// The word that stayed one where words are values: routes lead through it, and did when the others became values.
    fn kept(&self, of: &Node, key: &str, place: Place) -> Option<u32> {
        // Most often values alone stand there.
        let child = if of.children.len() > 1 { of.child(key) } else { None };
        child.filter(|&child| is_word(key) && self.leads_on(child, place))
    }

    /// What stands for values in a place of them: `{id}` if others of them have that form.
    fn placeholder(&self, of: &Node, place: Place) -> &'static str {
        let leads_on = |key: &str| of.child(key).is_some_and(|child| self.leads_on(child, place));
        if !leads_on(shape::NAME) && leads_on(shape::IDENTIFIER) { shape::IDENTIFIER } else { shape::NAME }
    }

    fn leads_on(&self, child: u32, place: Place) -> bool {
        let Node { children, ends, .. } = &self.nodes[child as usize];
        match place {
            Place::Last => !ends.is_empty(),
            Place::Amid => !children.is_empty(),
        }
    }

    /// Watches who takes which words, for a call whose route is `found`; where one turns out to take values, routes become
    /// one. Where the call's route is afterwards.
    pub(super) fn watch(
        &mut self,
        call: &Call<'_>,
        found: Found,
        clients: &Clients,
        size: u64,
        routes: &mut Routes,
    ) -> Found {
        if call.shape.template.len() > MAX_TEMPLATE {
            return found;
        }
        let mut keys: Vec<String> = Vec::with_capacity(call.path.len());
        for (&kind, segment) in call.shape.kinds.iter().zip(call.path.segments()).take(LONGEST) {
            let mut key = String::new();
            shape::push(&mut key, kind, segment.folded);
            keys.push(key);
        }
        let last = call.path.len().saturating_sub(1);
        let (mut node, mut before) = (0_u32, format!("{} ", call.method));
        let mut turned = false;
        for at in 0..keys.len() {
            let place = if at == last { Place::Last } else { Place::Amid };
            let of = &self.nodes[node as usize];
            let is_literal = matches!(call.shape.kinds[at], Kind::Literal);
            let mut key = keys[at].as_str();
            if is_value(key) && of.names[place as usize] && self.kept(of, key, place).is_none() {
                key = self.placeholder(of, place);
            } else if is_literal {
                let (children, nodes) = (&of.children, &self.nodes);
                let name = at.checked_sub(1).filter(|&at| matches!(call.shape.kinds[at], Kind::Literal));
                let is_shared = |is_taken: &dyn Fn(&str) -> bool| {
                    let words = children.iter().filter(|(key, _)| is_word(key) && is_taken(key));
                    let shared = words
                        .filter(|(_, child)| callers(nodes, *child, place, routes).count() > FEW_CALLERS);
                    shared.map(|(key, _)| key.to_string()).collect()
                };
                let has_tokens = of.child(shape::IDENTIFIER).is_some_and(|child| {
                    self.nodes[child as usize].answered[place as usize] && self.leads_on(child, place)
                });
                let taken = Taken {
                    before: &format!("{before}{}", place as usize),
                    word: key,
                    text: call.path.segment(at).text,
                    rest: &keys[at + 1..].join("/"),
                    answered: call.proof > Proof::Refused,
                    size,
                };
                let prior = Prior::of(name.map(|at| keys[at].as_str()));
                // Each may have been asked for by another client, that it belongs to.
                let words = of.words[place as usize];
                let are_titles = || {
                    let titles = of.children.iter().filter(|(key, _)| is_word(key) && takers::is_title(key));
                    titles.count() * 2 > words
                };
                let are_owned = || words >= OWNED && are_owned(nodes, children, place, routes);
                let are_many = prior == Prior::Values && (words >= OWN_NAMES && !are_titles() || are_owned());
                let is_identifier = |at: usize| matches!(call.shape.kinds.get(at), Some(Kind::Identifier(_)));
                let is_beside = is_identifier(at + 1) || at.checked_sub(1).is_some_and(is_identifier);
                let are_slugs = is_beside && words >= SLUGS && are_titles();
                if self.takers.take(clients, prior, taken, has_tokens, is_shared) == Verdict::Values
                    || are_many
                    || are_slugs
                {
                    let kept = if prior == Prior::Values { Kept::Share } else { Kept::Many };
                    self.crowded.push_back((node, place, kept));
                    turned = true;
                }
            }
            before.push('/');
            before.push_str(key);
            let Some(child) = self.nodes[node as usize].child(key) else { break };
            node = child;
        }
        if !turned {
            return found;
        }
        self.unify(routes);
        self.look(call).unwrap_or_default()
    }

    /// Has the place with the most words unified.
    fn make_room(&mut self) {
        let places = self.nodes.iter().enumerate().flat_map(|(node, of)| {
            [Place::Last, Place::Amid]
                .map(|place| (of.words[place as usize], node, place, of.names[place as usize]))
        });
        let most = places.filter(|&(.., names)| !names).max_by_key(|&(words, node, ..)| (words, node));
        if let Some((words, node, place, _)) = most
            && words >= NAMES_IN_NEED
        {
            self.crowded.push_back((node as u32, place, Kept::None));
        }
    }

    /// Makes one of the routes that differ in nothing but a value.
    fn unify(&mut self, routes: &mut Routes) {
        while let Some((node, place, kept)) = self.crowded.pop_front() {
            if std::mem::replace(&mut self.nodes[node as usize].names[place as usize], true) {
                continue;
            }
            let kept = self.shared(node, place, kept, routes);
            let of = &self.nodes[node as usize];
            // Where random tokens stand, what looks like a word is one of them.
            let placeholder = match self.has_more_tokens(of, place) {
                true => shape::IDENTIFIER,
                false => "",
            };
            let is_moved = |(key, child): &&(Box<str>, u32)| {
                is_value(key) && **key != *placeholder && !kept.contains(child)
            };
            let values: Vec<u32> = of.children.iter().filter(is_moved).map(|(_, child)| *child).collect();
            let mut moved = Vec::new();
            for child in &values {
                match place {
                    Place::Last => moved.append(&mut self.nodes[*child as usize].ends),
                    Place::Amid => {
                        for (_, below) in std::mem::take(&mut self.nodes[*child as usize].children) {
                            self.clear(below, &mut moved);
                        }
                        let emptied = &mut self.nodes[*child as usize];
                        (emptied.words, emptied.names) = ([0; 2], [false; 2]);
                    }
                }
                self.nodes[*child as usize].answered[place as usize] = false;
            }
            self.prune(node);
            for end in moved {
                self.place(end, routes);
            }
        }
        self.recall();
    }

    /// Words in a place that several clients use, and that are no values therefore, whatever others there are.
    fn shared(&self, node: u32, place: Place, kept: Kept, routes: &Routes) -> Vec<u32> {
        if kept == Kept::None {
            return Vec::new();
        }
        let mut all = Callers::default();
        let mut words = Vec::new();
        for (key, child) in &self.nodes[node as usize].children {
            if is_value(key) && self.leads_on(*child, place) {
                let callers = callers(&self.nodes, *child, place, routes);
                all.merge(&callers);
                if is_word(key) {
                    words.push((*child, callers.count()));
                }
            }
        }
        let all = all.count();
        let are_many = |count: u64| kept == Kept::Many && count >= MANY;
        words.retain(|&(_, count)| count >= SEVERAL && (count * SHARED_BY >= all || are_many(count)));
        words.into_iter().map(|(child, _)| child).collect()
    }

    /// Whether more identifiers have been asked for in a place than there are words in it.
    fn has_more_tokens(&self, of: &Node, place: Place) -> bool {
        let Some(child) = of.child(shape::IDENTIFIER).filter(|&child| self.leads_on(child, place)) else {
            return false;
        };
        self.nodes[child as usize].answered[place as usize] && of.words[place as usize] < FEWEST_STRAYS
    }

    /// Calls of routes that have moved become calls of the routes that these are now. Only once nothing is crowded any
    /// more: until then a route may move again, or become part of another.
    fn recall(&mut self) {
        for Moved { name, end, touches } in std::mem::take(&mut self.moved) {
            let object = self.go(&mut keys(&name)).join("/");
            let Some(end) = self.end_of_way().end(&end.method, end.operation.as_deref()) else { continue };
            let route = end.route;
            let recalled = |touch| Recalled { route, object: object.clone(), touch };
            self.recalled.extend(touches.into_iter().map(recalled));
        }
        // In the order of time, whatever the order of routes was.
        self.recalled.sort_by_key(|recalled| recalled.touch.at);
    }

    /// Takes the ends out of a node and what is below it, and frees the nodes.
    fn clear(&mut self, node: u32, ends: &mut Vec<End>) {
        let Node { children, ends: mut mine, .. } = std::mem::take(&mut self.nodes[node as usize]);
        ends.append(&mut mine);
        for (_, child) in children {
            self.clear(child, ends);
        }
        self.crowded.retain(|(crowded, ..)| *crowded != node);
        self.free.push(node);
    }

    /// Frees the values of a node that lead nowhere any more.
    fn prune(&mut self, node: u32) {
        let mut children = std::mem::take(&mut self.nodes[node as usize].children);
        children.retain(|(key, child)| {
            let Node { children, ends, .. } = &self.nodes[*child as usize];
            let kept = !is_value(key) || !children.is_empty() || !ends.is_empty();
            if !kept {
                self.nodes[*child as usize] = Node::default();
                self.crowded.retain(|(crowded, ..)| crowded != child);
                self.free.push(*child);
            }
            kept
        });
        self.nodes[node as usize].children = children;
    }

    /// Finds the new place of a route, where there may be one already.
    fn place(&mut self, end: End, routes: &mut Routes) {
        let route = end.route;
        let mut keys = keys(&routes.get(route).name);
        self.go(&mut keys);
        let hash = routes.get(route).hash;
        if let Ok(entry) = self.index.find_entry(hash, |&(_, other)| other == route) {
            entry.remove();
        }
        let known = self.end_of_way().end(&end.method, end.operation.as_deref()).map(|end| end.route);
        let proof = routes.get(route).proof;
        let touches = std::mem::take(&mut routes.get_mut(route).recent);
        if !touches.is_empty() {
            let name = Arc::clone(&routes.get(route).name);
            self.moved.push(Moved { name, end: end.clone(), touches });
        }
        match known {
            Some(known) => {
                if let Some(removed) = routes.merge_into(known, route) {
                    let Route { seen, proof, .. } = removed;
                    self.used[proof as usize] -= 1;
                    routes.get_mut(known).seen.merge(&seen);
                    // Two that were counted are one now, so there is room.
                    if routes.get(known).proof < proof {
                        self.raise(known, proof, routes);
                    }
                }
            }
            None => {
                let name = name(&end.method, &keys, end.operation.as_deref());
                if let Some(seen) = routes.take_over(&name) {
                    routes.get_mut(route).seen.merge(&seen);
                }
                routes.get_mut(route).name = name.into();
                self.end_of_way().ends.push(end);
            }
        }
        if proof > Proof::Refused {
            self.answered();
        }
    }

    /// What has been learned, to be written down.
    pub(super) fn checkpoint(&self) -> StoredLearned<'_> {
        StoredLearned {
            nodes: Cow::Borrowed(&self.nodes),
            free: Cow::Borrowed(&self.free),
            overflowed: self.overflowed,
            takers: self.takers.checkpoint(),
        }
    }

    /// What `state` says has been learned of `routes`.
    pub(super) fn restore(
        most: usize,
        key: HashKey,
        state: StoredLearned<'_>,
        routes: &Routes,
    ) -> Result<Learned, Inconsistent> {
        let StoredLearned { nodes, free, overflowed, takers } = state;
        let (nodes, free) = (nodes.into_owned(), free.into_owned());
        let takers = Takers::restore(key, takers.into_owned())?;
        let learned = Learned { nodes, free, overflowed, takers, ..Learned::new(most, key) };
        let known = learned.check(routes)?;
        let mut learned = learned;
        for route in known {
            let (name, hash) = (routes.name(route), routes.get(route).hash);
            if !keys(name).iter().any(|key| key == shape::NAME) {
                learned.index.insert_unique(hash, (hash, route), |&(hash, _)| hash);
            }
            learned.used[routes.get(route).proof as usize] += 1;
        }
        Ok(learned)
    }

    /// Takes out routes that are `gone`, and ways that lead nowhere without them.
    pub(super) fn forget(&mut self, gone: &BTreeSet<RouteId>, routes: &Routes) {
        if gone.is_empty() {
            return;
        }
        self.index.retain(|(_, route)| !gone.contains(route));
        self.used = [0; 3];
        for node in &mut self.nodes {
            node.ends.retain(|end| !gone.contains(&end.route));
            for end in &node.ends {
                self.used[routes.get(end.route).proof as usize] += 1;
            }
        }
        self.clear_dead_ends(0);
    }

    /// If the `services`, which have learned as many routes as `all` says, have no room for so many: keeps the share that is
    /// this one's, of those that were called last.
    pub(super) fn trim(&mut self, all: [usize; 3], services: usize, routes: &mut Routes) {
        let share = |proof: usize| {
            let (room, used) = (self.room[proof], self.used[proof]);
            if all[proof] > room + services * (room / SHARE) { used * room / all[proof] } else { used }
        };
        let mut surplus = std::array::from_fn::<_, 3, _>(|proof| self.used[proof] - share(proof));
        let mut known: Vec<RouteId> =
            self.nodes.iter().flat_map(|node| node.ends.iter().map(|end| end.route)).collect();
        known.sort_by_key(|&route| (routes.last_seen(route), route));
        let gone = known.into_iter().filter(|&route| {
            let surplus = &mut surplus[routes.get(route).proof as usize];
            let goes = *surplus > 0;
            *surplus -= usize::from(goes);
            goes
        });
        let gone: BTreeSet<RouteId> = gone.collect();
        self.forget(&gone, routes);
        for route in gone {
            routes.remove(route);
        }
    }

    fn clear_dead_ends(&mut self, node: u32) {
        let mut children = std::mem::take(&mut self.nodes[node as usize].children);
        children.retain(|(key, child)| {
            self.clear_dead_ends(*child);
            let Node { children, ends, answered, .. } = &self.nodes[*child as usize];
            if !children.is_empty() || !ends.is_empty() {
                return true;
            }
            let answered = *answered;
            if is_word(key) {
                for (words, answered) in self.nodes[node as usize].words.iter_mut().zip(answered) {
                    *words = words.saturating_sub(usize::from(answered));
                }
            }
            self.nodes[*child as usize] = Node::default();
            self.free.push(*child);
            false
        });
        self.nodes[node as usize].children = children;
    }

    /// Checks that the nodes are one tree with what is free left over, and its ends learned routes, and returns these.
    fn check(&self, routes: &Routes) -> Result<Vec<RouteId>, Inconsistent> {
        let count = self.nodes.len();
        check((1..=u32::MAX as usize).contains(&count), "there is no place for routes to begin")?;
        let mut reached = vec![false; count];
        reached[0] = true;
        let mut ahead = vec![(0_u32, 0)];
        let mut ends = Vec::new();
        let mut reach = |node: u32| {
            let reached = reached.get_mut(node as usize).ok_or(Inconsistent("a way leads to no place"))?;
            check(!std::mem::replace(reached, true), "two ways lead to one place")
        };
        while let Some((node, depth)) = ahead.pop() {
            let node = &self.nodes[node as usize];
            check(depth <= LONGEST, "a way is too long")?;
            check(node.children.is_sorted_by(|(a, _), (b, _)| a < b), "ways are out of order")?;
            check(node.words.iter().all(|&words| words <= u32::MAX as usize), "there are too many words")?;
            for &(_, child) in &node.children {
                reach(child)?;
                ahead.push((child, depth + 1));
            }
            ends.extend(node.ends.iter().map(|end| end.route));
        }
        for &free in &self.free {
            reach(free)?;
            let Node { children, ends, .. } = &self.nodes[free as usize];
            check(children.is_empty() && ends.is_empty(), "a place is free, and is not")?;
        }
        check(reached.iter().all(|reached| *reached), "no way leads to a place")?;
        let is_learned = |&route: &RouteId| routes.exists(route) && routes.origin(route) == Origin::Learned;
        check(ends.iter().all(is_learned), "a way ends in no learned route")?;
        ends.sort_unstable();
        check(ends.is_sorted_by(|a, b| a < b), "two ways end in one route")?;
        Ok(ends)
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

/// Whether a key is a word, and not what stands for values or files, or for something with a value in it.
fn is_word(key: &str) -> bool {
    memchr::memchr(b'{', key.as_bytes()).is_none() && !key.starts_with("*.")
}

/// Whether `{name}` takes its place where words are values.
fn is_value(key: &str) -> bool {
    is_word(key) || key == shape::IDENTIFIER
}

/// Who has called routes that end in a node, or go on through it.
fn callers(nodes: &[Node], node: u32, place: Place, routes: &Routes) -> Callers {
    let mut callers = Callers::default();
    let Node { children, ends, .. } = &nodes[node as usize];
    match place {
        Place::Last => ends.iter().for_each(|end| callers.merge(routes.callers(end.route))),
        Place::Amid => {
            let mut ahead: Vec<u32> = children.iter().map(|(_, child)| *child).collect();
            while let Some(below) = ahead.pop() {
                let Node { children, ends, .. } = &nodes[below as usize];
                ends.iter().for_each(|end| callers.merge(routes.callers(end.route)));
                ahead.extend(children.iter().map(|(_, child)| *child));
            }
        }
    }
    callers
}

/// Whether nearly as many clients have asked for the words in a place as there are words, each for one of its own.
fn are_owned(nodes: &[Node], words: &[(Box<str>, u32)], place: Place, routes: &Routes) -> bool {
    let mut all = Callers::default();
    let mut count = 0;
    for (_, child) in words.iter().filter(|(key, _)| is_word(key)) {
        let of = callers(nodes, *child, place, routes);
        match of.count() {
            0 => continue,
            1..=FEW_CALLERS => all.merge(&of),
            _ => return false,
        }
        count += 1;
    }
    // Few callers are counted with an error of some three.
    count >= OWNED as u64 && all.count() * 4 >= count * 3
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
