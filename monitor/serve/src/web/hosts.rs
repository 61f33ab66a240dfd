//! For which names the server answers: a page of somebody else's that a browser has open may have its own name resolve to
//! this host (DNS rebinding), and would then read all that is here as its own.
//!
//! That takes a name, so every address is in order, whichever of this host's it is. Names are those of loopback, those of this
//! host, those of the certificate if there is one, and those that the operator gives. Nor does a browser ever leave out the field: what has none, as HTTP/1.0 may, is
//! answered.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use hyper::{
    Request, StatusCode, Version,
    header::{HOST, HeaderValue},
};

use super::{
    config::Tls,
    response::{Answer, plain},
};

/// Where a host's own names are, beside the one that the kernel knows.
const FILE: &str = "/etc/hosts";

/// What whoever asked by a wrong name is told.
const MISDIRECTED: &str =
    "this is not a name of this server: add it to --web.allowed-host of the daemon, or ask by address\n";

/// The names that are this server's.
#[derive(Debug, Default)]
pub struct Hosts {
    /// In lower case.
    names: Vec<String>,
}

impl Hosts {
    /// The names of this host as it knows them itself, and `more`. No name is looked up elsewhere: the answer might be made up.
    pub fn of_this_host(more: &[String]) -> Hosts {
        let own = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let file = fs::read(Path::new(FILE)).unwrap_or_default();
        Hosts::new(own.as_deref(), &String::from_utf8_lossy(&file), more)
    }

    /// `own`, what the lines of `file` that have it call it, and `more`.
    fn new(own: Option<&str>, file: &str, more: &[String]) -> Hosts {
        let mut names: Vec<String> = more.iter().map(|name| canonical(name)).collect();
        if let Some(own) = own.map(canonical).filter(|own| !own.is_empty()) {
            for line in file.lines() {
                let line = line.split('#').next().unwrap_or_default();
                let aliases: Vec<String> = line.split_whitespace().skip(1).map(canonical).collect();
                if aliases.contains(&own) {
                    names.extend(aliases);
                }
            }
            names.push(own);
        }
        Hosts { names }
    }

    /// What a request for somebody else is answered; `None` if it is for this server.
    pub(super) fn refusal<B>(&self, request: &Request<B>, tls: Option<&Tls>) -> Option<Answer> {
        let mut fields = request.headers().get_all(HOST).iter();
        let (field, more) = (fields.next(), fields.next());
        // RFC 9112, section 3.2.
        if more.is_some() || field.is_none() && request.version() > Version::HTTP_10 {
            return Some(plain(StatusCode::BAD_REQUEST, "one field Host is needed\n"));
        }
        let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let is_own = |host: &[u8]| std::str::from_utf8(host).is_ok_and(|host| self.is_own(host, tls));
        let asked = [field.map(HeaderValue::as_bytes), target];
        let host = asked.into_iter().flatten().find(|host| !is_own(host))?;
        tracing::debug!(host = %host.escape_ascii(), "asked by a name that is not this host's");
        Some(plain(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED))
    }

    /// Whether `host`, with a port or without, is an address or one of the names; or nothing, which is no name.
    fn is_own(&self, host: &str, tls: Option<&Tls>) -> bool {
        let host = host.trim_ascii();
        if let Some(rest) = host.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let address = address.split('%').next().unwrap_or_default();
            return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
        }
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        if !is_port(port) {
            return false;
        }
        let name = canonical(name);
        name.is_empty()
            || name.parse::<Ipv4Addr>().is_ok()
            // RFC 6761, section 6.3: never looked up.
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.names.contains(&name)
            || tls.is_some_and(|tls| tls.is_for(&name))
    }
}

/// Whether `text` is nothing, or a colon with a port or without one (RFC 3986, section 3.2.3).
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port.is_empty() || port.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

/// A name without the dot of the root, in lower case.
fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_names_that_its_file_gives_it() {
        let file = "127.0.0.1 localhost\n127.0.1.1\tapi1.example.org API1 # api1 evil.example\n0.0.0.0 ads.example\n";
        let hosts = Hosts::new(Some("api1"), file, &["Monitor.example.".to_owned()]);
        for host in ["api1", "api1.example.org:9847", "API1.Example.org.", "monitor.example"] {
            assert!(hosts.is_own(host, None), "{host}");
        }
        for host in ["evil.example", "ads.example", "api2", "api1.evil.example"] {
            assert!(!hosts.is_own(host, None), "{host}");
        }
        assert!(!Hosts::new(None, file, &[]).is_own("api1", None));
    }
}
