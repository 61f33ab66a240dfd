//! Numbers on their way into blocks, unless they are of new accounts.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use super::{
    Crowd,
    blocks::{Owner, Spot},
    case::Event,
    tally::Tally,
    verdict::Verdict,
    walk,
};
use crate::{Finding, Rule};

impl Crowd {
    /// A number: where it stands, and what its neighbours say.
    pub(super) fn number(
        &mut self,
        slot: u16,
        number: u64,
        weight: u32,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) {
        let Some(route) = self.routes.get_mut(slot) else { return };
        let walked = route.active().any(|rule| rule == Rule::BlockDensity);
        let new = route.frontier.touch(number, event.at, walked);
        if new && route.has_frontier(event.at) {
            return;
        }
        let (route_hash, owner) = (route.hash, Owner { slot, serial: route.serial });
        let now = u32::try_from(event.at.0 / 1_000_000_000).unwrap_or(u32::MAX);
        for (spot, bit) in spots(route_hash, number) {
            self.bit(slot, spot, bit, owner, weight, now, event, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of it describes one bit of one event")]
    fn bit(
        &mut self,
        slot: u16,
        spot: Spot,
        bit: u32,
        owner: Owner,
        weight: u32,
        now: u32,
        event: &Event<'_>,
        out: &mut Vec<Finding>,
    ) {
        if self.blocks.find(spot, now).is_some_and(|block| block.bits & (1 << bit) != 0) {
            return;
        }
        let (block, left) = self.blocks.make(spot, owner, now);
        let before = *block;
        block.set(bit, now);
        let after = *block;
        if let Some(left) = left
            && let Some(route) = self.routes.owner_mut(left.owner())
        {
            route.backgrounds[usize::from(left.scale())].remove(&left);
        }
        // The block may have been made by a route that was in this slot before, or was forgotten and has come back.
        if before.bits != 0
            && let Some(route) = self.routes.owner_mut(before.owner())
        {
            route.backgrounds[usize::from(spot.scale)].remove(&before);
        }
        if let Some(route) = self.routes.owner_mut(after.owner()) {
            route.backgrounds[usize::from(spot.scale)].add(&after);
        }
        let Some(route) = self.routes.get_mut(slot) else { return };
        let walk = walk::judge(&self.blocks, spot, &route.backgrounds[usize::from(spot.scale)], now);
        if walk.more == 0 {
            return;
        }
        let verdict = Verdict {
            rule: Rule::BlockDensity,
            source: spot.scale,
            near: walk.near,
            over: walk.over,
            window: Duration::from_secs(walk::window(spot.scale).into()),
            limit: walk::ENOUGH.into(),
            per_second: 0.0,
            total: Tally::of(walk.around, weight),
            since: Timestamp(u64::from(walk.since) * 1_000_000_000),
            more: Tally::of(walk.more, weight),
        };
        let begins = self.desk.hear(route, &verdict, event, out);
        if begins || route.active().any(|rule| rule == Rule::BlockDensity) {
            walk::count(&mut self.blocks, spot, begins, now);
        }
    }
}

/// Where a number stands on each scale: its block, and its bit there.
pub(super) fn spots(route: u64, number: u64) -> [(Spot, u32); 2] {
    [0, 1].map(|scale| {
        let bit = number >> walk::shift(scale);
        (Spot { route, scale, block: bit / 32 }, (bit % 32) as u32)
    })
}
