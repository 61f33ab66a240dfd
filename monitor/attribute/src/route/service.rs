//! Services: which of the APIs of a host a route is one of.
//!
//! A service is named by the port that it listens on: `:8001`. Where the operator says that several are served there by name
//! ([`Served`]), each is named by that too: `shop.example.com:8001`. Its routes are its own: what has been learned of them, their
//! limits, and what is found on them. The full name of a route has its service before it: `:8001 GET /v1/customers/{id}`.
//! Where no port is known, as in access logs, all is one service, which has no name.
//!
//! Nobody who calls can make a service up: ports are the host's, those beyond the 32 that are called first are one service, and all
//! services share the [room](Settings::most) for learned routes. Names are not learned from traffic: that a name is answered says
//! nothing where a server answers to any, and nothing that can be seen of its answers tells that from a server which has the
//! name, but what a client has a hand in. A call under a name that the operator has not told of belongs to the first of its
//! port, so that made-up names part a walk into none.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use rollcall_http::exchange::Exchange;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
};
use serde::{Deserialize, Serialize};

use super::{
    Attribution, NeverMatches, RouteCounters, RouteId, Router, Settings, StoredRouter, Summary, Template,
    full_name::{self, REST, full, is_host, split},
    target::{self, Target},
};
use crate::client::Clients;

/// Ports that are told apart. All beyond are one service, [`REST`], so that a host on which any number of programs listen takes
/// no more memory.
const MOST: usize = 32;

/// Names that can be served.
pub const MOST_SERVED: usize = 64;

/// A host name under which an API of its own is served on a port. The first of a port has all calls under other names, too: it
/// should be the one that the server takes such calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    host: Box<str>,
    port: u16,
}

/// A text that names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("service {0:?} is not HOST:PORT, like shop.example.com:8080")]
pub struct ServedError(String);

/// Every service, each with its router.
#[derive(Debug)]
pub struct Services {
    settings: Settings,
    key: HashKey,
    /// What each of `all` is, in the same order.
    places: Vec<Place>,
    all: Vec<Service>,
    /// Routes that all have learned, by what they have proved to be.
    learned: [usize; 3],
}

/// What makes a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// 0 if it is not known.
    Port(u16),
    /// One of [`Settings::services`].
    Served(u8),
    /// All ports beyond the [most](MOST).
    Rest,
}

/// A service by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceId(u8);

/// One service.
#[derive(Debug)]
struct Service {
    name: Arc<str>,
    router: Router,
    /// Calls since the start.
    calls: u64,
    /// The full name of each route, with the name that it was made of.
    names: Vec<Option<[Arc<str>; 2]>>,
}

/// A route of a service, by numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceRoute {
    pub service: ServiceId,
    pub route: RouteId,
}

/// [`Services`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredServices<'a>(#[serde(borrow)] Vec<(Cow<'a, str>, StoredRouter<'a>)>);

impl Services {
    /// No service yet: routers are as `settings` say. Beside it the rules that can never match.
    pub fn new(mut settings: Settings, key: HashKey) -> (Services, Vec<NeverMatches>) {
        let never = never(&settings, key);
        settings.services.truncate(MOST_SERVED);
        (Services { settings, key, places: Vec::new(), all: Vec::new(), learned: [0; 3] }, never)
    }

    /// What is to be written down, between calls.
    pub fn checkpoint(&self) -> StoredServices<'_> {
        StoredServices(self.all.iter().map(|of| (Cow::Borrowed(&*of.name), of.router.checkpoint())).collect())
    }

    /// Services as `settings` say that go on from `state`, and the rules that can never match. Leaves each full name of a
    /// route once in `names`.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        StoredServices(state): StoredServices<'_>,
        names: &mut Names,
    ) -> Result<(Services, Vec<NeverMatches>), Inconsistent> {
        let (mut services, never) = Services::new(settings, key);
        for (name, router) in state {
            check(name.is_empty() || full_name::is_name(&name), "a service has no name")?;
            // What its name was, or that it had none, may have changed: then nobody calls it any more.
            let Some(place) = services.settings.place_of(&name) else { continue };
            check(!services.places.contains(&place), "a service is there twice")?;
            let is_port = matches!(place, Place::Port(_));
            check(!is_port || services.ports() < MOST, "there are too many services")?;
            let (router, _) = Router::restore(services.settings.of_service(&name), key, router, names)?;
            services.places.push(place);
            services.all.push(Service { name: name.into(), router, calls: 0, names: Vec::new() });
        }
        let (learned, count) = (services.learned_routes(), services.all.len());
        for service in &mut services.all {
            service.router.trim(learned, count);
            service.share_names(names);
        }
        services.learned = services.learned_routes();
        Ok((services, never))
    }

    fn learned_routes(&self) -> [usize; 3] {
        let mut learned = [0; 3];
        for service in &self.all {
            for (all, of) in learned.iter_mut().zip(service.router.learned_routes()) {
                *all += of;
            }
        }
        learned
    }

    /// Finds the route and objects of a request to `target`, as [`Router::attribute`] does.
    pub fn attribute(
        &mut self,
        exchange: &Exchange<'_>,
        target: Target<'_>,
        clients: Option<&Clients>,
        attribution: &mut Attribution,
    ) -> ServiceRoute {
        let id = self.of(exchange);
        let service = &mut self.all[usize::from(id.0)];
        let router = &mut service.router;
        let before = router.learned_routes();
        let elsewhere = std::array::from_fn(|proof| self.learned[proof] - before[proof]);
        router.share_room(elsewhere);
        router.attribute(exchange, target, clients, attribution);
        let now = router.learned_routes();
        self.learned = std::array::from_fn(|proof| elsewhere[proof] + now[proof]);
        service.calls += u64::from(clients.is_some());
        ServiceRoute { service: id, route: attribution.id }
    }

    /// The service that a call was made to.
    fn of(&mut self, exchange: &Exchange<'_>) -> ServiceId {
        let known = |place: Place| self.places.iter().position(|known| *known == place);
        let mut place = self.place(exchange);
        let mut number = known(place);
        if number.is_none() && matches!(place, Place::Port(_)) && self.ports() >= MOST {
            place = Place::Rest;
            number = known(place);
        }
        let number = number.unwrap_or_else(|| {
            let name = self.settings.name(place);
            let (router, _) = Router::new(self.settings.of_service(&name), self.key);
            self.places.push(place);
            self.all.push(Service { name, router, calls: 0, names: Vec::new() });
            self.all.len() - 1
        });
        ServiceId(number as u8)
    }

    fn place(&self, exchange: &Exchange<'_>) -> Place {
        let port = exchange.endpoints.server.port();
        let mut here = (0..).zip(&self.settings.services).filter(|(_, served)| served.port == port);
        let Some((first, _)) = here.clone().next() else { return Place::Port(port) };
        let host = target::host(exchange.request).unwrap_or_default();
        let named = here.find(|(_, served)| host.eq_ignore_ascii_case(served.host.as_bytes()));
        Place::Served(named.map_or(first, |(named, _)| named))
    }

    /// How many ports have a service of their own, without names.
    fn ports(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, Place::Port(_))).count()
    }

    /// The router of a service.
    pub fn router(&self, service: ServiceId) -> &Router {
        &self.all[usize::from(service.0)].router
    }

    /// The same, to have it take in calls.
    pub fn router_mut(&mut self, service: ServiceId) -> &mut Router {
        &mut self.all[usize::from(service.0)].router
    }

    /// The full name of a route.
    pub fn full_name(&mut self, ServiceRoute { service, route }: ServiceRoute) -> &Arc<str> {
        self.all[usize::from(service.0)].full_name(route)
    }

    /// Every route that has been called, by its full name.
    pub fn summaries(&self) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for service in &self.all {
            let routes = service.router.summaries();
            summaries.extend(routes.into_iter().map(|summary| {
                let route = full(&service.name, &summary.route);
                Summary { route, ..summary }
            }));
        }
        summaries.sort_by(|a, b| a.route.cmp(&b.route));
        summaries
    }

    /// Calls of each service since the start: no more services than are told apart.
    pub fn calls(&self) -> Vec<(Arc<str>, u64)> {
        self.all.iter().map(|service| (Arc::clone(&service.name), service.calls)).collect()
    }

    /// What the routers have counted.
    pub fn counters(&self) -> RouteCounters {
        let mut counters = RouteCounters::default();
        for service in &self.all {
            let RouteCounters { routes, overflowed, bodies } = service.router.counters();
            counters.routes += routes;
            counters.overflowed += overflowed;
            counters.bodies.read += bodies.read;
            counters.bodies.cut += bodies.cut;
            counters.bodies.opaque += bodies.opaque;
        }
        counters
    }
}

impl Service {
    fn share_names(&mut self, names: &mut Names) {
        if self.name.is_empty() {
            return;
        }
        let routes: Vec<_> = self.router.routes().ids().collect();
        for route in routes {
            let full = names.share(self.full_name(route));
            if let Some(Some([_, known])) = self.names.get_mut(route.0 as usize) {
                *known = full;
            }
        }
    }

    fn full_name(&mut self, route: RouteId) -> &Arc<str> {
        let short = self.router.routes().name(route);
        if self.name.is_empty() {
            return short;
        }
        let at = route.0 as usize;
        if self.names.len() <= at {
            self.names.resize(at + 1, None);
        }
        let known = &mut self.names[at];
        // A number may be given to another route.
        if known.as_ref().is_none_or(|[of, _]| !Arc::ptr_eq(of, short)) {
            *known = Some([Arc::clone(short), full(&self.name, short)]);
        }
        known.as_ref().map_or(short, |[_, full]| full)
    }
}

impl Settings {
    /// The services that rules and documents name.
    pub fn declared_services(&self) -> impl Iterator<Item = &str> {
        let classes = self.accounts.iter().chain(&self.content);
        let templates = self.rules.iter().chain(self.document.iter().flatten()).chain(classes);
        templates.filter_map(|template| template.service.as_deref())
    }

    /// Whether calls can be of a service of this name.
    pub fn has_service(&self, name: &str) -> bool {
        self.place_of(name).is_some()
    }

    /// What of them is for a service.
    fn of_service(&self, name: &str) -> Settings {
        let of = |templates: &[Template]| {
            let mine = |template: &&Template| template.service.as_deref().is_none_or(|of| *of == *name);
            let mut mine: Vec<Template> = templates.iter().filter(mine).cloned().collect();
            // Those for this service alone come first.
            mine.sort_by_key(|template| template.service.is_none());
            mine
        };
        // A document of another service says nothing about this one.
        let document = self.document.as_deref().and_then(|all| {
            let mine = of(all);
            (all.is_empty() || !mine.is_empty()).then_some(mine)
        });
        Settings {
            services: Vec::new(),
            rules: of(&self.rules),
            document,
            accounts: of(&self.accounts),
            content: of(&self.content),
            names: self.names.clone(),
            most: self.most,
        }
    }

    /// The name of a service.
    fn name(&self, place: Place) -> Arc<str> {
        match place {
            Place::Port(0) => "".into(),
            Place::Port(port) => format!(":{port}").into(),
            Place::Served(served) => self.services[usize::from(served)].to_string().into(),
            Place::Rest => REST.into(),
        }
    }

    /// The service of this name, if it can be one.
    fn place_of(&self, name: &str) -> Option<Place> {
        match name {
            "" => return Some(Place::Port(0)),
            REST => return Some(Place::Rest),
            _ => {}
        }
        let served = (0..).zip(&self.services).find(|(_, served)| served.to_string() == name);
        if let Some((number, _)) = served {
            return Some(Place::Served(number));
        }
        let port = name.strip_prefix(':')?.parse().ok()?;
        self.services.iter().all(|served| served.port != port).then_some(Place::Port(port))
    }
}

/// The rules that no call of a service can ever match.
fn never(settings: &Settings, key: HashKey) -> Vec<NeverMatches> {
    let mut services: Vec<&str> = settings.rules.iter().filter_map(|rule| rule.service.as_deref()).collect();
    services.push("");
    services.sort_unstable();
    services.dedup();
    let mut never = Vec::new();
    for service in services {
        let rules = settings.of_service(service).rules;
        let (_, in_vain) = Router::new(Settings { rules, ..Settings::default() }, key);
        // A rule for every service may match on another.
        never.extend(in_vain.into_iter().filter(|rule| split(&rule.template).0 == service));
    }
    never
}

impl FromStr for Served {
    type Err = ServedError;

    fn from_str(text: &str) -> Result<Served, ServedError> {
        let error = || ServedError(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(error)?;
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(error)?;
        if is_host(host) { Ok(Served { host: host.into(), port }) } else { Err(error()) }
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_served_has_a_port() {
        for (text, read) in
            [("Shop.example.COM.:80", "shop.example.com:80"), (" a_b-1:65535 ", "a_b-1:65535")]
        {
            let served: Served = text.parse().unwrap();
            assert_eq!(served.to_string(), read);
            assert!(full_name::is_name(read));
        }
        for text in [
            "shop.example.com",
            ":80",
            "a:0",
            "a:65536",
            "a b:80",
            "caf\u{e9}:80",
            "[::1]:80",
            "*.a:80",
            ".:80",
        ] {
            assert_eq!(text.parse::<Served>(), Err(ServedError(text.to_owned())));
        }
    }
}
