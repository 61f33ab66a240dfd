//! What routes answer: whether they check who calls, and how large their answers are.

use std::{collections::BTreeMap, sync::Arc};

use rollcall_model::hash::HashKey;
use serde::{Deserialize, Serialize};

/// Answers that are remembered; the router learns fewer.
const MOST: usize = 16_384;

/// Answers by which the usual size is told.
const FEWEST_ANSWERS: u32 = 64;

/// Answers of the latest so many, about, make the usual size.
const MEMORY: f32 = 256.0;

/// An answer looks empty below the usual size divided by this, and in logarithms to the base 2.
const FAR_SMALLER: f32 = 3.0;

/// Larger answers never look empty, in bytes: a status line, fields and a few words.
const LARGEST_EMPTY: u64 = 1_024;

/// What is known of each route, by the hash of its name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answers(BTreeMap<u64, Route>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Route {
    answers: u32,
    /// The logarithm of the usual size.
    size: f32,
    /// Calls refused for want of a credential.
    unauthorized: u32,
}

/// What matters of a call's route.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// It has refused calls for want of a credential: those it answers have one that it knows.
    pub(super) checks_credentials: bool,
    /// This answer was far smaller than is usual there.
    pub(super) looks_empty: bool,
}

impl Answers {
    /// Whether a route has refused calls for want of a credential.
    pub(super) fn checks_credentials(&self, route: u64) -> bool {
        self.0.get(&route).is_some_and(|route| route.unauthorized > 0)
    }

    /// Takes in a call.
    pub(super) fn call(&mut self, route: u64, status: Option<u16>, bytes: u64) -> Facts {
        let room = self.0.len() < MOST;
        let Some(route) = (match self.0.get_mut(&route) {
            Some(known) => Some(known),
            None if room => Some(self.0.entry(route).or_default()),
            None => None,
        }) else {
            return Facts::default();
        };
        let mut looks_empty = false;
        match status {
            // 403 also comes from firewalls, for whatever reason.
            Some(401) => route.unauthorized = route.unauthorized.saturating_add(1),
            Some(200) if bytes > 0 => {
                let size = logarithm(bytes);
                looks_empty = route.answers >= FEWEST_ANSWERS
                    && bytes <= LARGEST_EMPTY
                    && size + FAR_SMALLER < route.size;
                route.answers = route.answers.saturating_add(1);
                // Empty answers don't make the usual size smaller.
                if !looks_empty {
                    route.size += (size - route.size) / (route.answers as f32).min(MEMORY);
                }
            }
            _ => {}
        }
        Facts { checks_credentials: route.unauthorized > 0, looks_empty }
    }
}

/// The logarithm to the base 2, within a tenth: the exponent and the mantissa of the number as they stand.
fn logarithm(number: u64) -> f32 {
    (number as f32).to_bits() as f32 / (1 << 23) as f32 - 127.0
}

/// The hashes of the routes' names, for those that came lately: names are shared, and told apart by where they lie.
#[derive(Debug)]
pub(super) struct RouteHashes([Option<(Arc<str>, u64)>; NAMES]);

/// RouteHashes that are remembered, of routes that are called the most.
const NAMES: usize = 64;

impl Default for RouteHashes {
    fn default() -> RouteHashes {
        RouteHashes([const { None }; NAMES])
    }
}

impl RouteHashes {
    /// The keyed hash of a name.
    pub(super) fn hash(&mut self, name: &Arc<str>, key: HashKey) -> u64 {
        // As long as a name is held here, nothing else can lie where it does.
        let known = &mut self.0[Arc::as_ptr(name).addr() / 16 % NAMES];
        match known {
            Some((same, hash)) if Arc::ptr_eq(same, name) => *hash,
            _ => known.insert((Arc::clone(name), key.hash(name.as_bytes()))).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_refused_somebody_checks_credentials() {
        let mut routes = Answers::default();
        assert!(!routes.call(1, Some(200), 5_000).checks_credentials);
        assert!(routes.call(1, Some(401), 300).checks_credentials);
        assert!(routes.call(1, Some(200), 5_000).checks_credentials);
        assert!(!routes.call(2, Some(404), 300).checks_credentials);
    }

    #[test]
    fn an_answer_far_smaller_than_usual_looks_empty() {
        let mut routes = Answers::default();
        assert!((0..100).all(|n| !routes.call(1, Some(200), 4_000 + n * 10).looks_empty));
        assert!((0..1_000).all(|_| routes.call(1, Some(200), 250).looks_empty));
        assert!(!routes.call(1, Some(200), 900).looks_empty);
        assert!(!routes.call(1, Some(404), 250).looks_empty);
        assert!((0..100).all(|_| !routes.call(2, Some(200), 250).looks_empty));
        assert!(!routes.call(3, Some(200), 0).looks_empty);
    }

    #[test]
    fn logarithms_are_about_right() {
        for number in [1, 2, 3, 180, 1_024, 5_000, 1 << 40, u64::MAX] {
            assert!((logarithm(number) - (number as f32).log2()).abs() < 0.1, "{number}");
        }
    }

    #[test]
    fn names_are_hashed_as_if_anew() {
        let key = HashKey::new([4; 16]);
        let mut names = RouteHashes::default();
        for n in 0..500 {
            let name: Arc<str> = format!("GET /{}", n % 100).into();
            assert_eq!(names.hash(&name, key), key.hash(name.as_bytes()));
            assert_eq!(names.hash(&name, key), key.hash(name.as_bytes()));
        }
    }

    #[test]
    fn the_number_of_routes_is_bounded() {
        let mut routes = Answers::default();
        for route in 0..2 * MOST as u64 {
            routes.call(route, Some(401), 1);
        }
        assert_eq!(routes.0.len(), MOST);
        assert_eq!(routes.call(u64::MAX, Some(401), 1), Facts::default());
    }
}
