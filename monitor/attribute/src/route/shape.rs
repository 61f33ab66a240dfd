//! The shape of a path: which of its segments are identifiers by their form, and which name things.

use super::{
    locale,
    path::{CanonicalPath, Segment},
    template::LONGEST,
};
use crate::object::identifier::{self, Place, Value};

/// What stands for an identifier in a template.
pub(super) const IDENTIFIER: &str = "{id}";

/// What stands for a locale.
const LOCALE: &str = "{locale}";

/// What stands for a moment, a version and the like: nobody's.
const VALUE: &str = "{value}";

/// What stands for a value that no form gives away.
pub(super) const NAME: &str = "{name}";

/// Digits of a day: only numbers of so many may be one.
const DAY: usize = 8;

/// What one segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word of the API, as far as its form tells.
    Literal,
    /// An identifier, or several.
    Identifier(Place),
    /// A value that is nobody's.
    Value(Place, Value),
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
        let mut before = "";
        for (at, segment) in path.segments().enumerate() {
            let kind = if identifier::goes_on(before) {
                Kind::Identifier(Place::whole(segment.text.len()))
            } else {
                kind(segment, at, last, at < 2 && may_be_locale(at, last, path))
            };
            self.kinds.push(kind);
            self.write(kind, segment.folded, longest);
            before = segment.text;
        }
    }

    /// Has values that may be accounts taken for accounts, where `is_account` says so of their places.
    pub(super) fn settle(
        &mut self,
        path: &CanonicalPath,
        longest: usize,
        is_account: impl Fn(&Shape, usize) -> bool,
    ) {
        let mut has_changed = false;
        for at in 0..self.kinds.len() {
            // So deep no place is known.
            let is_ambiguous = matches!(self.kinds[at], Kind::Value(_, Value::Ambiguous));
            if is_ambiguous && (at >= LONGEST || is_account(self, at)) {
                self.kinds[at] = Kind::Identifier(Place::whole(path.segment(at).text.len()));
                has_changed = true;
            }
        }
        if !has_changed {
            return;
        }
        let method = self.template.find(' ').map_or(0, |blank| blank + 1);
        self.template.truncate(method);
        for at in 0..self.kinds.len() {
            self.write(self.kinds[at], path.segment(at).folded, longest);
        }
    }

    /// Appends what stands for a segment.
    fn write(&mut self, kind: Kind, folded: &str, longest: usize) {
        self.template.push('/');
        push(&mut self.template, kind, folded);
        if self.template.len() > longest {
            // No route for it any more, but the rest of the object still counts.
            self.template.truncate(longest + 1);
        }
    }
}

/// Languages stand first, or behind versions and the like, and something follows them.
fn may_be_locale(at: usize, last: usize, path: &CanonicalPath) -> bool {
    let before = || path.segment(at - 1).folded;
    at < last && (at == 0 || at == 1 && (before() == "api" || is_version(before())))
}

fn kind(segment: Segment<'_>, at: usize, last: usize, may_be_locale: bool) -> Kind {
    let Segment { text, folded, class } = segment;
    if class.is_number() {
        return match (text.len() == DAY).then(|| identifier::find_value(text)).flatten() {
            Some((place, value)) => Kind::Value(place, value),
            None => Kind::Identifier(Place::whole(text.len())),
        };
    }
    let is_last = at == last;
    if class.may_be_identifier(text.len()) && !is_short_word(segment) {
        if let Some(place) = identifier::find(text)
            && (is_last || !is_short_version(folded))
        {
            return Kind::Identifier(place);
        }
        // `/2015-03-31/functions` is a version of an API.
        if (is_last || at > 0 || !text.as_bytes()[0].is_ascii_digit())
            && let Some((place, value)) = identifier::find_value(text)
        {
            return Kind::Value(place, value);
        }
        if identifier::is_list(text) {
            return Kind::Identifier(Place::whole(text.len()));
        }
    }
    if is_last
        && class.has_point()
        && let Some(extension) = identifier::static_extension(folded)
    {
        return Kind::Static(folded.len() - extension.len());
    }
    let is_locale =
        (may_be_locale && locale::is_locale(folded)) || (class.has_capital() && locale::is_whole(text));
    if is_locale { Kind::Locale } else { Kind::Literal }
}

/// Appends what stands for a segment in a template.
pub(super) fn push(template: &mut String, kind: Kind, folded: &str) {
    match kind {
        Kind::Literal => template.push_str(folded),
        Kind::Identifier(place) => push_at(template, place, IDENTIFIER, folded),
        Kind::Value(place, _) => push_at(template, place, VALUE, folded),
        Kind::Locale => template.push_str(LOCALE),
        Kind::Static(extension) => {
            template.push('*');
            template.push_str(&folded[extension..]);
        }
    }
}

fn push_at(template: &mut String, place: Place, placeholder: &str, folded: &str) {
    let within = place.in_template();
    template.push_str(&folded[..within.start]);
    template.push_str(placeholder);
    template.push_str(&folded[within.end..]);
}

/// `v1`, `s3`: each form that is as short begins with a digit or a sign, or has a key in brackets.
fn is_short_word(segment: Segment<'_>) -> bool {
    let Segment { text, class, .. } = segment;
    text.len() < 5 && text.as_bytes()[0].is_ascii_alphabetic() && !class.has_bracket()
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
