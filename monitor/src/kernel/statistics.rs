//! The programs' counters.

use std::sync::Mutex;

use aya::maps::{MapData, PerCpuArray};
use monitor_ebpf::outcome::OUTCOMES;

/// As [`monitor_ebpf::outcome::Counters`] stands in the map: seen, the outcomes, requests lost.
const WORDS: usize = OUTCOMES + 2;

/// One direction's counters, summed over the CPUs.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectionStatistics {
    /// Packets seen.
    pub seen: u64,
    /// How they ended, in the order of [`monitor_ebpf::outcome::Outcome::NAMES`].
    pub outcomes: [u64; OUTCOMES],
    /// Packets lost for a full ring that began a request.
    pub requests_lost: u64,
}

/// Reads the counters at any time, from any thread.
pub struct Statistics {
    counters: PerCpuArray<MapData, [[u64; WORDS]; 2]>,
    /// The last reading that added up, for the case that none does under load.
    last: Mutex<[DirectionStatistics; 2]>,
}

/// Readings tried until seen equals the sum of outcomes. A program that runs during a reading shows as one
/// packet seen and not yet counted; most readings add up at once.
const TRIES: u32 = 64;

impl Statistics {
    pub(super) fn new(counters: PerCpuArray<MapData, [[u64; WORDS]; 2]>) -> Self {
        Self { counters, last: Mutex::default() }
    }

    /// Requests and responses, each with `seen` equal to the sum of its outcomes.
    pub fn read(&self) -> [DirectionStatistics; 2] {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for _ in 0..TRIES {
            let Ok(values) = self.counters.get(&0, 0) else { break };
            let mut both = [DirectionStatistics::default(); 2];
            for cpu in values.iter() {
                for (sum, words) in both.iter_mut().zip(cpu) {
                    sum.seen += words[0];
                    for (outcome, word) in sum.outcomes.iter_mut().zip(&words[1..]) {
                        *outcome += word;
                    }
                    sum.requests_lost += words[WORDS - 1];
                }
            }
            if both.iter().all(|direction| direction.seen == direction.outcomes.iter().sum::<u64>()) {
                *last = both;
                break;
            }
        }
        *last
    }
}
