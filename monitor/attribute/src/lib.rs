//! What an exchange says: who called, which route and objects, and what came of it.
//!
//! Each part is of its own: [`client`] finds the identities of a caller, [`object`] what a request names,
//! [`route`] which calls belong together. An [`Observation`](observation::Observation) has it all.

pub mod client;
pub mod object;
pub mod observation;
pub mod route;
