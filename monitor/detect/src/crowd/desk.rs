//! Where cases are opened and closed: as many as there is room for, and each tells the others of its route.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    case::{Case, Event},
    route::Route,
    verdict::Verdict,
};
use crate::{Finding, Phase, Rule};

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Desk {
    /// Cases at a time, of 2 KiB each at most.
    most: u64,
    /// Cases, and those that have begun.
    held: u64,
    pub(super) open: u64,
    /// Findings that did not begin, as there are too many cases.
    pub(super) suppressed: u64,
}

impl Desk {
    /// Room for the cases of so many routes: if all is well, none has one; in an attack, a few have all four.
    pub(super) fn new(routes: usize) -> Desk {
        Desk { most: (routes as u64 * 3 / 16).max(4), held: 0, open: 0, suppressed: 0 }
    }

    /// Takes in a verdict, and says whether a finding began.
    pub(super) fn hear(
        &mut self,
        route: &mut Route,
        verdict: &Verdict,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let found = route.cases.iter().position(|case| case.rule == verdict.rule);
        let index = match found {
            Some(index) => index,
            None if !verdict.near => return false,
            None if self.held >= self.most => {
                self.suppressed += u64::from(verdict.over);
                return false;
            }
            None => {
                self.held += 1;
                route.cases.push(Case::new(verdict.rule, event.at));
                route.cases.len() - 1
            }
        };
        let Some(phase) = route.cases[index].hear(verdict, event) else { return false };
        route.tell(index, phase, event.at, out);
        let begins = phase == Phase::Begins;
        if begins {
            self.open += 1;
            // The others have one more that agrees.
            for other in 0..route.cases.len() {
                if other != index && route.cases[other].begun {
                    route.tell(other, Phase::Grows, event.at, out);
                }
            }
        }
        begins
    }

    /// Closes the cases of a route that are quiet, or `all` of them.
    pub(super) fn close(&mut self, route: &mut Route, now: Timestamp, all: bool, out: &mut Vec<Finding>) {
        let mut index = 0;
        while let Some(case) = route.cases.get(index) {
            if !all && !case.is_quiet(now) {
                index += 1;
                continue;
            }
            self.held = self.held.saturating_sub(1);
            if case.begun {
                self.open = self.open.saturating_sub(1);
                route.tell(index, Phase::Ends, now, out);
            }
            route.cases.remove(index);
        }
    }
}

impl Route {
    /// Rules that have a finding open.
    pub(super) fn active(&self) -> impl Iterator<Item = Rule> + '_ {
        self.cases.iter().filter(|case| case.begun).map(|case| case.rule)
    }

    fn tell(&self, index: usize, phase: Phase, at: Timestamp, out: &mut Vec<Finding>) {
        let Some(case) = self.cases.get(index) else { return };
        let mut signals: Vec<Rule> = self.active().filter(|&rule| rule != case.rule).collect();
        signals.sort_unstable();
        out.push(case.finding(phase, at, &self.name, signals));
    }
}
