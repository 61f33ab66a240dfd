//! Calls in the order of time. Servers write them down when they end, so that a long one stands behind shorter ones that came
//! later; and several workers write one file.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rollcall_model::time::Timestamp;

use super::call::Call;

/// A call waits for others to come before it until one is this much younger: as long as the detector takes a call for one
/// that is merely late.
const SPAN: Duration = Duration::from_secs(60);

/// What waits at most: 100,000 calls are 1,600 a second, and far more than that come nearly in order. Memory is bounded by
/// whichever comes first.
const MOST: usize = 100_000;
const BYTES: usize = 64 << 20;

/// Calls that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    /// Tells calls of one time apart: they stay in the order of the file.
    number: u64,
    newest: Timestamp,
    delivered: Timestamp,
    late: u64,
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    spent: Vec<Box<Call>>,
}

#[derive(Debug)]
struct Waiting {
    at: Timestamp,
    number: u64,
    call: Box<Call>,
}

impl Order {
    /// Takes in a call and delivers those whose turn it is.
    pub(super) fn push(&mut self, call: Box<Call>, deliver: &mut impl FnMut(&Call)) {
        self.newest = self.newest.max(call.at);
        self.bytes += call.size();
        self.number += 1;
        self.waiting.push(Reverse(Waiting { at: call.at, number: self.number, call }));
        while let Some(Reverse(first)) = self.waiting.peek()
            && (self.newest.since(first.at) > SPAN || self.waiting.len() > MOST || self.bytes > BYTES)
        {
            self.pop(deliver);
        }
    }

    /// Delivers all that wait.
    pub(super) fn finish(&mut self, deliver: &mut impl FnMut(&Call)) {
        while !self.waiting.is_empty() {
            self.pop(deliver);
        }
    }

    /// A call to write over.
    pub(super) fn spare(&mut self) -> Box<Call> {
        self.spent.pop().unwrap_or_else(|| Box::new(Call::blank()))
    }

    /// Gives back a call that came to nothing.
    pub(super) fn give_back(&mut self, call: Box<Call>) {
        if self.spent.len() < 64 {
            self.spent.push(call);
        }
    }

    /// Calls that were delivered behind a younger one.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    fn pop(&mut self, deliver: &mut impl FnMut(&Call)) {
        let Some(Reverse(Waiting { at, call, .. })) = self.waiting.pop() else { return };
        self.bytes -= call.size();
        self.late += u64::from(at < self.delivered);
        self.delivered = self.delivered.max(at);
        deliver(&call);
        self.give_back(call);
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(seconds: &[u64]) -> (Vec<u64>, u64) {
        let mut order = Order::default();
        let mut all = Vec::new();
        let mut deliver = |call: &Call| all.push(call.at.0 / 1_000_000_000);
        for second in seconds {
            let at = Timestamp(second * 1_000_000_000);
            order.push(Box::new(Call { at, ..Call::blank() }), &mut deliver);
        }
        order.finish(&mut deliver);
        (all, order.late())
    }

    #[test]
    fn calls_a_minute_apart_are_put_in_order() {
        assert_eq!(delivered(&[100, 130, 90, 131, 80, 200]), (vec![80, 90, 100, 130, 131, 200], 0));
    }

    #[test]
    fn a_call_that_comes_too_late_is_delivered_and_counted() {
        assert_eq!(delivered(&[100, 200, 50, 210]), (vec![100, 50, 200, 210], 1));
    }

    #[test]
    fn no_more_wait_than_may() {
        let mut order = Order::default();
        for _ in 0..MOST + 10 {
            order.push(Box::new(Call::blank()), &mut |_| {});
            assert!(order.waiting.len() <= MOST);
        }
    }
}
