//! What the daemon tells about itself as JSON, under `/api/v1`: the status page, `rollcall top` and `rollcall routes` show
//! nothing that is not there.
//!
//! Each answer has the version of its schema, `v`; docs/api.md says what may change within a version. Nothing here names
//! an account, and credentials are the keyed hashes that alerts show. What only the engine knows is asked of its thread
//! ([`inquiry`]); the rest is noted on the way ([`Pulse`], [`Board`]).

mod alerts;
mod clients;
mod health;
pub mod inquiry;
mod pulse;
mod rate;
mod routes;
mod sight;
mod status;

pub use alerts::{Board, OpenAlert, OpenAlerts};
pub use clients::{Client, Clients, Nearest};
pub use health::{Level, Sign};
pub use inquiry::{Answering, Inquiries, Inquiry};
pub use pulse::{Pulse, Setup, Vitals};
pub use rate::{STEP, STEPS};
pub use routes::Routes;
pub use sight::{Sight, Sights, Traffic};
pub use status::{Capture, Open, Rate, Status, span};

/// The version of every schema in docs/api.md.
pub const VERSION: u32 = 1;
