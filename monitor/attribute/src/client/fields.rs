//! The header fields that attribution reads, found in one pass over a request's head.

use rollcall_http::exchange::Request;
use serde::{Deserialize, Serialize};

use super::{header::ForwardedHeader, key::CredentialKind, source::Sources};

/// What a field is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Authorization,
    Cookie,
    UserAgent,
    Forwarded(ForwardedHeader),
    Credential(CredentialKind),
}

/// Names longer than this are looked for one by one. None of the usual ones is.
const LENGTHS: usize = 32;

/// Names to look for. A request has some ten fields of which one or two matter: their length and first letter rule out
/// nearly all others.
#[derive(Debug)]
pub(super) struct Fields {
    by_length: [Vec<(Box<[u8]>, Field)>; LENGTHS + 1],
    /// For each length, a bit for each first letter.
    initials: [u32; LENGTHS + 1],
}

impl Fields {
    /// The fields that `sources` need, and the usual ones. `headers` are the forwarded ones that are believed.
    pub(super) fn new(headers: &[ForwardedHeader], sources: &Sources) -> Fields {
        let mut fields =
            Fields { by_length: std::array::from_fn(|_| Vec::new()), initials: [0; LENGTHS + 1] };
        fields.add("user-agent", Field::UserAgent);
        // Tells calls with a credential from those without, whatever it is to be used for.
        fields.add("authorization", Field::Authorization);
        if sources.sessions || !sources.cookies.is_empty() {
            fields.add("cookie", Field::Cookie);
        }
        for &header in headers {
            fields.add(header.name(), Field::Forwarded(header));
        }
        for (name, kind) in &sources.fields {
            fields.add(name, Field::Credential(*kind));
        }
        fields
    }

    fn add(&mut self, name: &str, field: Field) {
        let length = name.len().min(LENGTHS);
        self.initials[length] |= name.bytes().next().map_or(0, initial);
        let bucket = &mut self.by_length[length];
        if bucket.iter().all(|(known, _)| **known != *name.as_bytes()) {
            bucket.push((name.as_bytes().into(), field));
        }
    }

    /// What the field called `name` is read for, whatever its case.
    pub(super) fn find(&self, name: &[u8]) -> Option<Field> {
        let length = name.len().min(LENGTHS);
        if self.initials[length] & initial(*name.first()?) == 0 {
            return None;
        }
        self.by_length[length].iter().find(|(known, _)| is_called(name, known)).map(|&(_, field)| field)
    }
}

/// A bit for a first letter, whatever its case; others share what is left of 32.
fn initial(letter: u8) -> u32 {
    1 << (letter & 0x1f)
}

/// Whether a field is called `known`, whatever its case: eight letters at a time. Characters of names that differ in
/// more than case are told apart, for names are tokens, without control characters.
fn is_called(name: &[u8], known: &[u8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    if name.len() != known.len() {
        return false;
    }
    let word = |bytes: &[u8]| bytes.last_chunk().map(|chunk| u64::from_le_bytes(*chunk) | LOWER);
    let (Some(last), Some(known_last)) = (word(name), word(known)) else {
        return name.eq_ignore_ascii_case(known);
    };
    let (words, known_words) = (name.as_chunks::<8>().0, known.as_chunks::<8>().0);
    let same =
        |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) | LOWER == u64::from_le_bytes(*b) | LOWER;
    last == known_last && words.iter().zip(known_words).all(same)
}

/// What tells programs apart that share an address: never an identity by itself, for anybody can copy it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Traits {
    /// Hash of the `User-Agent`; 0 without one.
    pub agent: u64,
    /// Hash of the names of the header fields, in order.
    pub header_order: u64,
}

impl Traits {
    /// Takes in the next field's name: by its length and its ends, which tell the usual ones apart.
    pub(super) fn field(&mut self, name: &[u8]) {
        let [first, .., last] = name else { return };
        let name = (name.len() as u64) << 16 | u64::from(first | 0x20) << 8 | u64::from(last | 0x20);
        self.header_order = (self.header_order.rotate_left(23) ^ name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(super) fn agent(&mut self, value: &[u8]) {
        let (pairs, rest) = value.as_chunks::<16>();
        let word = |bytes: &[u8]| bytes.iter().fold(1, |word, &byte| word << 8 | u64::from(byte));
        let (low, high) = rest.split_at(rest.len() / 2);
        let hash = pairs.iter().fold(value.len() as u64, |hash, pair| {
            let pair = u128::from_le_bytes(*pair);
            mix(hash ^ pair as u64, (pair >> 64) as u64)
        });
        self.agent = mix(hash ^ word(low), word(high));
    }
}

/// Folds the product's halves: cheap, and good enough for what nobody gains by forging.
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    (product >> 64) as u64 ^ product as u64
}

/// The name and value of each field of `request`, in order.
pub(super) fn of(request: &Request) -> impl Iterator<Item = (&[u8], &[u8])> {
    request.headers.iter().map(|header| (request.slice(&header.name), request.slice(&header.value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Source;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let long = "x-".to_owned() + &"long-".repeat(10);
        let sources = [Source::Header(long.clone()), Source::ApiKey];
        let fields = Fields::new(&[ForwardedHeader::XForwardedFor], &Sources::new(sources).unwrap());
        for (name, expected) in [
            ("Authorization", Some(Field::Authorization)),
            ("X-FORWARDED-FOR", Some(Field::Forwarded(ForwardedHeader::XForwardedFor))),
            ("x-api-key", Some(Field::Credential(CredentialKind::ApiKey))),
            (&long, Some(Field::Credential(CredentialKind::Named))),
            ("Forwarded", None),
            ("Cookie", None),
            ("Host", None),
            ("", None),
        ] {
            assert_eq!(fields.find(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn names_are_compared_whatever_their_case() {
        for length in 0..40 {
            let known: Vec<u8> = b"x-forwarded-for-9".iter().copied().cycle().take(length).collect();
            let mut name = known.clone();
            name.make_ascii_uppercase();
            assert!(is_called(&name, &known));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = if other[at] == b'q' { b'z' } else { b'q' };
                assert!(!is_called(&other, &known), "{length} {at}");
            }
        }
    }

    #[test]
    fn traits_tell_programs_apart() {
        let traits = |names: &[&str], agent: &str| {
            let mut traits = Traits::default();
            names.iter().for_each(|name| traits.field(name.as_bytes()));
            traits.agent(agent.as_bytes());
            traits
        };
        let curl = traits(&["Host", "User-Agent", "Accept"], "curl/8.9.1");
        assert_eq!(curl, traits(&["host", "user-agent", "accept"], "curl/8.9.1"));
        assert_ne!(curl.header_order, traits(&["Host", "Accept", "User-Agent"], "").header_order);
        let agents: std::collections::BTreeSet<_> =
            (0..1000).map(|n| traits(&[], &"x".repeat(n % 40).replace('x', &n.to_string())).agent).collect();
        assert!(agents.len() > 950);
    }
}
