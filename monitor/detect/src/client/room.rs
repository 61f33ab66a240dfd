//! Room: how large the tables are, what is counted, and who has to go when one is full.

use std::time::Duration;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Context, Tally, judge::is_near, objects::Objects, pairs, pairs::Pairs};
use crate::Finding;

/// Objects kept of a pair; with more it goes on as a sample, within some 2 % of the truth.
pub(super) const OBJECTS_PER_PAIR: u32 = 2_048;

/// A pair that has not been active for so long gives way to one that has touched as little.
const IDLE: Duration = Duration::from_secs(600);

/// The class up to which pairs have touched so little that the sketches do instead: less than 8 objects.
const LITTLE: u8 = 3;

/// A pair that has come to this part of a limit is busy: pushing it out may hide something.
const BUSY: u64 = 4;

/// Bytes of one pair's evidence, with room for its texts.
const EVIDENCE: usize = 2_048;

/// How large the tables of a tally are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    /// Pairs of a client key and a route.
    pub(crate) pairs: usize,
    /// Objects of all pairs.
    pub(crate) objects: usize,
    /// Bytes of the sketches.
    pub(crate) sketch: usize,
    /// Pairs with evidence that have no open finding.
    pub(crate) watched: usize,
    /// Findings that are open at once.
    pub(crate) open: usize,
}

impl Sizes {
    /// What fits into so many bytes: of 24 parts, seven for sketches, five for pairs, nine for objects, and three for
    /// evidence, as much again of which is made for pairs over a limit when there is no room for theirs. A pair at the
    /// limits by default has a few hundred objects; most have one.
    pub(crate) fn within(bytes: usize, lengths: usize) -> Sizes {
        Sizes {
            pairs: bytes / 24 * 5 / Pairs::bytes_each(lengths),
            objects: bytes / 24 * 9 / Objects::BYTES_EACH,
            sketch: bytes / 24 * 7,
            watched: bytes / 24 * 3 / EVIDENCE,
            open: bytes / 24 * 3 / EVIDENCE,
        }
    }
}

/// What a tally counts. All but the last five only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Observations of clients that had touched too little to get a place: counted by the sketches alone.
    pub not_admitted: u64,
    /// Pairs forgotten before their time because a table was full, by how much they had touched: less than a quarter of
    /// every limit, and more, so that they may go over one unseen.
    pub evicted_idle: u64,
    pub evicted_busy: u64,
    /// Times that a pair's objects were thinned to a sample of them.
    pub thinned: u64,
    /// Findings that did not begin because too many were open.
    pub findings_suppressed: u64,
    /// Times that the sketches were cleared because they were full.
    pub sketches_cleared: u64,
    /// Pairs now.
    pub pairs: u64,
    /// Objects now.
    pub objects: u64,
    /// Pairs near a limit now.
    pub watched: u64,
    /// Open findings now.
    pub open: u64,
    /// Objects that a client has to touch now to get a place.
    pub admission: u64,
}

impl Counters {
    /// With those of another tally.
    pub(crate) fn with(self, other: Counters) -> Counters {
        Counters {
            not_admitted: self.not_admitted + other.not_admitted,
            evicted_idle: self.evicted_idle + other.evicted_idle,
            evicted_busy: self.evicted_busy + other.evicted_busy,
            thinned: self.thinned + other.thinned,
            findings_suppressed: self.findings_suppressed + other.findings_suppressed,
            sketches_cleared: self.sketches_cleared + other.sketches_cleared,
            pairs: self.pairs + other.pairs,
            objects: self.objects + other.objects,
            watched: self.watched + other.watched,
            open: self.open + other.open,
            admission: self.admission.max(other.admission),
        }
    }

    /// What was lost so that a client may go unseen.
    pub(crate) fn blinding(&self) -> u64 {
        self.evicted_busy + self.findings_suppressed
    }
}

impl Tally {
    /// Makes room for one pair that has touched so many `objects`, if there is one that has touched less, or as little and
    /// has been idle for long. Of those that have touched least the one goes that has been idle longest.
    pub(super) fn make_room_for_pair(
        &mut self,
        objects: u8,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        if !self.pairs.is_full() {
            return true;
        }
        let Some(number) = (0..=pairs::OPEN_LARGE).find_map(|class| self.pairs.oldest(class)) else {
            return false;
        };
        let pair = self.pairs.pair(number);
        let class = pairs::class(objects.into());
        let goes = pair.class < class || pair.class == class && now.since(pair.last) >= IDLE;
        if goes {
            self.evict(number, now, context, out);
        }
        goes
    }

    /// Makes room for one object of a pair: at the cost of quiet pairs that have touched little, then of those with very
    /// many, which can do with a sample, then of those that have touched less, then of the pair itself.
    pub(super) fn make_room_for_object(
        &mut self,
        number: u32,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        while self.objects.is_full() {
            let class = self.pairs.pair(number).class;
            let oldest_below = |class: u8| (0..class).find_map(|class| self.pairs.oldest(class));
            if let Some(idle) = oldest_below(class.min(LITTLE)) {
                self.evict(idle, now, context, out);
            } else if let Some(donor) = self.donor() {
                self.thin(donor);
            } else if let Some(less) = oldest_below(class.min(pairs::CLASSES)) {
                self.evict(less, now, context, out);
            } else if self.pairs.pair(number).track.len() >= pairs::FEWEST {
                self.thin(number);
            } else {
                let others = (0..=pairs::OPEN_LARGE).flat_map(|class| {
                    std::iter::successors(self.pairs.oldest(class), |&other| self.pairs.next(other))
                });
                match others.into_iter().find(|&other| other != number) {
                    Some(other) => self.evict(other, now, context, out),
                    None if self.pairs.pair(number).track.len() > 0 => {
                        let (pair, windows) = self.pairs.with_windows(number);
                        pair.track.forget(windows, &mut self.objects);
                    }
                    None => return,
                }
            }
        }
    }

    /// Forgets a pair with all its objects.
    pub(super) fn forget(
        &mut self,
        number: u32,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        self.end_all(number, now, context, out);
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.clear(windows, &mut self.objects);
        self.unwatch(number);
        self.pairs.remove(number);
    }

    fn evict(&mut self, number: u32, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        let (pair, windows) = self.pairs.with_windows(number);
        self.admission.remember(pair.hash, pair.known());
        pair.track.slide(windows, &mut self.objects, now, context.policy.windows());
        let pair = self.pairs.pair(number);
        let is_busy = is_near(self.pairs.windows(number), context.policy.row(pair.profile), BUSY);
        *if is_busy { &mut self.counters.evicted_busy } else { &mut self.counters.evicted_idle } += 1;
        self.forget(number, now, context, out);
    }

    /// A pair with many objects, one with an open finding if there is any.
    fn donor(&self) -> Option<u32> {
        let large = self.pairs.oldest(pairs::OPEN_LARGE);
        let busiest = || self.pairs.oldest(pairs::CLASSES - 1);
        large.or_else(busiest).filter(|&number| self.pairs.pair(number).track.len() >= pairs::FEWEST)
    }

    fn thin(&mut self, number: u32) {
        self.counters.thinned += 1;
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.thin(windows, &mut self.objects);
        // To the end of its list, so that the next is another's turn.
        if pair.is_open() { self.pairs.open(number) } else { self.pairs.calm(number) }
    }
}
