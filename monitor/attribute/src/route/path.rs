//! Canonical paths: one spelling for every way to write a path that servers take for the same one.

use std::ops::Range;

use rollcall_model::percent;

use crate::object::{identifier, spelling};

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
    /// Parameters of segments, decoded, each behind its semicolon.
    parameters: Vec<u8>,
    /// Of the segment that is being read.
    octets: Vec<u8>,
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
    const BRACKET: u8 = 32;

    /// Nothing but digits.
    pub(super) fn is_number(self) -> bool {
        self.0 == Class::DIGIT
    }

    /// Each form of identifier has a digit in it, is an e-mail address or a key in brackets, or a token of some length.
    pub(super) fn may_be_identifier(self, length: usize) -> bool {
        self.0 & (Class::DIGIT | Class::AT | Class::BRACKET) != 0 || length >= identifier::SHORTEST_WORD
    }

    /// There may be a key.
    pub(super) fn has_bracket(self) -> bool {
        self.0 & Class::BRACKET != 0
    }

    /// There is a capital.
    pub(super) fn has_capital(self) -> bool {
        self.0 & Class::UPPER != 0
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
            b'(' => Class::BRACKET,
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
        self.parameters.clear();
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
                    if path[at - 1] == b'.' {
                        self.segments.clear();
                        return false;
                    }
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
            if path[path.len() - 1] == b'.' {
                self.segments.clear();
                return false;
            }
            self.segments.push((start..path.len(), Class(class)));
        }
        self.text.push_str(std::str::from_utf8(path).unwrap_or_default());
        true
    }

    /// What is encoded is decoded as often as a chain of servers may do it: `%2531` is `1` to the second.
    fn parse_any(&mut self, path: &[u8]) {
        let mut once = Vec::new();
        let mut path = path;
        if memchr::memmem::find(path, b"%25").is_some() {
            // All but the last round, which is below.
            once.extend_from_slice(path);
            for _ in 1..spelling::ROUNDS {
                let text = std::mem::take(&mut once);
                percent::decode(&text, &mut once);
                if !spelling::is_encoded(&once) {
                    // Nothing was encoded twice: what was decoded here has to be told from what was not.
                    once = text;
                    break;
                }
            }
            path = &once;
        }
        let mut segment = std::mem::take(&mut self.octets);
        segment.clear();
        let mut in_parameters = false;
        while let Some((octet, encoded)) = percent::next(&mut path) {
            match octet {
                // Windows and what is written for browsers take both.
                b'/' | b'\\' => {
                    self.end_segment(&segment);
                    segment.clear();
                    in_parameters = false;
                }
                b';' if !encoded => {
                    in_parameters = true;
                    self.parameters.push(b';');
                }
                octet if in_parameters => self.parameters.push(octet),
                octet => segment.push(octet),
            }
        }
        self.end_segment(&segment);
        self.octets = segment;
    }

    /// The parameters of segments: `;id=17;x=1`.
    pub(super) fn parameters(&self) -> &[u8] {
        &self.parameters
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether it is the root.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How much of the last segment is left without its extensions of static files: 2 of `17.css.png`. `None` if it has none.
    pub(super) fn stem(&self) -> Option<usize> {
        let last = self.segments.len().checked_sub(1)?;
        let Segment { folded, class, .. } = self.segment(last);
        let mut stem = folded;
        while class.has_point()
            && let Some(extension) = identifier::static_extension(stem)
        {
            stem = &stem[..stem.len() - extension.len()];
        }
        (stem.len() < folded.len()).then_some(stem.len())
    }

    /// Leaves `length` bytes of the last segment, and gives how many there were.
    pub(super) fn shorten(&mut self, length: usize) -> usize {
        let Some((range, _)) = self.segments.last_mut() else { return 0 };
        let before = range.len();
        range.end = range.start + length;
        before
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

    /// Takes a segment, decoded.
    fn end_segment(&mut self, octets: &[u8]) {
        // Thousands of these are sent at no cost.
        if matches!(octets, b"" | b".") {
            return;
        }
        let (mut folded, mut list) = (Vec::new(), Vec::new());
        match octets_of(octets, &mut folded, &mut list) {
            b"" | b"." => {}
            b".." => {
                if let Some((range, _)) = self.segments.pop() {
                    self.text.truncate(range.start);
                }
            }
            octets => {
                let octets = without_points(octets);
                let start = self.text.len();
                octets.iter().for_each(|&octet| percent::push(&mut self.text, octet, RESERVED));
                let class = self.text[start..].bytes().fold(0, |class, byte| class | Class::of(byte).0);
                self.segments.push((start..self.text.len(), Class(class)));
            }
        }
    }
}

/// Without points at its end, which Windows takes off.
fn without_points(octets: &[u8]) -> &[u8] {
    let end = octets.iter().rposition(|&octet| octet != b'.' && octet != b' ');
    end.map_or(octets, |end| &octets[..=end])
}

/// What servers look at in a segment: no blanks around it, no brackets around an identifier.
fn octets_of<'a>(octets: &'a [u8], folded: &'a mut Vec<u8>, list: &'a mut Vec<u8>) -> &'a [u8] {
    let mut plain = spelling::bare(octets);
    if !plain.is_ascii() {
        spelling::fold_digits(plain, folded);
        plain = folded;
    }
    let is_identifier = |inner: &[u8]| std::str::from_utf8(inner).is_ok_and(identifier::is_identifier);
    if plain.iter().any(|byte| b"|;".contains(byte)) {
        let elements = || spelling::elements(plain).filter(|element| !element.is_empty());
        if elements().all(is_identifier) {
            for element in elements() {
                if !list.is_empty() {
                    list.push(b',');
                }
                list.extend_from_slice(element);
            }
            return list;
        }
    }
    let inner = spelling::without_marks(spelling::unwrapped(plain));
    match inner {
        inner if inner.len() < plain.len() && is_identifier(inner) => inner,
        _ if plain.is_empty() => octets,
        _ => plain,
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
            b"\\v1\\customers/1",
            b"/v1%5Ccustomers%5c1",
            b"/v1/customers/1%20",
            b"/v1/customers/%091%00x",
            b"/v1/customers%20/\xc2\xa01",
            b"/v1/customers/\xef\xbc\x91",
            b"/v1/customers/%D9%A1",
            b"/v1/customers/[1]",
            b"/v1/customers/%221%22",
            b"/v1/customers/1%3bx=1",
            b"/v1/customers/1'",
            b"/v1%252Fcustomers%252f1",
            b"/v1/customers/1.",
            b"/v1/customers./1..",
            b"/v1/customers/1.%20.",
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
        assert_eq!(canonical(b"/%252531/%25%33%31/100%25"), "/1/1/100%25", "by each of a chain of servers");
        assert_eq!(canonical(b"/{id}/%7bid%7D"), "/%7Bid%7D/%7Bid%7D");
        assert_eq!(canonical(b"/a%3Bb%3f\x00 "), "/a%3Bb%3F");
        assert_eq!(canonical(b"/me%40example.org"), "/me@example.org");
    }

    #[test]
    fn a_list_has_commas_and_parameters_are_kept_apart() {
        assert_eq!(canonical(b"/c/1|2%7C3"), "/c/1,2,3");
        assert_eq!(canonical(b"/c/1%3b2"), "/c/1,2");
        assert_eq!(canonical(b"/c/1'2"), "/c/1'2");
        let mut parsed = CanonicalPath::default();
        parsed.parse(b"/c;id=17/1;%69d=18;x");
        assert_eq!(parsed.parameters(), b";id=17;id=18;x");
    }

    #[test]
    fn the_root_has_no_segments() {
        for path in [&b""[..], b"/", b"//", b"/..", b"/a/..", b"/;x"] {
            assert_eq!(canonical(path), "", "{}", path.escape_ascii());
        }
    }
}
