//! Verdicts: what a new object, a miss or an answer means.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use super::{
    call::{Call, Context, Fresh},
    evidence::Evidence,
    misses::{self, Misses},
    pairs::{Missed, Pair},
    track::{Held, Window},
    volume,
};
use crate::{
    AllowanceId,
    finding::Rule,
    limit::MAX_LIMITS,
    norms::Norm,
    policy::{NONE, Row},
};

/// Objects noted by which it is told that nobody else touches them.
const FEWEST_FIRSTS: u32 = 48;

/// Objects noted after which shares are halved, so that they are those of the last while.
const NOTED: u32 = 512;

/// A walk, of one number after the other, counts from half of a limit on.
const WALK_PARTS: u64 = 2;

/// Objects that nobody else touches count from five sixths of a limit on: less than the limit, for what is read in random
/// order is new to everybody, and not much less, for so is what somebody reads who works through a queue.
const FIRST_SIXTHS: u64 = 5;

/// Of the objects that a pair had touched before it got its place, so many count: as many as it takes at most to get one.
/// The sketches may know of more, of a pair that had lost its place, and are less sure of them.
const SURELY_MISSED: u64 = 3;

/// What is found about a pair.
pub(super) struct Verdict {
    pub(super) rule: Rule,
    pub(super) level: u8,
    pub(super) limit: u32,
    /// The window that it is about, and the shortest one that is over its limit.
    pub(super) window: usize,
    pub(super) excess_window: usize,
    pub(super) held: Held,
    pub(super) bytes: u64,
}

/// What each window holds, in the first places, with what was missed of it.
pub(super) fn held(
    windows: &[Window],
    missed: Missed,
    now: Timestamp,
    lengths: &[Duration],
) -> [Held; MAX_LIMITS] {
    let mut all = [Held { distinct: 0, error: 0, surely: 0 }; MAX_LIMITS];
    let objects = u64::from(missed.objects);
    for ((held, window), &length) in all.iter_mut().zip(windows).zip(lengths) {
        *held = window.held();
        held.error = held.error.max(objects);
        if now.since(missed.since) < length {
            let sure = objects.min(SURELY_MISSED);
            (held.distinct, held.surely) = (held.distinct + sure, held.surely + sure);
        }
    }
    all
}

/// What a pair's calls are allowed by, if that was said meanwhile, and how many objects it has touched within the window of that.
pub(super) fn used(
    pair: &Pair,
    windows: &[Window],
    now: Timestamp,
    context: Context<'_>,
) -> Option<(AllowanceId, u64)> {
    let (id, window) = context.policy.allowance_within(pair.profile(context.policy))?;
    Some((id, held(windows, pair.missed, now, context.policy.windows())[window].distinct))
}

/// What a call means that touched objects of which `fresh` are new to the pair.
pub(super) fn touch(
    pair: &mut Pair,
    windows: &[Window],
    fresh: &Fresh,
    call: &Call<'_>,
    many_people: bool,
    context: Context<'_>,
) -> [Option<Verdict>; 3] {
    let all = held(windows, pair.missed, call.now, context.policy.windows());
    let count = windows.len();
    let mut verdicts: [Option<Verdict>; 3] = [None, None, None];
    let Some(evidence) = &mut pair.evidence else { return verdicts };
    evidence.note(call, fresh);
    let (noted_before, mut has_number, mut has_first) = (evidence.noted, false, false);
    for named in fresh.of(call.named) {
        evidence.noted += 1;
        evidence.firsts += u32::from(named.is_first);
        evidence.walked += u32::from(named.is_walked);
        if evidence.noted == NOTED {
            evidence.noted /= 2;
            evidence.firsts /= 2;
            evidence.walked /= 2;
        }
        if let Some(number) = named.number {
            evidence.sequence.push(number);
        }
        if many_people {
            evidence.people.note(call.identity, call.now);
        }
        has_number |= named.number.is_some();
        has_first |= named.is_first;
    }
    // However many people there are, they read in no order: a walk is one's.
    let of_one = context.row(pair.profile);
    let mut row = of_one;
    if many_people {
        let mut people = None;
        for (window, (limit, held)) in row.iter_mut().zip(&all[..count]).enumerate() {
            if held.surely * WALK_PARTS > u64::from(*limit) {
                let people = people.get_or_insert_with(|| evidence.people.count());
                let most = context.norm.and_then(|norm| norm.most(window)).unwrap_or(NONE);
                // However many they are, they are no more than behind any other address.
                *limit = limit.saturating_mul(people.behind(held.distinct)).min(most.max(*limit));
            }
        }
    }
    let row = &row;
    let all = &all[..count];
    let rise = evidence.levels.rise(row, &fresh.windows, all);
    if let Some(over) = rise.shortest_over {
        verdicts[0] = Some(Verdict {
            rule: Rule::DistinctObjects,
            level: rise.level,
            limit: row[rise.window],
            window: rise.window,
            excess_window: over,
            held: all[rise.window],
            bytes: 0,
        });
    }
    if !context.policy.is_budget(pair.profile) {
        let parts = |row: &Row, numerator: u64, denominator: u64| {
            let is_over =
                |(held, &limit): (&Held, &u32)| held.surely * denominator > u64::from(limit) * numerator;
            all.iter().zip(row).position(is_over)
        };
        let side = |rule, window: usize, limit: u32| Verdict {
            rule,
            level: level(all[window].distinct, limit),
            limit,
            window,
            excess_window: window,
            held: all[window],
            bytes: 0,
        };
        if has_number
            && evidence.noted / 4 != noted_before / 4
            && let Some(window) = parts(&of_one, 1, WALK_PARTS)
            && evidence.sequence.is_walk(windows[window].stride())
            && !context.is_listed(pair.hash, &pair.route, all[window].distinct, call.now)
        {
            evidence.walks = true;
            if !context.norm.is_some_and(Norm::is_walked) {
                let limit = of_one[window] / WALK_PARTS as u32;
                verdicts[1] = Some(side(Rule::SequentialWalk, window, limit));
            }
        }
        if has_first
            && reads_firsts(evidence)
            && evidence.noted >= FEWEST_FIRSTS
            && let Some(window) = parts(row, FIRST_SIXTHS, 6)
        {
            let limit = (u64::from(row[window]) * FIRST_SIXTHS / 6) as u32;
            verdicts[2] = Some(side(Rule::FirstTouch, window, limit));
        }
    }
    verdicts
}

/// Whether what is found is usual on the route, as far as that is known, and not told: unless something is told of the pair
/// already.
pub(super) fn is_usual(verdict: &Verdict, pair: &Pair, norm: &Norm) -> bool {
    let is_count = matches!(verdict.rule, Rule::DistinctObjects | Rule::FirstTouch | Rule::SequentialWalk);
    is_count
        && !pair.is_open()
        && norm.is_usual(pair.hash, verdict.window, times(verdict.held.distinct, verdict.limit))
}

/// How many times a limit so many objects are.
pub(crate) fn times(distinct: u64, limit: u32) -> f32 {
    distinct as f32 / limit.max(1) as f32
}

/// What it means that so many objects were missed.
pub(super) fn misses(misses: Misses, context: Context<'_>) -> Option<Verdict> {
    let (count, error) = (misses.count().into(), misses.error().into());
    misses.is_certain().then(|| Verdict {
        rule: Rule::MissProbing,
        level: level(count, misses::FEWEST - 1),
        limit: misses::FEWEST - 1,
        window: context.policy.windows().len() - 1,
        excess_window: 0,
        held: Held { distinct: count, error, surely: count },
        bytes: 0,
    })
}

/// What it means that a client was given so many bytes, if these are more than are in order.
pub(super) fn volume(windows: &[Window], bytes: u64, context: Context<'_>) -> Option<Verdict> {
    let lengths = context.policy.windows();
    let window = lengths.iter().position(|&length| length >= volume::WINDOW).unwrap_or(lengths.len() - 1);
    (bytes > context.bytes_limit).then(|| Verdict {
        rule: Rule::Volume,
        level: level(bytes, u32::try_from(context.bytes_limit).unwrap_or(u32::MAX)),
        limit: 0,
        window,
        excess_window: 0,
        held: windows[window].held(),
        bytes,
    })
}

/// Whether some window holds more than a part of its limit.
pub(super) fn is_near(windows: &[Window], row: &Row, parts: u64) -> bool {
    windows.iter().zip(row).any(|(window, &limit)| window.held().distinct * parts > u64::from(limit))
}

/// Whether nearly all that the pair touched lately had been touched by nobody.
pub(super) fn reads_firsts(evidence: &Evidence) -> bool {
    evidence.noted >= FEWEST_FIRSTS / 3 && evidence.firsts * 20 >= evidence.noted * 19
}

/// How many of the thresholds limit, 2 × limit, 4 × limit … a count is beyond, if it is beyond one; 1 at least.
fn level(count: u64, limit: u32) -> u8 {
    1 + (count.saturating_sub(1) / u64::from(limit.max(1))).max(1).ilog2() as u8
}
