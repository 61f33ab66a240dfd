//! Is it HTTP? The answer from a connection's first bytes, however few.

use rollcall_model::token::is_token;

/// The preface of HTTP/2 (RFC 9113, section 3.4), as far as it looks like a request line.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";

/// What some bytes at a message's start are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognition {
    /// A request line of HTTP/1, complete.
    Request,
    /// A complete simple request of HTTP/0.9: it has no head besides this line.
    Simple,
    /// Too few bytes to say.
    Partial,
    Not(Protocol),
}

/// What a connection carries that is not HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tls,
    Http2,
    Other,
}

/// Looks at the bytes at a message's start; blank lines before it are already passed over.
pub(super) fn recognise(bytes: &[u8]) -> Recognition {
    // A TLS record: handshake, version 3.x (RFC 8446, section 5.1).
    if bytes.first() == Some(&0x16) {
        return match bytes.get(1) {
            None => Recognition::Partial,
            Some(3) => Recognition::Not(Protocol::Tls),
            Some(_) => Recognition::Not(Protocol::Other),
        };
    }
    if bytes.starts_with(HTTP2) {
        return Recognition::Not(Protocol::Http2);
    }
    // Of any length: Go's server and others take whatever is a token, and go on with the connection.
    let method = bytes.iter().take_while(|&&byte| is_token(byte)).count();
    let is_method = match bytes.get(method) {
        None => return Recognition::Partial,
        Some(b' ' | b'\t') => method > 0,
        Some(_) => false,
    };
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return if is_method { Recognition::Partial } else { Recognition::Not(Protocol::Other) };
    };
    let line = trim_blanks(&bytes[..end]);
    let rest = line.get(method + 1..).unwrap_or_default();
    if !is_method {
        Recognition::Not(Protocol::Other)
    } else if names_version(line) {
        Recognition::Request
    } else if plausible(&bytes[..method], rest) {
        Recognition::Simple
    } else {
        Recognition::Not(Protocol::Other)
    }
}

/// Whether a request line without version looks like one all the same: other protocols' lines start with a word and a
/// blank, too.
fn plausible(method: &[u8], target: &[u8]) -> bool {
    method == b"GET" || target.starts_with(b"/") || target.starts_with(b"http://")
}

/// What servers take for a blank between the parts of a request line. Some know spaces only, some split the line at whatever
/// is a blank to the language that they are written in.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1f | 0x85 | 0xa0)
}

/// Whether a line names a version of HTTP as its last part.
pub(super) fn names_version(line: &[u8]) -> bool {
    let at = memchr::memmem::rfind(line, b"HTTP/");
    at.is_some_and(|at| at > 0 && is_blank(line[at - 1]) && line.get(at + 5).is_none_or(u8::is_ascii_digit))
}

/// Where the first line begins that asks for something: it names a version, and is no header field.
pub(super) fn find_request_line(bytes: &[u8]) -> Option<usize> {
    request_lines(bytes).next()
}

/// How many lines ask for something.
pub(super) fn count_request_lines(bytes: &[u8]) -> usize {
    request_lines(bytes).count()
}

fn request_lines(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut start = 0;
    let lines = bytes.split(|&byte| byte == b'\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    });
    let is_field = |line: &[u8]| line.iter().take_while(|&&byte| !is_blank(byte)).any(|&byte| byte == b':');
    lines.filter(move |(_, line)| names_version(line) && !is_field(line)).map(|(at, _)| at)
}

/// Whether the first line has a method, a target and a version and nothing else, so that it can't be read in two ways.
pub(super) fn is_plain_request_line(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut parts = trim_blanks(line).split(|&byte| is_blank(byte));
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let version = parts.next().unwrap_or_default();
    !method.is_empty() && !target.is_empty() && version.starts_with(b"HTTP/") && parts.next().is_none()
}

/// Whether bytes amid a stream, where something else may stand as well, may begin a request: its method in capitals, a target
/// that begins as targets do, and a version, as far as they have come.
pub(super) fn may_be_request(bytes: &[u8]) -> bool {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[blank..];
    let method =
        bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')).count();
    if method > METHOD_MAX {
        return false;
    }
    let Some(&blank) = bytes.get(method) else { return true };
    if method == 0 || !matches!(blank, b' ' | b'\t') {
        return false;
    }
    match (bytes.get(method + 1), memchr::memchr(b'\n', bytes)) {
        (None, _) => true,
        (Some(b'/' | b'*' | b' ' | b'\t' | b'?'), None) => true,
        (Some(byte), None) => byte.is_ascii_alphanumeric(),
        (Some(_), Some(end)) => names_version(trim_blanks(&bytes[..end])),
    }
}

/// Methods in use are shorter.
const METHOD_MAX: usize = 32;

/// Splits what follows the method into target and version; `None` if it does not end in a version. The target
/// may contain blanks, and may be empty: servers answer such requests, so they happened.
pub(super) fn split_version(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::rfind(rest, b"HTTP/")?;
    let (target, version) = rest.split_at(at);
    let dot = memchr::memchr(b'.', version)?;
    let (major, minor) = (&version[5..dot], &version[dot + 1..]);
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_number(major) || !is_number(minor) {
        return None;
    }
    match target.last() {
        None => Some((target, version)),
        Some(&byte) if is_blank(byte) => Some((trim_blanks(target), version)),
        Some(_) => None,
    }
}

/// The length of the line of nothing but blanks that `bytes` begin with, if they do.
pub(super) fn blank_line(bytes: &[u8]) -> Option<usize> {
    let blanks = bytes.iter().take_while(|&&byte| is_blank(byte)).count();
    (bytes.get(blanks) == Some(&b'\n')).then_some(blanks + 1)
}

/// The line without blanks at either end.
pub(super) fn trim_blanks(line: &[u8]) -> &[u8] {
    let start = line.iter().take_while(|&&byte| is_blank(byte)).count();
    let end = line.iter().rev().take_while(|&&byte| is_blank(byte)).count();
    line.get(start..line.len() - end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_request_line_waits_for_more() {
        for line in ["GET / HTTP/1.1\r\n", "pRoPfInD * HTTP/1.0\n", "x  HTTP/1.1\r\n", "GET a b HTTP/1.1\r\n"]
        {
            for end in 0..line.len() {
                assert_eq!(recognise(&line.as_bytes()[..end]), Recognition::Partial, "{:?}", &line[..end]);
            }
            assert_eq!(recognise(line.as_bytes()), Recognition::Request, "{line:?}");
        }
        assert_eq!(recognise(b"GET /x\r\n"), Recognition::Simple);
    }

    #[test]
    fn other_protocols_are_told_apart() {
        for (bytes, protocol) in [
            (&b"\x16\x03\x01\x02\x00"[..], Protocol::Tls),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::Http2),
            (b"SSH-2.0-OpenSSH_9.2 Debian\r\n", Protocol::Other),
            (b"*1\r\n$4\r\nPING\r\n", Protocol::Other),
            (b"EHLO example.com\r\n", Protocol::Other),
            (b"get key\r\n", Protocol::Other),
            (b"\0\0\0\x01", Protocol::Other),
        ] {
            assert_eq!(recognise(bytes), Recognition::Not(protocol), "{bytes:?}");
        }
    }
}
