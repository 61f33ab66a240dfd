//! The credentials of one call, each as its keyed hash.

use super::{
    authorization, cookie,
    fields::{self, Field},
    key::{Credential, CredentialKind},
    source::Sources,
    token::{self, Token},
};
use crate::{hash::HashKey, http::exchange::Request, percent};

/// Credentials of one call that count. Real calls have one or two; the strongest kinds come first.
pub(super) const MOST: usize = 4;

/// Tokens whose claims are remembered, by hash: a client sends the same one with each call. A power of two.
const TOKENS: usize = 1024;

/// Finds credentials. Holds hashes only: what a call sent is gone when it has been read.
///
/// None of it has to outlive the process: what is remembered of a token follows from the token, and only saves that it is
/// read again.
#[derive(Debug)]
pub(super) struct Credentials {
    sources: Sources,
    key: HashKey,
    found: Vec<Credential>,
    dropped: u32,
    tokens: Vec<Known>,
    claims: Vec<u8>,
    value: Vec<u8>,
}

/// A token's claims: hashes, as far as it has them.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    token: [u8; 16],
    claims: [Option<Credential>; 2],
}

impl Credentials {
    /// Looks in `sources` and hashes with `key`.
    pub(super) fn new(sources: Sources, key: HashKey) -> Credentials {
        Credentials {
            sources,
            key,
            found: Vec::with_capacity(MOST),
            dropped: 0,
            tokens: vec![Known::default(); TOKENS],
            claims: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Credentials that do not count, as there are more than [`MOST`].
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Starts over.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.dropped = 0;
    }

    /// What has been found.
    pub(super) fn found(&self) -> &[Credential] {
        &self.found
    }

    /// One that was found in the same call before.
    pub(super) fn recall(&mut self, credential: Credential) {
        self.push(credential);
    }

    /// A value of `Authorization`.
    pub(super) fn authorization(&mut self, value: &[u8]) {
        authorization::read(value, |kind, value| {
            if self.sources.authorization {
                self.add(kind, 0, value);
            } else if !self.sources.claims.is_empty()
                && let Some(token) = Token::of(value)
            {
                let hash = self.hash(CredentialKind::Bearer, 0, token.signed);
                self.claims(hash.hash, &token);
            }
        });
    }

    /// A field that holds nothing but a credential.
    pub(super) fn field(&mut self, name: &[u8], kind: CredentialKind, value: &[u8]) {
        self.add(kind, domain(kind, name), value);
    }

    /// The sessions among the cookies of `request`.
    pub(super) fn cookies(&mut self, request: &Request, find: impl Fn(&[u8]) -> Option<Field>) {
        for (_, field) in fields::of(request).filter(|(name, _)| find(name) == Some(Field::Cookie)) {
            for (name, value) in cookie::pairs(field) {
                let named = self.sources.cookies.iter().any(|known| known.as_bytes() == name);
                if named {
                    self.encoded(CredentialKind::Named, name, value);
                } else if self.sources.sessions && cookie::names_session(name) {
                    self.encoded(CredentialKind::Session, name, value);
                }
            }
        }
    }

    /// The API keys among the parameters of `query`.
    pub(super) fn query(&mut self, query: &[u8]) {
        if self.sources.parameters.is_empty() {
            return;
        }
        let mut decoded = Vec::new();
        for parameter in query.split(|byte| b"&;".contains(byte)) {
            let Some(equals) = memchr::memchr(b'=', parameter) else { continue };
            let (mut name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if memchr::memchr(b'%', name).is_some() {
                decoded.clear();
                percent::decode(name, &mut decoded);
                name = &decoded;
            }
            let known = |(known, _): &&(String, CredentialKind)| known.as_bytes().eq_ignore_ascii_case(name);
            if let Some(&(_, kind)) = self.sources.parameters.iter().find(known) {
                self.encoded(kind, name, value);
            }
        }
    }

    /// A credential that clients may percent-encode as they like.
    fn encoded(&mut self, kind: CredentialKind, name: &[u8], value: &[u8]) {
        let domain = domain(kind, name);
        if memchr::memchr(b'%', value).is_none() {
            return self.add(kind, domain, value);
        }
        let mut decoded = std::mem::take(&mut self.value);
        decoded.clear();
        percent::decode(value, &mut decoded);
        self.add(kind, domain, &decoded);
        self.value = decoded;
    }

    fn add(&mut self, kind: CredentialKind, domain: u64, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let token = Token::of(value);
        let credential = self.hash(kind, domain, token.map_or(value, |token| token.signed));
        self.push(credential);
        if let Some(token) = token.filter(|_| !self.sources.claims.is_empty()) {
            self.claims(credential.hash, &token);
        }
    }

    fn claims(&mut self, hash: [u8; 16], token: &Token<'_>) {
        // The hash is keyed: nobody can aim for a place.
        let place = usize::from(u16::from_le_bytes([hash[0], hash[1]])) % TOKENS;
        if self.tokens[place].token != hash {
            let mut known = Known { token: hash, claims: [None; 2] };
            token.claims(&mut self.claims);
            for (name, slot) in self.sources.claims.iter().zip(&mut known.claims) {
                self.value.clear();
                if token::claim(&self.claims, name, &mut self.value) && !self.value.is_empty() {
                    let kind = CredentialKind::Claim;
                    let domain = kind as u64 | domain(kind, name.as_bytes());
                    *slot = Some(Credential { kind, hash: self.key.identity(domain, &self.value) });
                }
            }
            self.claims.clear();
            self.value.clear();
            self.tokens[place] = known;
        }
        for claim in self.tokens[place].claims.into_iter().flatten() {
            self.push(claim);
        }
    }

    fn hash(&self, kind: CredentialKind, domain: u64, value: &[u8]) -> Credential {
        Credential { kind, hash: self.key.identity(kind as u64 | domain, value) }
    }

    fn push(&mut self, credential: Credential) {
        if self.found.contains(&credential) {
            return;
        }
        if self.found.len() == MOST {
            self.dropped += 1;
        } else {
            self.found.push(credential);
        }
    }
}

/// Keeps apart equal values in places of different names, where the name says whose they are. API keys are the same
/// key wherever they stand.
fn domain(kind: CredentialKind, name: &[u8]) -> u64 {
    match kind {
        CredentialKind::ApiKey => 0,
        _ => {
            name.iter().fold(0, |hash: u64, &byte| {
                (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
            }) << 8
        }
    }
}
