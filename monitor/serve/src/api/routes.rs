//! `/api/v1/routes`: the API inventory.

use std::cmp::Reverse;

use rollcall_attribute::route::Summary;
use rollcall_model::time::Timestamp;
use serde::Serialize;

use super::VERSION;

/// The routes at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Routes {
    /// [`VERSION`]
    pub v: u32,
    pub at: Timestamp,
    /// Calls to routes that there was no room for; they count as `~other`.
    pub overflowed_calls: u64,
    pub routes: Vec<Summary>,
}

impl Routes {
    /// The routes at `at`.
    pub fn new(at: Timestamp, overflowed_calls: u64, routes: Vec<Summary>) -> Routes {
        Routes { v: VERSION, at, overflowed_calls, routes }
    }

    /// Only the `most` routes on which most objects were touched this hour, those with the most calls among equals.
    pub fn top(&self, most: usize) -> Routes {
        let mut routes: Vec<&Summary> = self.routes.iter().collect();
        routes.sort_by_key(|route| Reverse((route.objects_hour, route.calls)));
        let routes = routes.into_iter().take(most).cloned().collect();
        Routes { routes, ..Routes::new(self.at, self.overflowed_calls, Vec::new()) }
    }
}
