//! The detector: every rule about clients and about routes, in fixed memory.

use std::{net::IpAddr, sync::Arc, vec};

use serde::{Deserialize, Serialize};

use rollcall_attribute::{
    client::{ClientKey, Clients, MOST_KEYS},
    observation::{Observation, Outcome},
    route::{self, FEW, LimitsBy, NEW, Origin, Read, full_name, outcome},
};
use rollcall_model::{
    hash::HashKey,
    state::{self, Inconsistent},
    time::Timestamp,
};

use super::{
    Allowance, Budget, Figures, Finding, Policy, Rule,
    answers::{Answers, RouteHashes},
    blind::{Blind, Unseen},
    client::{self, Busy, Call, Context, Tally, Touched},
    clock::Clock,
    crowd::{self, Crowd, Hour, Lens},
    identities::Identities,
    lists::Lists,
    named::Choice,
    norms::{Norm, Norms, Reached},
    policy,
    uses::Uses,
};

/// Answers from this size on count as data that is taken away: smaller ones would need so many objects that other rules
/// see them first.
const LEAST_VOLUME: u64 = 4_096;

/// Objects of which little was told count as one together.
const LITTLE: u32 = 4;

/// How detection is set up.
#[derive(Clone, Debug)]
pub struct DetectorSettings {
    pub policy: Policy,
    pub budget: Budget,
    /// Bytes of answers about new objects that a client may take from a route within an hour.
    pub bytes_limit: u64,
}

/// The default limits, in 64 MiB, and 256 MiB of answers: more than people look at, less than a dump of accounts.
impl Default for DetectorSettings {
    fn default() -> DetectorSettings {
        DetectorSettings { policy: Policy::default(), budget: Budget::default(), bytes_limit: 256 << 20 }
    }
}

/// What the detector counts. All but the last few only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectorCounters {
    /// Observations taken in.
    pub observations: u64,
    /// Of these, calls without an object.
    pub without_object: u64,
    /// Of these, calls with one that were refused or failed: nothing was read.
    pub refused: u64,
    /// And calls that were answered with content, that wrote, and that told little.
    pub content: u64,
    pub writes: u64,
    pub little: u64,
    /// Objects for which others of their call count, as it had too many.
    pub objects_beyond: u64,
    /// Times that the source's clock was set back.
    pub clock_set_back: u64,
    /// Of both families of client keys.
    pub tally: client::TallyCounters,
    /// Of routes.
    pub crowd: crowd::CrowdCounters,
    /// Bytes that the tables take, fixed at the start.
    pub bytes: u64,
}

/// See the [module](super).
#[derive(Debug)]
pub struct Detector {
    key: HashKey,
    policy: Policy,
    bytes_limit: u64,
    loss: f64,
    names: RouteHashes,
    /// The objects of the call that is being taken in.
    choice: Choice,
    /// [`NEW`] of the service whose turn it was last.
    new: Arc<str>,
    /// The least limit.
    least: u32,
    /// The call that was taken in last would have been told of, were that not what others do there too.
    is_question: bool,
    uses: Uses,
    state: DetectorState,
}

/// What a detector has learned from observations: all that has to be kept for another to go on where it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct DetectorState {
    clock: Clock,
    answers: Answers,
    /// Counts by address. In tables of its own, so that nobody pushes it out with made-up credentials.
    addresses: Tally,
    /// Counts by credential.
    credentials: Tally,
    crowd: Crowd,
    norms: Norms,
    lists: Lists,
    identities: Identities,
    blind: Blind,
    counters: DetectorCounters,
}

/// Which tables of a state could be taken up. Those of another size, or for other windows, begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What each client has touched.
    pub clients: bool,
    /// What everybody has, and what is usual on each route.
    pub routes: bool,
}

impl Detector {
    /// A detector as `settings` say; `key` keys every table.
    pub fn new(settings: DetectorSettings, key: HashKey) -> Detector {
        let DetectorSettings { policy, budget, bytes_limit } = settings;
        let sizes = budget.tally(policy.windows().len());
        let state = DetectorState {
            clock: Clock::default(),
            answers: Answers::default(),
            addresses: Tally::new(sizes, &policy, true),
            credentials: Tally::new(sizes, &policy, false),
            crowd: Crowd::new(budget.crowd()),
            norms: Norms::new(budget.norms(), policy.windows().len(), policy.everyones()),
            lists: Lists::new(),
            identities: Identities::new(budget.proven()),
            blind: Blind::default(),
            counters: DetectorCounters { bytes: budget.bytes() as u64, ..DetectorCounters::default() },
        };
        Detector {
            key,
            least: policy.least(),
            policy,
            bytes_limit,
            loss: 0.0,
            names: RouteHashes::default(),
            choice: Choice::new(key),
            new: NEW.into(),
            is_question: false,
            uses: Uses::default(),
            state,
        }
    }

    /// A detector that goes on at `now` where the one was that had come to `state`, under the same key. DetectorSettings may have
    /// changed since: new limits hold from now on; with other windows, or another budget, tables begin anew.
    ///
    /// # Errors
    ///
    /// If the state is not one that a detector comes to.
    pub fn restore(
        settings: DetectorSettings,
        key: HashKey,
        mut state: DetectorState,
        now: Timestamp,
        names: &mut state::Names,
    ) -> Result<(Detector, Kept), Inconsistent> {
        let DetectorSettings { policy, budget, bytes_limit } = settings;
        let kept = state.fit(&policy, budget);
        if kept.clients {
            state.addresses.restore(&policy, names)?;
            state.credentials.restore(&policy, names)?;
        } else {
            let sizes = budget.tally(policy.windows().len());
            state.addresses = Tally::new(sizes, &policy, true);
            state.credentials = Tally::new(sizes, &policy, false);
        }
        if kept.routes {
            state.crowd.restore(names);
        } else {
            state.crowd = Crowd::new(budget.crowd());
        }
        if !kept.clients || !state.norms.fits(budget.norms(), policy.windows().len()) {
            state.norms = Norms::new(budget.norms(), policy.windows().len(), policy.everyones());
        }
        state.norms.restore(policy.everyones())?;
        if !state.lists.fits() {
            state.lists = Lists::new();
        }
        if !state.identities.fits(budget.proven()) {
            state.identities = Identities::new(budget.proven());
        }
        state.counters.bytes = budget.bytes() as u64;
        state.clock.resume(now);
        let (names, choice) = (RouteHashes::default(), Choice::new(key));
        let (new, least) = (NEW.into(), policy.least());
        let detector = Detector {
            key,
            policy,
            bytes_limit,
            loss: 0.0,
            names,
            choice,
            new,
            least,
            is_question: false,
            uses: Uses::default(),
            state,
        };
        Ok((detector, kept))
    }

    /// All that has to be kept for another detector to go on from here.
    pub fn state(&self) -> &DetectorState {
        &self.state
    }

    /// Sets the share of traffic that is being lost, from 0 to 1, for findings from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.loss = loss.clamp(0.0, 1.0);
        self.state.blind.set_loss(self.loss);
    }

    /// Sets the share of traffic that can't be read, from 0 to 1.
    pub fn set_opaque(&mut self, share: f64) {
        self.state.blind.set_opaque(share);
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub fn unseen(&mut self, why: Unseen, client: IpAddr) {
        self.state.blind.unseen(why, client);
    }

    /// The limits in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Puts these in force from `now` on, in the place of all that were allowed before. Findings about what is in order by that
    /// end with the next second.
    pub fn allow(&mut self, allowances: &[Allowance], now: Timestamp) {
        self.policy.allow(allowances, now);
        self.uses.retain(|id| self.policy.allowed(id).is_some());
    }

    /// How far what was allowed has been made use of since this was asked last.
    pub fn take_uses(&mut self) -> Uses {
        std::mem::take(&mut self.uses)
    }

    /// Moves out the addresses that came near a limit, a few hundred at most: see [`Policy::ask_whose`].
    pub fn near_limits(&mut self) -> vec::Drain<'_, IpAddr> {
        self.state.addresses.near()
    }

    /// Takes in a call and appends what it leads to.
    ///
    /// If its route has hardly been called, its objects count on the route and on [`NEW`], the one that stands for all of
    /// these of its service. So nobody stays below limits by calling another route each few times, where a server takes many for the same.
    pub fn observe(&mut self, observation: &Observation, out: &mut Vec<Finding>) {
        let Observation { at, clients, route, objects, outcome, sampling, .. } = observation;
        let &Outcome { status, response_bytes, .. } = outcome;
        let (at, sampling) = (*at, *sampling);
        let start = out.len();
        self.is_question = false;
        self.state.counters.observations += 1;
        let now = self.state.clock.observe(at);
        self.pass(now, out);
        let touches = outcome::is_touch(status);
        let refused = outcome::is_refusal(status);
        if objects.is_empty() {
            self.state.counters.without_object += 1;
        } else if !touches {
            self.state.counters.refused += 1;
        }
        let is_new = self.is_new(observation) && !self.policy.has_limits(route);
        let route_hash = self.names.hash(route, self.key);
        let facts = self.state.answers.call(route_hash, status, response_bytes);
        let is_proof = facts.checks_credentials && is_answer(status);
        let counters = &mut self.state.counters;
        let is_read = match outcome.read {
            _ if objects.is_empty() => false,
            Read::Content => {
                counters.content += u64::from(touches);
                false
            }
            Read::Nothing => {
                counters.writes += u64::from(touches);
                false
            }
            Read::Little | Read::Data => touches || refused,
        };
        if touches && outcome.read == Read::Data && !route.ends_with('}') {
            for client in clients.keys() {
                let pair = client::pair_hash(self.key.hash(&client.to_bytes()), route_hash);
                self.state.lists.note(pair, now);
            }
        }
        if !is_read {
            if is_proof {
                self.prove(clients, now);
            }
            return;
        }
        let mut hashes = [0; MOST_KEYS];
        for (hash, client) in hashes.iter_mut().zip(clients.keys()) {
            *hash = self.key.hash(&client.to_bytes());
        }
        // Addresses come first.
        let credentials_from = clients.keys().len() - clients.by_credential().len();
        let identity = self.state.identities.person(clients, is_proof, now);
        // What is meant to be read says nothing about the rest.
        let is_partner = self.is_partner(clients, route, is_proof);
        let hashes = hashes.map(|hash| client::pair_hash(hash, route_hash));
        let (address_hashes, credential_hashes) = hashes.split_at(credentials_from);
        let DetectorState { clock, addresses, credentials, crowd, norms, lists, counters, .. } =
            &mut self.state;
        let is_followed = touches && !is_partner && self.policy.has_defaults();
        let followed = is_followed.then(|| norms.route(route_hash, now));
        // What is needed later is fetched from memory meanwhile: these tables are larger than any cache.
        address_hashes.iter().take(clients.by_address().len()).for_each(|&hash| addresses.fetch(hash));
        credential_hashes
            .iter()
            .take(clients.by_credential().len())
            .for_each(|&hash| credentials.fetch(hash));
        let tells_little = outcome.read == Read::Little && touches;
        counters.little += u64::from(tells_little);
        let weight = client::weight(sampling) / if tells_little { LITTLE } else { 1 };
        self.choice.of(objects, weight);
        counters.objects_beyond += (objects.len() - self.choice.named.len()) as u64;
        if let (Some(route), Some(named)) = (followed, self.choice.named.first()) {
            // A credential says better than an address who it is; they come last.
            norms.touch(route, named.hash, hashes[clients.keys().len() - 1], now);
        }
        let address = clients.address();
        let norm = |lens| followed.map(|route| norms.of(route, lens));
        let both = [Lens::Address, Lens::Credential].map(norm);
        let is_walked = both.iter().flatten().any(|norm| norm.is_walked());
        let is_learning = both.iter().flatten().all(|norm| norm.is_learning()) && followed.is_some();
        let crowds = crowd::Call { at: now, route, route_hash, address, is_walked, is_learning };
        if touches && !is_partner {
            crowd.touch(&crowds, objects, &mut self.choice, out);
        } else if refused && !is_partner {
            crowd.miss(&crowds, objects, &mut self.choice, out);
        } else {
            crowd.look(route_hash, &mut self.choice.named);
        }
        let crowd_found = out.len();
        let call = Call {
            at,
            now,
            route,
            route_hash,
            objects,
            named: &self.choice.named,
            address,
            identity,
            is_empty: facts.looks_empty,
        };
        let families = [
            (&mut *addresses, clients.by_address(), address_hashes, Lens::Address),
            (&mut *credentials, clients.by_credential(), credential_hashes, Lens::Credential),
        ];
        for (tally, keys, hashes, lens) in families {
            for (client, &hash) in keys.iter().zip(hashes) {
                // The budget of one of its keys is all that applies to a partner's call.
                if is_partner && !self.policy.has_partner(std::slice::from_ref(client), route) {
                    continue;
                }
                let context = Context {
                    norm: followed.map(|route| norms.of(route, lens)),
                    ..Context::new(&self.policy, clock, self.bytes_limit, norms, lists, self.key)
                };
                let before = out.len();
                let Touched { is_new, used, reach, is_question } = if touches {
                    tally.touch((client, hash), &call, context, out)
                } else {
                    Touched { is_new: tally.miss((client, hash), &call, context, out), ..Touched::default() }
                };
                self.is_question |= is_question;
                if let Some((id, most)) = used {
                    self.uses.note(id, most, at);
                }
                if let Some(followed) = followed {
                    let client = client::pair_hash(hash, route_hash);
                    let reached = reach.map(|reach| norms.reach(followed, lens, client, &reach, now));
                    let Reached { surge, is_question } = reached.unwrap_or_default();
                    self.is_question |= is_question;
                    if let Some(surge) = surge {
                        crowd.readers(&crowds, lens, surge, out);
                    }
                    for finding in out[before..].iter().filter(|finding| is_count(finding)) {
                        let Figures { distinct, limit, .. } = finding.figures;
                        norms.tell(followed, lens, hash, client::times(distinct, limit));
                    }
                }
                if is_new && !is_partner {
                    crowd.new_key(&crowds, lens, out);
                }
            }
        }
        // No limit is raised in silence.
        self.is_question |= followed.is_some_and(|route| norms.is_raised(route));
        // What went over a limit is told already.
        if is_new && touches && !is_partner && out.len() == start {
            let new = full_name::new_of(route);
            if *self.new != *new {
                self.new = new.into();
            }
            let new_hash = self.names.hash(&self.new, self.key);
            let call = Call { route: &self.new, route_hash: new_hash, ..call };
            let context = Context::new(&self.policy, clock, self.bytes_limit, norms, lists, self.key);
            for (tally, keys) in [(addresses, clients.by_address()), (credentials, clients.by_credential())] {
                for client in keys {
                    let hash = client::pair_hash(self.key.hash(&client.to_bytes()), new_hash);
                    tally.touch((client, hash), &call, context, out);
                }
            }
        }
        // A call that names many is its client's doing before it is everybody's.
        if objects.len() > 1 {
            out[start..].rotate_left(crowd_found - start);
        }
        self.complete(start, out);
    }

    /// Takes in the answer to a call that was observed without one: whom it proves the caller to be.
    pub fn answered_late(&mut self, observation: &Observation) {
        let Observation { at, clients, route, outcome, .. } = observation;
        if clients.by_credential().is_empty() || !is_answer(outcome.status) {
            return;
        }
        let route_hash = self.names.hash(route, self.key);
        if self.state.answers.checks_credentials(route_hash) {
            self.prove(clients, self.state.clock.time(*at));
        }
    }

    /// Takes in the size of the whole answer to a call that has been observed.
    pub fn answered(&mut self, observation: &Observation, out: &mut Vec<Finding>) {
        let Observation { at, clients, route, objects, outcome, sampling, .. } = observation;
        let (response_bytes, at, sampling) = (outcome.response_bytes, *at, *sampling);
        if objects.is_empty() || response_bytes < LEAST_VOLUME || !observation.is_read() {
            return;
        }
        let start = out.len();
        let route_hash = self.names.hash(route, self.key);
        self.choice.first(objects, client::weight(sampling));
        let DetectorState { clock, addresses, credentials, norms, lists, .. } = &mut self.state;
        let call = Call {
            at,
            now: clock.time(at),
            route,
            route_hash,
            objects,
            named: &self.choice.named,
            address: clients.address(),
            identity: None,
            is_empty: false,
        };
        let context = Context::new(&self.policy, clock, self.bytes_limit, norms, lists, self.key);
        for (tally, keys) in [(addresses, clients.by_address()), (credentials, clients.by_credential())] {
            for client in keys {
                let hash = client::pair_hash(self.key.hash(&client.to_bytes()), route_hash);
                tally.answered((client, hash), &call, response_bytes, context, out);
            }
        }
        self.complete(start, out);
    }

    /// Whether a call counts for [`NEW`] too: on a route so new that calls like it can't have gone over the least limit by
    /// themselves.
    pub fn is_new(&self, Observation { known, objects, .. }: &Observation) -> bool {
        let most = self.least / objects.len().max(1) as u32;
        known.origin == Origin::Learned && !known.is_static && known.calls <= FEW.min(most.into())
    }

    /// Whether the call that was taken in last would have been told of, were it not what others do on its route, too.
    pub fn is_question(&self) -> bool {
        self.is_question
    }

    /// Lets time pass: ends findings about what has become quiet.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        let start = out.len();
        self.pass(self.state.clock.time(now), out);
        self.complete(start, out);
    }

    /// The clients that have touched most on a route, `most` at most: for people to look at.
    pub fn busiest(&self, now: Timestamp, most: usize) -> Vec<Busy> {
        let DetectorState { clock, addresses, credentials, norms, lists, .. } = &self.state;
        let now = clock.time(now);
        let context = Context::new(&self.policy, clock, self.bytes_limit, norms, lists, self.key);
        let mut all = addresses.busiest(now, context, most);
        all.extend(credentials.busiest(now, context, most));
        Busy::rank(&mut all, most);
        if self.policy.has_defaults() {
            for busy in &mut all {
                let norms = self.state.norms.find(self.key.hash(busy.route.as_bytes()));
                let profile = self.policy.profile(&busy.client, &busy.route);
                let is_everyones = self.policy.is_everyones(profile);
                if let Some([address, credential]) = norms.filter(|_| is_everyones) {
                    let room = self.policy.room(profile);
                    let is_credential = matches!(busy.client, ClientKey::Credential(_));
                    let limits = if is_credential { credential } else { address }.limits();
                    busy.limits
                        .iter_mut()
                        .zip(limits)
                        .for_each(|(limit, &learned)| *limit = shown(learned.max(room)));
                }
            }
        }
        all
    }

    /// What the running hour has brought on a route; `None` if it is not followed.
    pub fn hour(&self, route: &str) -> Option<Hour> {
        self.state.crowd.hour(self.key.hash(route.as_bytes()))
    }

    /// Which limits are in force for everyone on a route, and what clients usually touch there, through the lens that tells more
    /// of them apart; `None` where nothing was touched that is followed.
    pub fn norm(&self, route: &str) -> Option<route::Norm> {
        let profile = self.policy.everyones_on(route);
        let room = self.policy.room(profile);
        let norm = self.state.norms.find(self.key.hash(route.as_bytes())).map(|[address, credential]| {
            if credential.clients() > address.clients() { credential } else { address }
        });
        let learned = norm.filter(|_| self.policy.has_defaults() && self.policy.is_everyones(profile));
        if norm.is_none() && self.policy.has_defaults() {
            return None;
        }
        let (row, by) = match learned {
            Some(norm) => (norm.limits().map(|limit| limit.max(room)), norm.by(self.policy.everyones())),
            None => (*self.policy.row(profile), LimitsBy::Set),
        };
        let windows = self.policy.windows().iter().zip(row).enumerate().map(|(window, (length, limit))| {
            let usual = norm.and_then(|norm| norm.usual(window));
            route::NormWindow {
                window_s: length.as_secs(),
                limit: shown(limit),
                p50: usual.map(|usual| usual.p50),
                p99: usual.map(|usual| usual.p99),
            }
        });
        let windows: Vec<route::NormWindow> = windows.collect();
        let is_roomier = room > 0 && windows.iter().any(|window| window.limit == Some(room));
        Some(route::Norm {
            by: if is_roomier { LimitsBy::Allowed } else { by },
            learning: learned.is_some_and(Norm::is_learning),
            clients: norm.map_or(0, |norm| norm.clients() as u64),
            windows,
        })
    }

    /// What has been counted.
    pub fn counters(&self) -> DetectorCounters {
        let DetectorState { clock, addresses, credentials, crowd, counters, .. } = &self.state;
        DetectorCounters {
            clock_set_back: clock.set_back(),
            tally: addresses.counters().with(credentials.counters()),
            crowd: crowd.counters(),
            ..*counters
        }
    }

    fn pass(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        let DetectorState { clock, addresses, credentials, crowd, norms, lists, blind, .. } = &mut self.state;
        self.policy.advance(clock.source(now));
        let context = Context::new(&self.policy, clock, self.bytes_limit, norms, lists, self.key);
        addresses.tick(now, context, out);
        credentials.tick(now, context, out);
        crowd.tick(now, out);
        let blinding = || addresses.counters().blinding() + credentials.counters().blinding();
        blind.tick(now, clock.source(now), blinding, out);
    }

    /// Takes in that a server which refuses others has answered the caller.
    fn prove(&mut self, clients: &Clients, now: Timestamp) {
        self.state.identities.person(clients, true, now);
        for key in clients.by_credential() {
            if self.policy.may_be_partner(key) {
                self.state.identities.is_partner(clients, key, true);
            }
        }
    }

    /// Whether a client with a budget on the route made the call: from its address, or with its credential if that has proved
    /// good, on whichever route.
    fn is_partner(&mut self, clients: &Clients, route: &str, is_proof: bool) -> bool {
        let DetectorState { identities, .. } = &mut self.state;
        if self.policy.has_partner(clients.by_address(), route) {
            return true;
        }
        let mut keys = clients.by_credential().iter().filter(|key| self.policy.may_be_partner(key));
        keys.any(|key| {
            identities.is_partner(clients, key, is_proof)
                && self.policy.has_partner(std::slice::from_ref(key), route)
        })
    }

    /// Adds to findings what no rule knows by itself: what was lost, and what is found about the route.
    fn complete(&self, start: usize, out: &mut [Finding]) {
        for finding in &mut out[start..] {
            finding.loss = self.loss;
            if finding.client.is_none() && finding.rule != Rule::Blind {
                // What looks at everybody goes by the detector's time.
                for time in [&mut finding.at, &mut finding.figures.first_seen, &mut finding.figures.last_seen]
                {
                    *time = self.state.clock.source(*time);
                }
            }
        }
    }
}

impl DetectorState {
    /// What of it fits the settings.
    fn fit(&self, policy: &Policy, budget: Budget) -> Kept {
        let sizes = budget.tally(policy.windows().len());
        Kept {
            clients: self.addresses.fits(sizes, policy, true) && self.credentials.fits(sizes, policy, false),
            routes: self.crowd.fits(budget.crowd()),
        }
    }
}

/// A limit, where there is one.
fn shown(limit: u32) -> Option<u32> {
    (limit != policy::NONE).then_some(limit)
}

/// Whether it is about how many objects a client touched, and goes on.
fn is_count(finding: &Finding) -> bool {
    finding.rule.is_about_objects() && !finding.phase.is_end()
}

/// Whether a server has answered with what it was asked for. A call without an answer yet proves nothing.
fn is_answer(status: Option<u16>) -> bool {
    status.is_some() && outcome::is_touch(status)
}

#[cfg(test)]
mod tests;
