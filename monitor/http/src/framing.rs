//! Where a message ends: Content-Length and chunked transfer coding (RFC 9112, sections 6 and 7).

use rollcall_model::{hex, token::is_token};

use super::exchange::Version;

/// What the header fields say of the body's length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BodyFields {
    length: Option<u64>,
    chunked: Option<bool>,
    faulty: bool,
    close: bool,
    keep_alive: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Neither field is there.
    Unspecified,
    Length(u64),
    Chunked,
    /// A recipient must refuse such a request (RFC 9112, section 6.3); those that don't differ in what they read.
    Faulty,
}

impl BodyFields {
    /// Takes note of one field.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            10 if is_named(name, b"connection") => {
                for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    self.close |= is_named(option, b"close");
                    self.keep_alive |= is_named(option, b"keep-alive");
                }
            }
            14 if is_named(name, b"content-length") => {
                // A list of equal values is what a proxy makes of equal fields (RFC 9110, section 8.6).
                for value in value.split(|&byte| byte == b',') {
                    match decimal(value.trim_ascii()) {
                        Some(length) if self.length.is_none_or(|known| known == length) => {
                            self.length = Some(length);
                        }
                        _ => self.faulty = true,
                    }
                }
            }
            17 if is_named(name, b"transfer-encoding") => {
                for coding in value.split(|&byte| byte == b',') {
                    let coding = coding.trim_ascii();
                    if !coding.is_empty() {
                        self.chunked = Some(is_named(coding, b"chunked"));
                    }
                }
            }
            _ => {}
        }
    }

    /// A field that decides about framing is there in a form that servers read differently.
    pub(super) fn doubtful(&mut self) {
        self.faulty = true;
    }

    /// Whether the sender means to close: `Connection: close`, or HTTP/1.0 without `keep-alive`.
    pub(super) fn closes(&self, persistent: bool) -> bool {
        self.close || (!persistent && !self.keep_alive)
    }

    /// The body's end, Transfer-Encoding before Content-Length; but a message of HTTP/1.0 has no transfer codings, and
    /// servers that find one there differ.
    pub(super) fn body(&self, version: Option<Version>) -> Body {
        match (self.faulty, self.chunked, self.length) {
            (_, Some(_), _) if version == Some(Version::Http10) => Body::Faulty,
            (_, Some(true), _) if !self.faulty => Body::Chunked,
            (true, ..) | (_, Some(false), _) => Body::Faulty,
            (_, _, Some(length)) => Body::Length(length),
            _ => Body::Unspecified,
        }
    }
}

/// Whether `field` is this name, which is in lower case. Compares all bytes at once: each head has some of these names.
pub(super) fn is_named<const N: usize>(field: &[u8], name: &[u8; N]) -> bool {
    let Ok(field) = <&[u8; N]>::try_from(field) else { return false };
    let mut difference = 0;
    for (&byte, &expected) in field.iter().zip(name) {
        let case = if expected.is_ascii_lowercase() { 0x20 } else { 0 };
        difference |= (byte | case) ^ expected;
    }
    difference == 0
}

/// A plain decimal number; no sign, no blank, no overflow.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Digits of a chunk's size that all servers take.
const DIGITS: u8 = 16;

/// Where a chunked body stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    /// Before or in the chunk size.
    #[default]
    Size,
    /// After the size, up to the end of its line.
    Extension,
    /// In chunk data; `left` tells how much is left.
    Data,
    /// After chunk data, before or in the line end.
    DataEnd,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    /// After a CR at the start of a trailer line.
    TrailerCr,
    /// In a trailer line.
    Trailer,
}

/// Decodes a chunked body piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunked {
    state: ChunkState,
    /// Digits of the size that have come.
    digits: u8,
    left: u64,
    /// The line under way ends in a CR so far.
    cr: bool,
    /// A colon has come in the trailer line.
    named: bool,
    odd: bool,
}

/// What came of some bytes of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// All were taken; the body goes on.
    More,
    /// The body ended after this many.
    End(usize),
    /// These are not chunks.
    Faulty,
}

impl Chunked {
    /// Takes bytes, and hands on those that are chunk data.
    pub(super) fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Chunk {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                ChunkState::Data => {
                    let take = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    data(&bytes[at..at + take]);
                    self.skip(take as u64);
                    at += take;
                    continue;
                }
                ChunkState::Size => match hex::value(byte) {
                    // Any number of zeros may stand in front.
                    Some(digit) if self.left >> 56 == 0 => {
                        self.left = self.left * 16 + u64::from(digit);
                        self.digits = self.digits.saturating_add(1);
                        self.odd |= self.digits > DIGITS;
                    }
                    None if self.digits > 0 && matches!(byte, b'\r' | b';' | b' ' | b'\t') => {
                        self.state = ChunkState::Extension;
                        self.cr = byte == b'\r';
                        self.odd |= matches!(byte, b' ' | b'\t');
                    }
                    None if self.digits > 0 && byte == b'\n' => {
                        self.odd = true;
                        self.size_ends();
                    }
                    _ => return Chunk::Faulty,
                },
                ChunkState::Extension | ChunkState::Trailer => {
                    let (line, ends) = match memchr::memchr(b'\n', &bytes[at..]) {
                        Some(end) => (&bytes[at..at + end], true),
                        None => (&bytes[at..], false),
                    };
                    self.line(line, ends);
                    if !ends {
                        return Chunk::More;
                    }
                    at += line.len();
                    if self.state == ChunkState::Extension {
                        self.size_ends();
                    } else {
                        self.odd |= !std::mem::take(&mut self.named);
                        self.state = ChunkState::TrailerStart;
                    }
                }
                ChunkState::DataEnd => match byte {
                    b'\r' => self.odd |= std::mem::replace(&mut self.cr, true),
                    b'\n' => {
                        let odd = self.odd || !self.cr;
                        *self = Chunked { odd, ..Chunked::default() };
                    }
                    _ => return Chunk::Faulty,
                },
                ChunkState::TrailerStart => match byte {
                    b'\n' => {
                        self.odd = true;
                        return Chunk::End(at + 1);
                    }
                    b'\r' => self.state = ChunkState::TrailerCr,
                    _ => {
                        self.odd |= !is_token(byte);
                        self.state = ChunkState::Trailer;
                    }
                },
                ChunkState::TrailerCr => match byte {
                    b'\n' => return Chunk::End(at + 1),
                    _ => {
                        self.odd = true;
                        self.state = ChunkState::Trailer;
                    }
                },
            }
            at += 1;
        }
        Chunk::More
    }

    /// Passes over bytes that were not captured. False if they don't all lie in one chunk's data.
    pub(super) fn pass(&mut self, bytes: u64) -> bool {
        let inside = bytes == 0 || (self.state == ChunkState::Data && bytes <= self.left);
        if inside {
            self.skip(bytes);
        }
        inside
    }

    fn skip(&mut self, bytes: u64) {
        self.left -= bytes;
        if self.left == 0 && self.state == ChunkState::Data {
            self.state = ChunkState::DataEnd;
        }
    }

    /// Part of a line; `ends` if an LF follows. Where a CR stands elsewhere than in front of it, or none does, some see no end
    /// of the line, or another.
    fn line(&mut self, part: &[u8], ends: bool) {
        let cr = memchr::memchr(b'\r', part);
        self.odd |= (self.cr && !part.is_empty()) || cr.is_some_and(|at| at + 1 < part.len());
        self.cr = cr.is_some() || (self.cr && part.is_empty());
        self.named |= self.state == ChunkState::Trailer && memchr::memchr(b':', part).is_some();
        if ends {
            self.odd |= !std::mem::take(&mut self.cr);
        }
    }

    /// Whether there was something in the body's framing that servers read differently.
    pub(super) fn is_odd(&self) -> bool {
        self.odd
    }

    fn size_ends(&mut self) {
        self.state = if self.left == 0 { ChunkState::TrailerStart } else { ChunkState::Data };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[(&str, &str)]) -> Body {
        let mut seen = BodyFields::default();
        for (name, value) in fields {
            seen.field(name.as_bytes(), value.as_bytes());
        }
        seen.body(Some(Version::Http11))
    }

    #[test]
    fn content_length_and_transfer_encoding_decide() {
        assert_eq!(body(&[("host", "a")]), Body::Unspecified);
        assert_eq!(body(&[("CONTENT-LENGTH", "12")]), Body::Length(12));
        assert_eq!(body(&[("content-length", "5"), ("Content-Length", "5")]), Body::Length(5));
        assert_eq!(body(&[("content-length", "5, 5")]), Body::Length(5));
        assert_eq!(body(&[("content-length", "5"), ("Content-Length", "6")]), Body::Faulty);
        assert_eq!(body(&[("content-length", "+5")]), Body::Faulty);
        assert_eq!(body(&[("content-length", "")]), Body::Faulty);
        assert_eq!(body(&[("content-length", "99999999999999999999")]), Body::Faulty);
        assert_eq!(body(&[("transfer-encoding", "gzip, Chunked"), ("content-length", "6")]), Body::Chunked);
        assert_eq!(body(&[("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")]), Body::Faulty);
    }

    #[test]
    fn chunks_are_the_same_whole_and_byte_by_byte() {
        let bytes = b"5;name=\"v\"\r\nhello\r\n0001\n!\n0\r\nTrailer: x\r\n\r\nGET";
        let mut whole = Vec::new();
        let end = Chunked::default().decode(bytes, |data| whole.extend_from_slice(data));
        assert_eq!((end, &whole[..]), (Chunk::End(bytes.len() - 3), &b"hello!"[..]));
        let mut single = Vec::new();
        let mut decoder = Chunked::default();
        for (i, byte) in bytes[..bytes.len() - 3].iter().enumerate() {
            let end = decoder.decode(&[*byte], |data| single.extend_from_slice(data));
            assert_eq!(end, if i == bytes.len() - 4 { Chunk::End(1) } else { Chunk::More });
        }
        assert_eq!(single, b"hello!");
    }

    #[test]
    fn framing_that_servers_read_differently_is_odd_however_it_is_cut() {
        for (bytes, odd) in [
            ("5\r\nhello\r\n0\r\n\r\n", false),
            ("5;a=\"b\"; c\r\nhello\r\n0\r\nT: x\r\nU: y\r\n\r\n", false),
            ("00005\r\nhello\r\n0000000000000000\r\n\r\n", false),
            ("5\nhello\r\n0\r\n\r\n", true),
            ("5 \r\nhello\r\n0\r\n\r\n", true),
            ("5\r\nhello\n0\r\n\r\n", true),
            ("5\r\nhello\r\r\n0\r\n\r\n", true),
            ("5;a\nhello\r\n0\r\n\r\n", true),
            ("5;a\rb\r\nhello\r\n0\r\n\r\n", true),
            ("5\r\nhello\r\n00000000000000000\r\n\r\n", true),
            ("0\r\n\n", true),
            ("0\r\nT: x\n\r\n", true),
            ("0\r\nT: x\ry\r\n\r\n", true),
            ("0\r\nno colon\r\n\r\n", true),
            ("0\r\n: x\r\n\r\n", true),
            ("0\r\nT: x\r\n y\r\n\r\n", true),
            ("0\r\n\rT: x\r\n\r\n", true),
        ] {
            for cut in 0..bytes.len() {
                let (first, second) = bytes.as_bytes().split_at(cut);
                let mut decoder = Chunked::default();
                assert_eq!(decoder.decode(first, |_| ()), Chunk::More, "{bytes:?}");
                assert_eq!(decoder.decode(second, |_| ()), Chunk::End(second.len()), "{bytes:?}");
                assert_eq!(decoder.is_odd(), odd, "{bytes:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_faulty() {
        for bytes in [&b"x"[..], b"\r\n", b"5\r\nhelloX", b"1234567890abcdef0\r\n", b"-5\r\n"] {
            assert_eq!(Chunked::default().decode(bytes, |_| ()), Chunk::Faulty, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_not_captured_may_lie_inside_a_chunk_only() {
        let mut decoder = Chunked::default();
        assert_eq!(decoder.decode(b"10\r\nab", |_| ()), Chunk::More);
        assert!(decoder.pass(14));
        assert!(!decoder.pass(1));
        assert_eq!(decoder.decode(b"\r\n0\r\n\r\n", |_| ()), Chunk::End(7));
    }
}
