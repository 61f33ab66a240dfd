//! Whether a route's objects are people's own or everybody's.
//!
//! That most clients touch one or two objects on a day may mean that these are theirs, or that most who come to a magazine read an
//! article or two. So a few of the objects that are touched are followed to the end of the day: who but one or two touches each.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::mix::mix;

/// Objects that are followed on a day: one more each hour and a half, so that who wants to choose them has to be there all day.
const FOLLOWED: u64 = 16;

/// And of the objects one in so many has its turn then: who wants to choose has to ask for as many as that.
const TURNS: u64 = 8;

/// Whom an object may belong to, and whom it doesn't if there is one more: a family, a customer and who works for one.
const FEW: usize = 2;

/// An object that was touched so often, and by a few, is theirs.
const OFTEN: u8 = 3;

/// What is left of yesterday.
const LEFT: f32 = 0.75;

/// Fewer shared objects than that say nothing.
const FEWEST: f32 = 2.0;

/// What they take at most, beside the value itself.
pub(super) const BYTES: usize = FOLLOWED as usize * size_of::<Followed>();

const DAY_NS: u64 = 86_400_000_000_000;

/// See the [module](self).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Owners {
    followed: Vec<Followed>,
    /// Objects of days before that were shared, and that were somebody's.
    shared: f32,
    owned: f32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Followed {
    object: u64,
    people: [u32; FEW + 1],
    count: u8,
    touches: u8,
}

impl Owners {
    /// Somebody touches an object, by its keyed hash.
    pub(super) fn touch(&mut self, object: u64, person: u32, now: Timestamp) {
        let (day, time) = (now.0 / DAY_NS, now.0 % DAY_NS);
        let followed = match self.followed.iter_mut().position(|followed| followed.object == object) {
            Some(place) => &mut self.followed[place],
            None if self.is_next(object, day, time) => {
                let people = [0; FEW + 1];
                self.followed.push(Followed { object, people, count: 0, touches: 0 });
                let last = self.followed.len() - 1;
                &mut self.followed[last]
            }
            None => return,
        };
        followed.touches = followed.touches.saturating_add(1);
        let count = usize::from(followed.count);
        if count <= FEW && !followed.people[..count].contains(&person) {
            followed.people[count] = person;
            followed.count += 1;
        }
    }

    /// Whether an object is the next to be followed: there is room by now, and its turn has come.
    fn is_next(&self, object: u64, day: u64, time: u64) -> bool {
        let next = self.followed.len() as u64;
        next * DAY_NS / FOLLOWED <= time && mix(object, day * FOLLOWED + next).is_multiple_of(TURNS)
    }

    /// So many days have gone by.
    pub(super) fn pass(&mut self, days: u32) {
        let left = LEFT.powi(days.min(60) as i32);
        let (shared, owned) = self.evidence();
        (self.shared, self.owned) = (shared * left, owned * left);
        self.followed.clear();
    }

    /// Whether objects are everybody's, as far as can be told.
    pub(super) fn is_shared(&self) -> bool {
        let (shared, owned) = self.evidence();
        shared >= FEWEST && shared >= owned
    }

    /// Whether it is what can come about.
    pub(super) fn is_sound(&self) -> bool {
        let is_sound = |followed: &Followed| usize::from(followed.count) <= FEW + 1;
        self.followed.len() as u64 <= FOLLOWED
            && self.followed.iter().all(is_sound)
            && self.shared >= 0.0
            && self.owned >= 0.0
    }

    fn evidence(&self) -> (f32, f32) {
        let is_shared = |followed: &&Followed| usize::from(followed.count) > FEW;
        let shared = self.followed.iter().filter(is_shared).count();
        let owned = self.followed.iter().filter(|it| !is_shared(it) && it.touches >= OFTEN).count();
        (self.shared + shared as f32, self.owned + owned as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp(second * 1_000_000_000)
    }

    #[test]
    fn objects_are_everybodys_if_more_than_two_touch_them() {
        let (mut own, mut all) = (Owners::default(), Owners::default());
        for second in 0..86_400 {
            own.touch(second % 1_000, (second % 1_000) as u32 * 2 + (second / 1_000 % 2) as u32, at(second));
            all.touch(second % 1_000, second as u32, at(second));
        }
        assert!(!own.is_shared() && all.is_shared());
        assert!(own.is_sound() && own.followed.len() == 16);
        all.pass(1);
        assert!(all.is_shared(), "it is remembered");
        (0..20).for_each(|_| all.pass(1));
        assert!(!all.is_shared(), "not for ever");
    }

    #[test]
    fn one_demonstration_for_all_makes_no_catalogue() {
        let mut owners = Owners::default();
        for second in 0..86_400 {
            owners.touch(second % 1_000, (second % 1_000) as u32, at(second));
            owners.touch(7_777_777, second as u32, at(second));
        }
        assert!(!owners.is_shared());
    }
}
