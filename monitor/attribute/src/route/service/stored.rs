//! Services as they are written down: the router of each.

use std::borrow::Cow;

use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
};
use serde::{Deserialize, Serialize};

use super::{MOST, Place, Service, Services, Settings};
use crate::route::{self, NeverMatches, Router};

/// [`Services`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct State<'a>(#[serde(borrow)] Vec<(Cow<'a, str>, route::State<'a>)>);

impl Services {
    /// What is to be written down, between calls.
    pub fn checkpoint(&self) -> State<'_> {
        State(self.all.iter().map(|of| (Cow::Borrowed(&*of.name), of.router.checkpoint())).collect())
    }

    /// Services as `settings` say that go on from `state`, and the rules that can never match. Leaves each full name of a
    /// route once in `names`.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        State(state): State<'_>,
        names: &mut Names,
    ) -> Result<(Services, Vec<NeverMatches>), Inconsistent> {
        let (mut services, never) = Services::new(settings, key);
        for (name, router) in state {
            check(name.is_empty() || super::is_name(&name), "a service has no name")?;
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
}
