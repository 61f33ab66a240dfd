//! What a body is called.

/// A body, with what its `Content-Type` fields say that it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a> {
    /// As much as was captured.
    pub octets: &'a [u8],
    /// More was sent.
    pub cut: bool,
    form: bool,
    json: bool,
    /// Its characters are not those of ASCII.
    foreign: bool,
    boundary: Option<&'a [u8]>,
    /// How often it is said to be compressed.
    codings: u8,
}

/// As much of a `Content-Type` as is looked at.
const LONGEST: usize = 512;

impl<'a> Content<'a> {
    /// A body called what each of `types` says, for servers differ in which of several fields they take.
    pub fn new(octets: &'a [u8], cut: bool, types: impl Iterator<Item = &'a [u8]>) -> Content<'a> {
        let mut content = Content { octets, cut, ..Content::default() };
        if octets.is_empty() {
            return content;
        }
        for kind in types {
            let kind = &kind[..kind.len().min(LONGEST)];
            content.form |= find(kind, b"urlencoded").is_some();
            content.json |= find(kind, b"json").is_some();
            content.foreign |= charset(kind).is_some_and(|charset| !is_like_ascii(charset));
            content.boundary = content.boundary.or_else(|| boundary(kind));
        }
        content
    }

    /// The same, with what its `Content-Encoding` fields say.
    pub fn encoded(mut self, codings: impl Iterator<Item = &'a [u8]>) -> Content<'a> {
        if self.octets.is_empty() {
            return self;
        }
        for coding in codings.flat_map(|field| field.split(|&byte| byte == b',')) {
            let coding = coding.trim_ascii();
            let is_known = CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
            self.codings = self.codings.saturating_add(u8::from(is_known));
        }
        self
    }

    /// What is left once it is no longer compressed.
    pub(super) fn of<'b>(&self, octets: &'b [u8], cut: bool) -> Content<'b>
    where
        'a: 'b,
    {
        Content { octets, cut, ..*self }
    }

    pub(super) fn codings(&self) -> u8 {
        self.codings
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.foreign
    }

    pub(super) fn is_form(&self) -> bool {
        self.form
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn boundary(&self) -> Option<&'a [u8]> {
        self.boundary
    }
}

/// Codings of content that are undone (RFC 9110, section 8.4.1).
const CODINGS: [&[u8]; 3] = [b"gzip", b"x-gzip", b"deflate"];

/// What names of character sets begin with that have ASCII as it is, or wider.
const LIKE_ASCII: [&[u8]; 20] = [
    b"utf-8",
    b"utf8",
    b"utf-16",
    b"utf16",
    b"utf-32",
    b"us-ascii",
    b"ascii",
    b"iso-8859",
    b"iso8859",
    b"latin",
    b"windows-",
    b"cp125",
    b"gb",
    b"big5",
    b"shift",
    b"sjis",
    b"x-sjis",
    b"euc-",
    b"koi8",
    b"ucs-",
];

fn is_like_ascii(charset: &[u8]) -> bool {
    charset.is_empty()
        || LIKE_ASCII
            .iter()
            .any(|known| charset.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))
}

fn charset(kind: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"charset=";
    let value = kind[find(kind, NAME)? + NAME.len()..].trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    Some(
        &value[..value.iter().take_while(|byte| byte.is_ascii_graphic() && !b";,\"'".contains(byte)).count()],
    )
}

/// The boundary of a form in parts (RFC 2046, section 5.1.1), with quotes or without.
fn boundary(kind: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let value = kind[find(kind, NAME)? + NAME.len()..].trim_ascii_start();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => &quoted[..memchr::memchr(b'"', quoted).unwrap_or(quoted.len())],
        None => &value[..memchr::memchr2(b';', b',', value).unwrap_or(value.len())],
    };
    Some(value.trim_ascii_end()).filter(|value| !value.is_empty())
}

/// Where `word`, which is in lower case, stands in `text`, in any case.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_found() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=b", Some("b")),
            ("Multipart/Form-Data;BOUNDARY=\"b c\"; x=y", Some("b c")),
            ("multipart/form-data; boundary=b; x=y", Some("b")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
        ] {
            let content = Content::new(b"x", false, std::iter::once(kind.as_bytes()));
            assert_eq!(content.boundary(), expected.map(str::as_bytes), "{kind}");
        }
    }
}
