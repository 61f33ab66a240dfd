//! How many people stand behind an address.
//!
//! An office or a mobile carrier is one address and any number of people. What tells them from one person with many
//! objects is that each proves who it is. So an address is allowed as many times a limit as there are identities among
//! the objects that it touched, each of which is held to the limit by itself. Only identities count that a server which
//! checks them has let in: with which a call was answered, now or before, on a route that has refused others.

use serde::{Deserialize, Serialize};

use crate::route::Callers;

/// Objects by which people are counted exactly.
const RECENT: usize = 32;

/// Objects after which people are counted anew, so that they are those of the last while.
const ROUND: u32 = 256;

/// The identities among the latest objects of one address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct People {
    /// Those of the latest objects, by their hashes; 0 where there is none.
    recent: [u32; RECENT],
    next: usize,
    identities: Callers,
    objects: u32,
    /// How many there were in the round before.
    before: u32,
}

impl People {
    /// Whether it is one that noting makes.
    pub(super) fn fits(&self) -> bool {
        self.next < RECENT
    }

    /// Takes in a new object that came with `identity`, if it was one that counts.
    pub(super) fn note(&mut self, identity: Option<u64>) {
        if self.objects == ROUND {
            self.before = self.identities.count() as u32;
            (self.identities, self.objects) = (Callers::default(), 0);
        }
        self.objects += 1;
        self.recent[self.next] = identity.map_or(0, |identity| (identity >> 32) as u32 | 1);
        self.next = (self.next + 1) % RECENT;
        if let Some(identity) = identity {
            self.identities.insert(identity);
        }
    }

    /// How many people share the latest `objects`, at least one.
    pub(super) fn behind(&self, objects: u64) -> u32 {
        let few = match usize::try_from(objects) {
            Ok(few) if few < RECENT => few,
            _ => return self.before.max(self.identities.count() as u32).max(1),
        };
        let mut latest = [0; RECENT];
        for (back, identity) in latest[..few].iter_mut().enumerate() {
            *identity = self.recent[(self.next + RECENT - 1 - back) % RECENT];
        }
        let latest = &mut latest[..few];
        latest.sort_unstable();
        let different = latest.chunk_by(|a, b| a == b).filter(|same| same[0] != 0).count();
        different.max(1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashKey;

    fn people(objects: u64, identity: impl Fn(u64) -> Option<u64>) -> People {
        let key = HashKey::new([3; 16]);
        let mut people = People::default();
        for n in 0..objects {
            people.note(identity(n).map(|identity| key.hash(&identity.to_be_bytes())));
        }
        people
    }

    #[test]
    fn few_are_counted_exactly() {
        assert_eq!(people(31, |n| Some(n / 10)).behind(31), 4);
        assert_eq!(people(31, |n| Some(n / 10)).behind(11), 2);
        assert_eq!(people(31, |_| Some(5)).behind(31), 1);
        assert_eq!(people(31, |_| None).behind(31), 1);
        assert_eq!(people(31, |n| (n % 2 == 0).then_some(n)).behind(31), 16);
        assert_eq!(People::default().behind(20), 1);
    }

    #[test]
    fn many_are_estimated() {
        let count = people(1_000, |n| Some(n / 10)).behind(1_000);
        assert!((18..=35).contains(&count), "{count} in 256 objects");
        let count = people(1_000, Some).behind(1_000);
        assert!((190..=360).contains(&count), "{count} in 256 objects");
        assert_eq!(people(1_000, |_| Some(1)).behind(1_000), 1);
    }

    #[test]
    fn they_are_those_of_the_last_while() {
        assert_eq!(people(2_000, |n| Some(n.min(1_000))).behind(1_000), 1);
    }
}
