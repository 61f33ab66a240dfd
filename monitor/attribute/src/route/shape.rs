//! The shape of a path: which of its segments are identifiers by their form, and which name things.

use super::{
    locale,
    path::{CanonicalPath, Segment},
};
use crate::object::identifier;

/// What stands for an identifier in a template.
pub(super) const IDENTIFIER: &str = "{id}";

/// What stands for a locale.
const LOCALE: &str = "{locale}";

/// What stands for a value that no form gives away.
pub(super) const NAME: &str = "{name}";

/// What one segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word of the API, as far as its form tells.
    Literal,
    /// An identifier, or several; so many bytes of the segment are.
    Identifier(usize),
    /// A language: not an object.
    Locale,
    /// A static file: its name is not an object. The extension begins here.
    Static(usize),
}

/// The segments of a path by kind, and its template. Filled again for each path.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) kinds: Vec<Kind>,
    pub(super) template: String,
}

impl Shape {
    /// Takes the shape of `path`, and appends its template to what stands in `template` already.
    pub(super) fn take(&mut self, path: &CanonicalPath, longest: usize) {
        self.kinds.clear();
        if path.is_empty() {
            self.template.push('/');
        }
        let last = path.len().saturating_sub(1);
        for (at, segment) in path.segments().enumerate() {
            let kind = kind(segment, at == last, at < 2 && may_be_locale(at, last, path));
            self.kinds.push(kind);
            self.template.push('/');
            push(&mut self.template, kind, segment.folded);
            if self.template.len() > longest {
                // No route for it any more, but the rest of the object still counts.
                self.template.truncate(longest + 1);
            }
        }
    }
}

/// Languages stand first, or behind versions and the like, and something follows them.
fn may_be_locale(at: usize, last: usize, path: &CanonicalPath) -> bool {
    let before = || path.segment(at - 1).folded;
    at < last && (at == 0 || at == 1 && (before() == "api" || is_version(before())))
}

fn kind(segment: Segment<'_>, is_last: bool, may_be_locale: bool) -> Kind {
    let Segment { text, folded, class } = segment;
    if class.is_number() {
        return Kind::Identifier(text.len());
    }
    if class.may_be_identifier() {
        if let Some((id, _)) = identifier::find(text)
            && (is_last || !is_short_version(folded))
        {
            return Kind::Identifier(id.len());
        }
        if identifier::is_list(text) {
            return Kind::Identifier(text.len());
        }
    }
    if is_last
        && class.has_point()
        && let Some(extension) = identifier::static_extension(folded)
    {
        return Kind::Static(folded.len() - extension.len());
    }
    if may_be_locale && locale::is_locale(folded) { Kind::Locale } else { Kind::Literal }
}

/// Appends what stands for a segment in a template.
pub(super) fn push(template: &mut String, kind: Kind, folded: &str) {
    match kind {
        Kind::Literal => template.push_str(folded),
        Kind::Identifier(length) => {
            template.push_str(IDENTIFIER);
            template.push_str(&folded[length..]);
        }
        Kind::Locale => template.push_str(LOCALE),
        Kind::Static(extension) => {
            template.push('*');
            template.push_str(&folded[extension..]);
        }
    }
}

/// `2.0`: a version where something follows it, though it is a number.
fn is_short_version(folded: &str) -> bool {
    matches!(folded.as_bytes(), [b'0'..=b'9', b'.', ..])
}

/// `v1`, `v2.1`: parts of a route like any word.
fn is_version(folded: &str) -> bool {
    folded.strip_prefix('v').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}
