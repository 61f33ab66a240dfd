//! State that outlives a process: what the parts of the engine share to write theirs down and take it up again.
//!
//! A part that has state gives it as a value that serde can write (`checkpoint`), and makes itself anew of settings and
//! such a value (`restore`). It never takes a value at its word: numbers that name things are checked against what there
//! is, and sizes against the bounds that hold. Entries of hash tables are written in order, so that the same state gives
//! the same bytes. The engine's checkpoint makes a file of it all.

pub mod table;

use std::{collections::BTreeSet, sync::Arc};

/// Why a state cannot be taken up: what in it contradicts the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Inconsistent(pub &'static str);

/// Fails with `why` unless what is checked `holds`.
pub fn check(holds: bool, why: &'static str) -> Result<(), Inconsistent> {
    if holds { Ok(()) } else { Err(Inconsistent(why)) }
}

/// Names that many parts hold, each once in memory.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<Arc<str>>);

impl Names {
    /// The one copy of `name`.
    pub fn share(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        self.0.insert(Arc::clone(name));
        Arc::clone(name)
    }
}
