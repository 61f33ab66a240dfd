//! The pairs that have touched most, for people to look at. Nothing is decided by it, and nothing is changed.

use std::{sync::Arc, time::Duration};

use rollcall_attribute::client::ClientKey;
use rollcall_model::time::Timestamp;

use super::{Context, Tally, judge, pairs};
use crate::policy;

/// Pairs that are looked at for one answer, those with open findings first, then those that have touched most: packets wait
/// meanwhile, and the ring holds many more.
const LOOKED_AT: usize = 4_096;

/// A client on a route, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Busy {
    pub client: ClientKey,
    pub route: Arc<str>,
    /// Different objects within each window of the policy, as of the last call; none once the window has passed since.
    pub distinct: Vec<u64>,
    /// What is in order within each window, where there is a limit.
    pub limits: Vec<Option<u32>>,
    /// Whether `distinct` was counted, rather than estimated.
    pub exact: bool,
    /// Whether a finding about it is open.
    pub open: bool,
    pub last_seen: Timestamp,
}

impl Busy {
    /// Puts those with the most objects within the longest window first, and keeps `most` of them.
    pub(crate) fn rank(all: &mut Vec<Busy>, most: usize) {
        all.sort_by(|a, b| {
            let by_objects = b.distinct.iter().rev().cmp(a.distinct.iter().rev());
            by_objects.then(b.last_seen.cmp(&a.last_seen)).then_with(|| a.client.cmp(&b.client))
        });
        all.truncate(most);
    }
}

impl Tally {
    /// The busiest pairs, `most` at most.
    pub(crate) fn busiest(&self, now: Timestamp, context: Context<'_>, most: usize) -> Vec<Busy> {
        let mut seen = Vec::new();
        let mut left = LOOKED_AT;
        for class in (0..=pairs::OPEN_LARGE).rev() {
            let mut next = self.pairs.newest(class);
            while let Some(number) = next
                && left > 0
            {
                left -= 1;
                next = self.pairs.previous(number);
                seen.push(number);
            }
            // Whoever is quiet has touched fewer than those who came before.
            if class < pairs::CLASSES && seen.len() >= most {
                break;
            }
        }
        let mut all: Vec<Busy> = seen.into_iter().map(|number| self.busy(number, now, context)).collect();
        Busy::rank(&mut all, most);
        all
    }

    fn busy(&self, number: u32, now: Timestamp, context: Context<'_>) -> Busy {
        let pair = self.pairs.pair(number);
        let lengths = context.policy.windows();
        let held = judge::held(self.pairs.windows(number), pair.missed, pair.last, lengths);
        let held = &held[..lengths.len()];
        let silence = now.since(pair.last);
        let within = |(held, &length): (&super::track::Held, &Duration)| {
            if silence < length { held.distinct } else { 0 }
        };
        let row = context.policy.row(pair.profile);
        Busy {
            client: pair.client,
            route: Arc::clone(&pair.route),
            distinct: held.iter().zip(lengths).map(within).collect(),
            limits: row[..lengths.len()]
                .iter()
                .map(|&limit| (limit != policy::NONE).then_some(limit))
                .collect(),
            exact: held.iter().all(|held| held.error == 0),
            open: pair.is_open(),
            last_seen: context.clock.source(pair.last),
        }
    }
}
