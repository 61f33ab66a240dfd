//! The tree of a document, with the line of everything in it: the events of the YAML parser, put together.
//!
//! Only what leads to operations becomes part of it: the rest, bodies, examples and prose, is most of a typical document.
//! Aliases are resolved, and merge keys (`<<`), which YAML 1.1 had and people use. What an alias stands for is shared, not
//! copied: a document of a few lines stays a tree of a few nodes.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use granit_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{
    MAX_DEPTH,
    error::{Reason, Refusal},
};

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

/// Where in a document a mapping is, as far as it decides about its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Root,
    Components,
    /// A mapping of path items by path or by name.
    PathItems,
    PathItem,
    /// A mapping of operations by method.
    Operations,
    Operation,
    /// Parameters, servers and schemas, and what has an anchor, for an alias may take it anywhere.
    All,
    /// A mapping by names that somebody made up, of any of those.
    Named,
}

/// The fields of a path item that hold an operation (OpenAPI 3.2, section 4.9).
pub(super) const METHODS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// The field of a path item that holds operations with other methods, as of OpenAPI 3.2.
pub(super) const OTHER_METHODS: &str = "additionalOperations";

impl Keep {
    /// What to keep of the value of `key`; `None` if nothing. Items are kept as their sequence.
    fn value_of(self, key: &str) -> Option<Keep> {
        use Keep::{All, Components, Named, Operation, Operations, PathItem, PathItems};
        match (self, key) {
            (Keep::Root, "openapi" | "swagger" | "servers") => Some(All),
            (Keep::Root, "paths") => Some(PathItems),
            (Keep::Root, "components") => Some(Components),
            (Components, "pathItems") => Some(PathItems),
            (Components, "parameters" | "schemas") => Some(Named),
            (PathItems, _) => Some(PathItem),
            (PathItem, "$ref" | "parameters" | "servers") | (Operation, "parameters" | "servers") => {
                Some(All)
            }
            (PathItem, OTHER_METHODS) => Some(Operations),
            (PathItem, method) if METHODS.contains(&method) => Some(Operation),
            (Operations, _) => Some(Operation),
            (All, "properties") => Some(Named),
            (All, "description" | "summary" | "example" | "examples") => None,
            (All | Named, _) => Some(All),
            (Keep::Root | Components | PathItem | Operation, _) => None,
        }
    }
}

/// The most nodes and merged entries of a tree; public documents need up to 900,000. A file of the largest
/// size that is nothing but brackets would come to gigabytes without it; with it, to 500 MB for a second or two.
const MAX_NODES: usize = 2_000_000;

/// The tree of the only document in `text`.
pub(super) fn read(text: &str) -> Result<Rc<Node>, Refusal> {
    let options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
    let mut composer = Composer::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| syntax(&error))?;
        composer.take(event, span.start.line().max(1))?;
    }
    match composer.root {
        Some(root) if !matches!(root.text(), Some("" | "~")) => Ok(root),
        _ => Err(Reason::Empty.at(1)),
    }
}

fn syntax(error: &ScanError) -> Refusal {
    Reason::Syntax(error.kind().to_string()).at(error.marker().line().max(1))
}

#[derive(Default)]
struct Composer {
    open: Vec<Collection>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    nodes: usize,
}

/// A sequence or mapping whose end has not come.
struct Collection {
    line: usize,
    anchor: usize,
    /// `None` if it is skipped.
    keep: Option<Keep>,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping(OpenMapping),
}

#[derive(Default)]
struct OpenMapping {
    entries: Vec<Entry>,
    /// The key whose value comes next.
    key: Option<Key>,
    /// The values of merge keys.
    merged: Vec<Rc<Node>>,
}

struct Key {
    text: Rc<str>,
    line: usize,
    is_merge: bool,
}

impl Composer {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Refusal> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_key = self.wants_key();
                let node = if anchor != 0 || self.keep().is_some() {
                    Some(self.node(line, Value::Scalar(text.as_ref().into()))?)
                } else {
                    None
                };
                self.anchors
                    .extend(node.iter().filter(|_| anchor != 0).map(|node| (anchor, Rc::clone(node))));
                if is_key {
                    self.key(&text, line, style == ScalarStyle::Plain);
                } else {
                    self.place(node, line);
                }
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).ok_or_else(|| Reason::CircularAlias.at(line))?;
                self.place(Some(Rc::clone(node)), line);
            }
            Event::SequenceStart(_, anchor, _) => self.open(line, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.open(line, anchor, Content::Mapping(OpenMapping::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::DocumentStart(..) if self.root.is_some() => return Err(Reason::SecondDocument.at(line)),
            _ => {}
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Collection { content: Content::Mapping(OpenMapping { key: None, .. }), .. })
        )
    }

    /// What to keep of the value that comes next.
    fn keep(&self) -> Option<Keep> {
        let Some(parent) = self.open.last() else { return Some(Keep::Root) };
        match &parent.content {
            Content::Sequence(_) => parent.keep,
            Content::Mapping(OpenMapping { key: Some(key), .. }) if key.is_merge => parent.keep,
            Content::Mapping(OpenMapping { key: Some(key), .. }) => parent.keep?.value_of(&key.text),
            Content::Mapping(OpenMapping { key: None, .. }) => None,
        }
    }

    fn open(&mut self, line: usize, anchor: usize, content: Content) {
        let keep = if anchor == 0 { self.keep() } else { Some(Keep::All) };
        self.open.push(Collection { line, anchor, keep, content });
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let Some(Collection { line, anchor, keep, content }) = self.open.pop() else { return Ok(()) };
        if keep.is_none() {
            self.place(None, line);
            return Ok(());
        }
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(mapping) => {
                self.count(
                    mapping.merged.iter().map(|merged| merged.entries().map_or(0, <[_]>::len)).sum(),
                    line,
                )?;
                Value::Mapping(Mapping::new(mapping.merge()))
            }
        };
        let node = self.node(line, value)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(Some(node), line);
        Ok(())
    }

    fn node(&mut self, line: usize, value: Value) -> Result<Rc<Node>, Refusal> {
        self.count(1, line)?;
        let below = match &value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => items.iter().map(|item| item.depth).max().unwrap_or(0),
            Value::Mapping(mapping) => {
                mapping.entries().iter().map(|entry| entry.value.depth).max().unwrap_or(0)
            }
        };
        // The parser bounds what is written nested; aliases nest without being nested.
        if below >= MAX_DEPTH {
            return Err(Reason::TooDeep.at(line));
        }
        Ok(Rc::new(Node { line, depth: below + 1, value }))
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Refusal> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(Reason::TooMuch.at(line)) } else { Ok(()) }
    }

    fn key(&mut self, text: &str, line: usize, is_plain: bool) {
        if let Some(Collection { content: Content::Mapping(mapping), .. }) = self.open.last_mut() {
            mapping.key = Some(Key { text: text.into(), line, is_merge: is_plain && text == "<<" });
        }
    }

    /// Puts the next value where it belongs; `None` stands for one that is skipped.
    fn place(&mut self, node: Option<Rc<Node>>, line: usize) {
        if self.wants_key() {
            let text = node.as_ref().and_then(|node| node.text()).unwrap_or_default();
            self.key(text, line, false);
            return;
        }
        let node = node.filter(|_| self.keep().is_some());
        let Some(parent) = self.open.last_mut() else {
            self.root = node;
            return;
        };
        match &mut parent.content {
            Content::Sequence(items) => items.extend(node),
            Content::Mapping(mapping) => mapping.take(node),
        }
    }
}

impl OpenMapping {
    fn take(&mut self, value: Option<Rc<Node>>) {
        let (Some(key), Some(value)) = (self.key.take(), value) else { return };
        if !key.is_merge {
            self.entries.push(Entry { key: key.text, line: key.line, value });
        } else if value.items().is_empty() {
            self.merged.push(value);
        } else {
            self.merged.extend(value.items().iter().cloned());
        }
    }

    /// The entries, with those of merged mappings that aren't there already.
    fn merge(self) -> Vec<Entry> {
        let mut entries = self.entries;
        if self.merged.is_empty() {
            return entries;
        }
        let mut keys: HashSet<Rc<str>> = entries.iter().map(|entry| Rc::clone(&entry.key)).collect();
        for merged in &self.merged {
            for entry in merged.entries().unwrap_or_default() {
                if keys.insert(Rc::clone(&entry.key)) {
                    entries.push(entry.clone());
                }
            }
        }
        entries
    }
}
