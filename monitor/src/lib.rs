//! Rollcall: catches bulk account enumeration on HTTP APIs from the Linux kernel.
//!
//! The modules stand in the order that data takes; each imports what is upstream of it or beside it:
//!
//! ```text
//! kernel | replay ─ segments ─▶ stream ─ bytes ─▶ http ─ exchanges ─▶ client · route · object ─ observations ─▶ detect ─ findings ─▶ alert ─▶ ledger ─▶ output
//! ```
//!
//! Everything from [`stream`] to [`alert`] is one deterministic [`engine`]: it has no clock but the timestamps
//! it is handed and does no I/O, so live capture, replay, tests and benchmarks all drive the same code.

pub mod alert;
pub mod client;
pub mod detect;
pub mod engine;
pub mod hash;
pub mod http;
pub mod json;
pub mod kernel;
pub mod ledger;
pub mod object;
pub mod observation;
pub mod output;
pub mod percent;
pub mod replay;
pub mod route;
pub mod sandbox;
pub mod state;
pub mod stream;
pub mod time;
