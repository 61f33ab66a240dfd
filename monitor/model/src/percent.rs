//! Percent-encoding (RFC 3986, section 2.1): one canonical text for every way to write the same octets.
//!
//! Canonical text is printable ASCII. Octets that don't print, and those that the caller reserves as they would read
//! as something else, stay encoded, in capitals.

use crate::hex;

/// Letters, digits and marks that mean nothing in paths and queries.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b':');
        byte += 1;
    }
    plain
};

/// Whether canonical text has `byte` as it is, wherever it stands.
pub const fn is_plain(byte: u8) -> bool {
    PLAIN[byte as usize]
}

/// Appends `byte` to canonical text: itself if it is printable ASCII and not one of `reserved`, else encoded.
pub fn push(text: &mut String, byte: u8, reserved: &[u8]) {
    if byte.is_ascii_graphic() && !reserved.contains(&byte) {
        text.push(char::from(byte));
    } else {
        let [high, low] = hex::digits(byte).map(|digit| digit.to_ascii_uppercase());
        text.extend([b'%', high, low].map(char::from));
    }
}

/// Takes the leading octets that are themselves in canonical text off `rest` and appends them: nearly all of
/// them are, which makes this worth a way of its own.
pub fn push_plain(text: &mut String, rest: &mut &[u8]) {
    let plain = rest.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(rest.len());
    let (run, tail) = rest.split_at(plain);
    text.push_str(std::str::from_utf8(run).unwrap_or_default());
    *rest = tail;
}

/// Takes the first octet off `rest`: `%31` is one octet. The flag tells whether it was encoded.
pub fn next(rest: &mut &[u8]) -> Option<(u8, bool)> {
    if let [b'%', high, low, tail @ ..] = *rest
        && let Some(octet) = hex::octet(*high, *low)
    {
        *rest = tail;
        return Some((octet, true));
    }
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    Some((first, false))
}

/// Appends the octets of `text`, decoded once, to `octets`.
pub fn decode(mut text: &[u8], octets: &mut Vec<u8>) {
    octets.reserve(text.len());
    while let Some(at) = memchr::memchr(b'%', text) {
        octets.extend_from_slice(&text[..at]);
        text = &text[at..];
        // What is encoded stands together.
        while text.first() == Some(&b'%')
            && let Some((octet, _)) = next(&mut text)
        {
            octets.push(octet);
        }
    }
    octets.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_decoded_once() {
        for (text, octets) in
            [("", ""), ("a", "a"), ("%61", "a"), ("a%2561%", "a%61%"), ("%zz%4", "%zz%4"), ("%%61", "%a")]
        {
            let mut decoded = Vec::new();
            decode(text.as_bytes(), &mut decoded);
            assert_eq!(decoded, octets.as_bytes(), "{text}");
        }
    }
}
