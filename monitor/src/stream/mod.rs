//! From segments to bytes in order: sequence numbers, and the segments that came before their turn.
//!
//! What belongs to one connection as a whole (which bytes the receiver's TCP accepted, when a hole is a loss)
//! is decided in [`crate::http`], where the evidence of both directions meets.

pub mod doubt;
mod multipath;
pub mod reassembly;
pub mod segment;
pub mod sequence;

pub use multipath::Multipath;
pub use segment::{Checksum, ConnectionId, Direction, Endpoints, Segment, urgent_byte};
