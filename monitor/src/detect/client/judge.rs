//! Verdicts: what a new object, a miss or an answer means, and when it is over.

use std::time::Duration;

use super::{
    Context, Tally, Touch,
    evidence::{Evidence, Open},
    misses,
    pairs::{self, Missed},
    track::{Held, Window},
    volume, watch,
};
use crate::{
    detect::{Finding, Phase, finding::Rule, limit::MAX_LIMITS, policy::Row},
    time::Timestamp,
};

/// A finding ends no sooner than this after the last thing that spoke for it, so that a client that pauses for breath is
/// one alert.
const SHORTEST_QUIET: Duration = Duration::from_secs(300);

/// How often ends are looked for.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Idle pairs forgotten in one sweep, so that no sweep takes long.
const SWEPT_PAIRS: usize = 4_096;

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
struct Verdict {
    rule: Rule,
    level: u8,
    limit: u32,
    /// The window that it is about, and the shortest one that is over its limit.
    window: usize,
    excess_window: usize,
    held: Held,
    bytes: u64,
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

impl Tally {
    /// A pair touched an object that is new to the windows in the set `new`.
    pub(super) fn judge_touch(
        &mut self,
        number: u32,
        new: u8,
        weight: u32,
        touch: &Touch<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let many_people = self.many_people;
        let pair = self.pairs.pair(number);
        let row = context.policy.row(pair.profile);
        let is_near = |parts| is_near(self.pairs.windows(number), row, parts);
        match &pair.evidence {
            // Most pairs are far from everything.
            None if !is_near(watch::FROM) => return,
            None => {
                let must = is_near(1);
                if !self.watch(number, must, touch.now, context) {
                    return;
                }
            }
            Some(evidence)
                if evidence.is_idle() && !pair.misses.is_suspicious() && !is_near(watch::UNTIL) =>
            {
                self.unwatch(number);
                return;
            }
            Some(_) => {}
        }
        let (pair, windows) = self.pairs.with_windows(number);
        let all = held(windows, pair.missed, touch.now, context.policy.windows());
        let count = windows.len();
        let Some(evidence) = &mut pair.evidence else { return };
        evidence.note(touch.object, touch.address);
        evidence.noted += 1;
        evidence.firsts += u32::from(touch.is_first);
        if evidence.noted == NOTED {
            evidence.noted /= 2;
            evidence.firsts /= 2;
        }
        if let Some(number) = touch.number {
            evidence.sequence.push(number);
        }
        let mut row = *row;
        if many_people {
            evidence.people.note(touch.identity);
            for (limit, held) in row.iter_mut().zip(&all[..count]) {
                if held.surely * WALK_PARTS > u64::from(*limit) {
                    *limit = limit.saturating_mul(evidence.people.behind(held.distinct));
                }
            }
        }
        let row = &row;
        let all = &all[..count];
        let rise = evidence.levels.rise(row, new, weight, all);
        let mut verdicts: [Option<Verdict>; 3] = [None, None, None];
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
            let parts = |numerator: u64, denominator: u64| {
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
            if touch.number.is_some()
                && evidence.noted.is_multiple_of(4)
                && let Some(window) = parts(1, WALK_PARTS)
                && evidence.sequence.is_walk(windows[window].stride())
            {
                let limit = row[window] / WALK_PARTS as u32;
                verdicts[1] = Some(side(Rule::SequentialWalk, window, limit));
            }
            if touch.is_first
                && reads_firsts(evidence)
                && evidence.noted >= FEWEST_FIRSTS
                && let Some(window) = parts(FIRST_SIXTHS, 6)
            {
                let limit = (u64::from(row[window]) * FIRST_SIXTHS / 6) as u32;
                verdicts[2] = Some(side(Rule::FirstTouch, window, limit));
            }
        }
        for verdict in verdicts.into_iter().flatten() {
            self.judge(number, &verdict, touch.at, context, out);
        }
    }

    /// A pair missed an object.
    pub(super) fn judge_misses(
        &mut self,
        number: u32,
        touch: &Touch<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let pair = self.pairs.pair(number);
        let misses = pair.misses;
        if !misses.is_suspicious()
            || pair.evidence.is_none() && !self.watch(number, misses.is_certain(), touch.now, context)
        {
            return;
        }
        let pair = self.pairs.pair_mut(number);
        let Some(evidence) = &mut pair.evidence else { return };
        if !touch.is_empty {
            evidence.note(touch.object, touch.address);
        }
        let is_budget = context.policy.is_budget(pair.profile);
        if misses.is_certain() && !is_budget {
            let count = misses.count().into();
            let longest = context.policy.windows().len() - 1;
            let verdict = Verdict {
                rule: Rule::MissProbing,
                level: level(count, misses::FEWEST - 1),
                limit: misses::FEWEST - 1,
                window: longest,
                excess_window: 0,
                held: Held { distinct: count, error: 0, surely: count },
                bytes: 0,
            };
            self.judge(number, &verdict, touch.at, context, out);
        }
    }

    /// A pair was given more bytes than are in order.
    pub(super) fn judge_volume(
        &mut self,
        number: u32,
        bytes: u64,
        touch: &Touch<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let windows = context.policy.windows();
        let window = windows.iter().position(|&length| length >= volume::WINDOW).unwrap_or(windows.len() - 1);
        let verdict = Verdict {
            rule: Rule::Volume,
            level: level(bytes, u32::try_from(context.bytes_limit).unwrap_or(u32::MAX)),
            limit: 0,
            window,
            excess_window: 0,
            held: self.pairs.windows(number)[window].held(),
            bytes,
        };
        if !context.policy.is_budget(self.pairs.pair(number).profile) {
            self.judge(number, &verdict, touch.at, context, out);
        }
    }

    /// Opens the finding of a rule, or goes on with it.
    fn judge(
        &mut self,
        number: u32,
        verdict: &Verdict,
        at: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let &Verdict { rule, level, limit, window, excess_window, held, bytes } = verdict;
        let pair = self.pairs.pair(number);
        let now = pair.last;
        if pair.evidence.is_none() {
            self.watch(number, true, now, context);
        }
        let (pair, windows) = self.pairs.with_windows(number);
        let Some(evidence) = &mut pair.evidence else { return };
        let phase = match evidence.open_mut(rule) {
            Some(open) => {
                (open.last_excess, open.excess_window) = (now, excess_window);
                open.bytes = open.bytes.max(bytes);
                // The most that the reported window held, if this is not about another.
                let reported = if rule == Rule::DistinctObjects { windows[open.window].held() } else { held };
                if reported.distinct > open.peak.distinct {
                    open.peak =
                        Held { error: reported.error.max(u64::from(pair.missed.objects)), ..reported };
                }
                if level <= open.level {
                    return;
                }
                (open.level, open.limit, open.window, open.peak) = (level, limit, window, held);
                Phase::Grows
            }
            None if level == 0 => return,
            None => {
                if self.counters.open >= self.sizes.open as u64 {
                    self.counters.findings_suppressed += 1;
                    return;
                }
                let (first_seen, first_call) = match windows[window].first(&self.objects) {
                    Some(first) => (first.at, first.call),
                    None => (now, pair.calls),
                };
                *evidence.open_mut(rule) = Some(Open {
                    level,
                    limit,
                    window,
                    peak: held,
                    first_seen,
                    first_call,
                    last_excess: now,
                    excess_window,
                    bytes,
                });
                self.counters.open += 1;
                self.pairs.open(number);
                Phase::Begins
            }
        };
        out.extend(self.finding(number, rule, phase, at, context));
    }

    /// The finding of a rule about a pair that has one open.
    fn finding(
        &self,
        number: u32,
        rule: Rule,
        phase: Phase,
        at: Timestamp,
        context: Context<'_>,
    ) -> Option<Finding> {
        let pair = self.pairs.pair(number);
        let evidence = pair.evidence.as_deref()?;
        let open = evidence.open(rule)?;
        let stride = self.pairs.windows(number)[open.window].stride();
        let mut signals: Vec<Rule> = evidence.open_rules().filter(|&other| other != rule).collect();
        if rule != Rule::MissProbing {
            let dense = evidence.sequence.is_dense(stride);
            let firsts = reads_firsts(evidence);
            let seen = [(Rule::SequentialWalk, dense), (Rule::FirstTouch, firsts)];
            signals.extend(seen.into_iter().filter(|&(_, seen)| seen).map(|(seen, _)| seen));
            signals.retain(|&signal| signal != rule);
            signals.sort();
            signals.dedup();
        }
        Some(Finding {
            phase,
            rule,
            at,
            client: Some(pair.client),
            route: pair.route.clone(),
            window: if rule == Rule::Volume { volume::WINDOW } else { context.policy.windows()[open.window] },
            limit: open.limit,
            distinct: open.peak.distinct,
            distinct_error: open.peak.error,
            requests: u64::from(pair.calls.wrapping_sub(open.first_call)) + 1,
            bytes: open.bytes,
            first_seen: context.clock.source(open.first_seen),
            last_seen: context.clock.source(pair.last),
            addresses: evidence.addresses(),
            sample_objects: evidence.samples(),
            signals,
            loss: 0.0,
        })
    }

    /// Ends the open finding of a rule about a pair; the rest goes on.
    fn end(&mut self, number: u32, rule: Rule, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        out.extend(self.finding(number, rule, Phase::Ends, context.clock.source(now), context));
        let pair = self.pairs.pair_mut(number);
        let Some(evidence) = &mut pair.evidence else { return };
        if evidence.open_mut(rule).take().is_some() {
            self.counters.open -= 1;
        }
        match rule {
            Rule::DistinctObjects => evidence.levels.start_afresh(),
            Rule::MissProbing => pair.misses = Default::default(),
            Rule::Volume => pair.volume = Default::default(),
            // What was touched is told; more of it is another finding.
            _ => evidence.sequence = Default::default(),
        }
        if evidence.open_rules().next().is_none() {
            evidence.start_over();
            if evidence.is_idle() {
                self.unwatch(number);
            }
            self.pairs.calm(number);
        }
    }

    /// Ends every open finding about a pair.
    pub(super) fn end_all(
        &mut self,
        number: u32,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        while let Some(rule) =
            self.pairs.pair(number).evidence.as_ref().and_then(|evidence| evidence.open_rules().next())
        {
            self.end(number, rule, now, context, out);
        }
    }

    /// Ends findings that have become quiet and forgets pairs that the longest window has left behind.
    pub(super) fn sweep(&mut self, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        let lengths = context.policy.windows();
        let [mut candidate, large] = [pairs::OPEN, pairs::OPEN_LARGE].map(|class| self.pairs.oldest(class));
        let mut rest = large;
        while let Some(number) = candidate.or_else(|| rest.take()) {
            candidate = self.pairs.next(number);
            for rule in super::evidence::CLIENT_RULES {
                let open = self.pairs.pair(number).evidence.as_ref().and_then(|evidence| evidence.open(rule));
                let is_quiet = |open: &Open| {
                    now.since(open.last_excess) >= SHORTEST_QUIET.max(lengths[open.excess_window])
                };
                if open.is_some_and(is_quiet) {
                    self.end(number, rule, now, context, out);
                }
            }
        }
        let mut left = SWEPT_PAIRS;
        for class in 0..pairs::CLASSES {
            while left > 0
                && let Some(number) = self.pairs.oldest(class)
                && now.since(self.pairs.pair(number).last) >= context.policy.longest()
            {
                left -= 1;
                self.forget(number, now, context, out);
            }
        }
    }
}

/// Whether some window holds more than a part of its limit.
pub(super) fn is_near(windows: &[Window], row: &Row, parts: u64) -> bool {
    windows.iter().zip(row).any(|(window, &limit)| window.held().distinct * parts > u64::from(limit))
}

/// Whether nearly all that the pair touched lately had been touched by nobody.
fn reads_firsts(evidence: &Evidence) -> bool {
    evidence.noted >= FEWEST_FIRSTS / 3 && evidence.firsts * 20 >= evidence.noted * 19
}

/// How many of the thresholds limit, 2 × limit, 4 × limit … a count is beyond, if it is beyond one; 1 at least.
fn level(count: u64, limit: u32) -> u8 {
    1 + (count.saturating_sub(1) / u64::from(limit.max(1))).max(1).ilog2() as u8
}
