//! The tables of a tally: who has a place, with which objects, evidence and open findings.
//!
//! All have their size from the start. When one is full, the pairs that have touched least give way first, so that it takes
//! a flood of clients as busy as a walker to push the walker out. A finding about a pair begins, grows, and ends when nothing
//! has spoken for it for a while, or when its pair has to go.

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Duration, vec};

use rollcall_attribute::client::ClientKey;
use rollcall_model::{
    state::{Inconsistent, Names},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    admission::Admission,
    busy::Busy,
    call::{Call, Context, Fresh, Reach},
    evidence::{CLIENT_RULES, Evidence, Known, Open},
    judge::{Verdict, held, is_near, reads_firsts},
    objects::{NONE, Node, Objects},
    pairs::{self, Missed, Pair, Pairs, Today},
    sizes::{Sizes, TallyCounters},
    track::{Held, Window},
    volume,
};
use crate::{
    Figures, Finding, Phase, Policy,
    finding::Rule,
    named::Named,
    norms::{self, Norm},
};

/// A finding ends no sooner than this after the last thing that spoke for it, so that a client that pauses for breath is
/// one alert.
const SHORTEST_QUIET: Duration = Duration::from_secs(300);

/// How often ends are looked for.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Idle pairs forgotten in one sweep, so that no sweep takes long.
const SWEPT_PAIRS: usize = 4_096;

/// Objects kept of a pair; with more it goes on as a sample, within some 2 % of the truth.
const OBJECTS_PER_PAIR: u32 = 2_048;

/// A pair that has not been active for so long gives way to one that has touched as little.
const IDLE: Duration = Duration::from_secs(600);

/// The class up to which pairs have touched so little that the sketches do instead: less than 8 objects.
const LITTLE: u8 = 3;

/// A pair that has come to this part of a limit is busy: pushing it out may hide something.
const BUSY: u64 = 4;

/// Pairs that are looked at for one answer, those with open findings first, then those that have touched most: packets wait
/// meanwhile, and the ring holds many more.
const LOOKED_AT: usize = 4_096;

/// A pair is watched from an eighth of a limit on, and no longer below a sixteenth of each.
const WATCHED_FROM: u64 = 8;
const WATCHED_UNTIL: u64 = 16;

/// Addresses that are noted between two looks at them.
const NOTED: usize = 256;

/// So many times its limit corroborates a count: no limit that was chosen with care is that far off.
const FAR_OVER: u64 = 10;

/// Pairs that are looked at for one that need not be watched any more.
const CANDIDATES: usize = 8;

/// Pairs with evidence, and what their evidence is made of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Numbers of pairs, those watched longest first; some of them are watched no more.
    order: VecDeque<u32>,
    /// Evidence that nobody needs now, emptied.
    #[serde(skip)]
    #[expect(clippy::vec_box, reason = "what is kept is the boxes")]
    spare: Vec<Box<Evidence>>,
}

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tables {
    #[serde(skip)]
    sizes: Sizes,
    admission: Admission,
    pairs: Pairs,
    objects: Objects,
    watch: Watch,
    counters: TallyCounters,
    /// Addresses that came near a limit lately, if it is asked whose they are.
    #[serde(skip)]
    near: Vec<IpAddr>,
}

/// A key's place on a route, as far as a call has looked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) number: Option<u32>,
    /// It had one before the call.
    pub(super) is_known: bool,
    /// The key was not seen on the route before.
    pub(super) is_new: bool,
    /// That it has none is known.
    is_looked_for: bool,
}

impl Tables {
    /// Empty tables, for so many windows.
    pub(super) fn new(sizes: Sizes, lengths: usize) -> Tables {
        Tables {
            sizes,
            admission: Admission::new(sizes.sketch),
            pairs: Pairs::new(sizes.pairs, lengths),
            objects: Objects::new(sizes.objects),
            watch: Watch::default(),
            counters: TallyCounters::default(),
            near: Vec::new(),
        }
    }

    /// Whether they are of these sizes, as far as that is not known by the sizes that stand beside them.
    pub(super) fn fit(&self, sizes: Sizes) -> bool {
        self.admission.fits(sizes.sketch)
    }

    /// Makes tables that were read back fit for use.
    pub(super) fn restore(
        &mut self,
        sizes: Sizes,
        policy: &Policy,
        names: &mut Names,
    ) -> Result<(), Inconsistent> {
        self.sizes = sizes;
        let used = self.objects.restore(sizes.objects)?;
        self.pairs.restore(sizes.pairs, policy, &self.objects, used, names)
    }

    /// Forgets what the sketches know: of pairs without a place.
    pub(super) fn clear_sketches(&mut self, now: Timestamp) {
        self.admission.clear(now);
    }

    /// Fetches from memory what will be needed of a pair by its hash.
    pub(super) fn fetch(&self, hash: u64) {
        self.admission.fetch(hash);
    }

    /// Fetches from memory what will be needed of a pair's objects, if there are several.
    pub(super) fn fetch_objects(&self, number: u32, named: &[Named]) {
        if named.len() > 1 {
            named.iter().for_each(|named| self.objects.fetch(number, named.hash));
        }
    }

    /// The pair with this number.
    pub(super) fn pair(&self, number: u32) -> &Pair {
        self.pairs.pair(number)
    }

    /// The pair with this number, and its windows.
    pub(super) fn with_windows(&mut self, number: u32) -> (&mut Pair, &mut [Window]) {
        self.pairs.with_windows(number)
    }

    /// A call of the pair counts: slides its windows to now.
    pub(super) fn call(&mut self, number: u32, now: Timestamp, context: Context<'_>) {
        let lengths = context.policy.windows();
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.slide(windows, &mut self.objects, now, lengths);
        if let Some(evidence) = &mut pair.evidence
            && !evidence.levels.at_rest()
        {
            let held = held(windows, pair.missed, now, lengths);
            evidence.levels.sink(&context.row(pair.profile), &held[..windows.len()]);
        }
        pair.calls = pair.calls.wrapping_add(1);
    }

    /// Notes that the pair is active.
    pub(super) fn touched(&mut self, number: u32, now: Timestamp) {
        self.pairs.touch(number, now);
    }

    /// How far a pair has come today, if that is further than before and nothing is found about it.
    pub(super) fn reach(
        &mut self,
        number: u32,
        client: u64,
        fresh: &Fresh,
        call: &Call<'_>,
        context: Context<'_>,
    ) -> Option<Reach> {
        let (pair, windows) = self.pairs.with_windows(number);
        if context.norm.is_none_or(|norm| pair.is_open() && !norm.is_learning())
            || !context.policy.is_everyones(pair.profile)
        {
            return None;
        }
        let day = context.clients.day();
        let is_first = pair.today.day != day;
        if is_first {
            let is_old = pair.today.day > 0 || context.clients.knows(client);
            let missed = if pair.today.day == 0 { pair.missed.objects.min(3) } else { 0 };
            pair.today = Today { day, is_old, fresh: missed as u16, ..Today::default() };
        }
        let before = pair.today.reached;
        let held = held(windows, pair.missed, call.now, context.policy.windows());
        for (reached, held) in pair.today.reached.iter_mut().zip(&held[..windows.len()]) {
            *reached = norms::level(held.surely).max(*reached);
        }
        let touched = pair.today.fresh;
        pair.today.fresh =
            touched.saturating_add(fresh.windows[windows.len() - 1].try_into().unwrap_or(u16::MAX));
        let today = if is_first {
            [0, norms::level(pair.today.fresh.into())]
        } else {
            [touched, pair.today.fresh].map(|count| norms::level(count.into()))
        };
        let walks = !pair.today.walks && pair.evidence.as_ref().is_some_and(|evidence| evidence.walks);
        pair.today.walks |= walks;
        let is_page = call.objects.get(0).is_some_and(|object| object.contains('='));
        let is_old = pair.today.is_old;
        let after = pair.today.reached;
        let reach = Reach { before, after, today, is_old, is_first, is_page, walks };
        (walks || after != before || today[0] != today[1]).then_some(reach)
    }

    /// A pair missed an object. Returns whether it is new to it: it is if that got the pair its place.
    pub(super) fn miss(
        &mut self,
        number: u32,
        (hash, object): (u64, u64),
        got_place: bool,
        weight: u32,
        now: Timestamp,
    ) -> bool {
        let is_new = got_place || self.admission.is_new(hash, object, now);
        if is_new {
            self.pairs.pair_mut(number).misses.miss(weight);
        }
        is_new
    }

    /// The pair of an object about which the first answer has come, if it has a place.
    pub(super) fn first_answer(&mut self, (client, hash): (&ClientKey, u64), call: &Call<'_>) -> Option<u32> {
        let number = self.pairs.find(hash, client, call.route)?;
        let node = self.objects.find(number, call.named.first()?.hash)?;
        std::mem::take(&mut self.objects.node_mut(node).is_fresh).then_some(number)
    }

    /// Whether a pair that has touched something new is watched from now on: if it is near a limit, or was, or guesses.
    pub(super) fn is_watched(&mut self, number: u32, now: Timestamp, context: Context<'_>) -> bool {
        let pair = self.pairs.pair(number);
        let row = &context.row(pair.profile);
        let is_near = |parts| is_near(self.pairs.windows(number), row, parts);
        match &pair.evidence {
            // Most pairs are far from everything.
            None if !is_near(WATCHED_FROM) => false,
            None => {
                let must = is_near(1);
                self.watch(number, must, now, context)
            }
            Some(evidence)
                if evidence.is_idle() && !pair.misses.is_suspicious() && !is_near(WATCHED_UNTIL) =>
            {
                self.unwatch(number);
                false
            }
            Some(_) => true,
        }
    }

    /// Whether evidence is kept of a pair from now on: if there is a place, or it `must` be.
    pub(super) fn has_evidence(
        &mut self,
        number: u32,
        must: bool,
        now: Timestamp,
        context: Context<'_>,
    ) -> bool {
        self.pairs.pair(number).evidence.is_some() || self.watch(number, must, now, context)
    }

    /// Begins to keep evidence of a pair, if there is a place or it `must` be.
    fn watch(&mut self, number: u32, must: bool, now: Timestamp, context: Context<'_>) -> bool {
        if self.counters.watched >= self.sizes.watched as u64 {
            self.make_room_for_evidence(now, context);
        }
        if self.counters.watched >= self.sizes.watched as u64 && !must {
            return false;
        }
        // Of those that must be there is no more than of open findings.
        if self.watch.order.len() < self.sizes.watched {
            self.watch.order.push_back(number);
        }
        self.note_address(number, context.policy);
        self.pairs.pair_mut(number).evidence = Some(self.watch.spare.pop().unwrap_or_default());
        self.counters.watched += 1;
        true
    }

    /// Notes an address that comes near a limit, or has gone over one.
    fn note_address(&mut self, number: u32, policy: &Policy) {
        let pair = self.pairs.pair(number);
        if let ClientKey::Peer(address) | ClientKey::Forwarded(address) = pair.client
            && policy.asks_whose()
            && self.near.len() < NOTED
            && !policy.is_budget(pair.profile(policy))
            && !self.near.contains(&address)
        {
            self.near.push(address);
        }
    }

    /// Moves out the addresses that were noted.
    pub(super) fn near(&mut self) -> vec::Drain<'_, IpAddr> {
        self.near.drain(..)
    }

    /// Keeps no evidence of a pair any more.
    fn unwatch(&mut self, number: u32) {
        if let Some(mut evidence) = self.pairs.pair_mut(number).evidence.take() {
            self.counters.watched -= 1;
            if self.watch.spare.len() < self.sizes.watched {
                evidence.empty();
                self.watch.spare.push(evidence);
            }
        }
    }

    fn make_room_for_evidence(&mut self, now: Timestamp, context: Context<'_>) {
        let lengths = context.policy.windows();
        for _ in 0..CANDIDATES.min(self.watch.order.len()) {
            let Some(number) = self.watch.order.pop_front() else { return };
            let Some((pair, windows)) = self.pairs.get_with_windows(number) else { continue };
            let Some(evidence) = &pair.evidence else { continue };
            pair.track.slide(windows, &mut self.objects, now, lengths);
            let is_needed = !evidence.is_idle()
                || pair.misses.is_suspicious()
                || is_near(windows, context.policy.row(pair.profile(context.policy)), WATCHED_FROM);
            if is_needed {
                self.watch.order.push_back(number);
            } else {
                self.unwatch(number);
                return;
            }
        }
    }

    /// What has been counted.
    pub(super) fn counters(&self) -> TallyCounters {
        TallyCounters {
            pairs: self.pairs.len() as u64,
            objects: self.objects.len() as u64,
            sketches_cleared: self.admission.overflows(),
            admission: self.threshold().into(),
            ..self.counters
        }
    }

    /// Objects that a pair must have touched to get a place now: the scarcer of both tables decides.
    fn threshold(&self) -> u8 {
        Admission::threshold(self.pairs.len(), self.pairs.capacity())
            .max(Admission::threshold(self.objects.len(), self.objects.capacity()))
    }

    /// Looks for the pair's place, unless it has been found: if it has one, or is busy enough to get one. `object` is the hash
    /// under which what the call asked for counts.
    pub(super) fn place(
        &mut self,
        place: &mut Place,
        (client, hash): (&ClientKey, u64),
        call: &Call<'_>,
        object: u64,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> Option<u32> {
        if place.number.is_some() {
            return place.number;
        }
        if !place.is_looked_for
            && let Some(number) = self.pairs.find(hash, client, call.route)
        {
            (place.number, place.is_known) = (Some(number), true);
            self.bring_up_to_date(number, call.now, context, out);
            return place.number;
        }
        let standing = self.admission.count(hash, object, call.now);
        place.is_new |= standing.is_new && !place.is_looked_for;
        place.is_looked_for = true;
        if standing.objects < self.threshold()
            || !self.make_room_for_pair(standing.objects, call.now, context, out)
        {
            self.counters.not_admitted += 1;
            return None;
        }
        let identity = (hash, *client, Arc::clone(call.route));
        let missed = Missed { objects: standing.objects - 1, since: self.admission.since() };
        place.number = Some(self.pairs.insert(identity, context.policy, missed, call.now));
        place.number
    }

    /// A pair touched an object. Returns the windows that it is new to, as a set of bits.
    pub(super) fn object(
        &mut self,
        number: u32,
        hash: u64,
        named: &Named,
        call: &Call<'_>,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> u8 {
        if self.objects.is_full() && self.objects.find(number, named.hash).is_none() {
            self.make_room_for_object(number, call.now, context, out);
        }
        let (pair, windows) = self.pairs.with_windows(number);
        let node = Node {
            hash: named.hash,
            at: call.now,
            older: NONE,
            newer: NONE,
            pair: number,
            weight: named.weight,
            call: pair.calls,
            is_fresh: true,
        };
        let new = pair.track.touch(windows, &mut self.objects, node, context.policy.windows());
        if !call.is_empty {
            pair.misses.hit();
        } else if new != 0 {
            pair.misses.miss(named.weight);
        }
        // The first one got it its place, and is known for that.
        if new != 0
            && pair.missed.objects > 0
            && pair.track.len() > 1
            && self.admission.knows(hash, named.hash)
        {
            // One of those that were missed is here now.
            pair.missed.objects -= 1;
        }
        if pair.track.len() > OBJECTS_PER_PAIR {
            pair.track.thin(windows, &mut self.objects);
            self.counters.thinned += 1;
        }
        new
    }

    /// Makes room for one pair that has touched so many `objects`, if there is one that has touched less, or as little and
    /// has been idle for long. Of those that have touched least the one goes that has been idle longest.
    fn make_room_for_pair(
        &mut self,
        objects: u8,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) -> bool {
        if !self.pairs.is_full() {
            return true;
        }
        let Some(number) = (0..=pairs::OPEN_LARGE).find_map(|class| self.pairs.oldest(class)) else {
            return false;
        };
        let pair = self.pairs.pair(number);
        let class = pairs::class(objects.into());
        let goes = pair.class < class || pair.class == class && now.since(pair.last) >= IDLE;
        if goes {
            self.evict(number, now, context, out);
        }
        goes
    }

    /// Makes room for one object of a pair: at the cost of quiet pairs that have touched little, then of those with very
    /// many, which can do with a sample, then of those that have touched less, then of the pair itself.
    fn make_room_for_object(
        &mut self,
        number: u32,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        while self.objects.is_full() {
            let class = self.pairs.pair(number).class;
            let oldest_below = |class: u8| (0..class).find_map(|class| self.pairs.oldest(class));
            if let Some(idle) = oldest_below(class.min(LITTLE)) {
                self.evict(idle, now, context, out);
            } else if let Some(donor) = self.donor() {
                self.thin(donor);
            } else if let Some(less) = oldest_below(class.min(pairs::CLASSES)) {
                self.evict(less, now, context, out);
            } else if self.pairs.pair(number).track.len() >= pairs::FEWEST {
                self.thin(number);
            } else {
                let others = (0..=pairs::OPEN_LARGE).flat_map(|class| {
                    std::iter::successors(self.pairs.oldest(class), |&other| self.pairs.next(other))
                });
                match others.into_iter().find(|&other| other != number) {
                    Some(other) => self.evict(other, now, context, out),
                    None if self.pairs.pair(number).track.len() > 0 => {
                        let (pair, windows) = self.pairs.with_windows(number);
                        pair.track.forget(windows, &mut self.objects);
                    }
                    None => return,
                }
            }
        }
    }

    /// Forgets a pair with all its objects.
    fn forget(&mut self, number: u32, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        self.end_all(number, now, context, out);
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.clear(windows, &mut self.objects);
        self.unwatch(number);
        self.pairs.remove(number);
    }

    fn evict(&mut self, number: u32, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        let (pair, windows) = self.pairs.with_windows(number);
        self.admission.remember(pair.hash, pair.known());
        pair.track.slide(windows, &mut self.objects, now, context.policy.windows());
        let pair = self.pairs.pair(number);
        let is_busy =
            is_near(self.pairs.windows(number), context.policy.row(pair.profile(context.policy)), BUSY);
        *if is_busy { &mut self.counters.evicted_busy } else { &mut self.counters.evicted_idle } += 1;
        self.forget(number, now, context, out);
    }

    /// A pair with many objects, one with an open finding if there is any.
    fn donor(&self) -> Option<u32> {
        let large = self.pairs.oldest(pairs::OPEN_LARGE);
        let busiest = || self.pairs.oldest(pairs::CLASSES - 1);
        large.or_else(busiest).filter(|&number| self.pairs.pair(number).track.len() >= pairs::FEWEST)
    }

    fn thin(&mut self, number: u32) {
        self.counters.thinned += 1;
        let (pair, windows) = self.pairs.with_windows(number);
        pair.track.thin(windows, &mut self.objects);
        // To the end of its list, so that the next is another's turn.
        if pair.is_open() { self.pairs.set_open(number) } else { self.pairs.set_quiet(number) }
    }

    /// Opens the finding of a verdict, or goes on with it.
    pub(super) fn report(
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
        let norm = known(verdict, pair, context);
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
                (open.level, open.limit, open.window, open.peak, open.norm) =
                    (level, limit, window, held, norm);
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
                    norm,
                });
                self.counters.open += 1;
                self.pairs.set_open(number);
                self.note_address(number, context.policy);
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
        let Known { usual, learning, is_far } = open.norm;
        let stride = self.pairs.windows(number)[open.window].stride();
        let mut signals: Vec<Rule> = evidence.open_rules().filter(|&other| other != rule).collect();
        if rule != Rule::MissProbing {
            // Numbers lie close together on many a route: not yet known, it takes their order.
            let dense = if learning {
                evidence.sequence.is_in_order(stride)
            } else {
                evidence.sequence.is_dense(stride)
            };
            let dense = dense && !context.is_listed(pair.hash, &pair.route, open.peak.distinct, pair.last);
            let firsts = reads_firsts(evidence);
            let walked = evidence.walked * 2 > evidence.noted;
            let seen =
                [(Rule::SequentialWalk, dense), (Rule::FirstTouch, firsts), (Rule::BlockDensity, walked)];
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
                addresses: evidence.addresses.list(),
                usual,
                learning,
            },
            sample_objects: evidence.samples.list(),
            signals,
            is_far,
            part: 0,
            loss: 0.0,
        })
    }

    /// Goes by what is allowed now. If the pair has room by that, findings about how much it touches end; with a budget of its
    /// own, all of them.
    fn bring_up_to_date(
        &mut self,
        number: u32,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        let policy = context.policy;
        let (pair, windows) = self.pairs.with_windows(number);
        if !pair.bring_up_to_date(policy) || !pair.is_open() {
            return;
        }
        let profile = pair.profile(policy);
        let Some(allowance) = policy.allowance(profile) else { return };
        pair.track.slide(windows, &mut self.objects, now, policy.windows());
        let held = held(windows, pair.missed, now, policy.windows());
        if held.iter().zip(context.row(profile)).any(|(held, limit)| held.surely > limit.into()) {
            return;
        }
        let is_over = |rule: &Rule| policy.is_budget(profile) || rule.is_about_objects();
        for rule in CLIENT_RULES.into_iter().filter(is_over) {
            if self.pairs.pair(number).evidence.as_ref().is_some_and(|evidence| evidence.open(rule).is_some())
            {
                self.end(number, rule, Phase::Allowed(allowance), now, context, out);
            }
        }
    }

    /// Ends the open finding of a rule about a pair; the rest goes on.
    fn end(
        &mut self,
        number: u32,
        rule: Rule,
        phase: Phase,
        now: Timestamp,
        context: Context<'_>,
        out: &mut Vec<Finding>,
    ) {
        out.extend(self.finding(number, rule, phase, context.clock.source(now), context));
        let pair = self.pairs.pair_mut(number);
        let Some(evidence) = &mut pair.evidence else { return };
        if evidence.open_mut(rule).take().is_some() {
            self.counters.open -= 1;
        }
        match rule {
            // Once it is allowed no more, what it holds is too much again.
            Rule::DistinctObjects if phase != Phase::Ends => evidence.levels = Default::default(),
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
            self.pairs.set_quiet(number);
        }
    }

    /// Ends every open finding about a pair.
    fn end_all(&mut self, number: u32, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        while let Some(rule) =
            self.pairs.pair(number).evidence.as_ref().and_then(|evidence| evidence.open_rules().next())
        {
            self.end(number, rule, Phase::Ends, now, context, out);
        }
    }

    /// Ends findings that have become quiet, or are allowed by now, and forgets pairs that the longest window has left behind.
    pub(super) fn sweep(&mut self, now: Timestamp, context: Context<'_>, out: &mut Vec<Finding>) {
        let lengths = context.policy.windows();
        let [mut candidate, large] = [pairs::OPEN, pairs::OPEN_LARGE].map(|class| self.pairs.oldest(class));
        let mut rest = large;
        while let Some(number) = candidate.or_else(|| rest.take()) {
            candidate = self.pairs.next(number);
            self.bring_up_to_date(number, now, context, out);
            for rule in CLIENT_RULES {
                let open = self.pairs.pair(number).evidence.as_ref().and_then(|evidence| evidence.open(rule));
                let is_quiet = |open: &Open| {
                    now.since(open.last_excess) >= SHORTEST_QUIET.max(lengths[open.excess_window])
                };
                if open.is_some_and(is_quiet) {
                    self.end(number, rule, Phase::Ends, now, context, out);
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

    /// The busiest pairs, `most` at most.
    pub(super) fn busiest(&self, now: Timestamp, context: Context<'_>, most: usize) -> Vec<Busy> {
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
        let mut all: Vec<Busy> = seen
            .into_iter()
            .map(|number| Busy::of(self.pairs.pair(number), self.pairs.windows(number), now, context))
            .collect();
        Busy::rank(&mut all, most);
        all
    }
}

/// What is known of the route of a pair about which something is found.
fn known(verdict: &Verdict, pair: &Pair, context: Context<'_>) -> Known {
    let &Verdict { rule, limit, window, held: Held { distinct, .. }, .. } = verdict;
    let norm = context.norm.filter(|_| context.policy.is_everyones(pair.profile));
    let learning = norm.is_some_and(|norm| norm.learns(window));
    let walks = pair.evidence.as_ref().is_some_and(|evidence| evidence.walks);
    let is_far_walk = norm.is_some_and(|norm| learning && walks && norm.is_far_walk(distinct, limit));
    let is_beyond = |norm: &Norm| !learning || norm.is_far_beyond(window, distinct);
    Known {
        // How far it came was taken down before this call.
        usual: norm
            .filter(|_| rule != Rule::Volume)
            .and_then(|norm| norm.usual_beside(window, distinct.saturating_sub(1))),
        learning: learning && !matches!(rule, Rule::MissProbing | Rule::Volume),
        is_far: match rule {
            Rule::DistinctObjects => {
                is_far_walk || distinct >= FAR_OVER * u64::from(limit) && norm.is_none_or(is_beyond)
            }
            // Whoever goes on guessing has come to guess.
            Rule::MissProbing => distinct >= FAR_OVER * u64::from(limit),
            _ => false,
        },
    }
}
