//! The programs' counters.

use std::sync::{Mutex, PoisonError};

use aya::maps::{MapData, PerCpuArray};
use monitor_ebpf::outcome::{Counters, OUTCOMES, Outcome, Tally};

/// As a [`Tally`] stands in the map: the outcomes, requests lost.
const TALLY: usize = size_of::<Tally>() / 8;
/// As [`Counters`] stand there: two tallies, and a word that is the programs' own.
const WORDS: usize = size_of::<Counters>() / 8;

/// One direction's counters, summed over the CPUs.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectionStatistics {
    /// How packets ended, in the order of [`monitor_ebpf::outcome::Outcome::NAMES`].
    pub outcomes: [u64; OUTCOMES],
    /// Packets lost for a full ring that began a request.
    pub requests_lost: u64,
}

impl DirectionStatistics {
    /// Packets seen: each has exactly one outcome.
    pub fn seen(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Packets that ended so.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// Reads the counters at any time, from any thread. Programs go on counting meanwhile: a reading may lack packets of
/// the moment, and the next one has them. No figure ever goes back.
pub struct Statistics {
    /// None where no programs are.
    counters: Option<PerCpuArray<MapData, [[u64; WORDS]; 2]>>,
    /// The last reading, in case that the kernel refuses one: to begin at zero again would look like a restart.
    last: Mutex<[DirectionStatistics; 2]>,
}

impl Statistics {
    pub(super) fn new(counters: PerCpuArray<MapData, [[u64; WORDS]; 2]>) -> Self {
        Self { counters: Some(counters), last: Mutex::default() }
    }

    /// Of no programs: all is 0.
    pub fn none() -> Self {
        Self { counters: None, last: Mutex::default() }
    }

    /// Requests and responses.
    pub fn read(&self) -> [DirectionStatistics; 2] {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.counters.as_ref().map(|counters| counters.get(&0, 0)) {
            None => {}
            Some(Ok(values)) => *last = sum(values.iter()),
            Some(Err(error)) => tracing::error!("the programs' counters cannot be read: {error}"),
        }
        *last
    }
}

fn sum<'a>(cpus: impl IntoIterator<Item = &'a [[u64; WORDS]; 2]>) -> [DirectionStatistics; 2] {
    let mut both = [DirectionStatistics::default(); 2];
    for cpu in cpus {
        for (sum, words) in both.iter_mut().zip(cpu) {
            for tally in words.as_chunks::<TALLY>().0 {
                let [outcomes @ .., requests_lost] = tally;
                for (outcome, word) in sum.outcomes.iter_mut().zip(outcomes) {
                    *outcome += word;
                }
                sum.requests_lost += requests_lost;
            }
        }
    }
    both
}
