//! Strings between quotes and what their escapes stand for.

use crate::hex;

/// A string as it is written, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    has_escapes: bool,
}

impl<'a> Text<'a> {
    /// A string that was not written with escapes: a backslash in it is one.
    pub fn plain_of(raw: &'a [u8]) -> Text<'a> {
        Text { raw, has_escapes: false }
    }

    /// Takes a string off the text behind its opening quote, with the closing quote. Gives the string and the
    /// rest; `None` if it does not end. Control characters, which RFC 8259 wants escaped, are let through as
    /// some parsers do.
    pub fn take(rest: &'a [u8]) -> Option<(Text<'a>, &'a [u8])> {
        Text::take_until(b'"', rest)
    }

    /// The same with another quote.
    pub(super) fn take_until(quote: u8, rest: &'a [u8]) -> Option<(Text<'a>, &'a [u8])> {
        let mut end = 0;
        let mut has_escapes = false;
        loop {
            end += memchr::memchr2(quote, b'\\', rest.get(end..)?)?;
            if rest[end] == quote {
                return Some((Text { raw: &rest[..end], has_escapes }, &rest[end + 1..]));
            }
            has_escapes = true;
            end += 2;
        }
    }

    /// The string with its escapes as they are written.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The string, if nothing in it has to be decoded.
    pub fn plain(&self) -> Option<&'a [u8]> {
        (!self.has_escapes).then_some(self.raw)
    }

    /// Appends the string to `buffer` with its escapes decoded: those of JSON, and `\u{…}` of GraphQL. Half a
    /// surrogate pair and what is no hexadecimal number become U+FFFD; a backslash before anything else is
    /// dropped. What is not UTF-8 stays as it is.
    pub fn decode_into(&self, buffer: &mut Vec<u8>) {
        for piece in Pieces(self.raw) {
            buffer.extend_from_slice(piece.bytes(&mut [0; 4]));
        }
    }

    /// Whether the string is `text` once its escapes are decoded.
    pub fn is(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        for piece in Pieces(self.raw) {
            match rest.strip_prefix(piece.bytes(&mut [0; 4])) {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// A stretch without escapes, or what one escape stands for.
enum Piece<'a> {
    Run(&'a [u8]),
    Char(char),
}

impl<'a> Piece<'a> {
    fn bytes<'b>(&self, buffer: &'b mut [u8; 4]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Piece::Run(run) => run,
            Piece::Char(char) => char.encode_utf8(buffer).as_bytes(),
        }
    }
}

/// The pieces of a string, from what is left of it.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (piece, rest) = match self.0 {
            [] | [b'\\'] => return None,
            [b'\\', b'u', rest @ ..] => {
                let (char, rest) = unicode(rest);
                (Piece::Char(char), rest)
            }
            [b'\\', escape, rest @ ..] => {
                let char = match escape {
                    b'b' => Some('\u{8}'),
                    b'f' => Some('\u{c}'),
                    b'n' => Some('\n'),
                    b'r' => Some('\r'),
                    b't' => Some('\t'),
                    _ => None,
                };
                (char.map_or(Piece::Run(std::slice::from_ref(escape)), Piece::Char), rest)
            }
            text => {
                let (run, rest) = text.split_at(memchr::memchr(b'\\', text).unwrap_or(text.len()));
                (Piece::Run(run), rest)
            }
        };
        self.0 = rest;
        Some(piece)
    }
}

/// What the escape stands for whose `\u` is before `text`, and what is behind it.
fn unicode(text: &[u8]) -> (char, &[u8]) {
    if let Some((char, rest)) = braced(text) {
        return (char, rest);
    }
    let Some((unit, rest)) = code_unit(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    if let Some(char) = char::from_u32(u32::from(unit)) {
        return (char, rest);
    }
    if let Some((low, tail)) = rest.strip_prefix(b"\\u").and_then(code_unit)
        && let Some(Ok(char)) = char::decode_utf16([unit, low]).next()
    {
        return (char, tail);
    }
    (char::REPLACEMENT_CHARACTER, rest)
}

/// The four digits of `\uXXXX`.
fn code_unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let unit =
        digits.iter().try_fold(0_u16, |unit, digit| Some(unit << 4 | u16::from(hex::value(*digit)?)))?;
    Some((unit, rest))
}

/// The `{…}` of `\u{…}` (GraphQL after October 2021). Any number of leading zeros is allowed there.
fn braced(text: &[u8]) -> Option<(char, &[u8])> {
    let text = text.strip_prefix(b"{")?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = text.split_at(digits);
    let rest = rest.strip_prefix(b"}")?;
    let code = digits
        .iter()
        .try_fold(0_u32, |code, digit| code.checked_mul(16)?.checked_add(hex::value(*digit)?.into()));
    Some((code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        for (raw, expected) in [
            ("", ""),
            ("plain", "plain"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0069\u0064", "id"),
            (r"caf\u00e9 \u20AC", "café €"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83d", "\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\u12", "\u{fffd}12"),
            (r"\u+123", "\u{fffd}+123"),
            (r"\u{1F600}\u{000000041}", "😀A"),
            (r"\u{110000}\u{FFFFFFFFF}\u{}", "\u{fffd}\u{fffd}\0"),
            (r"\u{41", "\u{fffd}{41"),
            (r"\q\é", "qé"),
        ] {
            let quoted = format!("{raw}\"rest");
            let (text, rest) = Text::take(quoted.as_bytes()).expect(raw);
            let mut decoded = Vec::new();
            text.decode_into(&mut decoded);
            assert_eq!(String::from_utf8_lossy(&decoded), expected, "{raw}");
            assert!(text.is(expected), "{raw}");
            assert!(!text.is(&format!("{expected}x")), "{raw}");
            assert_eq!((text.raw(), rest), (raw.as_bytes(), &b"rest"[..]));
            assert_eq!(text.plain(), (!raw.contains('\\')).then_some(raw.as_bytes()));
        }
    }

    #[test]
    fn a_string_without_its_end_is_none() {
        for cut in ["", "a", r"\", r#"\""#, r#"a\\\""#] {
            assert_eq!(Text::take(cut.as_bytes()), None, "{cut}");
        }
    }
}
