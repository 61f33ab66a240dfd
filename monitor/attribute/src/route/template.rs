//! Templates of routes: `GET /v1/customers/{account}/**`, as `--route` and OpenAPI documents write them.

use std::{fmt, str::FromStr};

use super::{
    full_name,
    path::{self, CanonicalPath},
};

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The service that it is of; `None` for every one.
    pub(super) service: Option<String>,
    /// `None` for every method.
    pub(super) method: Option<String>,
    pub(super) segments: Vec<Segment>,
    /// Ends in `**`: any segments may follow, or none.
    pub(super) open: bool,
    /// The path as it was written.
    pub(super) path: String,
}

/// What one segment of a path has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// This, whatever its case.
    Literal(Box<str>),
    /// Texts and parameters in turn: `{id}`, `{id}.json`, `{from}-{to}`.
    Pattern(Vec<Piece>),
    /// `*`: anything, and no object.
    Any,
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Text(Box<str>),
    /// At least one character. Whether it is a part of the object.
    Parameter {
        is_object: bool,
    },
}

/// Why a text is no template.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("route {0:?}: the path must begin with /, like GET /v1/customers/{{account}}")]
    NoPath(String),
    #[error("route {0:?}: {1:?} is no method")]
    Method(String, String),
    #[error(
        "route {0:?}: a template is a path; leave out what begins with {1:?} (see --object-param for parameters)"
    )]
    Query(String, char),
    #[error("route {0:?}: the braces in segment {1:?} don't match")]
    Braces(String, String),
    #[error("route {0:?}: a parameter in segment {1:?} has no name")]
    Unnamed(String, String),
    #[error("route {0:?}: two parameters touch in segment {1:?}: nothing tells where the first ends")]
    Touching(String, String),
    #[error("route {0:?}: ** stands for all that follows, so it must be the last segment")]
    OpenAmid(String),
    #[error("route {0:?}: * stands for a whole segment; name a part of one, like {{x}} in {1:?}")]
    Star(String, String),
    #[error("route {0:?} has more than {LONGEST} segments")]
    TooLong(String),
}

/// Segments in a template, and in any path that is looked at by its segments.
pub(super) const LONGEST: usize = 32;

impl Template {
    /// The same, of one service alone.
    pub fn of_service(self, service: &str) -> Template {
        Template { service: Some(service.to_owned()), ..self }
    }

    /// Reads a template. `is_object` tells which parameters are parts of the object, by name.
    pub fn parse(text: &str, is_object: impl Fn(&str) -> bool) -> Result<Template, TemplateError> {
        let whole = || text.trim().to_owned();
        let (service, rest) = match text.trim().split_once(char::is_whitespace) {
            Some((service, rest)) if full_name::is_name(service) => (Some(service.to_owned()), rest.trim()),
            _ => (None, text.trim()),
        };
        let (method, path) = match rest.split_once(char::is_whitespace) {
            Some((method, path)) => (Some(method), path.trim()),
            None => (None, rest),
        };
        if let Some(method) = method
            && !method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_')
        {
            return Err(TemplateError::Method(whole(), method.to_owned()));
        }
        let segments = path.strip_prefix('/').ok_or_else(|| TemplateError::NoPath(whole()))?;
        if let Some(other) = path.chars().find(|c| "?#".contains(*c)) {
            return Err(TemplateError::Query(whole(), other));
        }
        let mut template = Template {
            service,
            method: method.map(str::to_ascii_uppercase),
            segments: Vec::new(),
            open: false,
            path: path.to_owned(),
        };
        let mut canonical = CanonicalPath::default();
        for segment in segments.split('/').filter(|segment| !segment.is_empty()) {
            if template.open {
                return Err(TemplateError::OpenAmid(whole()));
            }
            match segment {
                "**" => template.open = true,
                "*" => template.segments.push(Segment::Any),
                segment if segment.contains('*') => {
                    return Err(TemplateError::Star(whole(), segment.to_owned()));
                }
                segment if segment.contains(['{', '}']) => {
                    let pieces = pieces(segment, &is_object, &whole)?;
                    template.segments.push(Segment::Pattern(pieces));
                }
                segment => {
                    canonical.parse(segment.as_bytes());
                    let folded: Vec<&str> = canonical.segments().map(|segment| segment.folded).collect();
                    // A dot segment, an encoded slash, or nothing but `;parameters`: no path has it, and a warning
                    // says so.
                    let parted = segment.to_ascii_lowercase().contains("%2f");
                    let literal = folded.first().filter(|_| !parted).unwrap_or(&".");
                    template.segments.push(Segment::Literal((*literal).into()));
                }
            }
        }
        if template.segments.len() > LONGEST {
            return Err(TemplateError::TooLong(whole()));
        }
        Ok(template)
    }

    /// Why no path that reaches the routes can ever match, if none can.
    pub(super) fn never(&self) -> Option<&'static str> {
        let parted = |text: &str| text.contains([';', '/']);
        let dirty = self.segments.iter().any(|segment| match segment {
            Segment::Literal(literal) => &**literal == "." || &**literal == ".." || parted(literal),
            Segment::Pattern(pieces) => {
                pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if parted(text)))
            }
            Segment::Any => false,
        });
        let spelled =
            |segment: &Segment| matches!(segment, Segment::Pattern(pieces) if !is_canonical(pieces));
        if dirty {
            Some("paths are looked at without dot segments, ;parameters and encoded slashes")
        } else if self.segments.iter().any(spelled) {
            Some("paths are looked at decoded, with plain digits, and without blanks around a segment")
        } else if self.method.as_deref() == Some("CONNECT") {
            Some("the target of CONNECT is no path")
        } else {
            None
        }
    }

    /// Whether it has a parameter that is a part of the object.
    pub(super) fn has_object(&self) -> bool {
        let is_object = |piece: &Piece| matches!(piece, Piece::Parameter { is_object: true });
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::Pattern(pieces) if pieces.iter().any(is_object)))
    }

    /// Whether the route of this name, without its service, is one of its: parameters and `*` stand for any segment.
    pub(super) fn has_route(&self, name: &str) -> bool {
        let mut words = name.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if self.method.as_deref().is_some_and(|own| own != method) {
            return false;
        }
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let is_same = |own: &Segment| match (own, segments.next()) {
            (_, None) => false,
            (Segment::Any, Some(_)) => true,
            (Segment::Literal(literal), Some(segment)) => **literal == *segment,
            (Segment::Pattern(pieces), Some(segment)) => matches(pieces, segment, |_| ()),
        };
        self.segments.iter().all(is_same) && (self.open || segments.next().is_none())
    }

    /// Whether what it ends in is a literal: the name of a list rather than a thing in it.
    pub(super) fn is_list(&self) -> bool {
        !self.open && !matches!(self.segments.last(), Some(Segment::Pattern(_) | Segment::Any))
    }
}

/// All parameters are parts of the object, as in `--route`.
impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Template, TemplateError> {
        Template::parse(text, |_| true)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(f, "{service} ")?;
        }
        match &self.method {
            Some(method) => write!(f, "{method} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// Reads a segment with parameters.
fn pieces(
    segment: &str,
    is_object: &impl Fn(&str) -> bool,
    whole: &impl Fn() -> String,
) -> Result<Vec<Piece>, TemplateError> {
    let braces = || TemplateError::Braces(whole(), segment.to_owned());
    let mut pieces = Vec::new();
    let mut rest = segment;
    while let Some(open) = rest.find('{') {
        let (text, tail) = rest.split_at(open);
        let close = tail.find('}').ok_or_else(braces)?;
        let name = &tail[1..close];
        if text.contains('}') || name.contains('{') {
            return Err(braces());
        }
        if name.trim().is_empty() {
            return Err(TemplateError::Unnamed(whole(), segment.to_owned()));
        }
        match pieces.last() {
            Some(Piece::Parameter { .. }) if text.is_empty() => {
                return Err(TemplateError::Touching(whole(), segment.to_owned()));
            }
            _ if text.is_empty() => {}
            _ => pieces.push(Piece::Text(path::folded_part(text).into())),
        }
        pieces.push(Piece::Parameter { is_object: is_object(name) });
        rest = &tail[close + 1..];
    }
    if rest.contains('}') {
        return Err(braces());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(path::folded_part(rest).into()));
    }
    Ok(pieces)
}

/// Whether a segment of these pieces is written as paths are once they have been read.
fn is_canonical(pieces: &[Piece]) -> bool {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => text.to_string(),
        Piece::Parameter { .. } => "z".to_owned(),
    };
    let segment: String = pieces.iter().map(text).collect();
    let mut canonical = CanonicalPath::default();
    canonical.parse(segment.as_bytes());
    canonical.segments().map(|segment| segment.folded).eq([&*segment])
}

/// Matches `folded`, a segment in lower case, against `pieces`, and hands on where each part of the object stands.
pub(super) fn matches(
    pieces: &[Piece],
    folded: &str,
    mut object: impl FnMut(std::ops::Range<usize>),
) -> bool {
    let mut at = 0;
    let mut parameter: Option<(usize, bool)> = None;
    let last = pieces.len().saturating_sub(1);
    for (number, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Parameter { is_object } => parameter = Some((at, *is_object)),
            Piece::Text(text) => {
                let found = match parameter {
                    None if folded[at..].starts_with(&**text) => Some(at),
                    None => None,
                    // What stands at the end is looked for there: `a.json.json` is `a.json` as `{x}.json`.
                    Some((start, _)) if number == last => {
                        let end = folded.len().checked_sub(text.len());
                        end.filter(|&end| {
                            end > start && folded.is_char_boundary(end) && folded[end..] == **text
                        })
                    }
                    Some((start, _)) => {
                        let from = (start + 1).min(folded.len());
                        folded.get(from..).and_then(|rest| rest.find(&**text)).map(|found| from + found)
                    }
                };
                let Some(found) = found else { return false };
                if let Some((start, true)) = parameter.take() {
                    object(start..found);
                }
                at = found + text.len();
            }
        }
    }
    match parameter {
        Some((start, is_object)) => {
            if is_object && start < folded.len() {
                object(start..folded.len());
            }
            start < folded.len()
        }
        None => at == folded.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_and_shown() {
        for text in
            ["GET /v1/customers/{account}/**", "/v1/*/x", "POST /", "/a/{from}-{to}.json", "PURGE /{x}"]
        {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
        assert_eq!(" get   /x ".parse::<Template>().unwrap().to_string(), "GET /x");
    }

    #[test]
    fn a_bad_template_gives_one_clear_line() {
        for (text, message) in [
            ("", "route \"\": the path must begin with /, like GET /v1/customers/{account}"),
            ("GET v1", "route \"GET v1\": the path must begin with /, like GET /v1/customers/{account}"),
            ("G/T /v1", "route \"G/T /v1\": \"G/T\" is no method"),
            (
                "GET /v1?id={x}",
                "route \"GET /v1?id={x}\": a template is a path; leave out what begins with '?' (see --object-param \
                 for parameters)",
            ),
            ("/a/{x", "route \"/a/{x\": the braces in segment \"{x\" don't match"),
            ("/a/x}", "route \"/a/x}\": the braces in segment \"x}\" don't match"),
            ("/a/{x{y}}", "route \"/a/{x{y}}\": the braces in segment \"{x{y}}\" don't match"),
            ("/a/{}", "route \"/a/{}\": a parameter in segment \"{}\" has no name"),
            (
                "/a/{x}{y}",
                "route \"/a/{x}{y}\": two parameters touch in segment \"{x}{y}\": nothing tells where the first ends",
            ),
            ("/a/**/b", "route \"/a/**/b\": ** stands for all that follows, so it must be the last segment"),
            (
                "/a/b*",
                "route \"/a/b*\": * stands for a whole segment; name a part of one, like {x} in \"b*\"",
            ),
        ] {
            assert_eq!(text.parse::<Template>().unwrap_err().to_string(), message);
        }
        "/a".repeat(33).parse::<Template>().unwrap_err();
    }

    #[test]
    fn parameters_are_parts_of_segments() {
        let object = |template: &str, segment: &str| {
            let template: Template = format!("/{template}").parse().unwrap();
            let Segment::Pattern(pieces) = &template.segments[0] else { panic!("{template}") };
            let mut objects = Vec::new();
            matches(pieces, segment, |range| objects.push(segment[range].to_owned()))
                .then(|| objects.join(" "))
        };
        for (template, segment, expected) in [
            ("{x}", "17", Some("17")),
            ("{x}.json", "17.json", Some("17")),
            ("{x}.json", "a.json.json", Some("a.json")),
            ("{x}.json", ".json", None),
            ("{x}.JSON", "17.json", Some("17")),
            ("{from}-{to}", "1-2", Some("1 2")),
            ("{from}-{to}", "1-2-3", Some("1 2-3")),
            ("{from}-{to}", "-2", None),
            ("{from}-{to}", "1-", None),
            ("v{x}", "v2", Some("2")),
            ("v{x}", "2", None),
            ("{id}:activate", "7:activate", Some("7")),
            ("{id}:activate", "7:delete", None),
        ] {
            assert_eq!(object(template, segment).as_deref(), expected, "{template} {segment}");
        }
    }
}
