//! How large the tables of a tally are, and what they count.

use serde::{Deserialize, Serialize};

use super::{objects::Objects, pairs::Pairs};

/// Bytes of one pair's evidence, with room for its texts.
const EVIDENCE: usize = 2_048;

/// How large the tables of a tally are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct TallyCounters {
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

impl TallyCounters {
    /// With those of another tally.
    pub(crate) fn with(self, other: TallyCounters) -> TallyCounters {
        TallyCounters {
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
