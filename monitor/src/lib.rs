//! Rollcall: catches bulk account enumeration on HTTP APIs from the Linux kernel.
//!
//! The parts are crates, in the order that data takes:
//!
//! ```text
//! capture | replay ─ segments ─▶ stream ─ bytes ─▶ http ─ exchanges ─▶ attribute ─ observations ─▶ detect ─ alerts ─▶ store ─▶ deliver · serve
//! ```
//!
//! Everything from [`stream`] to [`alert`] is one deterministic [`engine`]: it has no clock but the timestamps
//! it is handed and does no I/O, so live capture, replay, tests and benchmarks all drive the same code. Here is the daemon
//! around them.

pub mod sandbox;

pub use rollcall_attribute::{client, object, observation, route};
pub use rollcall_capture as capture;
pub use rollcall_deliver::{self as delivery, lines};
pub use rollcall_detect::{self as detect, alert};
pub use rollcall_engine as engine;
pub use rollcall_http as http;
pub use rollcall_metrics as metrics;
pub use rollcall_model::{hash, hex, json, percent, state, time};
pub use rollcall_replay as replay;
pub use rollcall_serve::{api, health, web};
pub use rollcall_store::{self as ledger, checkpoints};
pub use rollcall_stream as stream;
