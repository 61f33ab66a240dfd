//! Objects as the ledger keeps them: numbers and UUIDs as numbers, all else as text, and each prints back as it was.
//!
//! Objects are ordered: by kind, then by value. Their [keys](Object::key) are bytes in the same order.

use std::fmt;

use crate::hash::HashKey;

/// The longest text that is kept whole. E-mail addresses have at most 254 bytes (RFC 5321); what is longer is no
/// account that anybody typed.
pub const LONGEST: usize = 256;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// Decimal, without leading zeros.
    Number(u64),
    /// In lower case, with hyphens: `550e8400-e29b-41d4-a716-446655440000`.
    Uuid(u128),
    /// Only its keyed hash is kept. One in 27,000 lists of 37 million has two that look alike.
    Hashed(u64),
    Text(Box<str>),
}

/// What an object is made of, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    Number = 1,
    Uuid = 2,
    Hashed = 3,
    Text = 4,
}

impl Kind {
    /// The kind that is written as `byte`.
    pub fn of(byte: u8) -> Option<Kind> {
        [Kind::Number, Kind::Uuid, Kind::Hashed, Kind::Text].into_iter().find(|kind| *kind as u8 == byte)
    }
}

impl Object {
    /// The object that prints as `text`.
    pub fn of(text: &str) -> Object {
        number(text)
            .map(Object::Number)
            .or_else(|| uuid(text).map(Object::Uuid))
            .unwrap_or_else(|| Object::Text(text.into()))
    }

    /// The object that is kept of `text`: itself, unless it is longer than [`LONGEST`]. Then it is its beginning and a
    /// keyed hash, which tells it from others.
    pub fn kept(text: &str, key: &HashKey) -> Object {
        if text.len() <= LONGEST {
            return Object::of(text);
        }
        let start = &text[..text.floor_char_boundary(LONGEST - 17)];
        Object::Text(format!("{start}~{:016x}", key.object(text.as_bytes())).into())
    }

    /// The keyed hash of `text`.
    pub fn hashed(text: &str, key: &HashKey) -> Object {
        Object::Hashed(key.object(text.as_bytes()))
    }

    /// The object whose [key](Object::key) is `key`.
    pub fn from_key(key: &[u8]) -> Option<Object> {
        let (&kind, value) = key.split_first()?;
        let number = || value.try_into().ok().map(u64::from_be_bytes);
        match Kind::of(kind)? {
            Kind::Number => number().map(Object::Number),
            Kind::Hashed => number().map(Object::Hashed),
            Kind::Uuid => value.try_into().ok().map(u128::from_be_bytes).map(Object::Uuid),
            Kind::Text => std::str::from_utf8(value).ok().map(|text| Object::Text(text.into())),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Object::Number(_) => Kind::Number,
            Object::Uuid(_) => Kind::Uuid,
            Object::Hashed(_) => Kind::Hashed,
            Object::Text(_) => Kind::Text,
        }
    }

    /// Appends bytes that sort as the objects do.
    pub fn key(&self, out: &mut Vec<u8>) {
        out.push(self.kind() as u8);
        match self {
            Object::Number(number) | Object::Hashed(number) => out.extend_from_slice(&number.to_be_bytes()),
            Object::Uuid(uuid) => out.extend_from_slice(&uuid.to_be_bytes()),
            Object::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Number(number) => write!(f, "{number}"),
            Object::Uuid(uuid) => {
                let part = |shift: u32, digits: u32| (uuid >> shift) & ((1 << (4 * digits)) - 1);
                let (a, b, c, d, e) = (part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12));
                write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
            }
            Object::Hashed(hash) => write!(f, "{hash:016x}"),
            Object::Text(text) => f.write_str(text),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let canonical = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

fn uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut uuid = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        uuid = uuid << 4 | u128::from(digit);
    }
    Some(uuid)
}
