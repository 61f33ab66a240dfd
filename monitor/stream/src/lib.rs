//! From segments to bytes in order: connections, what the server's TCP accepted of each, and what is missing.
//!
//! The evidence of both directions meets here: a request byte goes on to the [`Protocol`] of its connection when the
//! receiver's own state or its acknowledgements show that TCP took it, once and in order. What an attacker sends past TCP (bad
//! checksums, wrong acknowledgements, out of the window, overlaps) never gets there.

pub mod buffers;
mod connection;
mod connections;
mod multipath;
pub mod protocol;
pub mod reassembly;
pub mod segment;
pub mod sequence;
mod table;

pub use buffers::{Limits, StreamCounters};
pub use connections::Connections;
pub use multipath::Multipath;
pub use protocol::Protocol;
pub use segment::{Checksum, ConnectionId, Direction, Directive, Endpoints, Segment, urgent_byte};
