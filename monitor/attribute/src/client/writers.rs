//! Which of the forwarded headers a proxy writes, learned from its calls.
//!
//! A proxy writes the same headers with each call, and hands on others as the client sent them. A client can add a header
//! to its calls, and can't take away the one that the proxy writes. So of two headers that contradict each other, the one
//! that has been missing less often of late is the proxy's. Calls without any of them, such as those of a health check on
//! the proxy's own host, say nothing.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::header::ForwardedHeader;

/// Proxies that are remembered. When there are more, the one that has been silent longest is forgotten.
const MOST: usize = 1_024;

/// Calls after which what was counted counts half: a proxy that is set up otherwise is known anew after as many.
const MEMORY: u16 = 256;

/// A header that is missing from a call is its proxy's nonetheless if it has been missing from less than one in so many.
const SELDOM: u16 = 8;

/// The headers, by their place in [`ForwardedHeader::ALL`].
pub(super) type Headers = [bool; ForwardedHeader::ALL.len()];

/// What has been learned of each proxy, by its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writers {
    writers: BTreeMap<IpAddr, Writer>,
    calls: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Writer {
    /// Calls with a header, and those of them that lacked each. Who lacked one once never goes back to none: else a client
    /// that sends many calls in a row would make the proxy's of its own.
    calls: u16,
    missing: [u16; ForwardedHeader::ALL.len()],
    /// The number of the call that came last.
    last: u64,
}

impl Writers {
    /// Takes in a call by way of `proxy` with the headers `present`, and tells which of these may be the proxy's: those
    /// that are missing least often. None, if the one that it writes is not among them.
    pub(super) fn written(&mut self, proxy: IpAddr, present: Headers) -> Headers {
        self.calls += 1;
        if self.writers.len() >= MOST && !self.writers.contains_key(&proxy) {
            let silent =
                self.writers.iter().min_by_key(|(_, writer)| writer.last).map(|(&address, _)| address);
            silent.and_then(|address| self.writers.remove(&address));
        }
        let writer = self.writers.entry(proxy).or_default();
        writer.last = self.calls;
        writer.count(present);
        let least =
            present.iter().zip(writer.missing).filter(|(is, _)| **is).map(|(_, missing)| missing).min();
        let Some(least) = least else { return present };
        let absent = present.iter().zip(writer.missing).filter(|(is, _)| !**is);
        let is_away = absent
            .map(|(_, missing)| missing)
            .any(|missing| missing < least && missing.saturating_mul(SELDOM) < writer.calls);
        std::array::from_fn(|header| present[header] && writer.missing[header] == least && !is_away)
    }

    /// Whether it is one that calls lead to.
    pub fn is_sound(&self) -> bool {
        self.writers.len() <= MOST && self.writers.values().all(|writer| writer.last <= self.calls)
    }
}

impl Writer {
    fn count(&mut self, present: Headers) {
        if self.calls >= MEMORY {
            self.calls /= 2;
            self.missing.iter_mut().for_each(|missing| *missing = missing.div_ceil(2));
        }
        self.calls += 1;
        for (missing, is_present) in self.missing.iter_mut().zip(present) {
            *missing += u16::from(!is_present);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X_FORWARDED_FOR: Headers = [true, false, false];
    const BOTH: Headers = [true, true, false];
    const FORWARDED: Headers = [false, true, false];

    fn proxy(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn the_header_that_is_never_missing_is_the_proxys() {
        let mut writers = Writers::default();
        assert_eq!(writers.written(proxy(1), BOTH), BOTH, "nothing tells them apart");
        assert_eq!(writers.written(proxy(1), X_FORWARDED_FOR), X_FORWARDED_FOR);
        assert!((0..10_000).all(|_| writers.written(proxy(1), BOTH) == X_FORWARDED_FOR), "however often");
        assert_eq!(writers.written(proxy(2), BOTH), BOTH, "each proxy writes its own");
    }

    #[test]
    fn a_call_without_the_header_that_its_proxy_writes_has_none() {
        let mut writers = Writers::default();
        (0..100).for_each(|_| _ = writers.written(proxy(1), X_FORWARDED_FOR));
        assert_eq!(writers.written(proxy(1), FORWARDED), [false; 3]);
        assert_eq!(writers.written(proxy(1), X_FORWARDED_FOR), X_FORWARDED_FOR);
    }

    #[test]
    fn two_kinds_of_proxies_at_one_address_are_believed_each() {
        let mut writers = Writers::default();
        let last = (0..400).map(|n| {
            let present = if n % 3 == 0 { FORWARDED } else { X_FORWARDED_FOR };
            (present, writers.written(proxy(1), present))
        });
        assert!(last.skip(100).all(|(present, written)| present == written));
    }

    #[test]
    fn another_header_from_some_day_on_is_learned() {
        let mut writers = Writers::default();
        (0..1_000).for_each(|_| _ = writers.written(proxy(1), X_FORWARDED_FOR));
        let until = (0..1_000).position(|_| writers.written(proxy(1), FORWARDED) == FORWARDED);
        assert!(until.is_some_and(|calls| calls <= usize::from(MEMORY)), "{until:?}");
        (0..2 * MEMORY).for_each(|_| _ = writers.written(proxy(1), FORWARDED));
        assert_eq!(writers.written(proxy(1), BOTH), FORWARDED);
    }

    #[test]
    fn the_number_of_proxies_is_bounded() {
        let mut writers = Writers::default();
        (0..5_000_u32).for_each(|n| {
            writers.written(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), X_FORWARDED_FOR);
            writers.written(proxy(0), X_FORWARDED_FOR);
        });
        assert_eq!(writers.writers.len(), MOST);
        assert_eq!(writers.written(proxy(0), BOTH), X_FORWARDED_FOR, "who calls is not forgotten");
        assert!(writers.is_sound());
    }
}
