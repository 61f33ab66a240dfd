//! Detection: observations in, findings out. Knows no aya, no tokio and no clock.
//!
//! This is the first detector: one rule, exact, in bounded memory. For each pair of a client key and a route it
//! keeps the distinct objects of the longest window in order of their last touch (`objects`, `track`), and
//! each window's place in that order, so that all windows slide exactly, in constant amortised time for each
//! observation. Pairs beyond the bounds are forgotten, least recently active first (`pairs`), and counted.
//!
//! Beside it stand rules about routes, whoever calls them ([`notice`]).
//!
//! What stands behind the seam (sketches, rules, lenses) may change; [`Observation`] and [`Finding`] are the
//! contract.

mod bounds;
mod clock;
mod detector;
mod evidence;
pub mod finding;
mod levels;
pub mod limit;
pub mod notice;
mod objects;
pub mod observation;
mod pairs;
pub mod peaks;
mod track;

pub use bounds::{Bounds, Counters};
pub use detector::Detector;
pub use finding::{Finding, Phase, Rule};
pub use limit::{Limit, LimitError, Limits};
pub use notice::Notices;
pub use observation::Observation;
pub use peaks::Peaks;
