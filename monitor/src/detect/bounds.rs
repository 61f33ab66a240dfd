//! Bounds on what the detector holds, what it counts, and who has to go when a bound is reached.

use super::{Detector, Finding, pairs::Standing};
use crate::time::Timestamp;

/// Bounds on memory. A pair takes up to 400 bytes, an object 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pairs of a client key and a route.
    pub pairs: usize,
    /// Objects of all pairs.
    pub objects: usize,
    /// Findings that are open at once.
    pub open: usize,
}

/// What the detector counts. All but the last four only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Observations taken in.
    pub observations: u64,
    /// Of these, calls without an object.
    pub without_object: u64,
    /// Of these, calls with one that were refused or failed: nothing was read.
    pub refused: u64,
    /// Objects that did not count, as their call had too many.
    pub objects_beyond: u64,
    /// Pairs forgotten before their time because the bound on pairs or objects was reached.
    pub pairs_evicted: u64,
    /// Objects forgotten before their time, without their pair: its counts are too low from then on.
    pub objects_evicted: u64,
    /// Findings that did not begin because too many were open.
    pub findings_suppressed: u64,
    /// Times that the source's clock was set back.
    pub clock_set_back: u64,
    /// Pairs now.
    pub pairs: u64,
    /// Objects now.
    pub objects: u64,
    /// Pairs near a limit now.
    pub watched: u64,
    /// Open findings now.
    pub open: u64,
}

impl Counters {
    /// With what a detector for other keys of the same observations holds.
    pub fn with(self, other: Counters) -> Counters {
        // A counter that is added must find its place here.
        let Counters {
            observations: _,
            without_object: _,
            refused: _,
            objects_beyond: _,
            clock_set_back: _,
            pairs_evicted,
            objects_evicted,
            findings_suppressed,
            pairs,
            objects,
            watched,
            open,
        } = other;
        Counters {
            pairs_evicted: self.pairs_evicted + pairs_evicted,
            objects_evicted: self.objects_evicted + objects_evicted,
            findings_suppressed: self.findings_suppressed + findings_suppressed,
            pairs: self.pairs + pairs,
            objects: self.objects + objects,
            watched: self.watched + watched,
            open: self.open + open,
            ..self
        }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { pairs: 65_536, objects: 1_000_000, open: 10_000 }
    }
}

impl Detector {
    /// Makes room for one pair at the cost of the one that has been idle longest, a quiet one if there is any.
    pub(super) fn make_room_for_pair(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        if !self.pairs.is_full() {
            return;
        }
        let oldest = self.pairs.oldest(Standing::Quiet).or_else(|| self.pairs.oldest(Standing::Open));
        if let Some(number) = oldest {
            self.counters.pairs_evicted += 1;
            self.forget(number, now, out);
        }
    }

    /// Makes room for one object of a pair that holds less than half of all objects at the cost of the quiet
    /// pairs that have been idle longest, else at its own. If no others are quiet, whoever holds a fair share
    /// or more gives its oldest object.
    pub(super) fn make_room_for_object(&mut self, number: u32, now: Timestamp, out: &mut Vec<Finding>) {
        while self.objects.is_full() {
            let held = |number| self.pairs.pair(number).track.len() as usize;
            let others = |standing| self.pairs.list(standing).filter(|&other| other != number);
            let fair = (self.objects.capacity() / self.pairs.len().max(1)).max(1);
            let half = self.objects.capacity().div_ceil(2);
            let quiet = if held(number) < half { others(Standing::Quiet).next() } else { None };
            if let Some(quiet) = quiet {
                self.counters.pairs_evicted += 1;
                self.forget(quiet, now, out);
                continue;
            }
            let donor = if held(number) >= fair {
                number
            } else {
                // Somebody does, for the rest would not fill the slab.
                others(Standing::Open).find(|&other| held(other) >= fair).unwrap_or(number)
            };
            if held(donor) == 0 {
                return;
            }
            self.counters.objects_evicted += 1;
            self.pairs.pair_mut(donor).track.forget(&mut self.objects);
        }
    }
}
