//! How much work a document may cause. References and aliases can make it a product of what is written.

use super::error::Reason;

/// The most nodes looked at on the way from the tree to the operations. No public document needs more than
/// 150,000.
const MAX_STEPS: usize = 2_000_000;

/// A count of the nodes that have been looked at.
#[derive(Debug, Default)]
pub(super) struct Work {
    steps: usize,
}

impl Work {
    pub fn charge(&mut self, steps: usize) -> Result<(), Reason> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Reason::TooMuch) } else { Ok(()) }
    }
}
