//! A call as the tallies see it, and what they go by.

use std::{net::IpAddr, sync::Arc};

use rollcall_attribute::object;
use rollcall_model::{hash::HashKey, time::Timestamp};

use super::{objects::UNIT, pair_hash};
use crate::{
    AllowanceId, Policy,
    clock::Clock,
    limit::MAX_LIMITS,
    lists::Lists,
    named::{self, Named},
    norms::{Clients, Norm, Norms},
    policy::{Profile, Row},
};

/// One call with objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// When, by the source's clock and by the detector's.
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) route: &'a Arc<str>,
    /// The route's keyed hash.
    pub(crate) route_hash: u64,
    pub(crate) objects: &'a object::Objects,
    /// Those of them that count: [`MOST`](named::MOST) at most.
    pub(crate) named: &'a [Named],
    pub(crate) address: IpAddr,
    /// Who the call proved to come from.
    pub(crate) identity: Option<u64>,
    /// The answer looks as if there were no such object.
    pub(crate) is_empty: bool,
}

/// What of a call is new to a pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fresh {
    /// The objects that are new to any window, by their places among those that count.
    objects: u128,
    /// How many are new to each window, in objects.
    pub(super) windows: [u32; MAX_LIMITS],
}
const _: () = assert!(named::MOST <= u128::BITS as usize);

impl Fresh {
    /// Takes in an object that is new to the windows in the set `new`.
    pub(super) fn add(&mut self, nth: usize, new: u8, weight: u32) {
        self.objects |= 1 << nth;
        for (window, count) in self.windows.iter_mut().enumerate() {
            if new & 1 << window != 0 {
                *count = count.saturating_add(weight.div_ceil(UNIT));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// The objects, in the order of the call.
    pub(super) fn of<'a>(&self, named: &'a [Named]) -> impl Iterator<Item = &'a Named> {
        let objects = self.objects;
        named.iter().enumerate().filter(move |(nth, _)| objects & 1 << nth != 0).map(|(_, named)| named)
    }
}

/// What the rules go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) clock: &'a Clock,
    /// Bytes of answers about new objects that a client may take from a route within an hour.
    pub(crate) bytes_limit: u64,
    /// What is usual on the route of the call.
    pub(crate) norm: Option<&'a Norm>,
    /// Who was there on earlier days.
    pub(crate) clients: &'a Clients,
    /// Who has been given which list.
    pub(crate) lists: &'a Lists,
    pub(crate) key: HashKey,
}

impl<'a> Context<'a> {
    /// What to go by where it does not matter what is usual on a route.
    pub(crate) fn new(
        policy: &'a Policy,
        clock: &'a Clock,
        bytes_limit: u64,
        norms: &'a Norms,
        lists: &'a Lists,
        key: HashKey,
    ) -> Context<'a> {
        Context { policy, clock, bytes_limit, norm: None, clients: norms.clients(), lists, key }
    }

    /// Whether a pair reads the things of a list that it has been given.
    pub(super) fn is_listed(self, pair: u64, route: &str, distinct: u64, now: Timestamp) -> bool {
        let client = pair_hash(pair, self.key.hash(route.as_bytes()));
        self.lists.explain(self.key, client, route, distinct, now)
    }

    /// The limits in force on the route of the call, for a pair of it.
    pub(super) fn row(self, profile: Profile) -> Row {
        match self.norm {
            Some(norm) if self.policy.is_everyones(profile) => {
                let room = self.policy.room(profile);
                norm.limits().map(|limit| limit.max(room))
            }
            _ => *self.policy.row(profile),
        }
    }
}

/// What a call of a client did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touched {
    /// The key was not seen on the route before.
    pub(crate) is_new: bool,
    /// What it was allowed by, and the objects that the client has touched by that.
    pub(crate) used: Option<(AllowanceId, u64)>,
    /// How far the client came, if further than before.
    pub(crate) reach: Option<Reach>,
    /// What would have been told is a question to the operator.
    pub(crate) is_question: bool,
}

/// How far a client has come on a route today: in each window, a level and one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) before: [u8; MAX_LIMITS],
    pub(crate) after: [u8; MAX_LIMITS],
    /// The same of what it touched since midnight that it had not touched within the longest window.
    pub(crate) today: [u8; 2],
    /// The client had been there on an earlier day.
    pub(crate) is_old: bool,
    /// It is its first call today.
    pub(crate) is_first: bool,
    /// It asks for pages of a list.
    pub(crate) is_page: bool,
    /// It turns out to walk today.
    pub(crate) walks: bool,
}
