//! One call's touches as bytes: what the engine's thread keeps of everybody's latest, and hands over of those watched.
//!
//! ```text
//! size 4 │ tag 8 │ at 8 │ status 2 │ keys 1 │ key … │ objects: (length 2 │ bytes) …
//! ```
//!
//! The tag is the route's hash, or the subject's number: whoever writes knows which. Records never leave the process, so
//! what can't be read is passed over.

use std::net::IpAddr;

use ipnet::IpNet;
use rollcall_attribute::client::{ClientKey, Credential, CredentialKind};
use rollcall_model::time::Timestamp;

/// Bytes before the keys.
const HEAD: usize = 4 + 8 + 8 + 2 + 1;

/// Bytes that a key takes at most.
const KEY: usize = 19;

/// Where the tag stands.
const TAG: std::ops::Range<usize> = 4..12;

/// What a record says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub at: Timestamp,
    /// `None` is one that never became known.
    pub status: Option<u16>,
}

/// Appends a record.
pub fn push<'a>(
    out: &mut Vec<u8>,
    tag: u64,
    call: Call,
    keys: &[ClientKey],
    objects: impl Iterator<Item = &'a str>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&call.at.0.to_le_bytes());
    out.extend_from_slice(&call.status.unwrap_or(0).to_le_bytes());
    out.push(keys.len() as u8);
    keys.iter().for_each(|key| push_key(out, key));
    for object in objects {
        // TouchedObjects are shorter: see `Object::kept`.
        let object = &object.as_bytes()[..object.len().min(usize::from(u16::MAX))];
        out.extend_from_slice(&(object.len() as u16).to_le_bytes());
        out.extend_from_slice(object);
    }
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_le_bytes());
}

/// Bytes that a record takes at most.
pub fn most(keys: usize, objects: usize, text: usize) -> usize {
    HEAD + KEY * keys + 2 * objects + text
}

/// One record among others.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    pub fn tag(self) -> u64 {
        u64::from_le_bytes(self.array(TAG.start))
    }

    pub fn call(self) -> Call {
        let status = u16::from_le_bytes(self.array(20));
        Call {
            at: Timestamp(u64::from_le_bytes(self.array(12))),
            status: if status == 0 { None } else { Some(status) },
        }
    }

    /// The client keys, and what the record has of objects.
    pub fn parts(self) -> (Vec<ClientKey>, TouchedObjects<'a>) {
        let count = usize::from(self.0.get(HEAD - 1).copied().unwrap_or(0));
        let mut rest = self.0.get(HEAD..).unwrap_or_default();
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            match take_key(&mut rest) {
                Some(key) => keys.push(key),
                None => rest = &[],
            }
        }
        (keys, TouchedObjects(rest))
    }

    /// Appends the record with another tag.
    pub fn copy(self, tag: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.0);
        out[start..][TAG].copy_from_slice(&tag.to_le_bytes());
    }

    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
}

/// The objects of a record.
#[derive(Clone, Copy, Debug)]
pub struct TouchedObjects<'a>(&'a [u8]);

impl<'a> Iterator for TouchedObjects<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (object, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        self.0 = rest;
        std::str::from_utf8(object).ok()
    }
}

/// Goes through records one after the other.
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let size = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let (record, rest) = bytes.split_at_checked(size.max(HEAD))?;
        bytes = rest;
        Some(Record(record))
    })
}

fn push_key(out: &mut Vec<u8>, key: &ClientKey) {
    let (kind, detail, address) = match key {
        ClientKey::Peer(address) => (0, 0, *address),
        ClientKey::Forwarded(address) => (1, 0, *address),
        ClientKey::Prefix(network) => (2, network.prefix_len(), network.addr()),
        ClientKey::Credential(Credential { kind, hash }) => {
            out.extend_from_slice(&[6, *kind as u8]);
            return out.extend_from_slice(hash);
        }
    };
    out.extend_from_slice(&[kind + if address.is_ipv6() { 3 } else { 0 }, detail]);
    match address {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}

fn take_key(bytes: &mut &[u8]) -> Option<ClientKey> {
    let (&[kind, detail], rest) = bytes.split_first_chunk()?;
    if kind <= 2 {
        let (&address, rest) = rest.split_first_chunk::<4>()?;
        *bytes = rest;
        return key_of(kind, detail, IpAddr::from(address));
    }
    let (&value, rest) = rest.split_first_chunk::<16>()?;
    *bytes = rest;
    if kind < 6 {
        return key_of(kind - 3, detail, IpAddr::from(value));
    }
    let kind = *CredentialKind::ALL.get(usize::from(detail))?;
    Some(ClientKey::Credential(Credential { kind, hash: value }))
}

fn key_of(kind: u8, detail: u8, address: IpAddr) -> Option<ClientKey> {
    match kind {
        0 => Some(ClientKey::Peer(address)),
        1 => Some(ClientKey::Forwarded(address)),
        _ => IpNet::new(address, detail).ok().map(ClientKey::Prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<ClientKey> {
        let mut keys: Vec<ClientKey> = CredentialKind::ALL
            .into_iter()
            .map(|kind| ClientKey::Credential(Credential { kind, hash: *b"0123456789abcdef" }))
            .collect();
        keys.extend([
            ClientKey::Peer("198.51.100.7".parse().unwrap()),
            ClientKey::Peer("2001:db8::7".parse().unwrap()),
            ClientKey::Forwarded("198.51.100.7".parse().unwrap()),
            ClientKey::Forwarded("2001:db8::7".parse().unwrap()),
            ClientKey::Prefix("198.51.100.0/24".parse().unwrap()),
            ClientKey::Prefix("2001:db8::/64".parse().unwrap()),
        ]);
        keys
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let (mut out, keys) = (Vec::new(), keys());
        let call = Call { at: Timestamp(7), status: Some(304) };
        push(&mut out, 1, call, &keys, ["17", "", "a/b"].into_iter());
        let unknown = Call { at: Timestamp(u64::MAX), status: None };
        push(&mut out, 2, unknown, &keys[..1], std::iter::empty());
        assert!(out.len() <= most(keys.len(), 3, 5) + most(1, 0, 0));
        let read: Vec<Record<'_>> = records(&out).collect();
        assert_eq!(
            read.iter().map(|record| (record.tag(), record.call())).collect::<Vec<_>>(),
            [(1, call), (2, unknown)]
        );
        let (found, objects) = read[0].parts();
        assert_eq!((found, objects.collect::<Vec<_>>()), (keys.clone(), vec!["17", "", "a/b"]));
        let (found, mut objects) = read[1].parts();
        assert_eq!((found, objects.next()), (keys[..1].to_vec(), None));
        let mut copy = Vec::new();
        read[0].copy(9, &mut copy);
        assert_eq!(records(&copy).map(|record| record.tag()).collect::<Vec<_>>(), [9]);
        assert_eq!(
            copy.len() + most(1, 0, 0) - 1,
            out.len(),
            "a credential takes a byte less than a network may"
        );
    }
}
