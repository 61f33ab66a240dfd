//! What the parts of Rollcall share: time, keyed hashes, text as clients write it, and state that outlives a process.

pub mod error;
pub mod hash;
pub mod hex;
pub mod json;
pub mod percent;
pub mod state;
pub mod time;
pub mod token;
