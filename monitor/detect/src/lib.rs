//! Detection: observations in, findings out. Knows no aya, no tokio and no clock.
//!
//! [`Detector`] is the whole of it. What one client does is judged in `client`, once by address and once by credential;
//! what all do together on a route in `crowd`. [`Policy`] says which limits are in force for whom, [`Budget`] how much
//! memory the tables take. Beside the detector stand facts about routes, whoever calls them ([`notice`]).

pub mod alert;
mod allowance;
mod answers;
mod blind;
mod bloom;
pub mod budget;
mod budgets;
mod client;
mod clock;
mod crowd;
mod detector;
pub mod finding;
pub mod hours;
mod identities;
pub mod limit;
mod lists;
mod memory;
mod mix;
mod named;
mod norms;
pub mod notice;
mod owners;
pub mod partner;
pub mod peaks;
mod people;
pub mod policy;
mod readers;
mod shown;
mod uses;

pub use allowance::{Allowance, AllowanceId};
pub use blind::Unseen;
pub use budget::Budget;
pub use client::{Busy, TallyCounters};
pub use crowd::{CrowdCounters, Hour};
pub use detector::{Detector, DetectorCounters, DetectorSettings, DetectorState, Kept};
pub use finding::{Figures, Finding, Phase, Rule, Usual};
pub use hours::Hours;
pub use limit::{Limit, LimitError, LimitRule, Limits};
pub use notice::Notices;
pub use partner::{Partner, PartnerError, PartnerKey};
pub use peaks::Peaks;
pub use policy::Policy;
pub use uses::{Use, Uses};
