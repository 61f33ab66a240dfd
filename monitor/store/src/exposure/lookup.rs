//! Single objects, looked up. The block of each client that was read last is kept: who asks in order asks for neighbours.

use std::collections::HashMap;

use super::{
    block::Entry,
    object::Object,
    reader::{Reader, Subject},
    reads::Reads,
};
use crate::Error;

/// Looks objects up.
#[derive(Debug)]
pub struct Lookup<'a> {
    reader: &'a Reader,
    /// By the subject's number.
    blocks: HashMap<u64, Vec<Entry>>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(reader: &'a Reader) -> Lookup<'a> {
        Lookup { reader, blocks: HashMap::new() }
    }

    /// How `subject` read `object`, if it did and that is still known.
    pub fn reads(&mut self, subject: &Subject, object: &Object) -> Result<Option<Reads>, Error> {
        let entries = self.blocks.entry(subject.number).or_default();
        let spans = |entries: &[Entry]| match entries {
            [first, .., last] => first.object <= *object && *object <= last.object,
            _ => false,
        };
        if !spans(entries) {
            *entries = self.reader.block_of(subject.number, object)?;
        }
        let found = entries.binary_search_by(|entry| entry.object.cmp(object));
        Ok(found.ok().map(|at| entries[at].reads))
    }
}
