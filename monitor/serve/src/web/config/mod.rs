//! The file of `--web.config.file`: TLS, basic authentication, header fields and a rate limit, as the exporters of the
//! Prometheus project have it.
//!
//! What is in the file and can't be done is an error, never ignored: an operator who asks for TLS 1.0 or misspells a field
//! learns so at the start. Errors name the line and repeat no secret.

mod client_certificate;
mod duration;
mod error;
mod file;
mod headers;
mod names;
mod sources;
mod tls;

use std::{collections::BTreeMap, path::Path, time::Duration};

use bcrypt::HashParts;
pub use error::{Error, Reason};
use hyper::header::{HeaderName, HeaderValue};
pub use sources::Sources;
pub use tls::Tls;

use file::{File, RateLimit, Refusal};

/// What a file asks for, ready for use.
#[derive(Debug, Default)]
pub struct Config {
    /// `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// Users and the bcrypt hashes of their passwords; nobody has to say who they are if it is empty.
    pub users: BTreeMap<String, String>,
    /// Fields for every response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub rate: Option<Rate>,
}

/// How many requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// One each, on average …
    pub interval: Duration,
    /// … and so many at once.
    pub burst: u32,
}

/// Reads a file and the certificates that it names. Gives what was read, too, as far as it came.
pub fn read(path: &Path) -> (Result<Config, Error>, Sources) {
    let mut sources = Sources::default();
    let config = sources
        .read(path)
        .map_err(|source| Error::Read { path: path.to_owned(), source })
        .and_then(|text| parse(path, &String::from_utf8_lossy(&text), &mut sources));
    (config, sources)
}

fn parse(path: &Path, text: &str, sources: &mut Sources) -> Result<Config, Error> {
    let file = File::parse(text);
    let config = file.and_then(|file| {
        let File { tls_server_config, http_server_config, rate_limit, basic_auth_users } = file;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Config {
            tls: tls::server(tls_server_config.unwrap_or_default(), folder, sources)?,
            users: users(basic_auth_users.unwrap_or_default())?,
            headers: headers::fields(http_server_config.unwrap_or_default())?,
            rate: rate_limit.map(rate).transpose()?.flatten(),
        })
    });
    config.map_err(|Refusal { line, reason }| Error::Refused { path: path.to_owned(), line, reason })
}

fn users(users: BTreeMap<String, file::Text>) -> Result<BTreeMap<String, String>, Refusal> {
    let check = |(user, hash): (String, file::Text)| match hash.value.parse::<HashParts>() {
        Ok(_) => Ok((user, hash.value)),
        Err(_) => Err(Refusal::at(&hash, Reason::NoBcrypt(user))),
    };
    users.into_iter().map(check).collect()
}

fn rate(limit: RateLimit) -> Result<Option<Rate>, Refusal> {
    let Some(text) = limit.interval else { return Ok(None) };
    let interval = duration::parse(&text.value);
    let Some(interval) = interval else {
        return Err(Refusal::at(&text, Reason::Duration(text.value.clone())));
    };
    if interval.is_zero() {
        return Ok(None);
    }
    match limit.burst {
        Some(burst) if burst > 0 => Ok(Some(Rate { interval, burst })),
        _ => Err(Refusal::at(&text, Reason::NoBurst)),
    }
}

#[cfg(test)]
mod tests;
