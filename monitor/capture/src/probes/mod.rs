//! The programs that take secrets of TLS connections where programs on this host pass them on.
//!
//! aya attaches no program to many places in one step, as Linux can since 6.6, and that way takes fewer privileges than the one
//! before. So these programs are loaded and attached by bpf(2) itself; their maps are aya's.

mod attach;
mod call;
mod secrets;
mod serving;
mod watch;

use std::{
    collections::HashSet,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use aya::{Ebpf, maps::Map};
use rollcall_hooks::Convention;

use self::attach::{Probe, Way};
pub(super) use self::secrets::{ProcessHits, Secrets};
pub use self::{
    secrets::SecretHits,
    watch::{How, Sight, Watch},
};
use super::Error;

/// The programs by name, with the convention that each is for.
const PROGRAMS: [(Convention, &str); 3] = [
    (Convention::Secret, "rollcall_tls"),
    (Convention::Random, "rollcall_tls_cr"),
    (Convention::Go, "rollcall_tls_go"),
];

/// Maps that they use.
const MAPS: [&str; 3] = ["SECRETS", "SECRET_HITS", "PROCESS_HITS"];

/// Functions that the compiler calls by itself.
const MEMORY: [&str; 3] = ["memcpy", "memmove", "memset"];

/// Bytes of the ring of secrets, of 104 each: those of a second, in which nobody may come for them, with 1,200 handshakes. Each has
/// four in TLS 1.3, and as many once more if its client runs on this host and has the same library.
pub(super) const RING_SIZE: u32 = 1 << 20;

/// The programs, loaded.
pub struct Probes {
    programs: Vec<(Convention, OwnedFd)>,
    way: Way,
}

impl Probes {
    /// Loads them, with the maps of `ebpf`.
    pub(super) fn load(ebpf: &Ebpf, object: &[u8]) -> Result<Probes, Error> {
        let mut maps = Vec::new();
        for name in MAPS {
            let map = ebpf.map(name).and_then(descriptor);
            maps.push((name, map.ok_or_else(|| Error::Object { lacks: format!("map {name}") })?));
        }
        let mut object =
            aya_obj::Object::parse(object).map_err(|error| Error::Load { source: error.into() })?;
        object.programs.retain(|name, _| PROGRAMS.iter().any(|(_, known)| known == name));
        let own: HashSet<usize> = object.programs.values().map(|program| program.section_index).collect();
        // Functions of others refer to other maps.
        object.functions.retain(|(section, _), function| {
            own.contains(section) || MEMORY.contains(&function.name.as_str())
        });
        let sections = object.functions.keys().map(|(section, _)| *section).collect();
        let defined = object.maps.clone();
        let known = maps.iter().filter_map(|(name, fd)| Some((*name, fd.as_raw_fd(), defined.get(*name)?)));
        object.relocate_maps(known, &sections).map_err(|error| Error::Load { source: error.into() })?;
        object.relocate_calls(&sections).map_err(|error| Error::Load { source: error.into() })?;
        let load = |way: Way| {
            let one = |&(convention, name)| Ok((convention, call::load(&object, name, way.attach_type())?));
            PROGRAMS.iter().map(one).collect::<Result<Vec<_>, Error>>()
        };
        let programs = load(Way::Many)?;
        if programs.first().is_some_and(|(_, program)| attach::is_supported(program.as_fd())) {
            return Ok(Probes { programs, way: Way::Many });
        }
        Ok(Probes { programs: load(Way::Perf)?, way: Way::Perf })
    }

    /// The program for a convention.
    fn program(&self, convention: Convention) -> Option<BorrowedFd<'_>> {
        self.programs.iter().find(|(known, _)| *known == convention).map(|(_, program)| program.as_fd())
    }
}

fn descriptor(map: &Map) -> Option<BorrowedFd<'_>> {
    match map {
        Map::RingBuf(data) | Map::Array(data) | Map::LruHashMap(data) => Some(data.fd().as_fd()),
        _ => None,
    }
}
