//! Whom a client trusts, where a URL is https.
//!
//! A certificate that stands in the file of trusted ones is trusted itself, whatever it says of names and authorities: that is
//! what people have who made just the one.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those that this system trusts, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
    /// Those in a file: of authorities, or of servers themselves. Whoever asks for a certificate is shown our own, if there is
    /// one with its key.
    File { authority: PathBuf, own: Option<(PathBuf, PathBuf)> },
}

impl Trust {
    /// How to shake hands. An error names the file that is at fault.
    pub(super) fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let (authority, own) = match self {
            Trust::System => {
                return Ok(Arc::new(builder.with_root_certificates(system()?).with_no_client_auth()));
            }
            Trust::File { authority, own } => (authority, own),
        };
        let trusted = certificates(authority)?;
        let mut roots = RootCertStore::empty();
        for certificate in &trusted {
            roots.add(certificate.clone()).map_err(at(authority))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(at(authority))?;
        let builder =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Named { trusted, verifier }));
        Ok(Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let private = PrivateKeyDer::from_pem_file(key).map_err(at(key))?;
                builder.with_client_auth_cert(certificates(certificate)?, private).map_err(at(certificate))?
            }
        }))
    }
}

fn system() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there is none");
        return Err(found.errors.into_iter().next().map_or_else(none, io::Error::other));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(at(path))?;
    if certificates.is_empty() {
        return Err(io::Error::other(format!("{} has no certificate in PEM form", path.display())));
    }
    Ok(certificates)
}

/// For `map_err`: what is wrong with a file.
fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> io::Error {
    move |error| io::Error::other(format!("{}: {error}", path.display()))
}

/// Trusts what the file has.
#[derive(Debug)]
struct Named {
    trusted: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusted.iter().any(|trusted| trusted == certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
