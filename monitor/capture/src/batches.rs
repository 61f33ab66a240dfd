//! Response entries: from full batches in the ring, and from batches that are still filling.
//!
//! Each CPU numbers its entries. The daemon takes each number once: entries of a batch that it has already
//! looked at come again when the batch goes to the ring, and a jump in the numbers is a loss.

use monitor_ebpf::record::{BATCH_ENTRIES, Batch, Entry};
use rollcall_model::time::Timestamp;
use rollcall_stream::Segment;

use super::{decode, mapped::Mapped};

pub(super) struct Batches {
    mapped: Mapped<Batch>,
    /// The last number taken, for each CPU.
    taken: Vec<u64>,
    /// Entries that were overwritten before they were taken.
    pub(super) lost: u64,
}

impl Batches {
    pub(super) fn new(mapped: Mapped<Batch>) -> Self {
        Self { taken: vec![0; mapped.len()], mapped, lost: 0 }
    }

    /// Takes the new entries of a batch that came through the ring.
    pub(super) fn full(&mut self, batch: &Batch, clock: u64, deliver: &mut impl FnMut(&Segment<'_>)) {
        let Some(taken) = self.taken.get_mut(batch.cpu as usize) else { return };
        for entry in batch.entries.iter().take(batch.count as usize) {
            if entry.begin <= *taken {
                continue;
            }
            self.lost += entry.begin - *taken - 1;
            *taken = entry.begin;
            if entry.end == entry.begin {
                deliver(&decode::entry(entry, clock));
            } else {
                self.lost += 1;
            }
        }
    }

    /// Takes the entries of batches that have not filled up, as far as they are not later than `upto`. Returns how
    /// many.
    ///
    /// Entries that follow ones still in the ring are left for the next time, or order would be lost.
    pub(super) fn partial(
        &mut self,
        clock: u64,
        upto: Timestamp,
        deliver: &mut impl FnMut(&Segment<'_>),
    ) -> usize {
        let mut count = 0;
        for (cpu, taken) in self.taken.iter_mut().enumerate() {
            let batch = self.mapped.pointer(cpu);
            for index in 0..BATCH_ENTRIES {
                // SAFETY: within the mapping; volatile, as a program may be writing. Both numbers are read
                // again after the copy: an entry that changed meanwhile is left alone.
                let entry = unsafe {
                    let entry = (&raw const (*batch).entries[index]).cast::<Entry>();
                    let numbers = || {
                        (
                            (&raw const (*entry).begin).read_volatile(),
                            (&raw const (*entry).end).read_volatile(),
                        )
                    };
                    let (begin, end) = numbers();
                    if begin != *taken + 1 || end != begin {
                        continue;
                    }
                    let copy = entry.read_volatile();
                    if numbers() != (begin, end) {
                        break;
                    }
                    copy
                };
                let segment = decode::entry(&entry, clock);
                if segment.at > upto {
                    break;
                }
                *taken = entry.begin;
                count += 1;
                deliver(&segment);
            }
        }
        count
    }
}
