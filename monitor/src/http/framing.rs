//! Where a message ends: Content-Length and chunked transfer coding (RFC 9112, sections 6 and 7).

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
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',') {
                    self.close |= option.trim_ascii().eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
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
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                for coding in value.split(|&byte| byte == b',') {
                    let coding = coding.trim_ascii();
                    if !coding.is_empty() {
                        self.chunked = Some(coding.eq_ignore_ascii_case(b"chunked"));
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
    /// In the line end after chunk data.
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
    /// A digit of the size has come.
    sized: bool,
    left: u64,
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
                ChunkState::Size => match (byte as char).to_digit(16) {
                    // Any number of zeros may stand in front.
                    Some(digit) if self.left >> 56 == 0 => {
                        self.left = self.left * 16 + u64::from(digit);
                        self.sized = true;
                    }
                    None if self.sized && matches!(byte, b'\r' | b';' | b' ' | b'\t') => {
                        self.state = ChunkState::Extension;
                    }
                    None if self.sized && byte == b'\n' => self.size_ends(),
                    _ => return Chunk::Faulty,
                },
                ChunkState::Extension => match memchr::memchr(b'\n', &bytes[at..]) {
                    Some(end) => {
                        at += end;
                        self.size_ends();
                    }
                    None => return Chunk::More,
                },
                ChunkState::DataEnd => match byte {
                    b'\r' => {}
                    b'\n' => {
                        *self = Chunked::default();
                    }
                    _ => return Chunk::Faulty,
                },
                ChunkState::TrailerStart => match byte {
                    b'\n' => return Chunk::End(at + 1),
                    b'\r' => self.state = ChunkState::TrailerCr,
                    _ => self.state = ChunkState::Trailer,
                },
                ChunkState::TrailerCr => match byte {
                    b'\n' => return Chunk::End(at + 1),
                    _ => self.state = ChunkState::Trailer,
                },
                ChunkState::Trailer => match memchr::memchr(b'\n', &bytes[at..]) {
                    Some(end) => {
                        at += end;
                        self.state = ChunkState::TrailerStart;
                    }
                    None => return Chunk::More,
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
