//! Why a web configuration file is refused, and on which line.

use std::{io, path::PathBuf};

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read web configuration {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("web configuration {}:{line}", path.display())]
    Refused {
        path: PathBuf,
        line: u64,
        #[source]
        reason: Reason,
    },
}

/// What is wrong with it. Nothing here repeats a key, a hash or a password.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The deserialiser's own words.
    #[error("{0}")]
    Syntax(String),
    #[error("{field} and {field}_file are both given; keep one")]
    Both { field: &'static str },
    #[error("tls_server_config needs {field} or {field}_file")]
    Missing { field: &'static str },
    #[error("{field} {}", path.display())]
    File {
        field: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{field} has no {what} in PEM form")]
    NoPem { field: &'static str, what: &'static str },
    #[error("{field}")]
    Pem {
        field: &'static str,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{field}")]
    Certificate {
        field: &'static str,
        #[source]
        source: rustls::Error,
    },
    #[error("unknown TLS version {0:?}; it is TLS12 or TLS13")]
    UnknownVersion(String),
    #[error("{0} is no longer spoken, as it is broken; use TLS12 or TLS13")]
    OldVersion(String),
    #[error("max_version is below min_version")]
    Versions,
    #[error("unknown cipher suite {0:?}")]
    UnknownSuite(String),
    #[error("cipher suite {0} is not offered, as its CBC mode leaks; name GCM or CHACHA20 ones")]
    WeakSuite(String),
    #[error("no cipher suite is left for TLS 1.2")]
    NoSuite,
    #[error("unknown curve {0:?}; there are X25519, CurveP256 and CurveP384")]
    UnknownCurve(String),
    #[error("curve {0} is not offered; use X25519, CurveP256 or CurveP384")]
    NoCurve(String),
    #[error(
        "unknown client_auth_type {0:?}; it is NoClientCert, RequestClientCert, RequireAnyClientCert, \
         VerifyClientCertIfGiven or RequireAndVerifyClientCert"
    )]
    UnknownClientAuth(String),
    #[error("there is a client_ca, but client_auth_type asks for no client certificate")]
    IdleAuthority,
    #[error("{0} needs client_ca_file or client_ca: Rollcall trusts no authority by itself")]
    NoAuthority(String),
    #[error("client_allowed_sans needs client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert")]
    IdleSans,
    #[error("header {0:?} can't be set here")]
    Header(String),
    #[error("header {name} can be {allowed}")]
    HeaderValue { name: &'static str, allowed: &'static str },
    #[error("the password of {0:?} is not a bcrypt hash; make one with: htpasswd -nBC 10 \"\"")]
    NoBcrypt(String),
    #[error("{0:?} is not a duration such as 1s or 250ms")]
    Duration(String),
    #[error("rate_limit needs a burst of 1 at least, or nothing would be answered")]
    NoBurst,
}
