//! `Authorization` (RFC 9110, section 11.6.2): the part of it that names the caller.

use base64::{Engine as _, engine::general_purpose::GeneralPurpose};

use super::key::CredentialKind;

/// Parameters that name the caller in schemes that sign each request anew, in the order that they are looked for:
/// Digest, AWS signatures, OAuth 1.0, HTTP signatures, Hawk, and schemes that name a token.
const NAMES: [&str; 11] = [
    "username",
    "credential",
    "oauth_token",
    "oauth_consumer_key",
    "keyid",
    "id",
    "access_key",
    "token",
    "apikey",
    "api_key",
    "key",
];

/// A longer user name is hashed as it stands on the wire.
const LONGEST_USER: usize = 512;

/// Some clients leave the padding out, and servers take it.
const BASE64: GeneralPurpose = super::token::base64(base64::alphabet::STANDARD);

/// Hands on the credential in `value`, if it names anybody for longer than a request: Negotiate and NTLM don't. What names
/// the caller comes first, then the whole of what proves it.
pub(super) fn read(value: &[u8], found: impl FnOnce(CredentialKind, &[u8], &[u8])) {
    let (scheme, rest) = match value.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(blank) => (&value[..blank], value[blank..].trim_ascii()),
        // A bare token: some APIs want no scheme.
        None => return found(CredentialKind::Authorization, value, value),
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if is("bearer") {
        return found(CredentialKind::Bearer, rest, rest);
    }
    if is("negotiate") || is("ntlm") {
        return;
    }
    if is("basic") {
        let mut user = [0; LONGEST_USER];
        let longest = rest.len().min(LONGEST_USER / 3 * 4);
        // A colon is within the first part, or the whole counts.
        let decoded = BASE64.decode_slice(&rest[..longest], &mut user).ok().map(|length| &user[..length]);
        let user = decoded.and_then(|decoded| Some(&decoded[..memchr::memchr(b':', decoded)?]));
        return found(CredentialKind::Basic, user.unwrap_or(rest), rest);
    }
    found(CredentialKind::Authorization, parameter(rest).unwrap_or(rest), rest);
}

/// The value of the first of [`NAMES`] among the parameters of a scheme.
fn parameter(rest: &[u8]) -> Option<&[u8]> {
    let mut best: Option<(usize, &[u8])> = None;
    for pair in rest.split(|&byte| byte == b',') {
        let Some(equals) = memchr::memchr(b'=', pair) else { continue };
        let name = pair[..equals].trim_ascii();
        let Some(rank) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())) else {
            continue;
        };
        let value = pair[equals + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        // AWS: the key, without the day and the region that it was used in.
        let value = if NAMES[rank] == "credential" {
            value.split(|&byte| byte == b'/').next().unwrap_or(value)
        } else {
            value
        };
        if !value.is_empty() && best.is_none_or(|(other, _)| rank < other) {
            best = Some((rank, value));
        }
    }
    best.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(value: &str) -> Option<(&'static str, String)> {
        let mut result = None;
        read(value.as_bytes(), |kind, value, _| {
            result = Some((kind.name(), String::from_utf8_lossy(value).into_owned()));
        });
        result
    }

    #[test]
    fn every_scheme_names_its_caller() {
        for (value, expected) in [
            ("Bearer abc", Some(("bearer", "abc"))),
            ("bearer   abc ", Some(("bearer", "abc"))),
            ("Basic YWxhZGRpbjpvcGVuc2VzYW1l", Some(("basic", "aladdin"))),
            ("Basic YWxhZGRpbjo=", Some(("basic", "aladdin"))),
            ("Basic YWxhZGRpbjo", Some(("basic", "aladdin"))),
            ("Basic ???", Some(("basic", "???"))),
            ("Token abc", Some(("authorization", "abc"))),
            ("ApiKey YWJj==", Some(("authorization", "YWJj=="))),
            ("Token token=\"abc\", nonce=\"1\"", Some(("authorization", "abc"))),
            ("Digest nonce=\"1\", username=\"ada\", response=\"x\"", Some(("authorization", "ada"))),
            (
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, Signature=5d67",
                Some(("authorization", "AKIDEXAMPLE")),
            ),
            (
                "OAuth oauth_consumer_key=\"app\", oauth_nonce=\"1\", oauth_token=\"ada\"",
                Some(("authorization", "ada")),
            ),
            ("Hawk id=\"dh37fgj492je\", ts=\"1353832234\"", Some(("authorization", "dh37fgj492je"))),
            ("Signature signature=\"x\",keyId=\"ada\"", Some(("authorization", "ada"))),
            ("abc", Some(("authorization", "abc"))),
            ("Negotiate YII=", None),
            ("NTLM TlRM", None),
        ] {
            let expected = expected.map(|(kind, value)| (kind, value.to_owned()));
            assert_eq!(credential(value), expected, "{value}");
        }
    }

    #[test]
    fn a_password_never_matters() {
        assert_eq!(credential("Basic YWRhOjE="), credential("Basic YWRhOjI="));
        let long = |password: &str| {
            let plain = format!("ada:{}{password}", "x".repeat(2000));
            credential(&format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(plain)))
        };
        assert_eq!(long("1"), Some(("basic", "ada".to_owned())));
        assert_eq!(long("1"), long("2"));
    }
}
