//! The order of forward declarations in BTF, the debug information that the kernel reads.
//!
//! Structs that are only pointed to stand last in it, in the order of the addresses that LLVM happened to have for them. Sorted
//! by name, the object depends on nothing but its sources.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

const HEADER: usize = 24;
/// Of a type, but for what its kind appends: name, kind and number of members, size or the number of another type.
const TYPE: usize = 12;
const POINTER: u32 = 2;
const FORWARD: u32 = 7;
/// Names of other types and qualifiers: these, like a pointer, refer to a type where others have their size.
const ALIASES: std::ops::RangeInclusive<u32> = 8..=11;

/// Sorts the forward declarations of an object.
pub(crate) fn sort_forward_declarations(object: &mut [u8]) -> Result<()> {
    let section = section(object)?;
    let [types_at, types_length, names_at, names_length] =
        [8, 12, 16, 20].map(|at| word(section, at) as usize);
    let (types, names) = section[HEADER..].split_at_mut(names_at);
    let types = &mut types[types_at..][..types_length];
    let names = &mut names[..names_length];

    let mut references = Vec::new();
    let mut forward = Vec::new();
    let (mut at, mut number) = (0, 0);
    while at < types.len() {
        number += 1;
        let (kind, appended) = kind(word(types, at + 4))?;
        if kind == FORWARD {
            let name = names[word(types, at) as usize..].split_inclusive(|&byte| byte == 0).next();
            let name = name.context("a name lies outside of BTF")?.to_vec();
            forward.push(Declaration { name, kind: word(types, at + 4), number, at });
        } else {
            ensure!(forward.is_empty(), "forward declarations aren't the last types of BTF");
        }
        if kind == POINTER || ALIASES.contains(&kind) {
            references.push(at + 8);
        }
        at += TYPE + appended;
    }

    let mut sorted = forward.clone();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let before = forward.iter().flat_map(|declaration| declaration.name.clone()).collect::<Vec<_>>();
    ensure!(names.ends_with(&before), "names of forward declarations aren't the last of BTF");
    let mut name_at = names.len() - before.len();
    let mut renumbered = HashMap::new();
    for (place, declaration) in forward.iter().zip(&sorted) {
        names[name_at..][..declaration.name.len()].copy_from_slice(&declaration.name);
        set(types, place.at, name_at as u32);
        set(types, place.at + 4, declaration.kind);
        renumbered.insert(declaration.number, place.number);
        name_at += declaration.name.len();
    }
    for at in references {
        if let Some(&number) = renumbered.get(&word(types, at)) {
            set(types, at, number);
        }
    }
    Ok(())
}

#[derive(Clone)]
struct Declaration {
    /// With the zero behind it.
    name: Vec<u8>,
    kind: u32,
    /// Counted from 1.
    number: u32,
    at: usize,
}

/// The one section of BTF, found by how it begins.
fn section(object: &mut [u8]) -> Result<&mut [u8]> {
    let [magic, version] = [0xeb9f_u16.to_ne_bytes(), [1, 0]];
    let begins = [magic.as_slice(), &version, &(HEADER as u32).to_ne_bytes()].concat();
    let mut found = object.windows(begins.len()).enumerate().filter(|(_, bytes)| *bytes == begins);
    let (Some((start, _)), None) = (found.next(), found.next()) else { bail!("not one section of BTF") };
    Ok(&mut object[start..])
}

/// What kind a type is, and how many bytes it appends.
fn kind(word: u32) -> Result<(u32, usize)> {
    let (kind, members) = (word >> 24 & 0x1f, word as usize & 0xffff);
    let appended = match kind {
        // Integers, variables, tags.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structs, unions, sections of data, enums of 64 bits.
        4 | 5 | 15 | 19 => 12 * members,
        // Enums, parameters of functions.
        6 | 13 => 8 * members,
        POINTER | FORWARD..=12 | 16 | 18 => 0,
        _ => bail!("BTF has a kind that isn't known, {kind}"),
    };
    Ok((kind, appended))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

fn set(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..][..4].copy_from_slice(&word.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two structs that are only pointed to: a pointer to each, in one order and in the other.
    fn object(order: [&str; 2]) -> Vec<u8> {
        let names: Vec<u8> =
            std::iter::once(0).chain(order.iter().flat_map(|name| name.bytes().chain([0]))).collect();
        let number = |name: &str| 3 + order.iter().position(|&one| one == name).unwrap() as u32;
        let mut types = Vec::new();
        for pointed in ["Context", "Packet"] {
            types.extend([0, POINTER << 24, number(pointed)]);
        }
        types.extend([1, FORWARD << 24, 0]);
        types.extend([2 + order[0].len() as u32, FORWARD << 24, 0]);
        let length = 4 * types.len() as u32;
        let header = [HEADER as u32, 0, length, length, names.len() as u32];
        let magic = [0xeb9f_u16.to_ne_bytes(), [1, 0]].concat();
        let words = header.into_iter().chain(types).flat_map(u32::to_ne_bytes);
        [b"before".to_vec(), magic, words.collect(), names].concat()
    }

    #[test]
    fn declarations_have_one_order() {
        let sorted = object(["Context", "Packet"]);
        for mut object in [sorted.clone(), object(["Packet", "Context"])] {
            sort_forward_declarations(&mut object).unwrap();
            assert_eq!(object, sorted);
        }
        assert!(sort_forward_declarations(&mut b"no object".to_vec()).is_err());
    }
}
