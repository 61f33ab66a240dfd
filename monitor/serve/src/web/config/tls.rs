//! `tls_server_config`: the server's side of TLS.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig, SupportedCipherSuite,
    client::verify_server_name,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::{NoClientAuth, ParsedCertificate, danger::ClientCertVerifier},
};

use super::{
    Reason,
    client_certificate::{Authorities, ClientCertificates, Policy},
    file::{Refusal, Text, TlsServer},
    names,
    sources::Sources,
};

/// TLS as the server speaks it.
#[derive(Debug)]
pub struct Tls {
    pub server: Arc<ServerConfig>,
    /// The server's own.
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Whether the certificate is for this name.
    pub fn is_for(&self, name: &str) -> bool {
        ParsedCertificate::try_from(&self.certificate)
            .ok()
            .zip(ServerName::try_from(name).ok())
            .is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
    }
}

/// What `tls` asks for, with paths relative to `folder`; `None` for plain HTTP. Reads by `sources`.
pub(super) fn server(tls: TlsServer, folder: &Path, sources: &mut Sources) -> Result<Option<Tls>, Refusal> {
    let TlsServer {
        cert,
        key,
        client_ca,
        cert_file,
        key_file,
        client_auth_type,
        client_ca_file,
        client_allowed_sans,
        min_version,
        max_version,
        cipher_suites,
        prefer_server_cipher_suites,
        curve_preferences,
    } = tls;
    // Checked even where there is no certificate, so that a mistake is told before one is added.
    let versions = names::versions(some(&min_version), some(&max_version))?;
    let suites = names::suites(cipher_suites.as_deref().unwrap_or_default())?;
    let curves = names::curves(curve_preferences.as_deref().unwrap_or_default())?;
    let mut pem = |field, inline: &Option<Text>, file: &Option<Text>| {
        Pem::read(field, some(inline), some(file), folder, sources)
    };
    let cert = pem("cert", &cert, &cert_file)?;
    let key = pem("key", &key, &key_file)?;
    let authority = pem("client_ca", &client_ca, &client_ca_file)?;
    let asked = [&cert, &key, &authority].into_iter().flatten().map(|pem| pem.line).next();
    let Some(line) = asked.or(some(&client_auth_type).map(line)) else { return Ok(None) };
    let missing = |field| Refusal { line, reason: Reason::Missing { field } };
    let (cert, key) = (cert.ok_or_else(|| missing("cert"))?, key.ok_or_else(|| missing("key"))?);
    let chain = cert.certificates()?;
    let certificate = chain.first().cloned().ok_or_else(|| missing("cert"))?;
    let private = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => key.refuse(Reason::NoPem { field: key.field, what: "private key" }),
        source => key.refuse(Reason::Pem { field: key.field, source }),
    })?;

    let provider = Arc::new(provider(suites, curves));
    let clients = clients(client_auth_type, authority, client_allowed_sans, &provider)?;
    let refuse = |source| cert.refuse(Reason::Certificate { field: cert.field, source });
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(refuse)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, private)
        .map_err(refuse)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.ignore_client_order = prefer_server_cipher_suites.unwrap_or(true);
    Ok(Some(Tls { server: Arc::new(server), certificate }))
}

/// Everything that ring has, or what was chosen of it for TLS 1.2.
fn provider(
    suites: Option<Vec<SupportedCipherSuite>>,
    curves: Option<Vec<&'static dyn rustls::crypto::SupportedKxGroup>>,
) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(suites) = suites {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites);
    }
    if let Some(curves) = curves {
        provider.kx_groups = curves;
    }
    provider
}

fn clients(
    kind: Option<Text>,
    authority: Option<Pem>,
    sans: Option<Vec<Text>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Refusal> {
    let kind = some(&kind);
    let policy = match kind.map_or("NoClientCert", |kind| kind.value.as_str()) {
        "NoClientCert" => None,
        "RequestClientCert" => Some(Policy { required: false, verified: false }),
        "RequireAnyClientCert" | "RequireClientCert" => Some(Policy { required: true, verified: false }),
        "VerifyClientCertIfGiven" => Some(Policy { required: false, verified: true }),
        "RequireAndVerifyClientCert" => Some(Policy { required: true, verified: true }),
        other => {
            let line = kind.map_or(1, line);
            return Err(Refusal { line, reason: Reason::UnknownClientAuth(other.to_owned()) });
        }
    };
    if let (Some(sans), false) = (&sans, policy.is_some_and(|policy| policy.required)) {
        let line = sans.first().or(kind).map_or(1, line);
        return Err(Refusal { line, reason: Reason::IdleSans });
    }
    let Some(policy) = policy else {
        return match authority {
            Some(authority) => Err(authority.refuse(Reason::IdleAuthority)),
            None => Ok(Arc::new(NoClientAuth)),
        };
    };
    let authorities = match (policy.verified, authority, kind) {
        (true, Some(authority), _) => {
            let certificates = authority.certificates()?;
            let authorities = Authorities::new(certificates, Arc::clone(provider));
            let refuse = |source| Reason::Certificate { field: authority.field, source };
            Some(authorities.map_err(|error| authority.refuse(refuse(error)))?)
        }
        (true, None, Some(kind)) => {
            return Err(Refusal::at(kind, Reason::NoAuthority(kind.value.clone())));
        }
        _ => None,
    };
    let sans = sans.map(|sans| sans.into_iter().map(|san| san.value).collect());
    Ok(Arc::new(ClientCertificates::new(policy, authorities, sans, provider)))
}

/// Something in PEM form, and where it was asked for.
struct Pem {
    field: &'static str,
    line: u64,
    bytes: Vec<u8>,
}

impl Pem {
    fn read(
        field: &'static str,
        inline: Option<&Text>,
        file: Option<&Text>,
        folder: &Path,
        sources: &mut Sources,
    ) -> Result<Option<Pem>, Refusal> {
        match (inline, file) {
            (None, None) => Ok(None),
            (Some(inline), Some(_)) => Err(Refusal::at(inline, Reason::Both { field })),
            (Some(inline), None) => {
                Ok(Some(Pem { field, line: line(inline), bytes: inline.value.clone().into_bytes() }))
            }
            (None, Some(file)) => {
                let path = folder.join(&file.value);
                let field = match field {
                    "cert" => "cert_file",
                    "key" => "key_file",
                    _ => "client_ca_file",
                };
                match sources.read(&path) {
                    Ok(bytes) => Ok(Some(Pem { field, line: line(file), bytes })),
                    Err(source) => Err(Refusal::at(file, Reason::File { field, path, source })),
                }
            }
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Refusal> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let certificates =
            certificates.map_err(|source| self.refuse(Reason::Pem { field: self.field, source }))?;
        if certificates.is_empty() {
            return Err(self.refuse(Reason::NoPem { field: self.field, what: "certificate" }));
        }
        Ok(certificates)
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        Refusal { line: self.line, reason }
    }
}

/// What is empty is as good as not there.
fn some(text: &Option<Text>) -> Option<&Text> {
    text.as_ref().filter(|text| !text.value.is_empty())
}

fn line(text: &Text) -> u64 {
    text.referenced.line()
}
