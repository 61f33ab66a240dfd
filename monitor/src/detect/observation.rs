//! The observation: the detector's only input.

use std::sync::Arc;

use crate::{client::Clients, object::Objects, time::Timestamp};

/// One call, reduced to what detection needs.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    pub at: Timestamp,
    /// Everyone it can be attributed to.
    pub clients: &'a Clients,
    /// The route's template with its method: `GET /v1/customers/{id}`.
    pub route: &'a Arc<str>,
    /// The accounts in the call, canonical; none where the route has none. A batch has many.
    pub objects: &'a Objects,
    /// The final status; `None` when the answer had not come within the deadline.
    pub status: Option<u16>,
    /// Bytes of the response, as far as known.
    pub response_bytes: u64,
    /// The share of request targets that was being captured, in (0, 1].
    pub sampling: f64,
}
