use std::fs;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A folder with a certificate, its key, and the key of another.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let [key, other] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (name, text) in [
        ("a.crt", certificate.pem()),
        ("a.key", key.serialize_pem()),
        ("b.key", other.serialize_pem()),
        ("empty.crt", "nothing\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What reading a file with this text gives, an error as its line and its message with all causes.
fn read_text(folder: &tempfile::TempDir, text: &str) -> Result<Config, (u64, String)> {
    let path = folder.path().join("web.yml");
    fs::write(&path, text).unwrap();
    read(&path).0.map_err(|error| match error {
        Error::Refused { line, reason, .. } => {
            let causes =
                std::iter::successors(Some(&reason as &dyn std::error::Error), |error| error.source());
            let message = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            (line, message.replace(folder.path().to_str().unwrap(), ""))
        }
        Error::Read { .. } => panic!("{error}"),
    })
}

const PAIR: &str = "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n";

#[test]
fn everything_that_the_format_has_is_taken() {
    let folder = folder();
    let read = |text: &str| read_text(&folder, text).unwrap();
    assert!(read("").tls.is_none() && read("{}").users.is_empty());
    assert!(read("tls_server_config: {}\nhttp_server_config:\nbasic_auth_users:\n").tls.is_none());
    let whole = format!(
        "{PAIR}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: a.crt\n  \
         client_allowed_sans: [scraper.example, 192.0.2.7]\n  min_version: TLS12\n  max_version: TLS13\n  \
         cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n  \
         prefer_server_cipher_suites: false\n  curve_preferences: [X25519, CurveP256]\n\
         http_server_config:\n  http2: true\n  headers:\n    Strict-Transport-Security: max-age=31536000\n\
         basic_auth_users:\n  alice: $2y$04$U687UJahfAhN9JPplWUPQeHhrlQ24dZo0Uca3QvBvvhJ0xDIdOZwO\n\
         rate_limit:\n  interval: 1m30s\n  burst: 20\n"
    );
    let config = read(&whole);
    let tls = config.tls.unwrap().server;
    assert_eq!(tls.crypto_provider().kx_groups.len(), 2);
    let suites = &tls.crypto_provider().cipher_suites;
    assert_eq!(suites.iter().filter(|suite| suite.tls13().is_none()).count(), 1);
    assert!(!tls.ignore_client_order);
    assert_eq!(config.headers.len(), 1);
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.rate, Some(Rate { interval: Duration::from_secs(90), burst: 20 }));
    for kind in ["NoClientCert", "RequestClientCert", "RequireAnyClientCert", "RequireClientCert"] {
        assert!(read(&format!("{PAIR}  client_auth_type: {kind}\n")).tls.is_some(), "{kind}");
    }
    let kind = "VerifyClientCertIfGiven";
    assert!(read(&format!("{PAIR}  client_auth_type: {kind}\n  client_ca_file: a.crt\n")).tls.is_some());
    assert_eq!(read("rate_limit: {interval: 0, burst: 0}").rate, None);
}

#[test]
fn certificates_can_stand_in_the_file() {
    let folder = folder();
    let indented = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().map(|line| format!("    {line}\n")).collect::<String>()
    };
    let text = format!("tls_server_config:\n  cert: |\n{}  key: |\n{}", indented("a.crt"), indented("a.key"));
    assert!(read_text(&folder, &text).unwrap().tls.is_some());
    let both = format!("{text}  cert_file: a.crt\n");
    assert_eq!(read_text(&folder, &both).unwrap_err().1, "cert and cert_file are both given; keep one");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let folder = folder();
    let tls = |rest: &str| format!("{PAIR}  {rest}\n");
    for (text, line, message) in [
        ("tls_server_config:\n  cert_fil: x\n".to_owned(), 2, "unknown field `cert_fil`, expected one of"),
        ("tls: {}\n".to_owned(), 1, "unknown field `tls`"),
        ("basic_auth_users:\n  a: b\n  a: c\n".to_owned(), 3, "duplicate mapping key: a"),
        ("tls_server_config:\n  cert_file: a.crt\n".to_owned(), 2, "tls_server_config needs key or key_file"),
        (
            "tls_server_config:\n  key_file: a.key\n".to_owned(),
            2,
            "tls_server_config needs cert or cert_file",
        ),
        (
            "\n\ntls_server_config:\n  cert_file: a.crt\n  key_file: c.key\n".to_owned(),
            5,
            "key_file /c.key: No such file or directory",
        ),
        (
            "tls_server_config:\n  cert_file: a.crt\n  key_file: b.key\n".to_owned(),
            2,
            "cert_file: keys may not be consistent",
        ),
        (
            "tls_server_config:\n  cert_file: empty.crt\n  key_file: b.key\n".to_owned(),
            2,
            "cert_file has no certificate in PEM form",
        ),
        (
            "tls_server_config:\n  cert_file: a.crt\n  key_file: a.crt\n".to_owned(),
            3,
            "key_file has no private key in PEM form",
        ),
        (tls("min_version: TLS10"), 4, "TLS10 is no longer spoken, as it is broken; use TLS12 or TLS13"),
        (tls("max_version: TLS11"), 4, "TLS11 is no longer spoken"),
        (tls("min_version: SSL3"), 4, "unknown TLS version \"SSL3\""),
        (tls("min_version: TLS13\n  max_version: TLS12"), 5, "max_version is below min_version"),
        (
            tls("cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
            5,
            "cipher suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not offered",
        ),
        (tls("cipher_suites: [TLS_X]"), 4, "unknown cipher suite \"TLS_X\""),
        (tls("cipher_suites: [TLS_AES_128_GCM_SHA256]"), 4, "no cipher suite is left for TLS 1.2"),
        (tls("curve_preferences: [CurveP521]"), 4, "curve CurveP521 is not offered"),
        (tls("curve_preferences: [P256]"), 4, "unknown curve \"P256\""),
        (tls("client_auth_type: Maybe"), 4, "unknown client_auth_type \"Maybe\""),
        (tls("client_ca_file: a.crt"), 4, "there is a client_ca, but client_auth_type asks for no"),
        (
            tls("client_auth_type: RequireAndVerifyClientCert"),
            4,
            "RequireAndVerifyClientCert needs client_ca_file or client_ca",
        ),
        (
            tls("client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: empty.crt"),
            5,
            "client_ca_file has no certificate in PEM form",
        ),
        (tls("client_allowed_sans: [a]"), 4, "client_allowed_sans needs client_auth_type"),
        (tls("prefer_server_cipher_suites: maybe"), 4, "invalid boolean"),
        (
            "http_server_config:\n  headers:\n    X-Other: y\n".to_owned(),
            3,
            "header \"X-Other\" can't be set here",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: allow}}\n".to_owned(),
            1,
            "header X-Frame-Options can be deny or sameorigin",
        ),
        ("basic_auth_users:\n  a: secret\n".to_owned(), 2, "the password of \"a\" is not a bcrypt hash"),
        ("rate_limit:\n  interval: soon\n".to_owned(), 2, "\"soon\" is not a duration"),
        ("rate_limit:\n  interval: 1s\n".to_owned(), 2, "rate_limit needs a burst of 1 at least"),
    ] {
        let (at, said) = read_text(&folder, &text).unwrap_err();
        assert!(said.starts_with(message), "{text:?}: {said}");
        assert_eq!(at, line, "{text:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_file_that_changes_is_noticed() {
    let folder = folder();
    let path = folder.path().join("web.yml");
    fs::write(&path, PAIR).unwrap();
    let (config, sources) = read(&path);
    assert!(config.unwrap().tls.is_some() && !sources.have_changed());
    // Replaced by another file, as it is with secrets in a cluster.
    let new = folder.path().join("new.key");
    fs::copy(folder.path().join("a.key"), &new).unwrap();
    fs::rename(&new, folder.path().join("a.key")).unwrap();
    assert!(sources.have_changed());
    let (config, sources) = read(&path);
    assert!(config.is_ok() && !sources.have_changed());
    fs::remove_file(folder.path().join("a.crt")).unwrap();
    assert!(sources.have_changed());
    let (config, sources) = read(&path);
    assert!(config.is_err() && !sources.have_changed(), "what is missing is told once");
}

#[test]
fn errors_name_the_file() {
    let path = Path::new("/nowhere/web.yml");
    assert_eq!(read(path).0.unwrap_err().to_string(), "read web configuration /nowhere/web.yml");
}
