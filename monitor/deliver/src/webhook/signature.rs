//! Signatures of webhooks: HMAC-SHA256 over the time and the body, so that neither can be changed or sent again later.

use std::fmt;

use ring::hmac::{HMAC_SHA256, Key, sign};
use rollcall_model::{hex, time::Timestamp};

/// What sender and receiver of a webhook share.
#[derive(Clone)]
pub struct Secret(Key);

impl Secret {
    /// A secret of the content of its file, of which a newline at the end is no part. None if nothing is left.
    pub fn new(text: &[u8]) -> Option<Secret> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        (!text.is_empty()).then(|| Secret(Key::new(HMAC_SHA256, text)))
    }

    /// The value of `Rollcall-Signature`: `t=<seconds>,v1=<hexadecimal>`, where what is signed is `<seconds>.<body>`.
    pub(super) fn sign(&self, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.0 / 1_000_000_000;
        let signed = [seconds.to_string().as_bytes(), b".", body].concat();
        let tag = sign(&self.0, &signed);
        format!("t={seconds},v1={}", hex::text(tag.as_ref()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_makes_of_time_and_body() {
        let secret = Secret::new(b"whsec_example\n").unwrap();
        // printf '1790000000.{"v":1}' | openssl dgst -sha256 -hmac whsec_example
        assert_eq!(
            secret.sign(Timestamp(1_790_000_000_999_000_000), br#"{"v":1}"#),
            "t=1790000000,v1=526f605b9e3ea10c962b44d9ea87cd5b663bd59c35bb171761cd1f8edf587162"
        );
        assert!(Secret::new(b"\r\n").is_none());
    }
}
