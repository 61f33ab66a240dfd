//! What the kernel programs and the daemon share, the records in the ring, the batches of response entries and the
//! control words; and what the programs decide by: packets, connections, sampling. It needs no kernel, and is tested on the host.
//!
//! What crosses the border is plain data without padding, so that no byte of kernel memory leaks into a record and
//! the daemon can read any bit pattern. The tests in `layout` lock the offset of each field.

#![cfg_attr(not(test), no_std)]

pub mod connection;
pub mod control;
#[cfg(test)]
mod layout;
pub mod outcome;
pub mod packet;
pub mod probe;
pub mod record;
pub mod sample;
pub mod secret;
