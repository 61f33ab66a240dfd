//! The function that is called with the words which a log of keys begins its lines with.

use memchr::memmem;

use crate::{
    Convention, Hook, Library,
    image::{Image, Part},
    x86,
};

/// The words, in the order in which of two that begin at one place the longer comes first (the key log format of NSS).
const LABELS: [&str; 8] = [
    "CLIENT_RANDOM",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
    "EARLY_EXPORTER_SECRET",
];

/// What each of them has, or is: so it takes three searches and not eight.
const PARTS: [&str; 3] = ["_TRAFFIC_SECRET", "EXPORTER_SECRET", "CLIENT_RANDOM"];

/// Most places of words that are looked at: a program with two libraries has some thirty.
const PLACES: usize = 256;
/// Most instructions that load such a place: a library has ten to twenty.
const LOADS: usize = 4096;
/// Different words that a function has to be called with, if a function begins there by the unwind table…
const AGREEING: u32 = 2;
/// …and where that says nothing.
const AGREEING_ALONE: u32 = 3;

/// Where the words are.
pub struct Labels {
    /// Sorted addresses, with the word's number.
    places: Vec<(u64, u8)>,
}

impl Labels {
    pub fn of(image: &Image<'_>) -> Labels {
        let mut places = Vec::new();
        for part in image.parts() {
            for word in PARTS {
                for place in memmem::find_iter(part.bytes, word).take(PLACES) {
                    note(part, place, &mut places);
                }
            }
        }
        places.sort_unstable();
        places.dedup_by_key(|&mut (address, _)| address);
        places.truncate(PLACES);
        Labels { places }
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// By symbols, else by what is called with the words.
    pub fn hooks(&self, image: &Image<'_>) -> Vec<Hook> {
        let named = [
            (Library::OpenSsl, image.functions("ssl_log_secret", is_log_secret)),
            (
                Library::GnuTls,
                image.functions("_gnutls_call_keylog_func", |name| name == b"_gnutls_call_keylog_func"),
            ),
        ];
        let mut hooks = Vec::new();
        for (library, addresses) in named {
            hooks.extend(addresses.into_iter().filter_map(|address| hook(image, library, address)));
        }
        if hooks.is_empty() && !self.is_empty() {
            let is_gnutls =
                memmem::find(image.section(".dynstr").map_or(&[], |(bytes, _)| bytes), b"\0libgnutls.so")
                    .is_some()
                    || !image.functions("gnutls_init", |name| name == b"gnutls_init").is_empty();
            let library = if is_gnutls { Library::GnuTls } else { Library::OpenSsl };
            hooks.extend(self.called(image).into_iter().filter_map(|address| hook(image, library, address)));
        }
        hooks
    }

    /// The functions that enough of the words are handed to.
    fn called(&self, image: &Image<'_>) -> Vec<u64> {
        let addresses: Vec<u64> = self.places.iter().map(|&(address, _)| address).collect();
        // Functions with the words that they are called with, a bit each.
        let mut votes: Vec<(u64, u32)> = Vec::new();
        let mut loads = 0;
        for part in image.parts().iter().filter(|part| part.is_code) {
            for (behind, address) in x86::loads(part.bytes, part.address, &addresses, image.is_fixed) {
                loads += 1;
                if loads > LOADS {
                    return Vec::new();
                }
                let Ok(index) = self.places.binary_search_by_key(&address, |&(address, _)| address) else {
                    continue;
                };
                let word = 1 << self.places[index].1;
                let Some(code) = part.bytes.get(behind..) else { continue };
                let mut targets = x86::targets(code, part.address.wrapping_add(behind as u64));
                let target = targets.find(|&target| match image.is_function(target) {
                    Some(is_function) => is_function && image.code_at(target).is_some(),
                    None => image.code_at(target).is_some(),
                });
                let Some(target) = target else { continue };
                match votes.iter().position(|&(known, _)| known == target) {
                    Some(index) => votes[index].1 |= word,
                    None if votes.len() < PLACES => votes.push((target, word)),
                    None => {}
                }
            }
        }
        votes.retain(|&(target, words)| {
            let enough = if image.is_function(target).is_some() { AGREEING } else { AGREEING_ALONE };
            words.count_ones() >= enough
        });
        votes.into_iter().map(|(target, _)| target).collect()
    }
}

/// C, C++ (`bssl::ssl_log_secret`), and C whose names a build has put a prefix before.
fn is_log_secret(name: &[u8]) -> bool {
    name == b"ssl_log_secret"
        || name.ends_with(b"_ssl_log_secret")
        || name.starts_with(b"_Z") && memmem::find(name, b"14ssl_log_secretE").is_some()
        || name.starts_with(b"_Z14ssl_log_secret")
}

fn hook(image: &Image<'_>, library: Library, address: u64) -> Option<Hook> {
    let code = image.code_at(address)?;
    let (place, convention) = match x86::jump_with_random(code) {
        Some(place) if library == Library::OpenSsl => (place, Convention::Random),
        _ => (x86::entry(code), Convention::Secret),
    };
    let offset = image.offset_of(address)?.checked_add(place as u64)?;
    Some(Hook { library, offset, convention })
}

/// Notes the words that end with what was found at `place`. A linker may have merged two of which one ends with the other.
fn note(part: &Part<'_>, place: usize, places: &mut Vec<(u64, u8)>) {
    for (number, label) in (0..).zip(LABELS) {
        for word in PARTS {
            let Some(before) = label.find(word) else { continue };
            let Some(begin) = place.checked_sub(before) else { continue };
            let end = begin + label.len();
            if part.bytes.get(begin..end) == Some(label.as_bytes()) && part.bytes.get(end) == Some(&0) {
                places.push((part.address.wrapping_add(begin as u64), number));
            }
        }
    }
}
