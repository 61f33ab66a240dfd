//! How many people stand behind an address.
//!
//! An office or a mobile carrier is one address and any number of people. What tells them from one person with many
//! objects is that each proves who it is. So an address is allowed as many times a limit as there are people among the
//! objects that it touched, each of whom is held to the limit by itself. Only identities count that a server which
//! checks them has let in: see [`identities`](super::identities).
//!
//! One person may have many identities: a new session after each log-in, a new token whenever it likes. A program shows them
//! one after the other, each for a few objects, without a pause, and none of them comes back. People behind one address
//! come between each other, or begin some time after the one before, or want just one object each, their own. So identities
//! that take turns are one, and of those that come between each other there are as many as there were at once.

use std::{array, time::Duration};

use rollcall_attribute::route::Callers;
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Turns by which people are counted exactly.
const TURNS: usize = 32;

/// Objects after which people are counted anew, so that they are those of the last while.
const ROUND: u32 = 256;

/// Who begins so long after the one before, or twice as long as that one took from object to object, has not been handed over
/// to. A page that loads many objects takes less from one to the next; so does a program that wants many.
const PAUSE: Duration = Duration::from_secs(1);

/// Nobody hands over after so long, however slow they are.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// So many who want several objects and take turns are one. Of people, two or three do by chance.
const HANDED_OVER: u32 = 4;

/// The identities among the latest objects of one address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct People {
    /// The latest turns, those of the round before among them.
    turns: [Turn; TURNS],
    /// The place of the latest.
    latest: usize,
    /// When it began, and its latest object came.
    began: Timestamp,
    last: Timestamp,
    /// People whose turns are no longer among the latest.
    left: Callers,
    objects: u32,
    /// How many there were in the round before.
    before: u32,
}

/// Objects in a row that came with one identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Turn {
    /// By its hash; 0 for calls without one.
    identity: u32,
    objects: u32,
    /// It began after a pause.
    is_apart: bool,
    /// The identity had had another.
    is_return: bool,
}

impl People {
    /// Whether it is one that noting makes.
    pub(super) fn fits(&self) -> bool {
        self.latest < TURNS
    }

    /// Takes in a new object that came with `identity`, if it was one that counts.
    pub(super) fn note(&mut self, identity: Option<u64>, now: Timestamp) {
        if self.objects == ROUND {
            self.before = 0;
            self.before = self.count().all;
            (self.left, self.objects) = (Callers::default(), 0);
        }
        self.objects += 1;
        let identity = identity.map_or(0, |identity| ((identity >> 32) as u32).max(1));
        let pause = now.since(self.last);
        let latest = &mut self.turns[self.latest];
        if latest.objects > 0 && latest.identity == identity {
            latest.objects = latest.objects.saturating_add(1);
            self.last = now;
            return;
        }
        let each = self.last.since(self.began) / latest.objects.saturating_sub(1).max(1);
        let is_apart = pause >= (each * 2).clamp(PAUSE, LONGEST_PAUSE);
        (self.began, self.last) = (now, now);
        let (turns, kinds) = self.kinds();
        if let [.., Kind::Own | Kind::Return { is_apart: true }] = kinds {
            self.left.insert(turns[TURNS - 1].spread());
        }
        self.latest = (self.latest + 1) % TURNS;
        let is_return = self.turns.iter().any(|turn| turn.identity == identity);
        self.turns[self.latest] = Turn { identity, objects: 1, is_apart, is_return };
    }

    /// How many people there are.
    pub(super) fn count(&self) -> Count {
        let (turns, kinds) = self.kinds();
        let mut count = Count { objects: [0; TURNS], people: [1; TURNS], all: 0 };
        let (mut objects, mut own, mut apart, mut now, mut at_once) = (0_u64, 0, 0, 0_u32, 0);
        let mut all = self.left.clone();
        let mut is_handed_over = false;
        for (back, (turn, &kind)) in turns.iter().zip(&kinds).enumerate() {
            match kind {
                Kind::Nobody => {}
                Kind::Own => own += 1,
                // Those who take turns count once.
                Kind::HandedOver => own += u32::from(!is_handed_over),
                Kind::Return { is_apart } => {
                    let is_same = |other: &Turn| other.identity == turn.identity;
                    let is_latest = !turns[..back].iter().any(is_same);
                    let is_first = !turn.is_return && !turns[back + 1..].iter().any(is_same);
                    apart += u32::from(is_apart && is_latest);
                    now += u32::from(is_latest);
                    at_once = at_once.max(now);
                    now -= u32::from(is_first);
                }
            }
            if kind != Kind::Nobody {
                is_handed_over = kind == Kind::HandedOver;
            }
            if matches!(kind, Kind::Own | Kind::Return { is_apart: true }) {
                all.insert(turn.spread());
            }
            objects += u64::from(turn.objects);
            count.objects[back] = objects;
            count.people[back] = (own + apart.max(at_once)).max(1);
        }
        count.all = (all.count() as u32).max(at_once).max(self.before).max(1);
        count
    }

    /// The turns, the latest first, and what they are.
    fn kinds(&self) -> ([Turn; TURNS], [Kind; TURNS]) {
        let turns: [Turn; TURNS] = array::from_fn(|back| self.turns[(self.latest + TURNS - back) % TURNS]);
        let mut kinds = turns.map(|turn| {
            if turn.identity == 0 {
                return Kind::Nobody;
            }
            let mut own = turns.iter().filter(|other| other.identity == turn.identity);
            if turn.is_return || own.clone().nth(1).is_some() {
                Kind::Return { is_apart: own.any(|own| own.is_apart) }
            } else {
                Kind::Own
            }
        });
        let mut from = 0;
        while from < turns.len() {
            // Up to one that began after a pause.
            let (mut to, mut several, mut objects, mut in_several) = (from, 0, 0_u64, 0_u64);
            while to < turns.len() && !matches!(kinds[to], Kind::Return { .. }) {
                let Turn { objects: own, is_apart, .. } = turns[to];
                if kinds[to] == Kind::Own {
                    objects += u64::from(own);
                    in_several += if own > 1 { u64::from(own) } else { 0 };
                    several += u32::from(own > 1);
                }
                to += 1;
                if is_apart {
                    break;
                }
            }
            if several >= HANDED_OVER && in_several * 2 >= objects {
                let own = kinds[from..to].iter_mut().filter(|kind| **kind == Kind::Own);
                own.for_each(|kind| *kind = Kind::HandedOver);
            }
            from = to.max(from + 1);
        }
        (turns, kinds)
    }
}

/// How many people share the latest objects.
pub(super) struct Count {
    /// Objects in the latest turns, by how many turns less one, and the people in them.
    objects: [u64; TURNS],
    people: [u32; TURNS],
    /// People of all of the round, or of the one before.
    all: u32,
}

impl Count {
    /// How many people share the latest `objects`, at least one.
    pub(super) fn behind(&self, objects: u64) -> u32 {
        let turns = self.objects.iter().position(|&held| held >= objects);
        turns.map_or(self.all, |turns| self.people[turns])
    }
}

impl Turn {
    /// The hash of the identity, of which few bits are left, spread again.
    fn spread(&self) -> u64 {
        u64::from(self.identity).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
    }
}

/// What a turn shows of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There is none.
    Nobody,
    /// It had this one: a person.
    Own,
    /// It had this one, in a row of those that took turns.
    HandedOver,
    /// It had others; one of them after a pause.
    Return { is_apart: bool },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::hash::HashKey;

    /// One object after the other, a tenth of a second apart, or as `pause` says before each.
    fn people_with(
        objects: u64,
        identity: impl Fn(u64) -> Option<u64>,
        pause: impl Fn(u64) -> Duration,
    ) -> People {
        let key = HashKey::new([3; 16]);
        let (mut people, mut now) = (People::default(), Timestamp(1_000_000_000_000));
        for n in 0..objects {
            now = now + pause(n);
            people.note(identity(n).map(|identity| key.hash(&identity.to_be_bytes())), now);
        }
        people
    }

    fn people(objects: u64, identity: impl Fn(u64) -> Option<u64>) -> People {
        people_with(objects, identity, |_| Duration::from_millis(100))
    }

    #[test]
    fn few_are_counted_exactly() {
        assert_eq!(people(31, |n| Some(n % 4)).count().behind(31), 4, "between each other");
        assert_eq!(people(31, |n| Some(n % 4)).count().behind(3), 3);
        assert_eq!(people(31, |n| Some(n / 2 % 4)).count().behind(31), 4);
        assert_eq!(people(31, |_| Some(5)).count().behind(31), 1);
        assert_eq!(people(31, |_| None).count().behind(31), 1);
        assert_eq!(people(31, |n| (n % 2 == 0).then_some(n)).count().behind(31), 16, "one object each");
        assert_eq!(People::default().count().behind(20), 1);
    }

    #[test]
    fn many_are_estimated() {
        let count = people(1_000, |n| Some(n * 7 % 25)).count().behind(1_000);
        assert!((20..=35).contains(&count), "{count} between each other");
        let count = people(1_000, Some).count().behind(1_000);
        assert!((190..=360).contains(&count), "{count} with one object each");
        assert_eq!(people(1_000, |_| Some(1)).count().behind(1_000), 1);
    }

    #[test]
    fn those_that_take_turns_are_one() {
        for each in [2, 3, 5, 15, 40] {
            for turns in [4, 10, 30, 100] {
                for pace in [Duration::from_millis(10), Duration::from_secs(3)] {
                    let objects = each * turns;
                    let people = people_with(objects, |n| Some(n / each), |_| pace);
                    let count = people.count().behind(objects);
                    // The first may not have been handed over to.
                    assert!(count <= 2, "{count} with {each} each in {turns} turns");
                }
                let objects = each * turns;
                let count = people(objects, |n| Some(n / each / 2 * 2 + n % 2)).count().behind(objects);
                assert!(count <= 4, "{count} in pairs with {each} of {objects} each");
            }
        }
        let uneven = people(300, |n| Some(n / 20 * 2 + u64::from(n % 20 == 0)));
        assert!(uneven.count().behind(300) <= 2, "a single object in between makes no person");
        assert_eq!(people(24, |n| Some(n / 12)).count().behind(24), 2, "two pages, one behind the other");
    }

    #[test]
    fn pages_that_load_many_objects_are_a_persons_each() {
        let pause = |n: u64| Duration::from_millis(if n.is_multiple_of(12) { 40_000 } else { 20 });
        assert_eq!(people_with(60, |n| Some(n / 12), pause).count().behind(60), 5);
        let count = people_with(600, |n| Some(n / 12), pause).count().behind(600);
        assert!((35..=65).contains(&count), "{count} of 50");
        assert_eq!(people(36, |n| Some(n % 3)).count().behind(36), 3, "three at once");
    }

    #[test]
    fn they_are_those_of_the_last_while() {
        assert_eq!(people(2_000, |n| Some(n.min(1_000))).count().behind(900), 1);
    }
}
