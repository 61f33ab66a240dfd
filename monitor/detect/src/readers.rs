//! How many of a route's clients read how much on a day, and whether more do than is usual.
//!
//! Whoever has many identities keeps each below the limits; what shows is that there are so many like it. So it is known of each day
//! how many clients came to 1, 2, 3, 4, 6, 8 … different objects, and of the days before how many did at most. More of a route's clients
//! may come on a day, not more of them that come far: what counts is the shape.

use serde::{Deserialize, Serialize};

use super::norms::{LEVELS, quantile, threshold};

/// So many clients more than usual are no news, nor half as many again.
const ALLOWANCE: f32 = 30.0;
const FACTOR: f32 = 1.5;

/// Nine of ten clients go no further than what is usual, and whoever touches so many objects neither.
const USUAL: f32 = 0.9;
const FEWEST: u32 = 3;

/// What is left of the most after a day: a third after ten, a fortnight of holidays.
const LEFT: f32 = 0.9;

/// See the [module](self).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Readers {
    today: [f32; LEVELS],
    /// The most of a day before.
    most: [f32; LEVELS],
    /// The first level that counts; none before a day is known.
    from: Option<u8>,
}

/// Clients that read far, as one of them comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surge {
    pub(super) clients: u64,
    /// How many are in order.
    pub(super) limit: f32,
}

impl Readers {
    /// A client has come to the levels from one up to another, today. What is returned stands for the level of these that is
    /// furthest from what is usual.
    pub(super) fn come(&mut self, from: u8, to: u8) -> Option<Surge> {
        let levels = usize::from(from)..usize::from(to).min(LEVELS);
        self.today[levels.clone()].iter_mut().for_each(|count| *count += 1.0);
        let first = usize::from(self.from?);
        let growth = self.growth();
        let surges = levels.filter(|&level| level >= first).map(|level| {
            let limit = self.limit(level, growth);
            Surge { clients: self.today[level] as u64, limit }
        });
        surges.max_by(|a, b| (a.clients as f32 / a.limit).total_cmp(&(b.clients as f32 / b.limit)))
    }

    /// So many days have gone by, and by now the route is known or not. A day teaches no more than was in order on it.
    pub(super) fn pass(&mut self, days: u32, is_known: bool) {
        let growth = self.growth();
        let limits: Vec<f32> = (0..LEVELS).map(|level| self.limit(level, growth)).collect();
        let left = LEFT.powi(days.min(60) as i32);
        for ((most, today), limit) in self.most.iter_mut().zip(&mut self.today).zip(limits) {
            let today = std::mem::take(today);
            let taught = if self.from.is_some() { today.min(limit) } else { today };
            *most = (*most * left).max(taught);
        }
        let usual = quantile(&self.most, USUAL).max(FEWEST - 1);
        let above = (0..LEVELS).find(|&level| threshold(level) > usual);
        self.from = above.map(|level| level as u8).filter(|_| is_known);
    }

    /// How many times as many clients came today as on a day before, if more.
    fn growth(&self) -> f32 {
        if self.most[0] > 0.0 { (self.today[0] / self.most[0]).max(1.0) } else { 1.0 }
    }

    /// Clients that may come to a level.
    fn limit(&self, level: usize, growth: f32) -> f32 {
        (FACTOR * self.most[level]).mul_add(growth, ALLOWANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::norms::level;

    /// A day on which so many clients come to so many objects each.
    fn day(readers: &mut Readers, clients: &[(u32, u64)]) -> Option<u64> {
        let mut over = None;
        for &(count, objects) in clients {
            for _ in 0..count {
                let surge = readers.come(0, level(objects));
                over = over.or(surge.filter(|s| s.clients as f32 > s.limit).map(|surge| surge.clients));
            }
        }
        readers.pass(1, true);
        over
    }

    #[test]
    fn many_that_come_far_are_found_by_the_shape_and_not_by_the_number() {
        let mut readers = Readers::default();
        assert_eq!(day(&mut readers, &[(5_000, 1), (100, 40)]), None, "nothing is known yet");
        assert_eq!(day(&mut readers, &[(5_000, 1), (150, 40)]), None);
        assert_eq!(day(&mut readers, &[(20_000, 1), (400, 40)]), None, "four times as many people");
        assert_eq!(
            day(&mut readers, &[(20_000, 1), (1_000, 40)]),
            Some(637),
            "as many as there were, and more of them"
        );
    }

    #[test]
    fn a_week_away_is_not_forgotten() {
        let mut readers = Readers::default();
        day(&mut readers, &[(500, 1), (80, 40)]);
        day(&mut readers, &[(500, 1), (80, 40)]);
        readers.pass(9, true);
        assert_eq!(day(&mut readers, &[(500, 1), (75, 40)]), None);
    }

    #[test]
    fn a_surge_teaches_no_more_than_is_in_order() {
        let mut readers = Readers::default();
        day(&mut readers, &[(5_000, 1)]);
        assert_eq!(day(&mut readers, &[(5_000, 1), (1_000, 200)]), Some(31));
        assert_eq!(day(&mut readers, &[(5_000, 1), (1_000, 200)]), Some(76));
    }
}
