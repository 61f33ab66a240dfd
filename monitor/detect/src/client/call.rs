//! A call as the tallies see it, and what they go by.

use std::{net::IpAddr, sync::Arc};

use rollcall_attribute::object;
use rollcall_model::time::Timestamp;

use super::objects::UNIT;
use crate::{Policy, clock::Clock, limit::MAX_LIMITS, named, named::Named};

/// One call with objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// When, by the source's clock and by the detector's.
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) route: &'a Arc<str>,
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
}
