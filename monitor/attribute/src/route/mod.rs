//! Which operation, and whose account: routes and objects.
//!
//! A route is a method and a path template, `GET /v1/customers/{id}`. It is the one that the operator declared, else
//! the one that an OpenAPI document declares (`declared`), else it is learned (`learned`): the canonical path
//! ([`path`]) with each segment taken out that looks like an identifier ([`crate::object::identifier`]), names a
//! language or a static file (`shape`), or takes too many values. Calls to GraphQL have the operation in their route.
//!
//! The objects of a call are what was taken out of its path, with the values of parameters that hold objects
//! ([`crate::object`]).
//!
//! Spelling does not matter: percent-encoding, doubled slashes, dot segments, `;parameters`, trailing slashes, letter
//! case, fragments, and parameters that hold no object lead to the same route and object.

mod callers;
mod class;
mod declared;
pub mod full_name;
mod learned;
mod locale;
pub mod openapi;
pub mod outcome;
pub mod path;
mod routes;
pub mod service;
mod shape;
mod suffix;
mod takers;
pub mod target;
mod template;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

pub use callers::Callers;
pub use class::{Class, Read, Why};
pub use declared::NeverMatches;
pub use full_name::NEW;
pub use learned::{NAMES, Recalled};
pub use routes::{FEW, LimitsBy, Norm, NormWindow, OTHER, Origin, RouteId, Routes, Statuses, Summary, Touch};
pub use service::Served;
pub use takers::FEWEST as TAKEN;
pub use template::{Template, TemplateError};

use rollcall_http::exchange::Exchange;
use rollcall_model::{
    hash::HashKey,
    percent,
    state::{self, Inconsistent, check},
};

use self::{
    class::Classes,
    declared::Declared,
    learned::{Call, Learned, MAX_TEMPLATE, StoredLearned},
    path::CanonicalPath,
    routes::{Proof, Route, StoredRoutes},
    shape::{Kind, Shape},
    suffix::Suffix,
    target::Target,
};
use crate::client::Clients;
use crate::object::{Body, Content, Names, Objects, Reader, Serves, identifier};

/// The label of all other methods.
const OTHER_METHOD: &str = "~OTHER";

/// Every label of a method, the usual ones first.
const METHODS: [&str; 11] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "TRACE", "CONNECT", OTHER_METHOD];

/// How routes and objects are found.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names under which APIs of their own are served, [`service::MOST_SERVED`] at most.
    pub services: Vec<Served>,
    /// Routes that the operator declared.
    pub rules: Vec<Template>,
    /// Routes of an OpenAPI document; `None` without one.
    pub document: Option<Vec<Template>>,
    /// Routes that answer with data about accounts, and with content, whatever their answers look like.
    pub accounts: Vec<Template>,
    pub content: Vec<Template>,
    pub names: Names,
    /// Routes that are learned at most, of all services together.
    pub most: usize,
}

/// Nothing declared, 10,000 routes: some 5 MiB.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            services: Vec::new(),
            rules: Vec::new(),
            document: None,
            accounts: Vec::new(),
            content: Vec::new(),
            names: Names::default(),
            most: 10_000,
        }
    }
}

/// Gives each request its route and objects.
#[derive(Debug)]
pub struct Router {
    rules: Declared,
    document: Option<Declared>,
    learned: Learned,
    routes: Routes,
    path: CanonicalPath,
    shape: Shape,
    reader: Reader,
    places: Vec<(usize, Range<usize>)>,
    /// Routes of targets that are no paths: two for each method at most.
    special: Vec<(&'static str, &'static str, RouteId)>,
    bodies: Bodies,
    classes: Classes,
}

/// A request's route and objects. Kept by the caller and filled again for each request: nothing is allocated
/// once its buffers have grown.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// The route's template with its method, or [`OTHER`].
    pub route: Arc<str>,
    pub id: RouteId,
    /// The accounts in the call; none where the route has none.
    pub objects: Objects,
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounters {
    /// Routes learned.
    pub routes: u64,
    /// Calls that got [`OTHER`], because there were too many routes or the template was too long.
    pub overflowed: u64,
    /// Bodies by how well they could be read.
    pub bodies: Bodies,
}

/// Bodies of requests by how well they could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bodies {
    pub read: u64,
    /// What came behind the cap did not count.
    pub cut: u64,
    pub opaque: u64,
}

/// [`Router`], written down. What the operator or a document declares comes from the settings of now, which may have changed;
/// what was learned, and what has been seen of every route, comes from here: see `routes`.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredRouter<'a> {
    #[serde(borrow)]
    routes: StoredRoutes<'a>,
    #[serde(borrow)]
    learned: StoredLearned<'a>,
    special: Vec<RouteId>,
    bodies: Bodies,
}

impl Router {
    /// A router as `settings` say, and the rules that can never match.
    pub fn new(settings: Settings, key: HashKey) -> (Router, Vec<NeverMatches>) {
        let learned = Learned::new(settings.most, key);
        Router::with(settings, learned, Routes::default())
    }

    /// A router that goes on from what has been learned.
    fn with(settings: Settings, learned: Learned, routes: Routes) -> (Router, Vec<NeverMatches>) {
        let Settings { services: _, rules, document, accounts, content, names, most: _ } = settings;
        let mut router = Router {
            rules: Declared::new(Origin::Rule),
            document: document.is_some().then(|| Declared::new(Origin::Openapi)),
            learned,
            routes,
            path: CanonicalPath::default(),
            shape: Shape::default(),
            reader: Reader::new(names),
            places: Vec::new(),
            special: Vec::new(),
            bodies: Bodies::default(),
            classes: Classes::new(&accounts, &content),
        };
        let mut never = Vec::new();
        for rule in &rules {
            never.extend(router.rules.add(rule, &mut router.routes).err());
        }
        if let Some(declared) = &mut router.document {
            for template in document.iter().flatten() {
                // A document is not the operator's to mend, and its servers may well repeat a path.
                let _ = declared.add(template, &mut router.routes);
            }
        }
        (router, never)
    }

    /// What is to be written down, between calls.
    pub fn checkpoint(&self) -> StoredRouter<'_> {
        StoredRouter {
            routes: self.routes.checkpoint(),
            learned: self.learned.checkpoint(),
            special: self.special.iter().map(|&(.., route)| route).collect(),
            bodies: self.bodies,
        }
    }

    /// A router as `settings` say that goes on from `state`, and the rules that can never match. Leaves each name of a
    /// route once in `names`.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        state: StoredRouter<'_>,
        names: &mut state::Names,
    ) -> Result<(Router, Vec<NeverMatches>), Inconsistent> {
        let StoredRouter { routes, learned, special, bodies } = state;
        let mut routes = Routes::restore(key, routes, names)?;
        let mut learned = Learned::restore(settings.most, key, learned, &routes)?;
        let special = special.into_iter().map(|route| read_special(route, &routes));
        let special = special.collect::<Result<Vec<_>, _>>()?;
        let gone = routes.settle(&declared(&settings), settings.most);
        learned.forget(&gone, &routes);
        let (router, never) = Router::with(settings, learned, routes);
        Ok((Router { special, bodies, ..router }, never))
    }

    /// Keeps what there is room for, where all `services` have learned as many routes as `all` says.
    fn trim(&mut self, all: [usize; 3], services: usize) {
        self.learned.trim(all, services, &mut self.routes);
    }

    /// Finds the route and objects of a request to `target`. If it is known of which `clients` it is, the call counts: its
    /// route may be new.
    pub fn attribute(
        &mut self,
        exchange: &Exchange<'_>,
        target: Target<'_>,
        clients: Option<&Clients>,
        attribution: &mut Attribution,
    ) {
        let request = exchange.request;
        let method = label(request.method());
        self.path.parse(match target {
            Target::Resource { path, .. } => path,
            Target::Authority | Target::Asterisk => b"",
        });
        let query = target.query();
        let cut =
            request.truncated || exchange.request_bytes > (request.head.len() + request.body.len()) as u64;
        let content = Content::new(&request.body, cut, request.values("content-type"))
            .encoded(request.values("content-encoding"));
        self.places.clear();
        let body = if let Some(name) = target.name() {
            self.reader.start(Serves::default(), false);
            let body = self.reader.read(b"", &content);
            self.reader.objects(false, &mut attribution.objects);
            attribution.id = self.special(method, name);
            body
        } else if let Some(hit) = self.declared(request.method()) {
            self.reader.start(self.serves(false), hit.has_object && hit.origin == Origin::Rule);
            let has_identifier = !self.places.is_empty();
            for (segment, range) in self.places.drain(..) {
                self.reader.path(&self.path.segment(segment).text[range]);
            }
            self.beside(target, has_identifier);
            let body = self.reader.read(query, &content);
            self.reader.objects(hit.is_list, &mut attribution.objects);
            attribution.id = hit.route;
            body
        } else {
            self.take_shape(method);
            self.leave_suffix(method, exchange);
            let files = matches!(self.shape.kinds.last(), Some(Kind::Static(_)));
            self.reader.start(self.serves(files), false);
            let has_identifier = self.shape.kinds.iter().any(|kind| matches!(kind, Kind::Identifier(_)));
            self.beside(target, has_identifier);
            let body = self.reader.read(query, &content);
            self.learned(method, exchange, clients, attribution);
            body
        };
        if clients.is_some() {
            match body {
                Body::Empty => {}
                Body::Read => self.bodies.read += 1,
                Body::Cut => self.bodies.cut += 1,
                Body::Opaque => self.bodies.opaque += 1,
            }
        }
        let name = self.routes.name(attribution.id);
        if !Arc::ptr_eq(&attribution.route, name) {
            attribution.route = Arc::clone(name);
        }
    }

    /// What a call of a route read that named so many objects.
    pub fn read(&self, route: RouteId, exchange: &Exchange<'_>, objects: usize) -> Read {
        self.routes.read(route, exchange, self.classes.of(self.routes.name(route)), objects)
    }

    /// Every route that has been called, by name.
    pub fn summaries(&self) -> Vec<Summary> {
        self.routes.summaries(self.has_document(), &self.classes)
    }

    /// Remembers a call that touched nothing, in case that a part of its path turns out to be an object.
    pub fn remember(&mut self, route: RouteId, touch: Touch) {
        if self.routes.origin(route) == Origin::Learned && !self.routes.is_static(route) {
            self.routes.remember(route, touch);
        }
    }

    /// Moves out earlier calls that have turned out to have touched objects.
    pub fn recalled(&mut self) -> std::vec::Drain<'_, Recalled> {
        self.learned.recalled()
    }

    /// Every route, with what has been seen of it.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The same, to add to it.
    pub fn routes_mut(&mut self) -> &mut Routes {
        &mut self.routes
    }

    /// How many routes it has learned, by what they have proved to be.
    fn learned_routes(&self) -> [usize; 3] {
        self.learned.used()
    }

    /// Leaves room for routes that other services have learned.
    fn share_room(&mut self, elsewhere: [usize; 3]) {
        self.learned.share_room(elsewhere);
    }

    /// Whether there is an OpenAPI document.
    pub fn has_document(&self) -> bool {
        self.document.is_some()
    }

    /// How many routes there are, what did not fit, and what could not be read.
    pub fn counters(&self) -> RouteCounters {
        RouteCounters {
            routes: self.learned.used().iter().sum::<usize>() as u64,
            overflowed: self.learned.overflowed(),
            bodies: self.bodies,
        }
    }

    /// The declared route of the path, and in `places` where its objects stand.
    fn declared(&mut self, method: &[u8]) -> Option<Hit> {
        if self.rules.is_empty() && self.document.is_none() {
            return None;
        }
        let method = std::str::from_utf8(method).unwrap_or(OTHER_METHOD);
        let Router { rules, document, routes, path, places, .. } = self;
        for declared in [Some(rules), document.as_mut()].into_iter().flatten().filter(|all| !all.is_empty()) {
            if let Some(declared::Hit { route, has_object, is_list }) =
                declared.find(method, path, places, routes)
            {
                return Some(Hit { route, has_object, is_list, origin: routes.origin(route) });
            }
        }
        None
    }

    /// Takes the shape of the path.
    fn take_shape(&mut self, method: &str) {
        self.shape.template.clear();
        self.shape.template.push_str(method);
        self.shape.template.push(' ');
        self.shape.take(&self.path, MAX_TEMPLATE);
        let learned = &self.learned;
        let has_accounts = |shape: &Shape, at: usize| learned.has_identifiers(&self.path, shape, at);
        self.shape.settle(&self.path, MAX_TEMPLATE, has_accounts);
    }

    /// Leaves a suffix of static files away, if it is void.
    fn leave_suffix(&mut self, method: &str, exchange: &Exchange<'_>) {
        let Some(&Kind::Static(extension)) = self.shape.kinds.last() else { return };
        let Some(stem) = self.path.stem().filter(|stem| *stem > 0) else { return };
        let is_media = suffix::is_media(&self.path.segment(self.path.len() - 1).folded[extension..]);
        let whole = self.path.shorten(stem);
        self.take_shape(method);
        let call =
            Call { method, path: &self.path, shape: &self.shape, operation: None, proof: Proof::Refused };
        let route = self.learned.find(&call, false, &mut self.routes).route;
        let last = self.path.len() - 1;
        let stem = self.path.segment(last).text;
        let suffix = Suffix {
            stem,
            is_identifier: identifier::is_stem(stem),
            is_media,
            is_known: route != RouteId::OTHER && self.routes.get(route).proof == Proof::WithObjects,
        };
        let above = self.path.segments().take(last).map(|segment| segment.folded);
        if !suffix.is_void(exchange, above) {
            self.path.shorten(whole);
            self.take_shape(method);
        }
    }

    /// The route that is learned from the path, once query and body have been read.
    fn learned(
        &mut self,
        method: &str,
        exchange: &Exchange<'_>,
        clients: Option<&Clients>,
        attribution: &mut Attribution,
    ) {
        if let Some(operation) = self.reader.operation() {
            self.shape.template.push(' ');
            self.shape.template.push_str(operation);
        }
        let by_form = self.shape.kinds.iter().any(|kind| matches!(kind, Kind::Identifier(_)));
        let has_object = by_form || self.reader.has_object();
        let call = Call {
            method,
            path: &self.path,
            shape: &self.shape,
            operation: self.reader.operation(),
            proof: Proof::of(exchange.status, has_object),
        };
        let mut found = self.learned.find(&call, clients.is_some(), &mut self.routes);
        if let Some(clients) = clients
            && !matches!(self.shape.kinds.last(), None | Some(Kind::Static(_)))
            && self.routes.watch(found.route)
        {
            // Of an answer that goes on nobody knows how long it is.
            let size = exchange.response_length.unwrap_or_default();
            found = self.learned.watch(&call, found, clients, size, &mut self.routes);
        }
        let mut is_list = matches!(self.shape.kinds.last(), None | Some(Kind::Literal));
        for (at, kind) in self.shape.kinds.iter().enumerate() {
            match kind {
                Kind::Identifier(place) => {
                    place.each(self.path.segment(at).text, |one| self.reader.path(one))
                }
                Kind::Literal if found.names != 0 && at < 64 && found.names & 1 << at != 0 => {
                    self.reader.path(self.path.segment(at).folded);
                    is_list &= at + 1 < self.shape.kinds.len();
                }
                Kind::Literal | Kind::Value(..) | Kind::Locale | Kind::Static(_) => {}
            }
        }
        self.reader.objects(is_list, &mut attribution.objects);
        attribution.id = found.route;
    }

    /// The route of a target that is no path.
    fn special(&mut self, method: &'static str, name: &'static str) -> RouteId {
        if let Some(&(.., route)) = self.special.iter().find(|(of, known, _)| (*of, *known) == (method, name))
        {
            return route;
        }
        let route = self.routes.insert(Route::new(format!("{method} {name}").into(), Origin::Learned));
        self.special.push((method, name, route));
        route
    }

    /// Reads what stands beside path and query, of a path that has an identifier or not.
    fn beside(&mut self, target: Target<'_>, has_identifier: bool) {
        if !self.path.parameters().is_empty() {
            self.reader.asides(self.path.parameters(), false);
        }
        if !target.fragment().is_empty() {
            let mut decoded = Vec::new();
            percent::decode(target.fragment(), &mut decoded);
            // Behind an account it is another spelling of the same.
            self.reader.asides(&decoded, has_identifier);
        }
    }

    /// What the path serves, by convention, beside `files`.
    fn serves(&self, files: bool) -> Serves {
        let Some(last) = self.path.len().checked_sub(1) else { return Serves { files, ..Serves::default() } };
        let last = self.path.segment(last).folded;
        Serves {
            graphql: last.starts_with("graphql") || last == "gql",
            batches: last.contains("batch"),
            files,
        }
    }
}

/// The label of a method in learned routes. Those of RFC 9110, PATCH (RFC 5789) and QUERY have routes of their own, all
/// others share one.
fn label(method: &[u8]) -> &'static str {
    METHODS.into_iter().find(|known| known.as_bytes() == method).unwrap_or(OTHER_METHOD)
}

/// Method and target of a route whose target is no path.
fn read_special(
    route: RouteId,
    routes: &Routes,
) -> Result<(&'static str, &'static str, RouteId), Inconsistent> {
    let why = "a route is not that of a target that is no path";
    check(routes.exists(route) && routes.origin(route) == Origin::Learned, why)?;
    let (method, target) = routes.name(route).split_once(' ').ok_or(Inconsistent(why))?;
    let known = [Target::Authority, Target::Asterisk].into_iter().filter_map(Target::name);
    let name = known.into_iter().find(|name| *name == target).ok_or(Inconsistent(why))?;
    Ok((label(method.as_bytes()), name, route))
}

/// The names of routes that `settings` declare, at once or when they are called, with their origins.
fn declared(settings: &Settings) -> BTreeMap<String, Vec<Origin>> {
    let mut declared: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
    let rules = settings.rules.iter().map(|rule| (Origin::Rule, rule));
    let document = settings.document.iter().flatten().map(|template| (Origin::Openapi, template));
    for (origin, template) in rules.chain(document).filter(|(_, template)| template.never().is_none()) {
        let methods: &[&str] = match &template.method {
            Some(method) => &[method],
            None => &METHODS,
        };
        for method in methods {
            let origins = declared.entry(format!("{method} {}", template.path)).or_default();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
    }
    declared
}

/// A declared route that was hit.
struct Hit {
    route: RouteId,
    has_object: bool,
    is_list: bool,
    origin: Origin,
}

impl Default for Attribution {
    fn default() -> Attribution {
        Attribution { route: OTHER.into(), id: RouteId::OTHER, objects: Objects::default() }
    }
}

#[cfg(test)]
mod tests;
