//! The names that the format has for versions, cipher suites and curves, and what they are here.

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        SupportedKxGroup,
        ring::{cipher_suite as suite, kx_group},
    },
    version::{TLS12, TLS13},
};

use super::{
    Reason,
    file::{Refusal, Text},
};

/// Suites for TLS 1.2 by their names in Go.
const SUITES: [(&str, SupportedCipherSuite); 6] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Those of TLS 1.3, which can be named and are always offered.
const SUITES_13: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Those that Go still offers by default and that are not to be had here.
const WEAK_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// The versions from the least to the highest that is acceptable.
pub(super) fn versions(
    least: Option<&Text>,
    most: Option<&Text>,
) -> Result<Vec<&'static SupportedProtocolVersion>, Refusal> {
    let version = |text: &Text| match text.value.as_str() {
        "TLS12" => Ok(12),
        "TLS13" => Ok(13),
        "TLS10" | "TLS11" => Err(Refusal::at(text, Reason::OldVersion(text.value.clone()))),
        _ => Err(Refusal::at(text, Reason::UnknownVersion(text.value.clone()))),
    };
    let first = least.map_or(Ok(12), version)?;
    let last = most.map_or(Ok(13), version)?;
    match (first, last, most) {
        (13, 12, Some(most)) => Err(Refusal::at(most, Reason::Versions)),
        (12, 12, _) => Ok(vec![&TLS12]),
        (13, ..) => Ok(vec![&TLS13]),
        _ => Ok(vec![&TLS13, &TLS12]),
    }
}

/// The suites of TLS 1.2 that are named, in that order; `None` if none are.
pub(super) fn suites(names: &[Text]) -> Result<Option<Vec<SupportedCipherSuite>>, Refusal> {
    let Some(first) = names.first() else { return Ok(None) };
    let mut suites = Vec::new();
    for name in names {
        let text = name.value.as_str();
        match SUITES.into_iter().find(|(known, _)| *known == text) {
            Some((_, suite)) => suites.push(suite),
            None if SUITES_13.contains(&text) => {}
            None if WEAK_SUITES.contains(&text) => {
                return Err(Refusal::at(name, Reason::WeakSuite(text.to_owned())));
            }
            None => return Err(Refusal::at(name, Reason::UnknownSuite(text.to_owned()))),
        }
    }
    if suites.is_empty() { Err(Refusal::at(first, Reason::NoSuite)) } else { Ok(Some(suites)) }
}

/// The curves that are named, in that order; `None` if none are.
pub(super) fn curves(names: &[Text]) -> Result<Option<Vec<&'static dyn SupportedKxGroup>>, Refusal> {
    let curve = |name: &Text| match name.value.as_str() {
        "X25519" => Ok(kx_group::X25519),
        "CurveP256" => Ok(kx_group::SECP256R1),
        "CurveP384" => Ok(kx_group::SECP384R1),
        "CurveP521" => Err(Refusal::at(name, Reason::NoCurve(name.value.clone()))),
        _ => Err(Refusal::at(name, Reason::UnknownCurve(name.value.clone()))),
    };
    let curves = names.iter().map(curve).collect::<Result<Vec<_>, _>>()?;
    Ok((!curves.is_empty()).then_some(curves))
}
