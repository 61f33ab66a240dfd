//! What HTTP makes its names of.

/// `tchar` of RFC 9110, section 5.6.2: what methods and the names of fields and cookies consist of.
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_characters_of_the_rfc() {
        let marks: String = (0..128_u8)
            .filter(|&byte| is_token(byte) && !byte.is_ascii_alphanumeric())
            .map(char::from)
            .collect();
        assert_eq!(marks, "!#$%&'*+-.^_`|~");
        assert!((128..=255).all(|byte| !is_token(byte)));
    }
}
