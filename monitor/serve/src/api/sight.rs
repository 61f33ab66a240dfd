//! How much of the traffic can be read: what the status page, the API, a metric and `~opaque` all go by.
//!
//! What nobody has seen is not taken for good: where nothing came there is no share, and unreadable traffic without a
//! single request beside it is bad however little it is.

use std::collections::VecDeque;

/// Seconds over which it is judged if enough came in them to tell…
const WINDOW: usize = 60;
/// …and else, so that a quiet port is judged too.
const LONG_WINDOW: usize = 600;

/// Connections, or packets, by which it is told. Fewer may be somebody who tries ports: no reason to wake anybody.
const ENOUGH_CONNECTIONS: u64 = 20;
const ENOUGH_PACKETS: u64 = 100;

/// From this share of traffic that can't be read on silence says little.
const MUCH: f64 = 0.5;

/// What came, counted from the start or within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were read.
    pub requests: u64,
    /// Connections that turned out to carry what can't be read.
    pub connections: u64,
    /// Packets of a client's that can't be read, and of those that can.
    pub opaque_packets: u64,
    pub packets: u64,
    /// Packets of connections that are known to be no HTTP/1, or no longer: an upgraded one may send many beside few
    /// requests, so they count only where there are no requests at all.
    pub ignored_packets: u64,
}

/// How much of the traffic could be read lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Ports were named: what they carry is meant to be read. Else it is what looks like encrypted calls that counts, and
    /// only where there are no others.
    pub named: bool,
    pub traffic: Traffic,
}

/// Traffic second by second.
#[derive(Debug, Default)]
pub struct Sights {
    history: VecDeque<Traffic>,
}

impl Sight {
    /// The share that can't be read, of requests as far as can be told: a connection stands for one, and packets for
    /// others of their kind. `None` if nothing came.
    pub fn opaque(&self) -> Option<f64> {
        let Traffic { requests, connections, opaque_packets, packets, .. } = self.traffic;
        if self.is_dark() {
            return Some(1.0);
        }
        let share = |part: u64, rest: u64| (part + rest > 0).then(|| part as f64 / (part + rest) as f64);
        [share(connections, requests), share(opaque_packets, packets)].into_iter().flatten().reduce(f64::max)
    }

    /// Nothing of what came could be read.
    pub fn is_dark(&self) -> bool {
        let Traffic { requests, connections, opaque_packets, ignored_packets, .. } = self.traffic;
        requests == 0 && connections + opaque_packets + ignored_packets > 0
    }

    /// Too little can be read for silence to mean anything.
    pub fn is_blind(&self) -> bool {
        let much = self.opaque().is_some_and(|share| share > MUCH);
        self.traffic.is_enough() && if self.named { much } else { self.is_dark() }
    }
}

impl Sights {
    /// Notes the traffic from the start up to now, once a second, and looks back.
    pub fn note(&mut self, named: bool, traffic: Traffic) -> Sight {
        if self.history.len() > LONG_WINDOW {
            self.history.pop_front();
        }
        self.history.push_back(traffic);
        let back = |window: usize| {
            let then =
                self.history.len().checked_sub(window + 1).map_or_else(Traffic::default, |n| self.history[n]);
            Traffic {
                requests: traffic.requests.saturating_sub(then.requests),
                connections: traffic.connections.saturating_sub(then.connections),
                opaque_packets: traffic.opaque_packets.saturating_sub(then.opaque_packets),
                packets: traffic.packets.saturating_sub(then.packets),
                ignored_packets: traffic.ignored_packets.saturating_sub(then.ignored_packets),
            }
        };
        let lately = back(WINDOW);
        Sight { named, traffic: if lately.is_enough() { lately } else { back(LONG_WINDOW) } }
    }
}

impl Traffic {
    fn is_enough(&self) -> bool {
        let ignored = if self.requests == 0 { self.ignored_packets } else { 0 };
        self.connections >= ENOUGH_CONNECTIONS || self.opaque_packets + ignored >= ENOUGH_PACKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(named: bool, requests: u64, connections: u64, opaque_packets: u64, packets: u64) -> Sight {
        Sight {
            named,
            traffic: Traffic { requests, connections, opaque_packets, packets, ignored_packets: 0 },
        }
    }

    #[test]
    fn nothing_is_not_taken_for_good() {
        assert_eq!(sight(true, 0, 0, 0, 0).opaque(), None);
        assert_eq!(sight(true, 9, 0, 0, 9).opaque(), Some(0.0));
    }

    #[test]
    fn few_packets_tell_as_many_do() {
        for (connections, packets) in [(20, 0), (0, 100), (210, 840)] {
            // The first packets of a connection may have been handed over, to find out what they are.
            let only = sight(true, 0, connections, packets, 400);
            assert_eq!((only.opaque(), only.is_dark(), only.is_blind()), (Some(1.0), true, true));
            assert!(Sight { named: false, ..only }.is_blind());
        }
    }

    #[test]
    fn what_came_before_the_first_look_counts() {
        let mut sights = Sights::default();
        let traffic = Traffic { requests: 30, packets: 30, ..Traffic::default() };
        assert_eq!(sights.note(true, traffic).opaque(), Some(0.0));
        let beside = Traffic { connections: 1, opaque_packets: 2, ..traffic };
        assert!(sights.note(true, beside).opaque().is_some_and(|share| share < 0.1));
    }

    #[test]
    fn a_port_that_somebody_tries_wakes_nobody() {
        let tried = sight(true, 0, 1, 4, 1);
        assert!(tried.is_dark() && !tried.is_blind());
        assert!(!sight(true, 1_000, 30, 120, 1_100).is_blind());
    }

    #[test]
    fn one_long_connection_is_seen_where_there_is_nothing_else() {
        let traffic = Traffic { ignored_packets: 100, packets: 3, ..Traffic::default() };
        assert!(Sight { named: true, traffic }.is_blind());
        let beside = Sight { named: true, traffic: Traffic { requests: 1, ..traffic } };
        assert_eq!((beside.opaque(), beside.is_blind()), (Some(0.0), false));
    }

    #[test]
    fn without_ports_one_request_shows_that_there_is_something_to_be_read() {
        assert!(sight(true, 1, 200, 800, 100).is_blind());
        assert!(!sight(false, 1, 200, 800, 100).is_blind());
    }

    #[test]
    fn a_quiet_port_is_judged_over_a_longer_time() {
        let mut sights = Sights::default();
        let told = (0..300).position(|second| {
            let traffic = Traffic { connections: second / 10, ..Traffic::default() };
            sights.note(true, traffic).is_blind()
        });
        assert_eq!(told, Some(200));
        // Ten minutes later it is over.
        let traffic = Traffic { connections: 29, ..Traffic::default() };
        let over = (0..1_000).position(|_| !sights.note(true, traffic).is_blind());
        assert!(over.is_some_and(|seconds| (400..=600).contains(&seconds)), "{over:?}");
    }
}
