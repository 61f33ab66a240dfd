//! From the tree of a document to its operations.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use super::{
    MAX_OPERATIONS, MAX_PARAMETERS, Operation,
    error::{Reason, Refusal, excerpt},
    parameters::{self, MAX_HOPS, Parameters},
    server,
    tree::{Entry, METHODS, Node, OTHER_METHODS},
};

/// The operations below `paths` in the document of `root`.
pub(super) fn collect(root: &Node) -> Result<Vec<Operation>, Refusal> {
    let paths = root.get("paths").ok_or_else(|| Reason::NoPaths.at(root.line))?;
    let entries = paths.entries().ok_or_else(|| Reason::PathsNotAMapping.at(paths.line))?;
    let mut collector = Collector {
        root,
        bases: server::bases(root.get("servers"))?.into(),
        parameters: Parameters::new(root),
        known: HashSet::new(),
        operations: Vec::new(),
    };
    let mut lines = HashMap::new();
    for path in entries.iter().filter(|path| !path.key.starts_with("x-")) {
        if let Some(first) = lines.insert(&path.key, path.line) {
            return Err(Reason::DuplicatePath { path: excerpt(&path.key), first }.at(path.line));
        }
        collector.path(path)?;
    }
    Ok(collector.operations)
}

/// Whether a method can stand in a request at all.
fn is_word(method: &str) -> bool {
    !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_graphic())
}

struct Collector<'a> {
    root: &'a Node,
    /// Those of the document's servers.
    bases: Rc<[String]>,
    parameters: Parameters<'a>,
    /// Methods and templates of the operations.
    known: HashSet<(String, String)>,
    operations: Vec<Operation>,
}

impl<'a> Collector<'a> {
    fn path(&mut self, path: &'a Entry) -> Result<(), Refusal> {
        let names = names(&path.key).map_err(|reason| reason.at(path.line))?;
        let items = self.items(&path.value)?;
        for item in &items {
            let others = item.get(OTHER_METHODS).and_then(Node::entries).unwrap_or_default();
            let others = others.iter().filter(|entry| is_word(&entry.key));
            let fixed = item.entries().unwrap_or_default();
            let fixed = fixed.iter().filter(|entry| METHODS.contains(&&*entry.key));
            for Entry { key: method, value: operation, .. } in fixed.chain(others) {
                let levels = || std::iter::once(&**operation).chain(items.iter().copied());
                let lists: Vec<_> = levels().filter_map(|level| level.get("parameters")).collect();
                let not_objects =
                    self.parameters.choices(&names, &lists).map_err(|reason| reason.at(path.line))?;
                let servers = levels()
                    .filter_map(|level| level.get("servers"))
                    .find(|servers| !servers.items().is_empty());
                let own = servers.map(|servers| self.bases_of(servers)).transpose()?;
                let bases = own.unwrap_or_else(|| Rc::clone(&self.bases));
                for base in &*bases {
                    self.add(method, format!("{base}{}", path.key), path.line, &not_objects)?;
                }
            }
        }
        Ok(())
    }

    fn bases_of(&mut self, servers: &Node) -> Result<Rc<[String]>, Refusal> {
        let refuse = |reason: Reason| reason.at(servers.line);
        self.parameters.work.charge(servers.items().len()).map_err(refuse)?;
        Ok(server::bases(Some(servers))?.into())
    }

    /// A path item and, in order, those that it refers to.
    fn items(&self, item: &'a Node) -> Result<Vec<&'a Node>, Refusal> {
        let mut items = vec![item];
        let mut last = item;
        while let Some(node) = last.get("$ref") {
            let reference = node.text().unwrap_or_default();
            let refuse = |reason: fn(String) -> Reason| reason(excerpt(reference)).at(node.line);
            if !parameters::is_local(reference) {
                return Err(refuse(Reason::ExternalReference));
            }
            if items.len() > MAX_HOPS {
                return Err(refuse(Reason::CircularReference));
            }
            last =
                parameters::resolve(self.root, reference).ok_or_else(|| refuse(Reason::UnknownReference))?;
            items.push(last);
        }
        Ok(items)
    }

    fn add(
        &mut self,
        method: &str,
        template: String,
        line: usize,
        not_objects: &[String],
    ) -> Result<(), Refusal> {
        let method = method.to_ascii_uppercase();
        if !self.known.insert((method.clone(), template.clone())) {
            return Ok(());
        }
        if self.operations.len() == MAX_OPERATIONS {
            return Err(Reason::TooManyOperations.at(line));
        }
        self.operations.push(Operation { method, template, line, not_objects: not_objects.to_vec() });
        Ok(())
    }
}

/// The names in the braces of `path`, in order.
fn names(path: &str) -> Result<Vec<&str>, Reason> {
    if !path.starts_with('/') {
        return Err(Reason::Relative(excerpt(path)));
    }
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find(['{', '}']) {
        let unbalanced = || Reason::UnbalancedBraces(excerpt(path));
        let inside = rest[at..].strip_prefix('{').ok_or_else(unbalanced)?;
        let end = inside.find(['{', '}', '/']).ok_or_else(unbalanced)?;
        let name = &inside[..end];
        rest = inside[end..].strip_prefix('}').ok_or_else(unbalanced)?;
        if name.trim().is_empty() {
            return Err(Reason::EmptyBraces(excerpt(path)));
        }
        if names.contains(&name) {
            return Err(Reason::DuplicateParameter { path: excerpt(path), name: excerpt(name) });
        }
        if names.len() == MAX_PARAMETERS {
            return Err(Reason::TooManyParameters(excerpt(path)));
        }
        names.push(name);
    }
    Ok(names)
}
