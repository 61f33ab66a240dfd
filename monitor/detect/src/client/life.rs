//! The life of findings about clients: they begin, grow, and end when nothing has spoken for them for a while.

use std::time::Duration;

use rollcall_model::time::Timestamp;

use super::{
    Context, Tally,
    evidence::{CLIENT_RULES, Open},
    judge::{Verdict, reads_firsts},
    pairs,
    track::Held,
    volume,
};
use crate::{Figures, Finding, Phase, finding::Rule};

/// A finding ends no sooner than this after the last thing that spoke for it, so that a client that pauses for breath is
/// one alert.
const SHORTEST_QUIET: Duration = Duration::from_secs(300);

/// How often ends are looked for.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Idle pairs forgotten in one sweep, so that no sweep takes long.
const SWEPT_PAIRS: usize = 4_096;

impl Tally {
    /// Opens the finding of a rule, or goes on with it.
    pub(super) fn judge(
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
            figures: Figures {
                limit: open.limit,
                distinct: open.peak.distinct,
                distinct_error: open.peak.error,
                requests: u64::from(pair.calls.wrapping_sub(open.first_call)) + 1,
                bytes: open.bytes,
                first_seen: context.clock.source(open.first_seen),
                last_seen: context.clock.source(pair.last),
                addresses: evidence.addresses(),
            },
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
            for rule in CLIENT_RULES {
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
