//! Clients that have touched much, for people to look at. Nothing is decided by it, and nothing is changed.

use std::{sync::Arc, time::Duration};

use rollcall_attribute::client::ClientKey;
use rollcall_model::time::Timestamp;

use super::{
    call::Context,
    judge,
    pairs::Pair,
    track::{Held, Window},
};
use crate::policy;

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
    /// A pair with its windows, as it stands at `now`.
    pub(super) fn of(pair: &Pair, windows: &[Window], now: Timestamp, context: Context<'_>) -> Busy {
        let lengths = context.policy.windows();
        let held = judge::held(windows, pair.missed, pair.last, lengths);
        let held = &held[..lengths.len()];
        let silence = now.since(pair.last);
        let within = |(held, &length): (&Held, &Duration)| {
            if silence < length { held.distinct } else { 0 }
        };
        let row = context.policy.row(pair.profile(context.policy));
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

    /// Puts those with the most objects within the longest window first, and keeps `most` of them.
    pub(crate) fn rank(all: &mut Vec<Busy>, most: usize) {
        all.sort_by(|a, b| {
            let by_objects = b.distinct.iter().rev().cmp(a.distinct.iter().rev());
            by_objects.then(b.last_seen.cmp(&a.last_seen)).then_with(|| a.client.cmp(&b.client))
        });
        all.truncate(most);
    }
}
