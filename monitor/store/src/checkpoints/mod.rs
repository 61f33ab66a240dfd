//! The checkpoint on disk: what detection knows, from one life of the daemon to the next.
//!
//! There is one, `checkpoint` in the state directory. It is replaced as a whole, so that after a crash at any moment there
//! is either the one before or the new one ([`CheckpointFile`]). A thread of its own does that, and the engine's thread
//! hands it what to write and waits for nothing ([`CheckpointWriter`]). A checkpoint never tells of an alert that is not in the ledger: it
//! is put into its place only when all that was found before it has been written there. So whatever it says is open, others
//! were told of.
//!
//! One that can't be used is set aside under another name. What is in it is [`rollcall_engine::checkpoint`]'s.

mod file;
mod writer;

pub use file::{CheckpointError, CheckpointFile, FILE};
pub use writer::{CheckpointStats, CheckpointWriter, Restored};
