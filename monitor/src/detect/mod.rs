//! Detection: observations in, findings out. Knows no aya, no tokio and no clock.

pub mod observation;

pub use observation::Observation;
