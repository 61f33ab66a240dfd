//! Why a document is refused, and on which line.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS, MAX_PARAMETERS};

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read openapi document {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("openapi document {}: larger than {} MiB", .0.display(), MAX_BYTES >> 20)]
    TooLarge(PathBuf),
    #[error("openapi document {}:{line}: {reason}", path.display())]
    Refused { path: PathBuf, line: usize, reason: Reason },
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("not UTF-8 text")]
    NotUtf8,
    #[error("the document is empty")]
    Empty,
    /// Neither JSON nor YAML; the parser's own words.
    #[error("{0}")]
    Syntax(String),
    #[error("a second YAML document starts here; keep one a file")]
    SecondDocument,
    #[error("an alias stands inside what it refers to")]
    CircularAlias,
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("too much in one document, or too much to follow through its references and aliases")]
    TooMuch,
    #[error("the document is not a mapping")]
    NotAMapping,
    #[error("is Swagger {}; convert it to OpenAPI 3", .0.escape_debug())]
    Swagger(String),
    #[error("no `openapi` version; is this an OpenAPI document?")]
    NoVersion,
    #[error("is OpenAPI {0:?}; versions 3.0, 3.1 and 3.2 can be read")]
    Version(String),
    #[error("no `paths`, hence no operations to watch")]
    NoPaths,
    #[error("`paths` is not a mapping")]
    PathsNotAMapping,
    #[error("path {0:?} does not start with /")]
    Relative(String),
    #[error("path {0:?} has unbalanced braces")]
    UnbalancedBraces(String),
    #[error("path {0:?} has a parameter without a name")]
    EmptyBraces(String),
    #[error("path {path:?} has parameter {name:?} twice")]
    DuplicateParameter { path: String, name: String },
    #[error("path {0:?} has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters(String),
    #[error("path {path:?} stands twice, first on line {first}")]
    DuplicatePath { path: String, first: usize },
    #[error("$ref {0:?} leads out of the document; bundle it into one file first")]
    ExternalReference(String),
    #[error("$ref {0:?} leads nowhere")]
    UnknownReference(String),
    #[error("$ref {0:?} leads back to itself, or through too many others")]
    CircularReference(String),
    #[error("server {url:?} leaves {name:?} in its path open; write its value there")]
    OpenVariable { url: String, name: String },
    #[error("more than {MAX_OPERATIONS} operations")]
    TooManyOperations,
}

/// `text` for a message: what is left out of a long one would only bury the rest.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A [`Reason`] with its line, before it is known which file it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub line: usize,
    pub reason: Reason,
}

impl Reason {
    pub(super) fn at(self, line: usize) -> Refusal {
        Refusal { line, reason: self }
    }
}

impl Refusal {
    pub(super) fn of(self, path: &Path) -> Error {
        Error::Refused { path: path.to_owned(), line: self.line, reason: self.reason }
    }
}
