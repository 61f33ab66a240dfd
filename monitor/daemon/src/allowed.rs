//! What is in order beside limits and partners, on its way to detection: what somebody has said, and crawlers that are verified.

use std::time::Duration;

use rollcall_detect::Allowance;
use rollcall_engine::detection::Detection;
use rollcall_model::time::Timestamp;
use rollcall_store::Handle;

use super::crawlers::Crawlers;

/// See the [module](self).
pub(super) struct Allowed {
    ledger: Handle,
    crawlers: Option<Crawlers>,
    said: Vec<Allowance>,
    verified: Vec<Allowance>,
    /// When it is written down next how far that was made use of.
    next_uses: Timestamp,
}

/// It is written down so often.
const USES: Duration = Duration::from_secs(10);

impl Allowed {
    /// What the ledger has, and what `crawlers` finds.
    pub(super) fn new(ledger: Handle, crawlers: Option<Crawlers>) -> Allowed {
        Allowed { ledger, crawlers, said: Vec::new(), verified: Vec::new(), next_uses: Timestamp::default() }
    }

    /// Has detection go by what has changed, and has addresses looked up that came near a limit. Never waits.
    pub(super) fn turn(&mut self, detection: &mut Detection, now: Timestamp) {
        if let Some(crawlers) = &self.crawlers {
            detection.near_limits().for_each(|address| crawlers.ask(address));
        }
        if now >= self.next_uses {
            self.next_uses = now + USES;
            self.note_uses(detection);
        }
        let said = self.ledger.allowances();
        let verified = self.crawlers.as_ref().and_then(Crawlers::verified);
        if said.is_none() && verified.is_none() {
            return;
        }
        self.said = said.unwrap_or_else(|| std::mem::take(&mut self.said));
        self.verified = verified.unwrap_or_else(|| std::mem::take(&mut self.verified));
        // What somebody has said of an address comes last, and holds.
        let all: Vec<Allowance> = self.verified.iter().chain(&self.said).cloned().collect();
        // By what has ended now, too.
        self.note_uses(detection);
        detection.allow(&all, now);
    }

    /// Has it written down how far what is allowed was made use of.
    pub(super) fn note_uses(&self, detection: &mut Detection) {
        self.ledger.used(detection.take_uses());
    }
}
