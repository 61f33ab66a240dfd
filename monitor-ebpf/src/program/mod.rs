//! The parts of the programs, in the order in which a packet passes them.

pub mod advice;
pub mod batch;
pub mod connection;
pub mod counters;
pub mod maps;
pub mod packet;
pub mod request;
pub mod response;
pub mod ring;
pub mod sampling;
