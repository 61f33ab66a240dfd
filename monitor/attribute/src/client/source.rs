//! Where credentials are looked for: `--client-from`.

use std::{fmt, str::FromStr};

use rollcall_model::token::is_token;

use super::key::CredentialKind;

/// Fields that hold API keys and tokens by convention.
const API_KEY_FIELDS: [&str; 14] = [
    "x-api-key",
    "api-key",
    "apikey",
    "x-apikey",
    "x-api-token",
    "x-auth-token",
    "x-access-token",
    "x-session-token",
    "x-user-token",
    "x-goog-api-key",
    "x-rapidapi-key",
    "x-functions-key",
    "ocp-apim-subscription-key",
    "private-token",
];

/// Query parameters that do. Not `key` and `token`: those name other things more often.
const API_KEY_PARAMETERS: [&str; 8] = [
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "access_token",
    "auth_token",
    "subscription-key",
    "sessionid",
];

/// Claims that can be asked for: each costs every token.
const MAX_CLAIMS: usize = 2;

/// One place to look for a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The `Authorization` field, of any scheme.
    Authorization,
    /// Fields and query parameters with the usual names of API keys.
    ApiKey,
    /// Cookies with the usual names of sessions.
    Session,
    /// A claim of a JSON Web Token that stands where another source looks, or in `Authorization`.
    Claim(String),
    /// The header field of this name.
    Header(String),
    /// The query parameter of this name.
    Query(String),
    /// The cookie of this name.
    Cookie(String),
}

/// Why a text is no source.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    #[error(
        "no source of credentials: {0:?} (authorization, api-key, session, jwt:CLAIM, header:NAME, query:NAME or cookie:NAME)"
    )]
    Unknown(String),
    #[error("source {0:?} has no name behind the colon")]
    Unnamed(String),
    #[error("source {0:?}: {1:?} can't be part of a header field's or cookie's name")]
    Name(String, char),
    #[error("more than {MAX_CLAIMS} claims of tokens; choose those that name people")]
    Claims,
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        let text = text.trim();
        let Some((kind, name)) = text.split_once(':') else {
            return match text.to_ascii_lowercase().as_str() {
                "authorization" => Ok(Source::Authorization),
                "api-key" => Ok(Source::ApiKey),
                "session" => Ok(Source::Session),
                "jwt" | "header" | "query" | "cookie" => Err(SourceError::Unnamed(text.to_owned())),
                _ => Err(SourceError::Unknown(text.to_owned())),
            };
        };
        if name.is_empty() {
            return Err(SourceError::Unnamed(text.to_owned()));
        }
        let wrong = name.chars().find(|&c| !u8::try_from(c).is_ok_and(is_token));
        let token = || match wrong {
            Some(wrong) => Err(SourceError::Name(text.to_owned(), wrong)),
            None => Ok(name.to_owned()),
        };
        match kind.to_ascii_lowercase().as_str() {
            "jwt" => Ok(Source::Claim(name.to_owned())),
            "query" => Ok(Source::Query(name.to_owned())),
            "header" => Ok(Source::Header(token()?.to_ascii_lowercase())),
            "cookie" => Ok(Source::Cookie(token()?)),
            _ => Err(SourceError::Unknown(text.to_owned())),
        }
    }
}

/// As [`Source::from_str`] reads it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Authorization => f.write_str("authorization"),
            Source::ApiKey => f.write_str("api-key"),
            Source::Session => f.write_str("session"),
            Source::Claim(name) => write!(f, "jwt:{name}"),
            Source::Header(name) => write!(f, "header:{name}"),
            Source::Query(name) => write!(f, "query:{name}"),
            Source::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

/// All sources together, by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub(super) authorization: bool,
    pub(super) sessions: bool,
    pub(super) claims: Vec<String>,
    /// Header fields, lower-case.
    pub(super) fields: Vec<(String, CredentialKind)>,
    pub(super) parameters: Vec<(String, CredentialKind)>,
    pub(super) cookies: Vec<String>,
}

impl Sources {
    /// Looks in exactly these places.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Result<Sources, SourceError> {
        let mut all = Sources {
            authorization: false,
            sessions: false,
            claims: Vec::new(),
            fields: Vec::new(),
            parameters: Vec::new(),
            cookies: Vec::new(),
        };
        let usual = |names: &[&str]| -> Vec<_> {
            names.iter().map(|&name| (name.to_owned(), CredentialKind::ApiKey)).collect()
        };
        for source in sources {
            match source {
                Source::Authorization => all.authorization = true,
                Source::Session => all.sessions = true,
                Source::ApiKey => {
                    all.fields.extend(usual(&API_KEY_FIELDS));
                    all.parameters.extend(usual(&API_KEY_PARAMETERS));
                }
                // `header:authorization` is the field that is understood by scheme, not one that is hashed whole.
                Source::Header(name) if name == "authorization" => all.authorization = true,
                Source::Header(name) => all.fields.insert(0, (name, CredentialKind::Named)),
                Source::Query(name) => all.parameters.insert(0, (name, CredentialKind::Named)),
                Source::Cookie(name) => all.cookies.push(name),
                Source::Claim(name) if !all.claims.contains(&name) => all.claims.push(name),
                Source::Claim(_) => {}
            }
        }
        if all.claims.len() > MAX_CLAIMS { Err(SourceError::Claims) } else { Ok(all) }
    }
}

/// `authorization`, `api-key`, `session` and `jwt:sub`.
impl Default for Sources {
    fn default() -> Sources {
        let sources =
            [Source::Authorization, Source::ApiKey, Source::Session, Source::Claim("sub".to_owned())];
        Sources::new(sources).expect("there is one claim")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_shown() {
        for (text, source) in [
            ("authorization", Source::Authorization),
            ("api-key", Source::ApiKey),
            ("session", Source::Session),
            ("jwt:sub", Source::Claim("sub".into())),
            ("jwt:https://example.org/user", Source::Claim("https://example.org/user".into())),
            ("header:x-account", Source::Header("x-account".into())),
            ("query:key", Source::Query("key".into())),
            ("cookie:SID", Source::Cookie("SID".into())),
        ] {
            assert_eq!(text.parse(), Ok(source.clone()));
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("Header:X-Account".parse(), Ok(Source::Header("x-account".into())));
    }

    #[test]
    fn a_bad_source_gives_one_clear_line() {
        for (text, message) in [
            (
                "token",
                "no source of credentials: \"token\" (authorization, api-key, session, jwt:CLAIM, header:NAME, \
                 query:NAME or cookie:NAME)",
            ),
            ("jwt", "source \"jwt\" has no name behind the colon"),
            ("header:", "source \"header:\" has no name behind the colon"),
            (
                "header:X Account",
                "source \"header:X Account\": ' ' can't be part of a header field's or cookie's name",
            ),
        ] {
            assert_eq!(text.parse::<Source>().unwrap_err().to_string(), message);
        }
        let claims = ["a", "b", "c"].map(|name| Source::Claim(name.into()));
        assert_eq!(Sources::new(claims), Err(SourceError::Claims));
    }
}
