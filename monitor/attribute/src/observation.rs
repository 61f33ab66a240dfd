//! Observations: what stands between attribution and detection.
//!
//! An observation says of one call who made it, on which route, whose accounts it touched, and how it came out. It owns
//! what it says, so it can be kept, sent, and taken in elsewhere: whoever has [observations](Observation), in the order in
//! which they were made, gets the same alerts from them as the host that made them.
//!
//! A call is attributed once. [`Stage::Completed`] says later how its exchange ended: it is no other call, and says the same
//! of who, where and whose as the first did.
//!
//! Between hosts it is bytes: a version, then the observation in [postcard](https://postcard.jamesmunns.com/wire-format). They
//! name clients by the hashes that prove them, which are for no disk and for no wire that others can read: whoever sends them
//! seals them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use rollcall_http::exchange::ExchangeId;
use rollcall_model::time::Timestamp;

use crate::{
    client::{self, ClientKey, Clients},
    object::Objects,
    route::{Origin, Read, outcome},
};

/// The form that is written, and the only one that is read. Whoever changes what an observation holds, at any depth, raises
/// it.
pub const VERSION: u8 = 2;

/// Why bytes are no observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("an observation is in version {0}, and this rollcall reads {VERSION}")]
    Version(u8),
    #[error("an observation is cut off, or is none")]
    Malformed,
}

/// One call, reduced to what detection needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub stage: Stage,
    /// The exchange that it is of; `None` where that is long over.
    pub exchange: Option<ExchangeId>,
    /// When the call was made.
    pub at: Timestamp,
    /// Everyone it can be attributed to, and how each credential was shown.
    #[serde(with = "client::whole")]
    pub clients: Clients,
    /// The full name of the route: its service, and its template with its method, `:8001 GET /v1/customers/{id}`. See
    /// [`crate::route::service`].
    pub route: Arc<str>,
    /// What is known of the route.
    pub known: Known,
    /// The accounts in the call, canonical; none where the route has none. A batch has many.
    pub objects: Objects,
    pub outcome: Outcome,
    /// The share of request targets that was being captured, in (0, 1].
    pub sampling: f64,
}

/// Which of the observations of a call it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The first: the call counts.
    #[default]
    Called,
    /// The call was observed before its route was learned. That it touched an object was not known then; this observation
    /// counts it.
    Recalled {
        /// The time of the call by which it became known.
        by: Timestamp,
    },
    /// The call has been observed, and its exchange is complete now.
    Completed {
        /// There was no answer yet when the call was observed.
        late: bool,
    },
}

/// What was known of a call's route when it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub origin: Origin,
    /// Static files.
    pub is_static: bool,
    /// An OpenAPI document says which routes there are.
    pub has_document: bool,
    /// Calls of it so far.
    pub calls: u64,
}

/// How a call came out, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The final status; `None` when the answer had not come within the deadline.
    pub status: Option<u16>,
    /// The answer carries data.
    pub has_data: bool,
    /// What was read.
    pub read: Read,
    pub response_bytes: u64,
}

impl Observation {
    /// A call with the status 200 by `clients` on `route`, of which nothing else is known: for sources that have no
    /// exchanges, such as tests and benchmarks.
    pub fn new(at: Timestamp, clients: Clients, route: Arc<str>, objects: Objects) -> Observation {
        Observation {
            stage: Stage::Called,
            exchange: None,
            at,
            clients,
            route,
            known: Known::default(),
            objects,
            outcome: Outcome { status: Some(200), has_data: true, read: Read::Data, response_bytes: 0 },
            sampling: 1.0,
        }
    }

    /// Whether data about its objects were read, or at least that they are there.
    pub fn is_read(&self) -> bool {
        outcome::is_touch(self.outcome.status) && matches!(self.outcome.read, Read::Data | Read::Little)
    }

    /// The client keys, as a log shows them.
    pub fn client_keys(&self) -> &[ClientKey] {
        self.clients.keys()
    }

    /// Memory that it takes.
    pub fn memory(&self) -> usize {
        size_of::<Observation>() + self.objects.memory()
    }

    /// Appends it to `out`.
    ///
    /// # Errors
    ///
    /// If it can't be told in the format, which is a defect.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
        out.push(VERSION);
        let start = std::mem::take(out);
        *out = postcard::to_extend(self, start)?;
        Ok(())
    }

    /// The observation that `bytes` begin with, and what follows it. Nothing is allocated before what fills it has been
    /// read.
    ///
    /// # Errors
    ///
    /// If there is none, or none that this version reads.
    pub fn decode(bytes: &[u8]) -> Result<(Observation, &[u8]), DecodeError> {
        let (&version, rest) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (observation, rest): (Observation, _) =
            postcard::take_from_bytes(rest).map_err(|_| DecodeError::Malformed)?;
        let is_share = observation.sampling > 0.0 && observation.sampling <= 1.0;
        if is_share { Ok((observation, rest)) } else { Err(DecodeError::Malformed) }
    }
}

/// A route that is known to be there, and not how often it has been called.
impl Default for Known {
    fn default() -> Known {
        Known { origin: Origin::Rule, is_static: false, has_document: false, calls: 0 }
    }
}
