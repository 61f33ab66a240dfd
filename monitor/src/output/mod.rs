//! Where alerts, exchanges and metrics leave the daemon.
//!
//! The daemon's alerts go through the ledger, and leave by [`delivery`]. Those of a replay, and exchanges, are JSON lines
//! ([`AlertLog`], [`ExchangeLog`]): serialised on the engine's thread into a buffer of whole lines, which is handed to
//! a [`Sink`]: the [`Queue`] of a writer thread when capture must not wait, or a [`LineFile`] directly when it may.
//! Metrics are collected at the moment somebody asks ([`metrics`]), and so is what the status page shows ([`api`]); both
//! are served by [`web`]. What is to survive a restart goes to [`checkpoints`]. Nothing here decides anything: it writes what
//! it is handed, and counts what it could not write.

mod alert_log;
pub mod api;
pub mod checkpoints;
pub mod delivery;
mod exchange_log;
pub mod health;
mod json;
mod line_file;
pub mod metrics;
mod queue;
mod sink;
pub mod web;

pub use alert_log::AlertLog;
pub use exchange_log::{ExchangeLog, Record};
pub use health::Health;
pub use line_file::LineFile;
pub use queue::{Queue, Reopen};
pub use sink::{Error, Sink, Stats};
