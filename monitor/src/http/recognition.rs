//! Is it HTTP? The answer from a connection's first bytes, however few.

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
    match bytes.get(method) {
        None => return Recognition::Partial,
        Some(b' ') if method > 0 => {}
        _ => return Recognition::Not(Protocol::Other),
    }
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Recognition::Partial };
    let line = bytes[..end].trim_ascii_end();
    let rest = line.get(method + 1..).unwrap_or_default();
    if split_version(rest).is_some() || memchr::memmem::find(line, b" HTTP/").is_some() {
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

/// Splits what follows the method into target and version; `None` if it does not end in a version. The target
/// may contain blanks, and may be empty: servers answer such requests, so they happened.
pub(super) fn split_version(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let version = rest.get(rest.len().checked_sub(8)?..)?;
    let (major, minor) = (version[5], version[7]);
    if !version.starts_with(b"HTTP/")
        || version[6] != b'.'
        || !(major.is_ascii_digit() && minor.is_ascii_digit())
    {
        return None;
    }
    let target = &rest[..rest.len() - 8];
    match target.last() {
        None => Some((target, version)),
        Some(b' ' | b'\t') => Some((target.trim_ascii(), version)),
        Some(_) => None,
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
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
