//! A detector that goes on where another was.

use rollcall_attribute::route::NEW;
use rollcall_model::{
    hash::HashKey,
    state::{self, Inconsistent},
    time::Timestamp,
};

use super::{Budget, Detector, Settings, State};
use crate::{answers::Names, client::Tally, crowd::Crowd, identities::Identities, named::Choice};

/// Which tables of a state could be taken up. Those of another size, or for other windows, begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What each client has touched.
    pub clients: bool,
    /// What everybody has, and what is usual on each route.
    pub routes: bool,
}

impl Detector {
    /// A detector that goes on at `now` where the one was that had come to `state`, under the same key. Settings may have
    /// changed since: new limits hold from now on; with other windows, or another budget, tables begin anew.
    ///
    /// # Errors
    ///
    /// If the state is not one that a detector comes to.
    pub fn restore(
        settings: Settings,
        key: HashKey,
        mut state: State,
        now: Timestamp,
        names: &mut state::Names,
    ) -> Result<(Detector, Kept), Inconsistent> {
        let Settings { policy, budget, bytes_limit } = settings;
        let kept = state.fit(&policy, budget);
        if kept.clients {
            state.addresses.restore(&policy, names)?;
            state.credentials.restore(&policy, names)?;
        } else {
            let sizes = budget.tally(policy.windows().len());
            state.addresses = Tally::new(sizes, &policy, true);
            state.credentials = Tally::new(sizes, &policy, false);
        }
        if kept.routes {
            state.crowd.restore(names);
        } else {
            state.crowd = Crowd::new(budget.crowd());
        }
        if !state.identities.fits(budget.proven()) {
            state.identities = Identities::new(budget.proven());
        }
        state.counters.bytes = budget.bytes() as u64;
        state.clock.resume(now);
        let (names, choice) = (Names::default(), Choice::new(key));
        let (new, least) = (NEW.into(), policy.least());
        let detector = Detector { key, policy, bytes_limit, loss: 0.0, names, choice, new, least, state };
        Ok((detector, kept))
    }

    /// All that has to be kept for another detector to go on from here.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl State {
    /// What of it fits the settings.
    fn fit(&self, policy: &super::Policy, budget: Budget) -> Kept {
        let sizes = budget.tally(policy.windows().len());
        Kept {
            clients: self.addresses.fits(sizes, policy, true) && self.credentials.fits(sizes, policy, false),
            routes: self.crowd.fits(budget.crowd()),
        }
    }
}
