//! The router as it is written down.
//!
//! What the operator or a document declares comes from the settings of now, which may have changed; what was learned, and
//! what has been seen of every route, comes from what was written down: see [`super::routes`].

use std::collections::BTreeMap;

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
};
use serde::{Deserialize, Serialize};

use super::{
    Bodies, Learned, METHODS, NeverMatches, Origin, RouteId, Router, Routes, Settings, Target, label,
    learned, routes,
};

/// [`Router`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct State<'a> {
    #[serde(borrow)]
    routes: routes::State<'a>,
    #[serde(borrow)]
    learned: learned::State<'a>,
    special: Vec<RouteId>,
    bodies: Bodies,
}

impl Router {
    /// What is to be written down, between calls.
    pub fn checkpoint(&self) -> State<'_> {
        State {
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
        state: State<'_>,
        names: &mut Names,
    ) -> Result<(Router, Vec<NeverMatches>), Inconsistent> {
        let State { routes, learned, special, bodies } = state;
        let mut routes = Routes::restore(key, routes, names)?;
        let mut learned = Learned::restore(settings.most, key, learned, &mut routes)?;
        let special = special.into_iter().map(|route| read_special(route, &routes));
        let special = special.collect::<Result<Vec<_>, _>>()?;
        let gone = routes.settle(&declared(&settings), settings.most);
        learned.forget(&gone, &routes);
        let (router, never) = Router::with(settings, learned, routes);
        Ok((Router { special, bodies, ..router }, never))
    }
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
