//! How many people stand behind an address.
//!
//! An office or a mobile carrier is one address and any number of people. What tells them from one person with many
//! objects is that each proves who it is. So an address is allowed more objects only by the share of them that came with
//! an identity of their own, and only identities count that a server which checks them let in: a call that was answered
//! with data, on a route that has refused others.

use serde::{Deserialize, Serialize};

use crate::route::Callers;

/// Objects after which the share is taken anew, so that it is that of the last while.
const ROUND: u32 = 256;

/// Objects that a share is told by.
const FEWEST: u32 = 16;

/// Objects that each person may touch before it counts as more than its own.
const OBJECTS_EACH: f64 = 2.0;

/// The identities among the objects of one address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct People {
    identities: Callers,
    objects: u32,
    /// The share of the round before.
    before: f32,
}

impl People {
    /// Takes in a new object that came with `identity`, if it was one that counts.
    pub(super) fn note(&mut self, identity: Option<u64>) {
        if self.objects == ROUND {
            *self = People { before: self.share(), ..People::default() };
        }
        self.objects += 1;
        if let Some(identity) = identity {
            self.identities.insert(identity);
        }
    }

    /// Of so many objects, how many count towards a limit.
    pub(super) fn discount(&self, objects: u64) -> u64 {
        let own = (OBJECTS_EACH * f64::from(self.share())).min(1.0);
        (objects as f64 * (1.0 - own)).ceil() as u64
    }

    /// Identities for each object.
    fn share(&self) -> f32 {
        if self.objects < FEWEST {
            return self.before;
        }
        (self.identities.count() as f32 / self.objects as f32).min(1.0)
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
    fn people_who_read_their_own_do_not_count() {
        assert_eq!(people(1_000, Some).discount(1_000), 0);
        assert_eq!(people(1_000, |n| Some(n / 2)).discount(1_000), 0);
    }

    #[test]
    fn one_person_counts_whole() {
        let counted = people(1_000, |_| Some(1)).discount(1_000);
        assert!(counted >= 980, "{counted}");
        assert_eq!(people(1_000, |_| None).discount(1_000), 1_000);
        assert_eq!(people(15, Some).discount(15), 15, "too few to tell");
    }

    #[test]
    fn ten_objects_each_count_for_the_most_part() {
        let counted = people(1_000, |n| Some(n / 10)).discount(1_000);
        assert!((700..=880).contains(&counted), "{counted}");
    }

    #[test]
    fn the_share_is_that_of_the_last_while() {
        let changed = people(2_000, |n| Some(n.min(1_000)));
        assert!(changed.discount(100) >= 95);
        let changed_back = people(2_000, |n| if n < 1_500 { None } else { Some(n) });
        assert_eq!(changed_back.discount(100), 0);
    }
}
