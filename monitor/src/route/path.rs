//! Canonical paths: one spelling for every way to write a path that servers take for the same one.

use std::ops::Range;

use crate::percent;

/// Octets that stay encoded: they would read as something else once decoded. Braces, because `{id}` stands for
/// an identifier in templates.
const RESERVED: &[u8] = b"%?#;{}";

/// The same without the semicolon.
const UNPARTED: &[u8] = b"%?#{}";

/// A path as its segments, decoded once, without empty ones, dot segments and parameters. A buffer that is
/// filled again for each path. All text in it is printable ASCII.
#[derive(Debug, Default)]
pub struct CanonicalPath {
    text: String,
    /// The same in lower case; empty if it is.
    folded: String,
    segments: Vec<(Range<usize>, Class)>,
}

/// One segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub text: &'a str,
    /// In lower case. Case does not tell routes apart: some servers ignore it, and would give a client as many routes
    /// as there are ways to write one.
    pub folded: &'a str,
    pub(super) class: Class,
}

/// Which kinds of octets a segment has: most need no closer look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    const DIGIT: u8 = 1;
    const UPPER: u8 = 2;
    const POINT: u8 = 4;
    const AT: u8 = 8;
    const OTHER: u8 = 16;

    /// Nothing but digits.
    pub(super) fn is_number(self) -> bool {
        self.0 == Class::DIGIT
    }

    /// Each form of identifier has a digit in it, or is an e-mail address.
    pub(super) fn may_be_identifier(self) -> bool {
        self.0 & (Class::DIGIT | Class::AT) != 0
    }

    /// There may be an extension.
    pub(super) fn has_point(self) -> bool {
        self.0 & Class::POINT != 0
    }

    const fn of(byte: u8) -> Class {
        Class(match byte {
            b'0'..=b'9' => Class::DIGIT,
            b'A'..=b'Z' => Class::UPPER,
            b'.' => Class::POINT,
            b'@' => Class::AT,
            _ => Class::OTHER,
        })
    }
}

/// The class of each octet that canonical text has as it is; 0 for others.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if percent::is_plain(byte) {
            classes[byte as usize] = Class::of(byte).0;
        }
        byte += 1;
    }
    classes
};

impl CanonicalPath {
    /// Reads `path`, the part of a target before `?`.
    ///
    /// `%2F` separates segments like `/`, though RFC 3986 tells them apart: nginx and others decode it before
    /// they look for a location, so that `/v1%2Fcustomers/1` would be a second way to the same account.
    pub fn parse(&mut self, path: &[u8]) {
        self.text.clear();
        self.folded.clear();
        self.segments.clear();
        if !self.parse_plain(path) {
            self.parse_any(path);
        }
        if self.segments.iter().any(|(_, class)| class.0 & Class::UPPER != 0) {
            self.folded.push_str(&self.text);
            self.folded.make_ascii_lowercase();
        }
    }

    /// The way of nearly all paths: nothing in it is encoded or in the way. False if something is.
    fn parse_plain(&mut self, path: &[u8]) -> bool {
        let mut start = 0;
        let mut class = 0;
        for (at, &byte) in path.iter().enumerate() {
            if byte == b'/' {
                if start < at {
                    self.segments.push((start..at, Class(class)));
                }
                (start, class) = (at + 1, 0);
                continue;
            }
            let of = CLASSES[usize::from(byte)];
            if of == 0 || (byte == b'.' && start == at) {
                self.segments.clear();
                return false;
            }
            class |= of;
        }
        if start < path.len() {
            self.segments.push((start..path.len(), Class(class)));
        }
        self.text.push_str(std::str::from_utf8(path).unwrap_or_default());
        true
    }

    fn parse_any(&mut self, path: &[u8]) {
        let mut rest = path;
        let mut start = 0;
        let mut in_parameters = false;
        while !rest.is_empty() {
            if !in_parameters {
                percent::push_plain(&mut self.text, &mut rest);
            }
            let Some((octet, encoded)) = percent::next(&mut rest) else { break };
            match octet {
                b'/' => {
                    self.end_segment(start);
                    start = self.text.len();
                    in_parameters = false;
                }
                _ if in_parameters => {}
                b';' if !encoded => in_parameters = true,
                octet => percent::push(&mut self.text, octet, RESERVED),
            }
        }
        self.end_segment(start);
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether it is the root.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// A segment by its place; there must be one.
    #[inline]
    pub fn segment(&self, at: usize) -> Segment<'_> {
        let (Range { start, end }, class) = self.segments[at];
        let text = &self.text[start..end];
        let folded = if self.folded.is_empty() { text } else { &self.folded[start..end] };
        Segment { text, folded, class }
    }

    /// The segments in order; none for the root.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> {
        (0..self.segments.len()).map(|at| self.segment(at))
    }

    fn end_segment(&mut self, start: usize) {
        match &self.text[start..] {
            "" => {}
            "." => self.text.truncate(start),
            ".." => {
                self.text.truncate(start);
                self.segments.pop();
            }
            segment => {
                let class = segment.bytes().fold(0, |class, byte| class | Class::of(byte).0);
                self.segments.push((start..self.text.len(), Class(class)));
            }
        }
    }
}

/// A part of a segment in its canonical form, in lower case. Slashes that were encoded and the semicolon of parameters
/// come out as they are, and stand in no canonical segment.
pub(super) fn folded_part(part: &str) -> String {
    let mut text = String::new();
    let mut rest = part.as_bytes();
    while let Some((octet, encoded)) = percent::next(&mut rest) {
        let reserved = if encoded { RESERVED } else { UNPARTED };
        percent::push(&mut text, octet, reserved);
    }
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &[u8]) -> String {
        let mut parsed = CanonicalPath::default();
        parsed.parse(path);
        parsed.segments().map(|segment| format!("/{}", segment.text)).collect()
    }

    #[test]
    fn every_spelling_of_a_path_is_one() {
        let spellings: &[&[u8]] = &[
            b"/v1/customers/1",
            b"/v1/customers/1/",
            b"v1/customers/1",
            b"//v1///customers/1//",
            b"/v1/./customers/x/../1",
            b"/v1/customers/%31",
            b"/v1/%63ustomers/1",
            b"/v1/%63%75stomers/%2e/1",
            b"/v1/customers/x/%2E%2e/1/.",
            b"/v1;a=b/customers;x/1;jsessionid=5",
            b"/v1/x/..;/customers/1",
            b"/../../v1/customers/1",
            b"/v1%2Fcustomers%2f1",
        ];
        for spelling in spellings {
            assert_eq!(canonical(spelling), "/v1/customers/1", "{}", spelling.escape_ascii());
        }
    }

    #[test]
    fn octets_that_do_not_print_are_encoded_in_one_way() {
        assert_eq!(canonical(b"/caf\xc3\xa9"), "/caf%C3%A9");
        assert_eq!(canonical(b"/caf%c3%A9"), "/caf%C3%A9");
        assert_eq!(canonical(b"/a%zz%"), "/a%25zz%25");
        assert_eq!(canonical(b"/%2531"), "/%2531", "decoded once only");
        assert_eq!(canonical(b"/{id}/%7bid%7D"), "/%7Bid%7D/%7Bid%7D");
        assert_eq!(canonical(b"/a%3Bb%3f\x00 "), "/a%3Bb%3F%00%20");
        assert_eq!(canonical(b"/me%40example.org"), "/me@example.org");
    }

    #[test]
    fn the_root_has_no_segments() {
        for path in [&b""[..], b"/", b"//", b"/..", b"/a/..", b"/;x"] {
            assert_eq!(canonical(path), "", "{}", path.escape_ascii());
        }
    }
}
