//! Objects as the ledger keeps them: numbers and UUIDs as numbers, all else as text, and each prints back as it was.
//!
//! Objects are ordered: by kind, then by value. Their [keys](Object::key) are bytes in the same order.

use std::fmt;

use rollcall_model::hash::HashKey;

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

    /// The object that is kept of `text`: itself, unless it is longer than 256 bytes. Then it is its beginning and a
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(object: &Object) -> Vec<u8> {
        let mut key = Vec::new();
        object.key(&mut key);
        key
    }

    #[test]
    fn what_has_a_short_form_has_it() {
        for (text, kind) in [
            ("0", Kind::Number),
            ("1042", Kind::Number),
            ("18446744073709551615", Kind::Number),
            ("18446744073709551616", Kind::Text),
            ("007", Kind::Text),
            ("-5", Kind::Text),
            ("+12025550143", Kind::Text),
            ("", Kind::Text),
            ("550e8400-e29b-41d4-a716-446655440000", Kind::Uuid),
            ("550E8400-e29b-41d4-a716-446655440000", Kind::Text),
            ("550e8400e29b-41d4-a716-4466-55440000", Kind::Text),
            ("{50e8400-e29b-41d4-a716-446655440000", Kind::Text),
            ("7/1042", Kind::Text),
            ("page=2", Kind::Text),
        ] {
            let object = Object::of(text);
            assert_eq!((object.kind(), object.to_string().as_str()), (kind, text));
        }
    }

    #[test]
    fn what_is_too_long_stays_told_apart() {
        let secret = HashKey::new([7; 16]);
        let long = |end: &str| Object::kept(&("é".repeat(200) + end), &secret).to_string();
        assert!(long("a").len() <= LONGEST && long("a").starts_with("éé"), "{}", long("a"));
        assert_ne!(long("a"), long("b"));
        assert_eq!(Object::kept(&"x".repeat(LONGEST), &secret).to_string(), "x".repeat(LONGEST));
    }

    /// Texts of every kind, those that are nearly of one among them.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<u64>().prop_map(|number| number.to_string()),
            any::<u128>().prop_map(|uuid| Object::Uuid(uuid).to_string()),
            "[0-9]{1,22}",
            "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            ".{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn every_object_prints_back(text in texts()) {
            prop_assert_eq!(Object::of(&text).to_string(), text);
        }

        #[test]
        fn keys_sort_as_objects_do(a in texts(), b in texts(), hash: u64) {
            let objects = [Object::of(&a), Object::of(&b), Object::Hashed(hash)];
            for one in &objects {
                prop_assert_eq!(Object::from_key(&key(one)), Some(one.clone()));
                for other in &objects {
                    prop_assert_eq!(one.cmp(other), key(one).cmp(&key(other)));
                }
            }
        }

        #[test]
        fn no_key_makes_it_panic(key: Vec<u8>) {
            let _ = Object::from_key(&key);
        }
    }
}
