//! The file as it is written: its fields, and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Reason;

/// A text that knows its line.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<TlsServer>,
    pub(super) http_server_config: Option<HttpServer>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) basic_auth_users: Option<BTreeMap<String, Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsServer {
    pub(super) cert: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) client_ca: Option<Text>,
    pub(super) cert_file: Option<Text>,
    pub(super) key_file: Option<Text>,
    pub(super) client_auth_type: Option<Text>,
    pub(super) client_ca_file: Option<Text>,
    pub(super) client_allowed_sans: Option<Vec<Text>>,
    pub(super) min_version: Option<Text>,
    pub(super) max_version: Option<Text>,
    pub(super) cipher_suites: Option<Vec<Text>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpServer {
    /// HTTP/2 is offered, never imposed: a server that speaks HTTP/1.1 alone is in order either way.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimit {
    pub(super) burst: Option<u32>,
    pub(super) interval: Option<Text>,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) line: u64,
    pub(super) reason: Reason,
}

impl File {
    pub(super) fn parse(text: &str) -> Result<File, Refusal> {
        // A snippet would show what is secret.
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            let message = error.without_snippet().to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            Refusal { line, reason: Reason::Syntax(message.to_owned()) }
        })
    }
}

impl Refusal {
    /// `reason`, on the line of `text`.
    pub(super) fn at(text: &Text, reason: Reason) -> Refusal {
        Refusal { line: text.referenced.line(), reason }
    }
}
