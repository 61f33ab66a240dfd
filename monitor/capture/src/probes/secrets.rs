//! Reading what the programs have taken.

use std::mem::offset_of;

use aya::maps::{Array, HashMap, MapData, RingBuf};
use monitor_ebpf::secret::{HITS, Hit, LABELS, RANDOM, SecretRecord};
use rollcall_model::time::Timestamp;
use rollcall_tls::{Label, Secret};

/// The ring of secrets.
pub struct Secrets {
    pub(crate) ring: RingBuf<MapData>,
}

impl Secrets {
    /// Hands over all secrets that have been taken since. `clock` is what has to be added to the kernel's clock to get the time of
    /// day, in nanoseconds. Returns how many there were.
    pub(crate) fn take(&mut self, clock: u64, mut to: impl FnMut(Secret)) -> usize {
        // No more at a time than the ring holds: it fills while it is read.
        let most = super::RING_SIZE as usize / size_of::<SecretRecord>();
        for taken in 0..most {
            let Some(record) = self.ring.next() else { return taken };
            match secret(&record, clock) {
                Some(secret) => to(secret),
                None => tracing::error!("a record of unknown shape came out of the ring of secrets"),
            }
        }
        most
    }
}

/// The secret in a record, of which no copy is made elsewhere.
fn secret(record: &[u8], clock: u64) -> Option<Secret> {
    let record: &[u8; size_of::<SecretRecord>()] = record.try_into().ok()?;
    let at = u64::from_ne_bytes(*record[offset_of!(SecretRecord, at)..].first_chunk()?);
    let label = match LABELS.get(usize::from(record[offset_of!(SecretRecord, label)])) {
        Some(name) => Label::from_name(name.as_bytes())?,
        None => Label::Unknown,
    };
    let random: [u8; RANDOM] = *record[offset_of!(SecretRecord, random)..].first_chunk()?;
    let random = (record[offset_of!(SecretRecord, has_random)] != 0).then_some(random);
    let length = usize::from(record[offset_of!(SecretRecord, length)]);
    let bytes = record[offset_of!(SecretRecord, secret)..].get(..length)?;
    Secret::new(label, bytes, random, Timestamp(at.wrapping_add(clock)))
}

/// The counters of hits.
pub struct SecretHits {
    pub(crate) hits: Array<MapData, [u64; HITS]>,
}

impl SecretHits {
    /// How hits ended so far, in the order of [`Hit::NAMES`].
    pub fn read(&self) -> [u64; HITS] {
        self.hits.get(&0, 0).unwrap_or_default()
    }

    /// Secrets that were lost.
    pub fn lost(&self) -> u64 {
        let hits = self.read();
        hits[Hit::Unreadable as usize] + hits[Hit::RingFull as usize]
    }
}

/// What each process has hit.
pub struct ProcessHits {
    pub(crate) processes: HashMap<MapData, u32, [u64; 2]>,
}

impl ProcessHits {
    /// Processes with what they have hit in all, and what of that was no secret.
    pub fn read(&self) -> impl Iterator<Item = (u32, [u64; 2])> {
        self.processes.iter().filter_map(Result::ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(label: u8, length: u8, has_random: u8) -> Vec<u8> {
        let mut record = [0x11; 8].to_vec();
        record.extend([1, 2, 3, 4, label, length, has_random, 0]);
        record.extend((0..48).map(|n| n + 100));
        record.extend([0x77; 32]);
        record
    }

    #[test]
    fn a_record_becomes_a_secret() {
        let made = secret(&record(2, 32, 1), 5).unwrap();
        assert_eq!((made.label, made.client_random), (Label::Server, Some([0x77; 32])));
        assert_eq!(made.at, Timestamp(0x1111_1111_1111_1111 + 5));
        assert_eq!(made.bytes(), (100..132).collect::<Vec<u8>>());
        let made = secret(&record(0, 48, 0), 0).unwrap();
        assert_eq!((made.label, made.client_random, made.bytes().len()), (Label::Master, None, 48));
        assert_eq!(secret(&record(255, 48, 0), 0).unwrap().label, Label::Unknown);
    }

    #[test]
    fn a_record_of_another_shape_is_none() {
        assert!(secret(&record(1, 31, 0), 0).is_none());
        assert!(secret(&record(1, 200, 0), 0).is_none());
        assert!(secret(&record(1, 32, 0)[..95], 0).is_none());
        assert!(secret(&[], 0).is_none());
    }

    #[test]
    fn every_label_of_the_programs_is_one_of_ours() {
        assert!(LABELS.iter().all(|name| Label::from_name(name.as_bytes()).is_some()));
    }
}
