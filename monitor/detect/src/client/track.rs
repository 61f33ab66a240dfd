//! The track of one pair: its objects by last touch, and each window's place among them.
//!
//! A window `w` at time `t` holds the objects whose last touch is younger than `w`: those from its first node
//! on. First nodes only ever move towards newer ones, past each touch once, which makes every operation
//! constant in amortised time for each window.

use std::time::Duration;

use rollcall_model::{state::table::cell, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::objects::{NONE, Node, Objects, UNIT};

/// Objects that are forgotten together.
const AT_ONCE: usize = 16;

/// One window's share of a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// The oldest object within, and its last touch: kept here because looking there is a cache miss.
    first: u32,
    /// Objects within.
    count: u32,
    first_at: Timestamp,
    /// Their weights in all.
    weight: u64,
    /// The square of the error that comes of some standing for others, in objects.
    variance: u64,
}
cell!(Window { first: u32, count: u32, first_at: Timestamp, weight: u64, variance: u64 });

/// A pair's objects. Its windows are handed in with each call, shortest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Track {
    oldest: u32,
    newest: u32,
    len: u32,
    /// One object in 2^thinned is kept, chosen by its hash, and stands for as many.
    thinned: u8,
}

/// What a window holds: an estimate under sampling, else exact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Objects, rounded.
    pub(super) distinct: u64,
    /// One standard error of it, rounded.
    pub(super) error: u64,
    /// The least that it surely is: `distinct` less two standard errors.
    pub(super) surely: u64,
}

/// No object yet.
impl Default for Track {
    fn default() -> Track {
        Track { oldest: NONE, newest: NONE, len: 0, thinned: 0 }
    }
}

impl Track {
    /// Whether it is what the track of the pair `number` comes to, with these windows. Of the objects that are in no track yet,
    /// its own are struck off.
    pub(super) fn is_sound(
        &self,
        number: u32,
        windows: &[Window],
        objects: &Objects,
        unclaimed: &mut [bool],
    ) -> bool {
        let (mut held, mut newer, mut next) = (Window::EMPTY, NONE, self.newest);
        let mut begun = windows.iter().filter(|window| window.is_empty()).count();
        while next != NONE {
            let Some(true) = unclaimed.get_mut(next as usize).map(std::mem::take) else { return false };
            let node = objects.node(next);
            held.count += 1;
            held.weight += u64::from(node.weight);
            held.variance += variance(node.weight);
            (held.first, held.first_at) = (next, node.at);
            begun += windows.iter().filter(|window| **window == held).count();
            if node.pair != number || node.newer != newer {
                return false;
            }
            (newer, next) = (next, node.older);
        }
        let fits = (self.len, self.oldest) == (held.count, newer) && self.thinned < 32;
        fits && begun == windows.len()
    }

    /// Objects remembered.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Slides every window to `now` and forgets what the longest has left behind.
    pub(super) fn slide(
        &mut self,
        windows: &mut [Window],
        objects: &mut Objects,
        now: Timestamp,
        lengths: &[Duration],
    ) {
        for (window, &length) in windows.iter_mut().zip(lengths) {
            while window.first != NONE && now.since(window.first_at) >= length {
                window.leave(objects);
            }
        }
        let longest = windows.last().map_or(NONE, |window| window.first);
        while self.oldest != longest {
            self.forget(windows, objects);
        }
    }

    /// Notes that the object was touched at `now`, to which the windows have slid. Gives the
    /// windows that it was new to, as a set of bits.
    pub(super) fn touch(
        &mut self,
        windows: &mut [Window],
        objects: &mut Objects,
        mut node: Node,
        lengths: &[Duration],
    ) -> u8 {
        if !self.keeps(node.hash) {
            return 0;
        }
        node.weight = node.weight.saturating_mul(1 << self.thinned);
        let Some(number) = objects.find(node.pair, node.hash) else {
            let number = objects.insert(node);
            windows.iter_mut().for_each(|window| window.enter(number, &node));
            self.append(objects, number);
            self.len += 1;
            return u8::MAX;
        };
        let known = *objects.node(number);
        let weight = joint(known.weight, node.weight);
        let mut new = 0;
        for (bit, (window, &length)) in windows.iter_mut().zip(lengths).enumerate() {
            if node.at.since(known.at) < length {
                window.weight = window.weight + u64::from(weight) - u64::from(known.weight);
                window.variance = window.variance + variance(weight) - variance(known.weight);
                if window.first == number {
                    match known.newer {
                        NONE => window.first_at = node.at,
                        newer => (window.first, window.first_at) = (newer, objects.node(newer).at),
                    }
                }
            } else {
                window.enter(number, &Node { weight, ..node });
                new |= 1 << bit;
            }
        }
        let entry = objects.node_mut(number);
        entry.at = node.at;
        entry.weight = weight;
        entry.call = node.call;
        if known.newer != NONE {
            self.unlink(objects, number);
            self.append(objects, number);
        }
        new
    }

    /// Forgets the oldest object, if there is one.
    pub(super) fn forget(&mut self, windows: &mut [Window], objects: &mut Objects) {
        let number = self.oldest;
        if number == NONE {
            return;
        }
        for window in windows {
            if window.first == number {
                window.leave(objects);
            }
        }
        self.unlink(objects, number);
        objects.remove(number);
        self.len -= 1;
    }

    /// Forgets all objects.
    pub(super) fn clear(&mut self, windows: &mut [Window], objects: &mut Objects) {
        let mut numbers = [NONE; AT_ONCE];
        let mut next = self.oldest;
        while next != NONE {
            let mut count = 0;
            while count < numbers.len() && next != NONE {
                let node = *objects.node(next);
                objects.fetch(node.pair, node.hash);
                numbers[count] = next;
                next = node.newer;
                count += 1;
            }
            numbers[..count].iter().for_each(|&number| objects.remove(number));
        }
        windows.fill(Window::EMPTY);
        (self.oldest, self.newest, self.len) = (NONE, NONE, 0);
    }

    /// Keeps every other object, to stand for two: each window goes on as an estimate (distinct sampling, Gibbons,
    /// 2001).
    pub(super) fn thin(&mut self, windows: &mut [Window], objects: &mut Objects) {
        if self.thinned == 31 {
            return;
        }
        self.thinned += 1;
        // From the newest on, so that what a window holds of the older ones is known to be in no window that is done.
        let mut firsts: Vec<u32> = windows.iter().map(|window| window.first).collect();
        windows.fill(Window::EMPTY);
        let mut within = vec![true; windows.len()];
        let mut next = self.newest;
        while next != NONE {
            let number = next;
            next = objects.node(number).older;
            let keeps = self.keeps(objects.node(number).hash);
            let node = objects.node_mut(number);
            node.weight = node.weight.saturating_mul(2);
            let node = *node;
            for ((window, first), within) in windows.iter_mut().zip(&mut firsts).zip(&mut within) {
                // An empty window has no first one.
                *within = *within && *first != NONE;
                if *within && keeps {
                    (window.first, window.first_at) = (number, node.at);
                    window.count += 1;
                    window.weight += u64::from(node.weight);
                    window.variance += variance(node.weight);
                }
                *within = *within && *first != number;
            }
            if !keeps {
                self.unlink(objects, number);
                objects.remove(number);
                self.len -= 1;
            }
        }
    }

    fn keeps(&self, hash: u64) -> bool {
        hash >> 24 & ((1 << self.thinned) - 1) == 0
    }

    fn append(&mut self, objects: &mut Objects, number: u32) {
        let node = objects.node_mut(number);
        node.older = self.newest;
        node.newer = NONE;
        match self.newest {
            NONE => self.oldest = number,
            newest => objects.node_mut(newest).newer = number,
        }
        self.newest = number;
    }

    fn unlink(&mut self, objects: &mut Objects, number: u32) {
        let Node { older, newer, .. } = *objects.node(number);
        match older {
            NONE => self.oldest = newer,
            older => objects.node_mut(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => objects.node_mut(newer).older = older,
        }
    }
}

impl Window {
    pub(super) const EMPTY: Window =
        Window { first: NONE, count: 0, first_at: Timestamp(0), weight: 0, variance: 0 };

    fn is_empty(&self) -> bool {
        (self.first, self.count, self.weight, self.variance) == (NONE, 0, 0, 0)
    }

    /// Its oldest object.
    pub(super) fn first<'a>(&self, objects: &'a Objects) -> Option<&'a Node> {
        (self.first != NONE).then(|| objects.node(self.first))
    }

    /// What it holds.
    pub(super) fn held(&self) -> Held {
        let Window { count, weight, variance, .. } = *self;
        if weight == u64::from(count) * u64::from(UNIT) {
            return Held { distinct: count.into(), error: 0, surely: count.into() };
        }
        let estimate = weight as f64 / f64::from(UNIT);
        let error = (variance as f64).sqrt();
        Held {
            distinct: estimate.round() as u64,
            error: error.round() as u64,
            surely: (estimate - 2.0 * error).max(0.0) as u64,
        }
    }

    /// Of how many objects each is the sample, on average, rounded up.
    pub(super) fn stride(&self) -> u64 {
        self.weight.div_ceil(u64::from(self.count.max(1)) * u64::from(UNIT)).max(1)
    }

    fn enter(&mut self, number: u32, node: &Node) {
        self.count += 1;
        self.weight += u64::from(node.weight);
        self.variance += variance(node.weight);
        if self.first == NONE {
            (self.first, self.first_at) = (number, node.at);
        }
    }

    /// Lets the first object go.
    fn leave(&mut self, objects: &Objects) {
        let first = objects.node(self.first);
        self.count -= 1;
        self.weight -= u64::from(first.weight);
        self.variance -= variance(first.weight);
        self.first = first.newer;
        if self.first != NONE {
            self.first_at = objects.node(self.first).at;
        }
    }
}

/// What an object of that weight adds to the variance. Objects are sampled independently with p = 1/w each: the estimate is the
/// sum of w, its variance the sum of w² - w (Horvitz and Thompson, 1952).
/// What an object counts that has been seen twice. At a higher rate, it stands for fewer others; more told of it, it counts in
/// full.
fn joint(before: u32, now: u32) -> u32 {
    if before.min(now) < UNIT { before.max(now).min(UNIT) } else { before.min(now) }
}

fn variance(weight: u32) -> u64 {
    let (weight, unit) = (u64::from(weight), u64::from(UNIT));
    weight * weight.saturating_sub(unit) / (unit * unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limit::MAX_LIMITS;

    fn node(hash: u64, at: u64, weight: u32) -> Node {
        Node { hash, at: Timestamp(at), older: NONE, newer: NONE, pair: 0, weight, call: 0, is_fresh: false }
    }

    /// The same by brute force: the last touch and the lowest weight of every object remembered.
    fn model(touches: &[(u64, u64)], now: u64, length: u64) -> u64 {
        let mut last = std::collections::BTreeMap::new();
        last.extend(touches.iter().copied());
        last.values().filter(|&&at| now - at < length).count() as u64
    }

    proptest! {
        #[test]
        fn windows_hold_what_brute_force_finds(
            steps in prop::collection::vec((0_u64..12, 0_u64..30), 1..200),
            mut lengths in prop::collection::btree_set(1_u64..150, 1..=MAX_LIMITS),
        ) {
            let lengths: Vec<u64> = std::mem::take(&mut lengths).into_iter().collect();
            let durations: Vec<Duration> =
                lengths.iter().map(|&length| Duration::from_nanos(length)).collect();
            let mut objects = Objects::new(100);
            let (mut track, mut windows) = (Track::default(), vec![Window::EMPTY; lengths.len()]);
            let mut touches = Vec::new();
            let mut now = 0;
            for (object, pause) in steps {
                // Long pauses are rare, so that windows fill.
                now += if pause > 20 { pause * 5 } else { pause / 4 };
                track.slide(&mut windows, &mut objects, Timestamp(now), &durations);
                let before: Vec<u64> = lengths.iter().map(|&length| model(&touches, now, length)).collect();
                touches.push((object, now));
                let new = track.touch(&mut windows, &mut objects, node(object, now, UNIT), &durations);
                for (window, &length) in lengths.iter().enumerate() {
                    let after = model(&touches, now, length);
                    prop_assert_eq!(windows[window].held().distinct, after);
                    prop_assert_eq!(new & 1 << window != 0, after > before[window]);
                }
                prop_assert_eq!(objects.len(), track.len() as usize);
            }
            while track.len() > 0 {
                track.forget(&mut windows, &mut objects);
            }
            prop_assert_eq!(objects.len(), 0);
            prop_assert!(windows.iter().all(|w| w.count == 0 && w.weight == 0 && w.first == NONE));
        }

        #[test]
        fn weights_add_up(
            steps in prop::collection::vec((0_u64..12, 0_u64..30, 1_u32..5), 1..200),
        ) {
            let durations = [10, 60].map(Duration::from_nanos);
            let mut objects = Objects::new(100);
            let (mut track, mut windows) = (Track::default(), [Window::EMPTY; 2]);
            let mut now = 0;
            for (object, pause, weight) in steps {
                now += pause;
                track.slide(&mut windows, &mut objects, Timestamp(now), &durations);
                track.touch(&mut windows, &mut objects, node(object, now, weight * UNIT), &durations);
                for (window, length) in durations.iter().enumerate() {
                    let mut weight = 0;
                    let mut number = track.newest;
                    while number != NONE && Timestamp(now).since(objects.node(number).at) < *length {
                        weight += u64::from(objects.node(number).weight);
                        number = objects.node(number).older;
                    }
                    prop_assert_eq!(windows[window].weight, weight);
                }
            }
        }
    }

    #[test]
    fn under_sampling_the_estimate_has_its_error() {
        let mut objects = Objects::new(1000);
        let (mut track, mut windows) = (Track::default(), [Window::EMPTY]);
        for n in 0..100 {
            track.touch(&mut windows, &mut objects, node(n, 0, 4 * UNIT), &[Duration::from_secs(1)]);
        }
        // n = 400, relative error sqrt((1 - 1/4) / (1/4 * 400)) = 8.66 %.
        assert_eq!(windows[0].held(), Held { distinct: 400, error: 35, surely: 330 });
    }

    #[test]
    fn a_thinned_track_goes_on_as_an_estimate() {
        let lengths = [Duration::from_secs(1), Duration::from_secs(100)];
        let mut objects = Objects::new(10_000);
        let (mut track, mut windows) = (Track::default(), [Window::EMPTY; 2]);
        let hash = |n: u64| crate::client::admission::mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for n in 0..20_000_u64 {
            let at = Timestamp(n * 1_000_000);
            track.slide(&mut windows, &mut objects, at, &lengths);
            track.touch(&mut windows, &mut objects, Node { at, ..node(hash(n), 0, UNIT) }, &lengths);
            if track.len() > 2_000 {
                track.thin(&mut windows, &mut objects);
            }
        }
        assert_eq!(objects.len(), track.len() as usize);
        for (window, expected) in windows.iter().zip([1_000.0, 20_000.0]) {
            let Held { distinct, error, surely } = window.held();
            let off = (distinct as f64 - expected).abs();
            assert!(off < 3.0 * error as f64 && surely < distinct, "{distinct} ± {error} for {expected}");
        }
        // Known objects stay known, and those left out stay out.
        let before = windows[1].held();
        for n in 10_000..20_000_u64 {
            let at = Timestamp(20_000_000_000);
            assert_eq!(
                track.touch(&mut windows, &mut objects, Node { at, ..node(hash(n), 0, UNIT) }, &lengths[1..]),
                0
            );
        }
        assert_eq!(windows[1].held(), before);
    }
}
