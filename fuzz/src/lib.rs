//! What the fuzz targets share. A target stands in `targets/`, one for each parser that reads what somebody else wrote;
//! `cargo xtask fuzz` builds, feeds and runs them.
//!
//! Each target asserts more than that nothing panics: that two spellings mean the same, that a cut gives a part, that
//! another implementation reads the same, that nothing grows past its bound.

pub mod calls;
pub mod check;
pub mod conversation;
pub mod play;
pub mod reference;
pub mod requests;
pub mod seeds;
pub mod wire;
