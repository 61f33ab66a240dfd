//! `client_auth_type`: which clients may shake hands.
//!
//! Whatever the policy, a client that shows a certificate must have its key. A certificate that is among the authorities
//! itself is accepted, as Go does it, though it is no authority's: that is how people pin a self-signed one.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// What is asked of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// There must be a certificate.
    pub(super) required: bool,
    /// An authority must vouch for it.
    pub(super) verified: bool,
}

/// Who vouches for clients.
#[derive(Debug)]
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ClientCertificates {
    policy: Policy,
    authorities: Option<Authorities>,
    allowed_sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Authorities, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        Ok(Authorities { certificates, verifier })
    }
}

impl ClientCertificates {
    pub(super) fn new(
        policy: Policy,
        authorities: Option<Authorities>,
        allowed_sans: Option<Vec<String>>,
        provider: &CryptoProvider,
    ) -> ClientCertificates {
        let algorithms = provider.signature_verification_algorithms;
        ClientCertificates { policy, authorities, allowed_sans, algorithms }
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        self.policy.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.as_ref().map_or(&[], |authorities| authorities.verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(Authorities { certificates, verifier }) = &self.authorities {
            if certificates.iter().any(|pinned| pinned == certificate) {
                is_current(&decode(certificate)?, now)?;
            } else {
                verifier.verify_client_cert(certificate, intermediates, now)?;
            }
        }
        if let Some(allowed) = &self.allowed_sans {
            let names = alternative_names(&decode(certificate)?);
            if !names.iter().any(|name| allowed.contains(name)) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn decode(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn is_current(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = certificate.tbs_certificate().validity();
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        Err(CertificateError::NotValidYet.into())
    } else if now > validity.not_after.to_unix_duration() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

/// The names, addresses, e-mail addresses and URIs that a certificate is for.
fn alternative_names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let text = |name: &GeneralName| match name {
        GeneralName::Rfc822Name(name)
        | GeneralName::DnsName(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            Some(v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()?.to_string())
        }
        _ => None,
    };
    names.0.iter().filter_map(text).collect()
}
