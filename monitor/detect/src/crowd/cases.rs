//! The cases of all routes: no more than there is memory for; where one begins, the others of its route take it for a sign.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    case::{Case, Event},
    route::Route,
    verdict::Verdict,
};
use crate::{Finding, Phase};

/// Cases of one rule on a route.
const PARTS: usize = 4;

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cases {
    /// Cases at a time, of 2 KiB each at most.
    most: u64,
    /// Cases, and those that have begun.
    held: u64,
    pub(super) open: u64,
    /// Findings that did not begin, as there are too many cases.
    pub(super) suppressed: u64,
}

impl Cases {
    /// Room for the cases of so many routes: if all is well, none has one; in an attack, a few have all four.
    pub(super) fn new(routes: usize) -> Cases {
        Cases { most: (routes as u64 * 3 / 16).max(4), held: 0, open: 0, suppressed: 0 }
    }

    /// Takes in a verdict, and says whether a finding began.
    pub(super) fn take(
        &mut self,
        route: &mut Route,
        verdict: &Verdict,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let of_rule = route.cases.iter().filter(|case| case.rule == verdict.rule).count();
        let found = route.cases.iter().position(|case| case.is_about(verdict)).or_else(|| {
            // Of too many the last takes in the rest.
            route.cases.iter().rposition(|case| case.rule == verdict.rule && of_rule >= PARTS)
        });
        let index = match found {
            Some(index) => index,
            None if !verdict.near => return false,
            None if self.held >= self.most => {
                self.suppressed += u64::from(verdict.over);
                return false;
            }
            None => {
                self.held += 1;
                let parts = route.cases.iter().filter(|case| case.rule == verdict.rule).map(|case| case.part);
                let part = parts.max().map_or(0, |part| part.wrapping_add(1));
                route.cases.push(Case::new(verdict.rule, part, event.at));
                route.cases.len() - 1
            }
        };
        let Some(phase) = route.cases[index].take(verdict, event) else { return false };
        route.report(index, phase, event.at, out);
        let begins = phase == Phase::Begins;
        if begins {
            self.open += 1;
            // The others have one more that agrees.
            for other in 0..route.cases.len() {
                if other != index && route.cases[other].begun {
                    route.report(other, Phase::Grows, event.at, out);
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
                route.report(index, Phase::Ends, now, out);
            }
            route.cases.remove(index);
        }
    }
}
