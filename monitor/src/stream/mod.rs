//! From segments to bytes in order: reassembly of one direction of one TCP connection.

pub mod segment;

pub use segment::{Checksum, ConnectionId, Direction, Endpoints, Segment};
