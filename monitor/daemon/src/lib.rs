//! Rollcall's daemon: whoever starts it says what it is to do ([`Config`]), and has it built, run and drained.
//!
//! ```text
//! capture | replay ─ segments ─▶ stream ─ bytes ─▶ http ─ exchanges ─▶ attribute ─ observations ─▶ detect ─ alerts ─▶ store ─▶ deliver · serve
//! ```
//!
//! These parts are crates, in the order that data takes. Everything from `stream` to `detect` is one deterministic engine: it
//! has no clock but the timestamps it is handed and does no I/O, so live capture, replay, tests and benchmarks all drive the
//! same code. Here is what has a life around them:
//!
//! - [`Daemon::build`] sets everything up that can fail, cheapest first, and attaches nothing;
//! - [`Daemon::start`] attaches the programs, and confines the process if it is to;
//! - [`Running::serve`] answers on the web until it is told to stop;
//! - [`Running::drain`] detaches, evaluates what the kernel had already captured, writes it, and has every sink make a last
//!   attempt to deliver.
//!
//! A thread of its own captures and evaluates, so that it and the web never wait for each other. Only that thread has
//! privileges, until it has attached the programs.
//!
//! It takes no signal, reads no command line and says nothing to a service manager: that is the caller's.

mod allowed;
mod checkpoints;
mod config;
pub mod crawlers;
mod daemon;
mod error;
mod figures;
mod live;
mod outputs;
mod privileged;
mod prober;
mod probing;
mod resume;
pub mod sandbox;
mod sinks;
pub mod state;

pub use config::{Config, Kernel, Traffic, Web};
pub use daemon::{Daemon, ReopenLogs, Running};
pub use error::Error;
pub use outputs::Outputs;
pub use sinks::{AlertSink, AlertSinks, AlertsTo};
