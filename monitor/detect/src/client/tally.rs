//! Counts for one family of client keys: what calls do to its tables.

use std::{net::IpAddr, time::Duration, vec};

use rollcall_attribute::client::ClientKey;
use rollcall_model::{
    state::{Inconsistent, Names},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    busy::Busy,
    call::{Call, Context, Fresh, Touched},
    judge, pair_hash,
    sizes::{Sizes, TallyCounters},
    tables::{Place, SWEEP, Tables},
};
use crate::{Finding, Policy};

/// Keeps the objects that were missed apart from those that were touched.
const MISSED: u64 = 0x6d69_7373_6564_2121;

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    sizes: Sizes,
    windows: Vec<Duration>,
    /// Whether a key may stand for many people.
    many_people: bool,
    tables: Tables,
    next_sweep: Timestamp,
    next_clearing: Timestamp,
}

impl Tally {
    /// Tables of the given sizes, for the windows of `policy`.
    pub(crate) fn new(sizes: Sizes, policy: &Policy, many_people: bool) -> Tally {
        let windows = policy.windows().to_vec();
        Tally {
            sizes,
            many_people,
            tables: Tables::new(sizes, windows.len()),
            windows,
            next_sweep: Timestamp::default(),
            next_clearing: Timestamp::default(),
        }
    }

    /// Whether it is a tally of these sizes, for these windows.
    pub(crate) fn fits(&self, sizes: Sizes, policy: &Policy, many_people: bool) -> bool {
        self.sizes == sizes
            && self.windows == policy.windows()
            && self.many_people == many_people
            && self.tables.fit(sizes)
    }

    /// Makes a tally that was read back, and [fits](Tally::fits), fit for use.
    ///
    /// # Errors
    ///
    /// If it is not one that a tally comes to.
    pub(crate) fn restore(&mut self, policy: &Policy, names: &mut Names) -> Result<(), Inconsistent> {
        self.tables.restore(self.sizes, policy, names)
    }

    /// Fetches from memory what will be needed of a pair by its hash.
    pub(crate) fn fetch(&self, hash: u64) {
        self.tables.fetch(hash);
    }

    /// Takes in a call of a client that touched objects. Returns whether the key is new on the route.
    pub(crate) fn touch(
        &mut self,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> Touched {
        let tables = &mut self.tables;
        let mut place = Place::default();
        let mut without = 0;
        while let Some(named) = call.named.get(without)
            && tables.place(&mut place, (client, hash), call, named.hash, context, out).is_none()
        {
            without += 1;
        }
        let mut touched = Touched { is_new: place.is_new, ..Touched::default() };
        let Some(number) = place.number else { return touched };
        tables.call(number, call.now, context);
        tables.fetch_objects(number, call.named);
        let mut fresh = Fresh::default();
        for (nth, named) in call.named.iter().enumerate().skip(without) {
            let new = tables.object(number, hash, named, call, context, out);
            if new != 0 {
                fresh.add(nth, new, named.weight);
            }
        }
        tables.touched(number, call.now);
        if context.policy.has_allowances() {
            let (pair, windows) = tables.with_windows(number);
            touched.used = judge::used(pair, windows, call.now, context);
        }
        if !fresh.is_empty() {
            if tables.is_watched(number, call.now, context) {
                let (pair, windows) = tables.with_windows(number);
                let verdicts = judge::touch(pair, windows, &fresh, call, self.many_people, context);
                for verdict in verdicts.iter().flatten() {
                    let pair = tables.pair(number);
                    let norm = context.norm.filter(|_| context.policy.is_everyones(pair.profile));
                    if let Some(norm) = norm.filter(|norm| judge::is_usual(verdict, pair, norm)) {
                        touched.is_question |= norm.is_question(pair.hash, verdict.window);
                        continue;
                    }
                    tables.report(number, verdict, call.at, context, out);
                }
            }
            if call.is_empty {
                self.judge_misses(number, &fresh, call, context, out);
            }
        }
        if !fresh.is_empty() {
            touched.reach =
                self.tables.reach(number, pair_hash(hash, call.route_hash), &fresh, call, context);
        }
        touched
    }

    /// Takes in a call of a client that asked for objects and did not get them. Returns whether the key is new on the route.
    pub(crate) fn miss(
        &mut self,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        let tables = &mut self.tables;
        let mut place = Place::default();
        let mut fresh = Fresh::default();
        for (nth, named) in call.named.iter().enumerate() {
            let object = named.hash ^ MISSED;
            let had_place = place.number.is_some();
            let Some(number) = tables.place(&mut place, (client, hash), call, object, context, out) else {
                continue;
            };
            let got_place = !had_place && !place.is_known;
            if tables.miss(number, (hash, object), got_place, named.weight, call.now) {
                fresh.add(nth, 1, named.weight);
            }
        }
        if let Some(number) = place.number.filter(|_| !fresh.is_empty()) {
            tables.touched(number, call.now);
            self.judge_misses(number, &fresh, call, context, out);
        }
        place.is_new
    }

    /// Takes in the size of the answer to a call that touched an object.
    pub(crate) fn answered(
        &mut self,
        key: (&ClientKey, u64),
        call: &Call<'_>,
        bytes: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let Some(number) = self.tables.first_answer(key, call) else { return };
        let (pair, windows) = self.tables.with_windows(number);
        let total = pair.volume.add(bytes, call.now);
        let verdict = judge::volume(windows, total, context);
        if let Some(verdict) = verdict.filter(|_| !context.policy.is_budget(pair.profile(context.policy))) {
            self.tables.report(number, &verdict, call.at, context, out);
        }
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        self.tables.sweep(now, context, out);
        if now >= self.next_clearing {
            self.tables.clear_sketches(now);
            self.next_clearing = now + context.policy.longest();
        }
    }

    /// Moves out the addresses that came near a limit, if it is asked whose they are.
    pub(crate) fn near(&mut self) -> vec::Drain<'_, IpAddr> {
        self.tables.near()
    }

    /// The busiest clients, `most` at most.
    pub(crate) fn busiest(&self, now: Timestamp, context: Context<'_>, most: usize) -> Vec<Busy> {
        self.tables.busiest(now, context, most)
    }

    /// What has been counted.
    pub(crate) fn counters(&self) -> TallyCounters {
        self.tables.counters()
    }

    /// A pair made a call that missed objects of which `fresh` are new.
    fn judge_misses(
        &mut self,
        number: u32,
        fresh: &Fresh,
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let misses = self.tables.pair(number).misses;
        if !misses.is_suspicious()
            || !self.tables.has_evidence(number, misses.is_certain(), call.now, context)
        {
            return;
        }
        let (pair, _) = self.tables.with_windows(number);
        if let Some(evidence) = pair.evidence.as_mut().filter(|_| !call.is_empty) {
            evidence.note(call, fresh);
        }
        let is_budget = context.policy.is_budget(pair.profile(context.policy));
        if let Some(verdict) = judge::misses(misses, context).filter(|_| !is_budget) {
            self.tables.report(number, &verdict, call.at, context, out);
        }
    }
}
