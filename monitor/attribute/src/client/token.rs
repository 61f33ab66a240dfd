//! JSON Web Tokens (RFC 7519): what they claim, without trust.
//!
//! Signatures are not checked: that is the application's, which refuses what is forged, and a refused call reads no
//! account. A claim outlives its tokens, so that a client that fetches a new one every minute stays one client.

use base64::{
    alphabet::{self, Alphabet},
    engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig},
};
use rollcall_model::json::{self, Value};

/// Base64 as lenient decoders take it.
pub(super) const fn base64(alphabet: Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet, config)
}

const BASE64_URL: GeneralPurpose = base64(alphabet::URL_SAFE);

/// A token by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Header and payload: what the signature covers. The signature itself can be written in several ways, and made
    /// anew by whoever has the key, without being another token.
    pub(super) signed: &'a [u8],
    pub(super) signature: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Token<'a> {
    /// Splits `text` if it has the form of a signed token: three parts, of which the first is an object in base64.
    pub(super) fn of(text: &'a [u8]) -> Option<Token<'a>> {
        if !text.starts_with(b"ey") {
            return None;
        }
        let mut dots = memchr::memchr_iter(b'.', text);
        let (first, second, None) = (dots.next()?, dots.next()?, dots.next()) else { return None };
        let (signed, payload, signature) = (&text[..second], &text[first + 1..second], &text[second + 1..]);
        Some(Token { signed, signature, payload })
    }

    /// Decodes the payload into `scratch`; empty if it can't be.
    pub(super) fn claims(&self, scratch: &mut Vec<u8>) {
        scratch.clear();
        if BASE64_URL.decode_vec(self.payload, scratch).is_err() {
            scratch.clear();
        }
    }
}

/// Appends the value of the claim called `name` to `value`; false if there is none that is a text or a number.
pub(super) fn claim(claims: &[u8], name: &str, value: &mut Vec<u8>) -> bool {
    match json::member(claims, name) {
        Some(Value::String(text)) => text.decode_into(value),
        Some(Value::Number(number)) => value.extend_from_slice(number),
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("{}.{}.c2ln", BASE64_URL.encode(r#"{"alg":"HS256"}"#), BASE64_URL.encode(claims))
    }

    fn sub(text: &str) -> Option<String> {
        let (mut claims, mut value) = (Vec::new(), Vec::new());
        Token::of(text.as_bytes())?.claims(&mut claims);
        claim(&claims, "sub", &mut value).then(|| String::from_utf8(value).unwrap())
    }

    #[test]
    fn a_claim_is_read_without_checking_the_signature() {
        for (claims, expected) in [
            (r#"{"iss":"x","sub":"ada","n":{"sub":"no"}}"#, Some("ada")),
            (r#"{"sub":"a\u0064a"}"#, Some("ada")),
            (r#"{"sub":17}"#, Some("17")),
            (r#"{"sub":null}"#, None),
            (r#"{"name":"ada"}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(sub(&token(claims)).as_deref(), expected, "{claims}");
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "ey", "eyJ.eyJ", "a.b.c", "eyJ.b.c.d.e", "eyJ.!!.c"] {
            assert_eq!(sub(text), None, "{text}");
        }
    }

    #[test]
    fn another_signature_is_no_other_token() {
        let text = token(r#"{"sub":"ada"}"#);
        let other = format!("{}d", &text[..text.len() - 1]);
        let signed = |text: &str| Token::of(text.as_bytes()).map(|token| token.signed.to_vec());
        assert_eq!(signed(&text), signed(&other));
    }
}
