//! Which parameters of a path are a choice, hence no identifier: those with an enum, a constant or a boolean
//! for schema.
//!
//! What cannot be followed (references to other files, to nothing, in circles) leaves a parameter what it is
//! without: an identifier. References are JSON pointers (RFC 6901) in URI fragments; they and aliases can make the work a
//! product of what is written, so it is counted.

use rollcall_model::percent;

use super::{
    error::Reason,
    tree::{Node, Value},
};

/// How many references may lead on from one to the next.
pub(super) const MAX_HOPS: usize = 16;

/// The most nodes looked at on the way from the tree to the operations. No public document needs more than
/// 150,000.
const MAX_STEPS: usize = 2_000_000;

/// A count of the nodes that have been looked at.
#[derive(Debug, Default)]
pub(super) struct Work {
    steps: usize,
}

impl Work {
    pub fn charge(&mut self, steps: usize) -> Result<(), Reason> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Reason::TooMuch) } else { Ok(()) }
    }
}

/// Looks up parameters in one document.
pub(super) struct Parameters<'a> {
    root: &'a Node,
    /// What this and the collector of operations have done.
    pub work: Work,
}

impl<'a> Parameters<'a> {
    pub fn new(root: &'a Node) -> Parameters<'a> {
        Parameters { root, work: Work::default() }
    }

    /// Those of `names` whose parameter is a choice. `lists` are where parameters are declared, the ones that
    /// override others first.
    pub fn choices(&mut self, names: &[&str], lists: &[&'a Node]) -> Result<Vec<String>, Reason> {
        let mut open = names.to_vec();
        let mut choices = Vec::new();
        for parameter in lists.iter().flat_map(|list| list.items()) {
            if open.is_empty() {
                break;
            }
            let Some(parameter) = self.follow(parameter)? else { continue };
            let text = |key| parameter.get(key).and_then(Node::text);
            if text("in") != Some("path") {
                continue;
            }
            let Some(at) = open.iter().position(|name| text("name") == Some(name)) else { continue };
            let name = open.remove(at);
            if let Some(schema) = parameter.get("schema")
                && self.is_choice(schema, 0)?
            {
                choices.push(name.to_owned());
            }
        }
        Ok(choices)
    }

    fn is_choice(&mut self, schema: &'a Node, depth: usize) -> Result<bool, Reason> {
        if depth == MAX_HOPS {
            return Ok(false);
        }
        self.work.charge(1)?;
        if schema.get("enum").is_some_and(|values| !values.items().is_empty())
            || schema.get("const").is_some()
            || schema.get("type").is_some_and(is_boolean)
        {
            return Ok(true);
        }
        if let Some(reference) = schema.get("$ref").and_then(Node::text)
            && let Some(referenced) = resolve(self.root, reference)
            && self.is_choice(referenced, depth + 1)?
        {
            return Ok(true);
        }
        for part in schema.get("allOf").map(Node::items).unwrap_or_default() {
            if self.is_choice(part, depth + 1)? {
                return Ok(true);
            }
        }
        for key in ["oneOf", "anyOf"] {
            let alternatives = schema.get(key).map(Node::items).unwrap_or_default();
            let mut all = !alternatives.is_empty();
            for alternative in alternatives {
                all = all && self.is_choice(alternative, depth + 1)?;
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `parameter`, or what it refers to.
    fn follow(&mut self, mut parameter: &'a Node) -> Result<Option<&'a Node>, Reason> {
        for _ in 0..MAX_HOPS {
            self.work.charge(1)?;
            let Some(reference) = parameter.get("$ref").and_then(Node::text) else {
                return Ok(Some(parameter));
            };
            let Some(referenced) = resolve(self.root, reference) else { return Ok(None) };
            parameter = referenced;
        }
        Ok(None)
    }
}

/// Whether a schema with this `type` is a boolean, or a boolean or null.
fn is_boolean(types: &Node) -> bool {
    let is = |node: &Node, name| node.text() == Some(name);
    is(types, "boolean")
        || types.items().iter().any(|one| is(one, "boolean"))
            && types.items().iter().all(|one| is(one, "boolean") || is(one, "null"))
}

/// Whether `reference` is to something in the same document.
pub(super) fn is_local(reference: &str) -> bool {
    reference.starts_with('#')
}

/// What `reference` points to in the document of `root`, unless it isn't there or isn't kept.
pub(super) fn resolve<'a>(root: &'a Node, reference: &str) -> Option<&'a Node> {
    let pointer = decode(reference.strip_prefix('#')?)?;
    let Some(tokens) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(root) };
    tokens.split('/').try_fold(root, |node, token| match &node.value {
        Value::Mapping(_) => node.get(&token.replace("~1", "/").replace("~0", "~")),
        Value::Sequence(items) => items.get(token.parse::<usize>().ok()?).map(|item| &**item),
        Value::Scalar(_) => None,
    })
}

fn decode(fragment: &str) -> Option<String> {
    let mut rest = fragment.as_bytes();
    let octets = std::iter::from_fn(|| percent::next(&mut rest)).map(|(octet, _)| octet).collect();
    String::from_utf8(octets).ok()
}
