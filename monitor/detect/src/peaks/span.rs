//! The objects of one pair within the longest window, and how many of them are within each.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rollcall_model::time::Timestamp;

use crate::limit::MAX_LIMITS;

/// Touches in the order of time. A window holds the objects whose last touch is within it: its start slides over the
/// touches, and each that is an object's last one is one object less.
#[derive(Debug, Default)]
pub(super) struct Span {
    /// The latest touch of each object, by its number.
    latest: BTreeMap<u64, u64>,
    touches: VecDeque<Touch>,
    /// The number of the first of `touches`.
    first: u64,
    /// For each window, the number of its first touch, and its objects.
    starts: [u64; MAX_LIMITS],
    counts: [u32; MAX_LIMITS],
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    object: u64,
    at: Timestamp,
}

impl Span {
    /// Objects within the longest window, as of when it was last looked at.
    pub(super) fn len(&self) -> usize {
        self.latest.len()
    }

    /// How many objects each window has.
    pub(super) fn counts(&self) -> &[u32; MAX_LIMITS] {
        &self.counts
    }

    /// Takes in a touch; false if the object is new and may not be added.
    pub(super) fn touch(
        &mut self,
        object: u64,
        now: Timestamp,
        windows: &[Duration],
        may_grow: bool,
    ) -> bool {
        self.slide(now, windows);
        let before = self.latest.get(&object).copied();
        if before.is_none() && !may_grow {
            return false;
        }
        for (start, count) in self.starts.iter().zip(&mut self.counts).take(windows.len()) {
            *count += u32::from(before.is_none_or(|before| before < *start));
        }
        self.latest.insert(object, self.first + self.touches.len() as u64);
        self.touches.push_back(Touch { object, at: now });
        // Repeats would take memory without end.
        if self.touches.len() > 2 * self.latest.len() + 16 {
            self.compact();
        }
        true
    }

    /// Lets time pass.
    pub(super) fn slide(&mut self, now: Timestamp, windows: &[Duration]) {
        let longest = windows.len().saturating_sub(1);
        for (number, window) in windows.iter().enumerate() {
            while let Some(&touch) = self.get(self.starts[number])
                && now.since(touch.at) >= *window
            {
                let is_latest = self.latest.get(&touch.object) == Some(&self.starts[number]);
                self.counts[number] -= u32::from(is_latest);
                if number == longest && is_latest {
                    self.latest.remove(&touch.object);
                }
                self.starts[number] += 1;
            }
        }
        while self.first < self.starts[longest] && self.touches.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn get(&self, number: u64) -> Option<&Touch> {
        self.touches.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Drops touches that an object has had later ones than.
    fn compact(&mut self) {
        let Span { latest, touches, first, starts, .. } = self;
        let old = std::mem::take(touches);
        let mut moved = *starts;
        for (number, touch) in (*first..).zip(old) {
            let kept = latest.get_mut(&touch.object).filter(|latest| **latest == number);
            match kept {
                Some(latest) => {
                    *latest = *first + touches.len() as u64;
                    touches.push_back(touch);
                }
                None => {
                    for (moved, start) in moved.iter_mut().zip(&*starts) {
                        *moved -= u64::from(number < *start);
                    }
                }
            }
        }
        *starts = moved;
    }
}
