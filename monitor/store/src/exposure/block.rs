//! Blocks: some hundred objects of one kind in order, with how they were read, in few bytes each.
//!
//! ```text
//! kind 1 │ entries varint │ earliest first varint │ entry …
//! entry:  flags and length 1 │ object │ first │ [calls] │ [last] │ [statuses]
//! ```
//!
//! A number is what it is above the one before, less one, in as few bytes as it takes: none in a sequential walk. A
//! text is what differs from the one before. One call that was answered with 200, the usual case, takes no more than
//! that and when it was. So 37 million numbers of up to ten digits in random order take some 7 bytes each, and 2 in
//! sequence.

use super::{
    object::{Kind, Object},
    reads::{Reads, Statuses},
};

/// An object with how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub object: Object,
    pub reads: Reads,
}

/// A block is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of objects is damaged")]
pub struct Damaged;

/// Bits of an entry's first byte; the lower five are a length.
const CALLS: u8 = 1 << 5;
const LAST: u8 = 1 << 6;
const STATUSES: u8 = 1 << 7;
const LENGTH: u8 = CALLS - 1;

/// Appends `entries`, which are in order and of one kind, as a block.
pub fn encode(entries: &[Entry], out: &mut Vec<u8>) {
    let Some(first) = entries.first() else { return };
    let base = entries.iter().map(|entry| entry.reads.first).min().unwrap_or_default();
    out.push(first.object.kind() as u8);
    varint(out, entries.len() as u64);
    varint(out, base.into());
    let mut before = None;
    for entry in entries {
        push(entry, before, base, out);
        before = Some(&entry.object);
    }
}

fn push(entry: &Entry, before: Option<&Object>, base: u32, out: &mut Vec<u8>) {
    let Entry { object, reads: Reads { first, last, calls, statuses } } = entry;
    let at = out.len();
    out.push(0);
    let length = match (object, before) {
        (Object::Number(number) | Object::Hashed(number), None) => bytes(out, u128::from(*number)),
        (Object::Number(number), Some(Object::Number(before)))
        | (Object::Hashed(number), Some(Object::Hashed(before))) => {
            bytes(out, u128::from(number - before - 1))
        }
        (Object::Uuid(uuid), Some(Object::Uuid(before))) => bytes(out, uuid - before - 1),
        (Object::Uuid(uuid), _) => bytes(out, *uuid),
        (Object::Text(text), before) => {
            let before = if let Some(Object::Text(before)) = before { before.as_bytes() } else { b"" };
            let alike = text.bytes().zip(before).take_while(|(a, b)| a == *b).count();
            let shared = alike.min(usize::from(LENGTH));
            let rest = &text.as_bytes()[shared..];
            varint(out, rest.len() as u64);
            out.extend_from_slice(rest);
            shared as u8
        }
        _ => unreachable!("a block holds objects of one kind"),
    };
    let mut flags = length;
    varint(out, u64::from(first - base));
    if *calls != 1 {
        flags |= CALLS;
        varint(out, (*calls).into());
    }
    if last != first {
        flags |= LAST;
        varint(out, u64::from(last - first));
    }
    if *statuses != Statuses::OK {
        flags |= STATUSES;
        varint(out, statuses.0.into());
    }
    out[at] = flags;
}

/// Reads a block.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    kind: Kind,
    left: u64,
    base: u32,
    value: u128,
    text: Vec<u8>,
    is_first: bool,
}

impl<'a> Decoder<'a> {
    /// Reads what stands before the entries.
    pub fn new(block: &'a [u8]) -> Result<Decoder<'a>, Damaged> {
        let mut bytes = block;
        let (&kind, rest) = bytes.split_first().ok_or(Damaged)?;
        bytes = rest;
        let kind = Kind::of(kind).ok_or(Damaged)?;
        let left = take_varint(&mut bytes)?;
        let base = take_u32(&mut bytes)?;
        Ok(Decoder { bytes, kind, left, base, value: 0, text: Vec::new(), is_first: true })
    }

    fn entry(&mut self) -> Result<Entry, Damaged> {
        let (&flags, rest) = self.bytes.split_first().ok_or(Damaged)?;
        self.bytes = rest;
        let length = usize::from(flags & LENGTH);
        let object = match self.kind {
            Kind::Text => {
                let size = usize::try_from(take_varint(&mut self.bytes)?).map_err(|_| Damaged)?;
                let (rest, bytes) = self.bytes.split_at_checked(size).ok_or(Damaged)?;
                self.bytes = bytes;
                if length > self.text.len() {
                    return Err(Damaged);
                }
                self.text.truncate(length);
                self.text.extend_from_slice(rest);
                Object::Text(std::str::from_utf8(&self.text).map_err(|_| Damaged)?.into())
            }
            kind => {
                let (delta, bytes) = self.bytes.split_at_checked(length).ok_or(Damaged)?;
                self.bytes = bytes;
                if length > 16 {
                    return Err(Damaged);
                }
                let mut wide = [0; 16];
                wide[..length].copy_from_slice(delta);
                let delta = u128::from_le_bytes(wide);
                let step = u128::from(!self.is_first);
                let next = self.value.checked_add(delta).and_then(|next| next.checked_add(step));
                self.value = next.ok_or(Damaged)?;
                let narrow = || u64::try_from(self.value).map_err(|_| Damaged);
                match kind {
                    Kind::Uuid => Object::Uuid(self.value),
                    Kind::Hashed => Object::Hashed(narrow()?),
                    _ => Object::Number(narrow()?),
                }
            }
        };
        self.is_first = false;
        let first = self.base.checked_add(take_u32(&mut self.bytes)?).ok_or(Damaged)?;
        let calls = if flags & CALLS == 0 { 1 } else { take_u32(&mut self.bytes)? };
        let after = if flags & LAST == 0 { 0 } else { take_u32(&mut self.bytes)? };
        let last = first.checked_add(after).ok_or(Damaged)?;
        let statuses = if flags & STATUSES == 0 {
            Statuses::OK
        } else {
            Statuses(u16::try_from(take_varint(&mut self.bytes)?).map_err(|_| Damaged)?)
        };
        Ok(Entry { object, reads: Reads { first, last, calls, statuses } })
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Entry, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

/// Appends `value` in as few bytes as it takes; their number.
fn bytes(out: &mut Vec<u8>, value: u128) -> u8 {
    let length = 16 - value.leading_zeros() / 8;
    out.extend_from_slice(&value.to_le_bytes()[..length as usize]);
    length as u8
}

/// Appends `value` with its length in the upper two bits: 6, 14, 22 or, rarely needed, 64 bits.
fn varint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x40_0000 => out.extend_from_slice(&(value as u32 | 0x80_0000).to_be_bytes()[1..]),
        _ => {
            out.push(0xc0);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let (&head, rest) = bytes.split_first().ok_or(Damaged)?;
    let (start, more) = match head >> 6 {
        3 => (0, 8),
        more => (u64::from(head & 0x3f), usize::from(more)),
    };
    let (value, rest) = rest.split_at_checked(more).ok_or(Damaged)?;
    *bytes = rest;
    Ok(value.iter().fold(start, |value, &byte| value << 8 | u64::from(byte)))
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, Damaged> {
    u32::try_from(take_varint(bytes)?).map_err(|_| Damaged)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Reads that take more than they usually do.
    pub fn reads() -> impl Strategy<Value = Reads> {
        (any::<u32>(), prop_oneof![Just(0), any::<u32>()], prop_oneof![Just(1), any::<u32>()], 0_u16..1 << 13)
            .prop_map(|(first, more, calls, statuses)| Reads {
                first,
                last: first.saturating_add(more),
                calls,
                statuses: Statuses(statuses),
            })
    }

    /// Objects of one kind.
    pub fn objects() -> impl Strategy<Value = Vec<Object>> {
        prop_oneof![
            prop::collection::vec(any::<u64>().prop_map(Object::Number), 1..200),
            prop::collection::vec((0_u64..300).prop_map(Object::Number), 1..200),
            prop::collection::vec(any::<u64>().prop_map(Object::Hashed), 1..200),
            prop::collection::vec(any::<u128>().prop_map(Object::Uuid), 1..200),
            prop::collection::vec(
                "(user)?[a-e]{0,40}.{0,9}".prop_map(|text| Object::Text(text.into())),
                1..200
            ),
        ]
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        objects().prop_flat_map(|objects| {
            let count = objects.len();
            (Just(objects), prop::collection::vec(reads(), count)).prop_map(|(objects, reads)| {
                let entries: BTreeMap<Object, Reads> = objects.into_iter().zip(reads).collect();
                entries.into_iter().map(|(object, reads)| Entry { object, reads }).collect()
            })
        })
    }

    fn bytes_of(numbers: impl Iterator<Item = u64>) -> usize {
        let mut out = Vec::new();
        let entry = |(at, number): (u32, u64)| Entry {
            object: Object::Number(number),
            reads: Reads::once(1_700_000_000 + 70 * at, Some(200)),
        };
        encode(&(0..).zip(numbers).map(entry).collect::<Vec<_>>(), &mut out);
        out.len()
    }

    #[test]
    fn the_usual_takes_little() {
        assert_eq!(bytes_of(std::iter::once(1_042)), 1 + 1 + 9 + 1 + 2 + 1);
        assert!(bytes_of(1_000_000_000..1_000_000_100) < 330, "in order: three bytes each");
        let scattered = (0..100).map(|n| 1_000_000_000 + n * 270);
        assert!(bytes_of(scattered) < 530, "37 million of ten digits: five bytes each within a block");
    }

    proptest! {
        #[test]
        fn blocks_are_read_as_they_were_written(entries in entries()) {
            let mut out = Vec::new();
            encode(&entries, &mut out);
            let read: Result<Vec<Entry>, Damaged> = Decoder::new(&out).and_then(Iterator::collect);
            prop_assert_eq!(read, Ok(entries));
            // A block that is cut off is not taken for a shorter one.
            prop_assert!(Decoder::new(&out[..out.len() - 1]).and_then(Iterator::collect::<Result<Vec<_>, _>>).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, kind in 1_u8..5) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            for entry in Decoder::new(&bytes).into_iter().flatten() {
                let _ = entry;
            }
        }
    }
}
