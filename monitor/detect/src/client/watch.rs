//! Whom evidence is kept of: pairs near a limit, a fixed number of them.
//!
//! When all places are taken, the pair that has been watched longest gives its own up, unless it still is near a limit.

use std::collections::VecDeque;

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Context, Tally, evidence::Evidence, judge::is_near};

/// A pair is watched from an eighth of a limit on, and no longer below a sixteenth of each.
pub(super) const FROM: u64 = 8;
pub(super) const UNTIL: u64 = 16;

/// Pairs that are looked at for one that need not be watched any more.
const CANDIDATES: usize = 8;

/// Pairs with evidence, and what their evidence is made of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Numbers of pairs, those watched longest first; some of them are watched no more.
    order: VecDeque<u32>,
    /// Evidence that nobody needs now, emptied.
    #[serde(skip)]
    #[expect(clippy::vec_box, reason = "what is kept is the boxes")]
    spare: Vec<Box<Evidence>>,
}

impl Tally {
    /// Begins to keep evidence of a pair, if there is a place or it `must` be.
    pub(super) fn watch(&mut self, number: u32, must: bool, now: Timestamp, context: Context<'_>) -> bool {
        if self.counters.watched >= self.sizes.watched as u64 {
            self.make_room_for_evidence(now, context);
        }
        if self.counters.watched >= self.sizes.watched as u64 && !must {
            return false;
        }
        // Of those that must be there is no more than of open findings.
        if self.watch.order.len() < self.sizes.watched {
            self.watch.order.push_back(number);
        }
        self.pairs.pair_mut(number).evidence = Some(self.watch.spare.pop().unwrap_or_default());
        self.counters.watched += 1;
        true
    }

    /// Keeps no evidence of a pair any more.
    pub(super) fn unwatch(&mut self, number: u32) {
        if let Some(mut evidence) = self.pairs.pair_mut(number).evidence.take() {
            self.counters.watched -= 1;
            if self.watch.spare.len() < self.sizes.watched {
                evidence.empty();
                self.watch.spare.push(evidence);
            }
        }
    }

    fn make_room_for_evidence(&mut self, now: Timestamp, context: Context<'_>) {
        let lengths = context.policy.windows();
        for _ in 0..CANDIDATES.min(self.watch.order.len()) {
            let Some(number) = self.watch.order.pop_front() else { return };
            let Some((pair, windows)) = self.pairs.get_with_windows(number) else { continue };
            let Some(evidence) = &pair.evidence else { continue };
            pair.track.slide(windows, &mut self.objects, now, lengths);
            let is_needed = !evidence.is_idle()
                || pair.misses.is_suspicious()
                || is_near(windows, context.policy.row(pair.profile), FROM);
            if is_needed {
                self.watch.order.push_back(number);
            } else {
                self.unwatch(number);
                return;
            }
        }
    }
}
