//! A server that the operator names: a URL, of which nothing that may be secret is ever shown.

use std::{fmt, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, PathAndQuery, Scheme},
};
use rollcall_model::percent;

/// Not a URL of a web server. Does not tell the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("it is no URL")]
    Malformed,
    #[error("it does not begin with http:// or https://")]
    Scheme,
    #[error("it names no host")]
    Host,
}

/// A URL, with what its user information makes of basic authentication. Displays as scheme, host and port: paths and
/// queries of webhooks are often their only secret.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// Reads `http[s]://[user:password@]host[:port][/path]`.
    pub fn parse(text: &str) -> Result<Endpoint, InvalidUrl> {
        let mut parts = text.trim().parse::<Uri>().map_err(|_| InvalidUrl::Malformed)?.into_parts();
        if !parts.scheme.as_ref().is_some_and(|scheme| [&Scheme::HTTP, &Scheme::HTTPS].contains(&scheme)) {
            return Err(InvalidUrl::Scheme);
        }
        let authority = parts.authority.take().ok_or(InvalidUrl::Host)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        let authorization = user.map(decoded).transpose()?;
        let host = host.parse::<Authority>().map_err(|_| InvalidUrl::Malformed)?;
        if host.host().is_empty() {
            return Err(InvalidUrl::Host);
        }
        parts.authority = Some(host);
        let uri = Uri::from_parts(parts).map_err(|_| InvalidUrl::Malformed)?;
        Ok(Endpoint { uri, authorization })
    }

    /// The same, asked as `user` with `password` (RFC 7617).
    pub fn with_password(self, user: &str, password: &str) -> Endpoint {
        Endpoint { authorization: basic(format!("{user}:{password}").as_bytes()).ok(), ..self }
    }

    /// The same with `path` behind its own.
    pub fn join(&self, path: &str) -> Result<Endpoint, InvalidUrl> {
        let mut parts = self.uri.clone().into_parts();
        let path = format!("{}{path}", self.uri.path().trim_end_matches('/'));
        parts.path_and_query =
            Some(PathAndQuery::try_from(path.as_str()).map_err(|_| InvalidUrl::Malformed)?);
        let uri = Uri::from_parts(parts).map_err(|_| InvalidUrl::Malformed)?;
        Ok(Endpoint { uri, authorization: self.authorization.clone() })
    }

    /// The path and query, as a request to its own server names it.
    pub fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        unbracketed(self.uri.host().unwrap_or_default())
    }

    /// The port that it names, or that of its scheme.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// Host and port, with brackets around an address of IPv6.
    pub fn authority(&self) -> String {
        match self.host() {
            address if address.contains(':') => format!("[{address}]:{}", self.port()),
            name => format!("{name}:{}", self.port()),
        }
    }

    /// Whether user and password are known.
    pub fn has_password(&self) -> bool {
        self.authorization.is_some()
    }

    /// Whether it is an address of this host that no other can have.
    pub(super) fn is_here(&self) -> bool {
        self.host() == "localhost" || self.host().parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether it is `https`.
    pub fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }
}

/// The header for `user:password`, each percent-encoded as in a URL.
fn decoded(user: &str) -> Result<HeaderValue, InvalidUrl> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut pair = Vec::new();
    percent::decode(name.as_bytes(), &mut pair);
    pair.push(b':');
    percent::decode(password.as_bytes(), &mut pair);
    basic(&pair)
}

fn basic(pair: &[u8]) -> Result<HeaderValue, InvalidUrl> {
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| InvalidUrl::Malformed)?;
    value.set_sensitive(true);
    Ok(value)
}

/// An address of IPv6 stands in brackets in a URL, and nowhere else.
pub(super) fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", Authority::as_str);
        write!(f, "{scheme}://{authority}")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let endpoint =
            Endpoint::parse("https://me:p%40ss@hooks.example:8443/services/T0/B0/XX?token=abc\n").unwrap();
        assert_eq!(endpoint.to_string(), "https://hooks.example:8443");
        assert_eq!(format!("{endpoint:?}"), "Endpoint(https://hooks.example:8443)");
        assert_eq!(endpoint.uri, "https://hooks.example:8443/services/T0/B0/XX?token=abc");
        // `printf 'me:p@ss' | base64`
        assert_eq!(endpoint.authorization.unwrap(), "Basic bWU6cEBzcw==");
    }

    #[test]
    fn paths_go_behind_the_one_that_is_there() {
        for (url, expected) in [
            ("http://127.0.0.1:9093", "http://127.0.0.1:9093/api/v2/alerts"),
            ("http://[::1]:9093/", "http://[::1]:9093/api/v2/alerts"),
            ("https://host/alertmanager/", "https://host/alertmanager/api/v2/alerts"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().join("/api/v2/alerts").unwrap().uri, expected);
        }
    }

    #[test]
    fn only_urls_of_web_servers_are_taken() {
        for (url, error) in [
            ("", InvalidUrl::Malformed),
            ("http://", InvalidUrl::Malformed),
            ("hooks.example/x", InvalidUrl::Malformed),
            ("hooks.example", InvalidUrl::Scheme),
            ("/path", InvalidUrl::Scheme),
            ("ftp://host/", InvalidUrl::Scheme),
            ("http://host name/", InvalidUrl::Malformed),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap_err(), error, "{url}");
        }
    }
}
