//! Notices: what is worth knowing about a route, whoever calls it.
//!
//! - `open-door`: it answers with data although no credential came with the calls. A few objects must have been read that
//!   way, for one may be meant for everybody.
//! - `unknown-route`: it answers, and the OpenAPI document does not know it.
//!
//! There is one finding for each rule and route. It ends when the route has not shown it for a day.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Duration};

use hashbrown::{HashTable, hash_table::Entry};
use serde::{Deserialize, Serialize};

use rollcall_attribute::client::ClientKey;
use rollcall_model::{
    hash::HashKey,
    state::{Inconsistent, Names, check},
    time::Timestamp,
};

use super::{Figures, Finding, Phase, Rule, shown::sample};

/// Objects that are read without a credential before a door counts as open.
const OPEN_OBJECTS: usize = 3;

/// A finding ends when it has not been shown for this long: what a job does each day is one.
pub const QUIET: Duration = Duration::from_secs(25 * 3_600);

/// Rules and routes that are remembered. A server that answers whatever it is asked for has any number of routes.
const MOST: usize = 1_024;

/// How often ends are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// See the [module](self).
#[derive(Debug)]
pub struct Notices {
    key: HashKey,
    noted: HashTable<Noted>,
    suppressed: u64,
    next_sweep: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Noted {
    /// Follows from the two that come next.
    #[serde(skip)]
    hash: u64,
    rule: Rule,
    route: Arc<str>,
    client: ClientKey,
    address: IpAddr,
    /// Hashes of the first few objects, and one to show.
    objects: Vec<u64>,
    sample: Option<String>,
    calls: u64,
    first: Timestamp,
    last: Timestamp,
    begun: bool,
}

/// [`Notices`], written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredNotices<'a> {
    noted: Vec<Cow<'a, Noted>>,
    suppressed: u64,
    next_sweep: Timestamp,
}

/// A call that shows something about its route.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub rule: Rule,
    pub at: Timestamp,
    pub route: &'a Arc<str>,
    pub client: ClientKey,
    pub address: IpAddr,
    pub object: Option<&'a str>,
}

impl Notices {
    /// Nothing has been noted yet.
    pub fn new(key: HashKey) -> Notices {
        Notices { key, noted: HashTable::new(), suppressed: 0, next_sweep: Timestamp::default() }
    }

    /// Findings that did not begin, as too many are remembered.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Takes in a call, and appends the finding that it leads to.
    pub fn show(&mut self, shown: &Shown<'_>, out: &mut Vec<Finding>) {
        let hash = hash(self.key, shown.rule, shown.route);
        let room = self.noted.len() < MOST;
        let same =
            |noted: &Noted| noted.hash == hash && noted.rule == shown.rule && noted.route == *shown.route;
        let noted = match self.noted.entry(hash, same, |noted| noted.hash) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if !room => {
                self.suppressed += 1;
                return;
            }
            Entry::Vacant(entry) => entry
                .insert(Noted {
                    hash,
                    rule: shown.rule,
                    route: Arc::clone(shown.route),
                    client: shown.client,
                    address: shown.address,
                    objects: Vec::new(),
                    sample: None,
                    calls: 0,
                    first: shown.at,
                    last: shown.at,
                    begun: false,
                })
                .into_mut(),
        };
        noted.calls += 1;
        noted.first = noted.first.min(shown.at);
        noted.last = noted.last.max(shown.at);
        if noted.begun {
            return;
        }
        if let Some(object) = shown.object {
            let object_hash = self.key.hash(object.as_bytes());
            if noted.objects.len() < OPEN_OBJECTS && !noted.objects.contains(&object_hash) {
                noted.objects.push(object_hash);
            }
            noted.sample.get_or_insert_with(|| sample(object).to_owned());
        }
        if noted.rule != Rule::OpenDoor || noted.objects.len() == OPEN_OBJECTS {
            noted.begun = true;
            out.push(noted.finding(Phase::Begins, shown.at));
        }
    }

    /// What is to be written down.
    pub fn checkpoint(&self) -> StoredNotices<'_> {
        let mut noted: Vec<&Noted> = self.noted.iter().collect();
        noted.sort_by(|a, b| (a.rule, &a.route).cmp(&(b.rule, &b.route)));
        StoredNotices {
            noted: noted.into_iter().map(Cow::Borrowed).collect(),
            suppressed: self.suppressed,
            next_sweep: self.next_sweep,
        }
    }

    /// Notices that go on from `stored` at `now`. Nothing was shown later than that, whatever the clock said then.
    pub fn restore(
        key: HashKey,
        stored: StoredNotices<'_>,
        now: Timestamp,
        names: &mut Names,
    ) -> Result<Notices, Inconsistent> {
        let StoredNotices { noted, suppressed, next_sweep } = stored;
        check(noted.len() <= MOST, "too much has been noted")?;
        let mut table = HashTable::with_capacity(noted.len());
        for noted in noted {
            let mut noted = noted.into_owned();
            check(noted.objects.len() <= OPEN_OBJECTS, "too many objects have been noted")?;
            noted.route = names.share(&noted.route);
            noted.last = noted.last.min(now);
            noted.hash = hash(key, noted.rule, &noted.route);
            let same = |other: &Noted| (other.rule, &other.route) == (noted.rule, &noted.route);
            check(table.find(noted.hash, same).is_none(), "a route has been noted twice")?;
            table.insert_unique(noted.hash, noted, |noted| noted.hash);
        }
        Ok(Notices { key, noted: table, suppressed, next_sweep: next_sweep.min(now + SWEEP) })
    }

    /// Lets time pass: ends what has not been shown for long.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Finding>) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let start = out.len();
        let quiet = self.noted.extract_if(|noted| now.since(noted.last) >= QUIET);
        out.extend(quiet.filter(|noted| noted.begun).map(|noted| noted.finding(Phase::Ends, now)));
        // The table's order is its own.
        out[start..].sort_by(|a, b| (a.rule, &a.route).cmp(&(b.rule, &b.route)));
    }
}

fn hash(key: HashKey, rule: Rule, route: &str) -> u64 {
    key.hash(route.as_bytes()) ^ key.hash(rule.name().as_bytes())
}

impl Noted {
    fn finding(&self, phase: Phase, at: Timestamp) -> Finding {
        Finding {
            phase,
            rule: self.rule,
            at,
            client: Some(self.client),
            route: Arc::clone(&self.route),
            window: Duration::ZERO,
            figures: Figures {
                distinct: self.objects.len() as u64,
                requests: self.calls,
                first_seen: self.first,
                last_seen: self.last,
                addresses: vec![self.address],
                ..Figures::default()
            },
            sample_objects: self.sample.iter().cloned().collect(),
            signals: Vec::new(),
            is_far: false,
            part: 0,
            loss: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn show(notices: &mut Notices, rule: Rule, route: &str, object: &str, seconds: u64) -> Vec<Finding> {
        let mut out = Vec::new();
        let address = [198, 51, 100, 7].into();
        let shown = Shown {
            rule,
            at: Timestamp(seconds * S),
            route: &route.into(),
            client: ClientKey::Peer(address),
            address,
            object: Some(object).filter(|object| !object.is_empty()),
        };
        notices.show(&shown, &mut out);
        out
    }

    #[test]
    fn a_door_is_open_when_a_few_objects_were_read() {
        let mut notices = Notices::new(HashKey::new([1; 16]));
        for (object, found) in [("1", 0), ("1", 0), ("2", 0), ("3", 1), ("4", 0)] {
            assert_eq!(show(&mut notices, Rule::OpenDoor, "GET /a/{id}", object, 9).len(), found, "{object}");
        }
        let mut out = Vec::new();
        notices.tick(Timestamp(26 * 3_600 * S), &mut out);
        assert_eq!((out.len(), out[0].phase, out[0].figures.requests), (1, Phase::Ends, 5));
        assert_eq!(
            show(&mut notices, Rule::OpenDoor, "GET /a/{id}", "1", 200_000).len(),
            0,
            "it starts over"
        );
    }

    #[test]
    fn a_long_object_is_not_kept_whole() {
        let mut notices = Notices::new(HashKey::new([1; 16]));
        let found = show(&mut notices, Rule::UnknownRoute, "GET /a/{id}", &"7".repeat(10_000), 9);
        assert_eq!(found[0].sample_objects, ["7".repeat(128)]);
    }

    #[test]
    fn an_unknown_route_is_told_once() {
        let mut notices = Notices::new(HashKey::new([1; 16]));
        assert_eq!(show(&mut notices, Rule::UnknownRoute, "GET /a", "", 1).len(), 1);
        assert_eq!(show(&mut notices, Rule::UnknownRoute, "GET /a", "", 2).len(), 0);
        for n in 0..2_000 {
            show(&mut notices, Rule::UnknownRoute, &format!("GET /{n}x"), "", 3);
        }
        assert_eq!(notices.suppressed(), 2_000 - (MOST as u64 - 1));
    }
}
