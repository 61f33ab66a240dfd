//! The tree of a document, with the line of everything in it.
//!
//! What an alias stands for is shared, not copied: a document of a few lines stays a tree of a few nodes.

use std::{collections::HashMap, rc::Rc};

/// The deepest nesting of a tree, aliases followed. Those of public documents have up to 35 levels. Trees are
/// dropped by recursion, which this keeps off the end of the stack.
pub(super) const MAX_DEPTH: usize = 256;

/// A value in a document.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it starts, from 1.
    pub line: usize,
    /// How many levels it has, itself included.
    pub depth: usize,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Text, a number, a boolean, null: all as written.
    Scalar(Box<str>),
    Sequence(Vec<Rc<Node>>),
    Mapping(Mapping),
}

/// A mapping's entries in order.
#[derive(Debug)]
pub(super) struct Mapping {
    entries: Vec<Entry>,
    /// Where the last entry of each key is; empty if there are few.
    index: HashMap<Rc<str>, usize>,
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Empty if it isn't a scalar.
    pub key: Rc<str>,
    /// Where the key stands, from 1.
    pub line: usize,
    pub value: Rc<Node>,
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The items of a sequence; none of anything else.
    pub fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::Sequence(items) => items,
            Value::Scalar(_) | Value::Mapping(_) => &[],
        }
    }

    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(mapping) => Some(&mapping.entries),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The value of `key` in a mapping; the last one, as in most readers of JSON.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(mapping) => mapping.get(key),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }
}

impl Mapping {
    /// The most entries that are looked through rather than looked up.
    const FEW: usize = 16;

    pub fn new(entries: Vec<Entry>) -> Mapping {
        let indexed = if entries.len() > Mapping::FEW { &entries[..] } else { &[] };
        let index = indexed.iter().enumerate().map(|(at, entry)| (Rc::clone(&entry.key), at)).collect();
        Mapping { entries, index }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn get(&self, key: &str) -> Option<&Node> {
        let entry = if self.index.is_empty() {
            self.entries.iter().rfind(|entry| &*entry.key == key)?
        } else {
            &self.entries[*self.index.get(key)?]
        };
        Some(&entry.value)
    }
}
