//! Which parameters of a path are a choice, hence no identifier: those with an enum, a constant or a boolean
//! for schema.
//!
//! What cannot be followed (references to other files, to nothing, in circles) leaves a parameter what it is
//! without: an identifier.

use super::{
    error::Reason,
    node::Node,
    reference::{self, MAX_HOPS},
    work::Work,
};

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
            && let Some(referenced) = reference::resolve(self.root, reference)
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
            let Some(referenced) = reference::resolve(self.root, reference) else { return Ok(None) };
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
