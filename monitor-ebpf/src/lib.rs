//! What the kernel programs and the daemon share: the records in the ring, the batches of response entries,
//! the control words, and the pure logic that both sides must agree on.
//!
//! Everything here is plain data without padding, so that no byte of kernel memory leaks into a record and
//! the daemon can read any bit pattern. Unit tests lock the layout.

#![cfg_attr(not(test), no_std)]

pub mod control;
pub mod outcome;
pub mod probe;
pub mod record;
pub mod sample;
