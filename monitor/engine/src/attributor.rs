//! From exchanges to observations: the part of the engine that knows clients, routes and accounts.
//!
//! A call is attributed once, when it is made. What it was attributed to is kept until its exchange is
//! complete.

use std::{net::Ipv4Addr, sync::Arc};

use rollcall_attribute::{
    client::{self, ClientKey, Clients, Lenses},
    object::Objects,
    observation::{Known, Observation, Outcome, Stage},
    route::{
        self, Attribution, NeverMatches, Read, RouteId, Router, Touch,
        service::{ServiceId, ServiceRoute, Services},
        target::Target,
    },
};
use rollcall_http::exchange::Exchange;
use rollcall_model::{hash::HashKey, time::Timestamp};

use super::held::{Held, HeldCalls};

/// See the [module](self).
#[derive(Debug)]
pub struct Attributor {
    key: HashKey,
    pub(super) lenses: Lenses,
    pub(super) counted: client::ClientCounters,
    services: Services,
    never: Vec<NeverMatches>,
    attribution: Attribution,
    /// The keys that the exchange was attributed to when it was recorded; none if it is to be attributed now.
    recorded: Vec<ClientKey>,
    /// What was attributed last.
    latest: Held,
    held: HeldCalls,
    recalled: Vec<route::Recalled>,
    /// Earlier touches of the call that was taken in last.
    earlier: Vec<Observation>,
}

/// What attribution counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttributorCounters {
    pub clients: client::ClientCounters,
    pub routes: route::RouteCounters,
}

impl Attributor {
    /// Attribution as `settings` say; `key` keys every table that traffic fills, and hashes credentials.
    pub fn new(clients: client::Settings, routes: route::Settings, key: HashKey) -> Attributor {
        Attributor::with(clients, Services::new(routes, key), key)
    }

    /// Attribution with services that may have learned something.
    pub(super) fn with(
        clients: client::Settings,
        (services, never): (Services, Vec<NeverMatches>),
        key: HashKey,
    ) -> Attributor {
        Attributor {
            key,
            lenses: Lenses::new(clients, key),
            counted: client::ClientCounters::default(),
            services,
            never,
            attribution: Attribution::default(),
            recorded: Vec::new(),
            latest: nothing(),
            held: HeldCalls::new(key),
            recalled: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Has the next exchanges attributed to `keys`, which are those that they were recorded with.
    pub fn recall_keys(&mut self, keys: &[ClientKey]) {
        self.recorded.clear();
        self.recorded.extend_from_slice(keys);
    }

    /// Rules of the operator that no call can ever match.
    pub fn never_match(&self) -> &[NeverMatches] {
        &self.never
    }

    /// Attributes an exchange as soon as its call counts, once: the observation of it, which those of
    /// [earlier calls](Attributor::earlier) precede whose objects it has shown.
    pub fn call(&mut self, exchange: &Exchange<'_>) -> &Observation {
        self.attribute(exchange, true);
        let ServiceRoute { service, route } = self.latest.route;
        let router = self.services.router_mut(service);
        self.held.follow(service, router.routes_mut().merged());
        self.earlier.clear();
        self.recalled.extend(router.recalled());
        for recalled in self.recalled.drain(..) {
            self.earlier.push(earlier(recalled, service, &mut self.services, exchange.at));
        }
        let router = self.services.router_mut(service);
        let Held { observation, .. } = &mut self.latest;
        observation.exchange = Some(exchange.id());
        self.counted.count(&observation.clients);
        router.routes_mut().call(route);
        observation.known = known(router, route);
        if observation.objects.is_empty() && observation.is_read() {
            let touch = Touch {
                at: exchange.at,
                clients: observation.clients,
                response_bytes: exchange.response_bytes,
                sampling: exchange.sampling,
            };
            router.remember(route, touch);
        }
        observation
    }

    /// What the call that was taken in last has led to, in the order in which detection is to take it.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.earlier.iter().chain([&*self.latest.observation])
    }

    /// Observations of earlier calls, of which the call that was taken in last has shown that they touched objects.
    pub fn earlier(&self) -> &[Observation] {
        &self.earlier
    }

    /// An exchange that was [called](Attributor::call) is complete: the last observation of it.
    pub fn complete(&mut self, exchange: &Exchange<'_>) -> &Observation {
        let id = exchange.id();
        let is_latest = self.latest.observation.exchange == Some(id) && self.latest.is_under_way();
        if !is_latest {
            match self.held.take(&id) {
                Some(held) => self.put(held),
                // More is under way than is held: it is attributed by what is known now, as if its answer were late.
                None => {
                    self.attribute(exchange, false);
                    self.latest.observation.outcome.status = None;
                }
            }
        }
        let Held { observation, route: ServiceRoute { service, route } } = &mut self.latest;
        let router = self.services.router_mut(*service);
        observation.exchange = Some(id);
        observation.stage = Stage::Completed { late: observation.outcome.status.is_none() };
        observation.known = known(router, *route);
        observation.outcome = outcome_of(exchange, router.read(*route, exchange, observation.objects.len()));
        let open = !observation.clients.authenticated && observation.outcome.has_data;
        let caller = self.key.hash(&observation.clients.keys()[0].to_bytes());
        let (has_object, read) = (!observation.objects.is_empty(), observation.outcome.read);
        router.routes_mut().see(*route, exchange, has_object, read, open, caller);
        observation
    }

    /// Every service and its routes, with what has been seen of them.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// What has been counted.
    pub fn counters(&self) -> AttributorCounters {
        AttributorCounters { clients: self.counted, routes: self.services.counters() }
    }

    /// Memory of calls whose exchanges are under way.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.memory()
    }

    /// Tells who sent an exchange, and what it was about; counts only if it is to `learn`. It is part of
    /// [`Attributor::call`]: public for what measures it.
    pub fn attribute(&mut self, exchange: &Exchange<'_>, learn: bool) -> &Observation {
        let target = Target::of(exchange.request);
        if self.latest.is_under_way() {
            let next = self.held.spare().unwrap_or_else(nothing);
            self.put(next);
        }
        let Held { observation, route: latest } = &mut self.latest;
        observation.clients = match &self.recorded[..] {
            [] => self.lenses.of(exchange, target.query()),
            keys => self.lenses.recorded(exchange, keys),
        };
        let clients = observation.clients;
        let place =
            self.services.attribute(exchange, target, learn.then_some(&clients), &mut self.attribution);
        let route = self.services.full_name(place);
        let objects = &mut self.attribution.objects;
        // Until it is called it is not under way.
        (observation.stage, observation.exchange) = (Stage::Called, None);
        observation.at = exchange.at;
        if !Arc::ptr_eq(&observation.route, route) {
            observation.route = Arc::clone(route);
        }
        std::mem::swap(&mut observation.objects, objects);
        let read = self.services.router(place.service).read(place.route, exchange, observation.objects.len());
        (observation.outcome, observation.sampling) = (outcome_of(exchange, read), exchange.sampling);
        *latest = place;
        observation
    }

    /// Makes `held` the latest, and holds the one before if its exchange is under way.
    fn put(&mut self, held: Held) {
        let before = std::mem::replace(&mut self.latest, held);
        self.held.put(before);
    }
}

/// A call turned out to have touched an object, by one that was made at `by`.
fn earlier(
    route::Recalled { route, object, touch }: route::Recalled,
    service: ServiceId,
    services: &mut Services,
    by: Timestamp,
) -> Observation {
    let name = Arc::clone(services.full_name(ServiceRoute { service, route }));
    Observation {
        stage: Stage::Recalled { by },
        exchange: None,
        at: touch.at,
        clients: touch.clients,
        route: name,
        known: known(services.router(service), route),
        objects: std::iter::once(object.as_str()).collect(),
        outcome: Outcome {
            status: None,
            has_data: false,
            read: Read::Data,
            response_bytes: touch.response_bytes,
        },
        sampling: touch.sampling,
    }
}

fn known(router: &Router, route: RouteId) -> Known {
    let routes = router.routes();
    Known {
        origin: routes.origin(route),
        is_static: routes.is_static(route),
        has_document: router.has_document(),
        calls: routes.calls(route),
    }
}

fn outcome_of(exchange: &Exchange<'_>, read: Read) -> Outcome {
    let answers = matches!(exchange.status, Some(200 | 203 | 206..=209));
    Outcome {
        status: exchange.status,
        has_data: answers && exchange.request.method() != b"HEAD",
        read,
        response_bytes: exchange.response_bytes,
    }
}

/// The route of what has none: what is the latest before there was a call.
fn nothing() -> Held {
    let clients = Clients::new(Ipv4Addr::UNSPECIFIED.into(), &[]);
    let observation =
        Observation::new(Timestamp::default(), clients, route::OTHER.into(), Objects::default());
    Held { observation: Box::new(observation), route: ServiceRoute::default() }
}
