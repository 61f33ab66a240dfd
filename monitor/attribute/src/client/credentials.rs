//! The credentials of one call, each as its keyed hash.

use rollcall_http::exchange::Request;
use rollcall_model::{hash::HashKey, percent};

use super::{
    authorization, cookie,
    fields::{self, Field},
    key::{Credential, CredentialKind},
    source::Sources,
    token::{self, Token},
};

/// Credentials of one call that count. Real calls have one or two; the strongest kinds come first.
pub(super) const MOST: usize = 4;

/// Credentials that are remembered, by hash: a client sends the same one with each call. A power of two.
const REMEMBERED: usize = 1024;

/// Finds credentials. Holds hashes only: what a call sent is gone when it has been read.
///
/// None of it has to outlive the process: what is remembered of a credential follows from it, and only saves that it is read
/// again.
#[derive(Debug)]
pub(super) struct Credentials {
    sources: Sources,
    key: HashKey,
    found: Vec<Found>,
    dropped: u32,
    mixed: bool,
    known: Vec<Known>,
    claims: Vec<u8>,
    value: Vec<u8>,
    folded: Vec<u8>,
}

/// A credential of one call, and how it was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) credential: Credential,
    pub(super) shown: Shown,
}

/// How a credential was shown, by keyed hashes. A client key is part of a credential at times, and tells who it names; what
/// proves it is the whole. None of it is ever written down: people choose passwords that can be guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Everything that the server is shown: user name and password, claim and token and signature.
    pub whole: u64,
    /// Whom it names, in whatever spelling: without regard to letter case, padding, quotes and punctuation, of which servers
    /// overlook some. A token names whom its claims do.
    pub person: u64,
}

/// What is remembered of a credential, by hashes.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    credential: [u8; 16],
    /// Of a token, as far as it has them.
    claims: [Option<Credential>; 2],
    /// Whom it names; a token without claims names nobody.
    person: Option<u64>,
}

impl Credentials {
    /// Looks in `sources` and hashes with `key`.
    pub(super) fn new(sources: Sources, key: HashKey) -> Credentials {
        Credentials {
            sources,
            key,
            found: Vec::with_capacity(MOST),
            dropped: 0,
            mixed: false,
            known: vec![Known::default(); REMEMBERED],
            claims: Vec::new(),
            value: Vec::new(),
            folded: Vec::new(),
        }
    }

    /// Credentials that do not count, as there are more than [`MOST`].
    pub(super) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Whether something that may be a credential is none of those found, or one of them stands there in two ways: what the
    /// server made of the call then says nothing about any of them.
    pub(super) fn mixed(&self) -> bool {
        self.mixed || self.dropped > 0
    }

    /// Starts over.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        (self.dropped, self.mixed) = (0, false);
    }

    /// What has been found.
    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    /// One that was found in the same call before.
    pub(super) fn recall(&mut self, credential: Credential) {
        self.push(credential, Shown::of(credential));
    }

    /// A value of `Authorization` that is not looked at.
    pub(super) fn overlook(&mut self) {
        self.mixed = true;
    }

    /// A value of `Authorization`.
    pub(super) fn authorization(&mut self, value: &[u8]) {
        let mut is_found = false;
        authorization::read(value, |kind, value, whole| {
            if self.sources.authorization {
                self.add(kind, 0, value, whole);
                is_found = true;
            } else if !self.sources.claims.is_empty()
                && let Some(token) = Token::of(value)
            {
                let credential = self.hash(CredentialKind::Bearer, 0, token.signed);
                let shown = self.shown(credential, &token);
                is_found = self.claims(credential.hash, shown);
            }
        });
        self.mixed |= !is_found;
    }

    /// A field that holds nothing but a credential.
    pub(super) fn field(&mut self, name: &[u8], kind: CredentialKind, value: &[u8]) {
        self.add(kind, domain(kind, name), value, value);
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
            return self.add(kind, domain, value, value);
        }
        let mut decoded = std::mem::take(&mut self.value);
        decoded.clear();
        percent::decode(value, &mut decoded);
        self.add(kind, domain, &decoded, &decoded);
        self.value = decoded;
    }

    /// `value` names the caller, and is all or part of the `whole`.
    fn add(&mut self, kind: CredentialKind, domain: u64, value: &[u8], whole: &[u8]) {
        if value.is_empty() {
            return;
        }
        if let Some(token) = Token::of(value) {
            let credential = self.hash(kind, domain, token.signed);
            let shown = self.shown(credential, &token);
            self.push(credential, shown);
            self.claims(credential.hash, shown);
            return;
        }
        let credential = self.hash(kind, domain, value);
        let all = Shown::of(credential).whole;
        let whole = if whole.len() == value.len() { all } else { all ^ self.key.hash(whole) };
        let place = place(credential.hash);
        if self.known[place].credential != credential.hash {
            let person = Some(self.person(value));
            self.known[place] = Known { credential: credential.hash, claims: [None; 2], person };
        }
        let person = self.known[place].person.unwrap_or(all);
        self.push(credential, Shown { whole, person });
    }

    /// How a token was shown. Its claims are read if they are not remembered.
    fn shown(&mut self, credential: Credential, token: &Token<'_>) -> Shown {
        let shown = Shown::of(credential);
        let whole = shown.whole ^ self.key.hash(token.signature);
        if self.sources.claims.is_empty() {
            return Shown { whole, ..shown };
        }
        let place = place(credential.hash);
        if self.known[place].credential != credential.hash {
            let mut known = Known { credential: credential.hash, ..Known::default() };
            token.claims(&mut self.claims);
            for number in 0..self.sources.claims.len().min(known.claims.len()) {
                let name = &self.sources.claims[number];
                self.value.clear();
                if token::claim(&self.claims, name, &mut self.value) && !self.value.is_empty() {
                    let kind = CredentialKind::Claim;
                    let domain = kind as u64 | domain(kind, name.as_bytes());
                    known.claims[number] =
                        Some(Credential { kind, hash: self.key.identity(domain, &self.value) });
                    let value = std::mem::take(&mut self.value);
                    known.person.get_or_insert(self.person(&value));
                    self.value = value;
                }
            }
            self.claims.clear();
            self.value.clear();
            self.known[place] = known;
        }
        Shown { whole, person: self.known[place].person.unwrap_or(shown.person) }
    }

    /// Adds the claims that are remembered of the token with this hash; false if there are none.
    fn claims(&mut self, token: [u8; 16], shown: Shown) -> bool {
        let known = self.known[place(token)];
        let claims = known.claims.into_iter().flatten().filter(|_| known.credential == token);
        claims.map(|claim| self.push(claim, shown)).count() > 0
    }

    /// The hash of a name in whatever spelling.
    fn person(&mut self, name: &[u8]) -> u64 {
        self.folded.clear();
        self.folded.resize(name.len(), 0);
        let mut length = 0;
        for byte in name {
            // What is left out is written over: without a branch, as keys are random.
            self.folded[length] = byte.to_ascii_lowercase();
            length += usize::from(byte.is_ascii_alphanumeric() || !byte.is_ascii());
        }
        let person = self.key.hash(&self.folded[..length]);
        self.folded.clear();
        person
    }

    fn hash(&self, kind: CredentialKind, domain: u64, value: &[u8]) -> Credential {
        Credential { kind, hash: self.key.identity(kind as u64 | domain, value) }
    }

    fn push(&mut self, credential: Credential, shown: Shown) {
        if let Some(found) = self.found.iter().find(|found| found.credential == credential) {
            self.mixed |= found.shown.whole != shown.whole;
        } else if self.found.len() == MOST {
            self.dropped += 1;
        } else {
            self.found.push(Found { credential, shown });
        }
    }
}

impl Shown {
    /// As it is where nothing is known but the credential.
    pub fn of(credential: Credential) -> Shown {
        let [hash @ .., _, _, _, _, _, _, _, _] = credential.hash;
        let hash = u64::from_le_bytes(hash);
        Shown { whole: hash, person: hash }
    }
}

/// Where a credential is remembered. Its hash is keyed: nobody can aim for a place.
fn place(credential: [u8; 16]) -> usize {
    usize::from(u16::from_le_bytes([credential[0], credential[1]])) % REMEMBERED
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
