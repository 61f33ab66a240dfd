//! A PROXY protocol header, as far as it matters where it ends: behind it, TLS may begin.

/// What version 2 begins with (haproxy's proxy-protocol.txt, section 2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end (section 2.1).
const LINE_MAX: usize = 107;

/// Whether a connection that begins with these bytes may begin with a header.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    [b"PROXY ", SIGNATURE].iter().any(|start| {
        let shared = start.len().min(bytes.len());
        start[..shared] == bytes[..shared]
    })
}

/// The length of the header that these bytes begin with, if it is there whole.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"PROXY ") {
        let line = &bytes[..bytes.len().min(LINE_MAX)];
        return line.windows(2).position(|end| end == b"\r\n").map(|end| end + 2);
    }
    let fixed = bytes.strip_prefix(SIGNATURE)?;
    let &[_, _, high, low] = fixed.first_chunk::<4>()?;
    let length = SIGNATURE.len() + 4 + usize::from(u16::from_be_bytes([high, low]));
    (length <= bytes.len()).then_some(length)
}
