//! JSON lines, where alerts of a replay and exchanges leave the daemon.
//!
//! They are serialised on the engine's thread into a buffer of whole lines, which is handed to a [`Sink`]: the [`Queue`]
//! of a writer thread when capture must not wait, or a [`LineFile`] directly when it may. Nothing here decides anything: it
//! writes what it is handed, and counts what it could not write.

mod alert_log;
mod exchange_log;
mod json;
mod line_file;
mod queue;
mod sink;

pub use alert_log::AlertLog;
pub use exchange_log::{ExchangeLog, Record};
pub use line_file::{LineFile, Stopped};
pub use queue::{Queue, Reopen};
pub use sink::{LogError, LogStats, Sink};
