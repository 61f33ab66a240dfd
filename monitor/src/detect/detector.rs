//! The detector: distinct objects for each pair of a client key and a route, over all windows at once.

use std::time::Duration;

use super::{
    Bounds, Counters, Finding, Limits, Observation, Phase, Rule,
    clock::Clock,
    evidence::Open,
    levels::Rise,
    limit::Limit,
    objects::{NONE, Node, Objects, UNIT},
    pairs::{Pair, Pairs, Standing},
};
use crate::{hash::HashKey, route::outcome, time::Timestamp};

/// A finding ends no sooner than this after the last new object over a limit, so that a client that pauses
/// for breath is one alert.
const SHORTEST_QUIET: Duration = Duration::from_secs(300);

/// Objects of one call that count. A call with more is over every usual limit already, and a client must not make us
/// work for each two bytes that it sends.
const OBJECTS_PER_CALL: usize = 512;

/// How often ends are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Idle pairs forgotten in one sweep, so that no sweep takes long.
const SWEPT_PAIRS: usize = 4_096;

/// Pairs with evidence that have no open finding, at most: each takes about 1 KiB.
const WATCHED: usize = 8_192;

/// See the [module](super).
#[derive(Debug)]
pub struct Detector {
    limits: Limits,
    lengths: Vec<Duration>,
    pub(super) bounds: Bounds,
    key: HashKey,
    clock: Clock,
    pub(super) pairs: Pairs,
    pub(super) objects: Objects,
    pub(super) counters: Counters,
    loss: f64,
    next_sweep: Timestamp,
}

impl Detector {
    /// A detector that applies `limits` within `bounds`.
    pub fn new(limits: Limits, bounds: Bounds, key: HashKey) -> Detector {
        Detector {
            lengths: limits.as_slice().iter().map(|limit| limit.window).collect(),
            limits,
            bounds,
            key,
            clock: Clock::default(),
            pairs: Pairs::new(bounds.pairs),
            objects: Objects::new(bounds.objects),
            counters: Counters::default(),
            loss: 0.0,
            next_sweep: Timestamp::default(),
        }
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for findings from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.loss = loss.clamp(0.0, 1.0);
    }

    /// Takes in one observation and appends what it leads to.
    pub fn observe(&mut self, observation: &Observation<'_>, out: &mut Vec<Finding>) {
        self.counters.observations += 1;
        let now = self.clock.observe(observation.at);
        self.sweep(now, out);
        if observation.objects.is_empty() {
            self.counters.without_object += 1;
            return;
        }
        if !outcome::is_touch(observation.status) {
            self.counters.refused += 1;
            return;
        }
        self.counters.objects_beyond += observation.objects.len().saturating_sub(OBJECTS_PER_CALL) as u64;
        let route = self.key.hash(observation.route.as_bytes());
        for &client in observation.clients {
            // Both hashes are keyed; the rotation keeps a route and a client apart that hash alike.
            let hash = self.key.hash(&client.to_bytes()) ^ route.rotate_left(17);
            for (index, object) in observation.objects.iter().take(OBJECTS_PER_CALL).enumerate() {
                // Making room for an object may cost the pair.
                let number = match self.pairs.find(hash, &client, observation.route) {
                    Some(number) => number,
                    None => {
                        self.make_room_for_pair(now, out);
                        self.pairs.insert(hash, client, observation.route.clone(), now)
                    }
                };
                if index == 0 {
                    let pair = self.pairs.pair_mut(number);
                    pair.calls = pair.calls.wrapping_add(1);
                }
                let touch = Node {
                    hash: self.key.hash(object.as_bytes()),
                    at: now,
                    older: NONE,
                    newer: NONE,
                    pair: number,
                    weight: weight(observation.sampling),
                    call: 0,
                };
                self.touch(number, touch, observation, object, out);
            }
        }
    }

    /// Lets time pass: ends findings about clients that have become quiet.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        self.sweep(self.clock.time(now), out);
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        Counters {
            clock_set_back: self.clock.set_back(),
            pairs: self.pairs.len() as u64,
            objects: self.objects.len() as u64,
            ..self.counters
        }
    }

    /// One call of one pair that touched an object.
    fn touch(
        &mut self,
        number: u32,
        mut touch: Node,
        observation: &Observation<'_>,
        object: &str,
        out: &mut Vec<Finding>,
    ) {
        let limits = self.limits.as_slice();
        let pair = self.pairs.pair_mut(number);
        pair.track.slide(&mut self.objects, touch.at, &self.lengths);
        if !pair.levels.at_rest() {
            pair.levels.sink(limits, |window| pair.track.held(window));
        }
        if self.objects.is_full() && self.objects.find(number, touch.hash).is_none() {
            self.make_room_for_object(number, touch.at, out);
        }
        let limits = self.limits.as_slice();
        self.pairs.touch(number, touch.at);
        let pair = self.pairs.pair_mut(number);
        touch.call = pair.calls;
        let new = pair.track.touch(&mut self.objects, touch, &self.lengths);
        if new == 0 {
            return;
        }
        watch(pair, limits, &mut self.counters.watched);
        if let Some(evidence) = &mut pair.evidence {
            evidence.note(object, observation.address);
        }
        let rise =
            pair.levels.rise(limits, new, touch.weight.div_ceil(UNIT), |window| pair.track.held(window));
        if rise.shortest_over.is_some() {
            self.judge(number, rise, observation.at, out);
        }
    }

    /// A new object came while a window was over its limit.
    fn judge(&mut self, number: u32, rise: Rise, at: Timestamp, out: &mut Vec<Finding>) {
        let pair = self.pairs.pair_mut(number);
        let now = pair.last;
        let window = rise.window;
        let limit = self.limits.as_slice()[window];
        let held = pair.track.held(window);
        if pair.evidence.is_none() {
            // Too many are watched; one that is over its limit is, all the same.
            pair.evidence = Some(Box::default());
            self.counters.watched += 1;
        }
        let evidence = pair.evidence.get_or_insert_default();
        let phase = match &mut evidence.open {
            Some(open) => {
                open.last_excess = now;
                open.excess_window = rise.shortest_over.unwrap_or_default();
                let reported = pair.track.held(open.window);
                if reported.distinct > open.peak.distinct {
                    open.peak = reported;
                }
                if rise.level <= open.level {
                    return;
                }
                (open.level, open.limit, open.window, open.peak) = (rise.level, limit, window, held);
                Phase::Grows
            }
            None if rise.level == 0 => return,
            None => {
                if self.counters.open >= self.bounds.open as u64 {
                    self.counters.findings_suppressed += 1;
                    return;
                }
                let (first_seen, first_call) = match pair.track.first(&self.objects, window) {
                    Some(first) => (first.at, first.call),
                    None => (now, pair.calls),
                };
                evidence.open = Some(Open {
                    level: rise.level,
                    limit,
                    window,
                    peak: held,
                    first_seen,
                    first_call,
                    last_excess: now,
                    excess_window: rise.shortest_over.unwrap_or_default(),
                });
                self.counters.open += 1;
                self.pairs.stand(number, Standing::Open);
                Phase::Begins
            }
        };
        out.extend(self.finding(self.pairs.pair(number), phase, at));
    }

    /// The finding about a pair that has one open.
    fn finding(&self, pair: &Pair, phase: Phase, at: Timestamp) -> Option<Finding> {
        let evidence = pair.evidence.as_deref()?;
        let open = evidence.open?;
        let stride = pair.track.stride(open.window);
        Some(Finding {
            phase,
            rule: Rule::DistinctObjects,
            at,
            client: Some(pair.client),
            route: pair.route.clone(),
            window: open.limit.window,
            limit: open.limit.distinct,
            distinct: open.peak.distinct,
            distinct_error: open.peak.error,
            requests: u64::from(pair.calls.wrapping_sub(open.first_call)) + 1,
            first_seen: self.clock.source(open.first_seen),
            last_seen: self.clock.source(pair.last),
            addresses: evidence.addresses(),
            sample_objects: evidence.samples(),
            signals: if evidence.is_sequential(stride) { vec![Rule::SequentialWalk] } else { Vec::new() },
            loss: self.loss,
        })
    }

    /// Ends the open finding of a pair.
    fn end(&mut self, number: u32, now: Timestamp, out: &mut Vec<Finding>) {
        out.extend(self.finding(self.pairs.pair(number), Phase::Ends, self.clock.source(now)));
        self.counters.open -= 1;
        // The evidence goes with it.
        let pair = self.pairs.pair_mut(number);
        pair.evidence = None;
        pair.levels.start_afresh();
        self.pairs.stand(number, Standing::Quiet);
        self.counters.watched -= 1;
    }

    /// Ends findings that have become quiet and forgets pairs that the longest window has left behind.
    fn sweep(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let mut candidate = self.pairs.oldest(Standing::Open);
        while let Some(number) = candidate {
            candidate = self.pairs.next(number);
            let open = self.pairs.pair(number).evidence.as_ref().and_then(|evidence| evidence.open);
            let quiet = |open: Open| {
                now.since(open.last_excess) >= SHORTEST_QUIET.max(self.lengths[open.excess_window])
            };
            if open.is_none_or(quiet) {
                self.end(number, now, out);
            }
        }
        for _ in 0..SWEPT_PAIRS {
            match self.pairs.oldest(Standing::Quiet) {
                Some(number) if now.since(self.pairs.pair(number).last) >= self.limits.longest() => {
                    self.forget(number, now, out);
                }
                _ => break,
            }
        }
    }

    /// Forgets a pair with all its objects.
    pub(super) fn forget(&mut self, number: u32, now: Timestamp, out: &mut Vec<Finding>) {
        if self.pairs.pair(number).standing == Standing::Open {
            self.end(number, now, out);
        }
        let Some(mut pair) = self.pairs.remove(number) else { return };
        self.counters.watched -= u64::from(pair.evidence.is_some());
        while pair.track.len() > 0 {
            pair.track.forget(&mut self.objects);
        }
    }
}

/// Begins to keep evidence about a pair that has come to half of a limit, and stops when it is below a quarter
/// of each.
fn watch(pair: &mut Pair, limits: &[Limit], watched: &mut u64) {
    let at_least = |parts: u64| {
        let near = |(window, limit): (usize, &Limit)| {
            pair.track.held(window).distinct * parts > limit.distinct.into()
        };
        limits.iter().enumerate().any(near)
    };
    match &pair.evidence {
        None if *watched < WATCHED as u64 && at_least(2) => {
            pair.evidence = Some(Box::default());
            *watched += 1;
        }
        Some(evidence) if evidence.open.is_none() && !at_least(4) => {
            pair.evidence = None;
            *watched -= 1;
        }
        _ => {}
    }
}

/// Of how many objects one is the sample at the rate `sampling`, in [`UNIT`]s.
fn weight(sampling: f64) -> u32 {
    if sampling > 0.0 && sampling < 1.0 { (f64::from(UNIT) / sampling).min(1e9) as u32 } else { UNIT }
}

#[cfg(test)]
mod tests;
