//! Rollcall: catches bulk account enumeration on HTTP APIs from the Linux kernel.
//!
//! The parts stand in the order that data takes, those above the ledger in crates of their own:
//!
//! ```text
//! capture | replay ─ segments ─▶ stream ─ bytes ─▶ http ─ exchanges ─▶ attribute ─ observations ─▶ detect ─ alerts ─▶ ledger ─▶ output
//! ```
//!
//! Everything from [`stream`] to [`alert`] is one deterministic [`engine`]: it has no clock but the timestamps
//! it is handed and does no I/O, so live capture, replay, tests and benchmarks all drive the same code.

pub mod ledger;
pub mod output;
pub mod replay;
pub mod sandbox;

pub use rollcall_attribute::{client, object, observation, route};
pub use rollcall_capture as capture;
pub use rollcall_detect::{self as detect, alert};
pub use rollcall_engine as engine;
pub use rollcall_http as http;
pub use rollcall_model::{hash, json, percent, state, time};
pub use rollcall_stream as stream;
