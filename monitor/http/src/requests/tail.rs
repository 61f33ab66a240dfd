//! What a server may hold of bytes in which no request was seen.

use crate::recognition::is_blank;

/// Whether bytes that were passed over may end amid a request.
///
/// Where servers differ in what a message is, or where it ends, one of them may have found the beginning of a head, or of a
/// body, in what followed; the bytes that come next are the rest of it to that server, and another request to the reader here.
/// Nothing shows which, as both have one answer. That a method gets more letters in front makes no difference.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// Something stands behind the last empty line.
    begun: bool,
    /// A blank or a line end follows it: what comes next would not be the target.
    amid: bool,
    /// Something stands in the last line.
    in_line: bool,
    /// A version has been named: a head may have ended whose body goes on.
    asked: bool,
    /// How much of a version's name the bytes end in.
    named: u8,
}

/// What a request line has, and little else.
const VERSION: &[u8] = b"HTTP/";

impl Tail {
    /// Not all of the bytes were seen.
    pub(super) const UNKNOWN: Tail = Tail { begun: true, amid: true, in_line: true, asked: true, named: 0 };

    /// Takes the next bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' if self.in_line => (self.amid, self.in_line) = (self.begun, false),
                b'\n' => (self.begun, self.amid) = (false, false),
                b'\r' => {}
                _ => {
                    self.amid |= self.begun && is_blank(byte);
                    (self.begun, self.in_line) = (true, true);
                }
            }
            self.named = if VERSION.get(usize::from(self.named)) == Some(&byte) {
                self.named + 1
            } else {
                u8::from(byte == VERSION[0])
            };
            self.asked |= usize::from(self.named) == VERSION.len();
        }
    }

    /// Whether a version was named, as request lines do.
    pub(super) fn names_version(self) -> bool {
        self.asked
    }

    /// Whether `next`, which follows, may be the rest of a request.
    pub(super) fn goes_on_in(self, next: &[u8]) -> bool {
        let ends_method = next.first().is_some_and(|&byte| byte == b'\n' || is_blank(byte));
        self.amid || self.asked || self.begun && ends_method
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_head_or_body_that_has_begun_may_be_the_rest_of_it() {
        for (bytes, open) in [
            ("", false),
            ("\r\n\r\n", false),
            ("X", false),
            ("0\r\n\r\n", false),
            ("0\r\n\r\nX", false),
            ("5\r\nhello\r\n0\r\n\r\n", false),
            ("{\"a\":1}", false),
            ("\u{16}\u{3}\u{1}", false),
            ("GET /b?", true),
            ("GET ", true),
            ("\r\nX\r\n", true),
            ("0\r\n\r\nGET /b HTTP/1.1\r\nX: ", true),
            ("0\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 40\r\n\r\n", true),
            ("hello\r\n", true),
        ] {
            for cut in 0..=bytes.len() {
                let (first, second) = bytes.as_bytes().split_at(cut);
                let mut tail = Tail::default();
                tail.pass(first);
                tail.pass(second);
                assert_eq!(tail.goes_on_in(b"GET /c"), open, "{bytes:?} cut at {cut}");
            }
        }
        assert!(Tail::UNKNOWN.goes_on_in(b"GET /c"));
        let mut tail = Tail::default();
        for next in [" /c HTTP/1.1", "\r\nGET /c", "\nGET /c"] {
            assert!(!tail.goes_on_in(next.as_bytes()));
        }
        tail.pass(b"GET");
        for next in [" /c HTTP/1.1", "\r\nGET /c", "\nGET /c"] {
            assert!(tail.goes_on_in(next.as_bytes()));
        }
    }
}
