//! Blindness: when too much is not seen for silence to mean anything.
//!
//! There is one finding for each cause, told by its route. Of the whole: `~loss` (requests were lost between kernel and daemon),
//! `~opaque` (most of what comes can't be read) and `~overload` (the tables had to forget clients that
//! were busy, or too many findings were open). Of some clients' connections, with their addresses: [`Unseen`].

use std::{net::IpAddr, time::Duration};

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Figures, Finding, Phase, finding::Rule, shown::Addresses};

/// A share of requests lost above which figures are unreliable: one in a hundred hides few objects of a walk, and more
/// is a sign that the ring is too small.
const LOSS: f64 = 0.01;

/// A share of traffic that can't be read above which silence says little.
const OPAQUE: f64 = 0.5;

/// It is over when it has not been so for this long.
const QUIET: Duration = Duration::from_secs(300);

/// Too few to be told are forgotten when there were no more for this long: slow ones add up meanwhile.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(1);

const CAUSES: [&str; 3] = ["~loss", "~opaque", "~overload"];

/// Why some connections were not seen whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Their bytes travel over several paths at once (MPTCP), and each path is read by itself.
    Multipath,
    /// The server has answered requests that were not seen.
    Answered,
}

impl Unseen {
    const ALL: [Unseen; 2] = [Unseen::Multipath, Unseen::Answered];

    fn route(self) -> &'static str {
        match self {
            Unseen::Multipath => "~multipath",
            Unseen::Answered => "~unseen",
        }
    }

    /// How many it takes: a stray answer is no blind spot, and whoever hides a walk leaves one a call.
    fn least(self) -> u64 {
        match self {
            Unseen::Multipath => 1,
            Unseen::Answered => 5,
        }
    }
}

/// See the [module](self).
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Blind {
    loss: f64,
    opaque: f64,
    forgotten: u64,
    next: Timestamp,
    open: [Option<Open>; CAUSES.len()],
    /// Connections end with the process, and so does what is said of them.
    #[serde(skip)]
    unseen: [Connections; Unseen::ALL.len()],
}

/// Connections that were not seen whole, for one reason.
#[derive(Debug, Default)]
struct Connections {
    /// Since it was last told.
    fresh: u64,
    /// When there was the last of these.
    latest: Timestamp,
    /// Of these, how many had been looked at.
    looked_at: u64,
    addresses: Addresses,
    /// The count at which it is told again.
    next: u64,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Open {
    first: Timestamp,
    last: Timestamp,
    /// What was forgotten, or the connections that were not seen whole, in all.
    count: u64,
}

impl Blind {
    /// Sets the share of requests that is being lost.
    pub(super) fn set_loss(&mut self, share: f64) {
        self.loss = share;
    }

    /// Sets the share of traffic that can't be read.
    pub(super) fn set_opaque(&mut self, share: f64) {
        self.opaque = share;
    }

    /// Takes note of a connection of `client` that is not seen whole.
    pub(super) fn unseen(&mut self, why: Unseen, client: IpAddr) {
        let connections = &mut self.unseen[why as usize];
        connections.fresh += 1;
        connections.addresses.push(client);
    }

    /// Looks at everything once a second. `now` is the detector's time, `at` the source's; `forgotten` tells how many
    /// busy clients and findings were given up so far.
    pub(super) fn tick(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        forgotten: impl Fn() -> u64,
        out: &mut Vec<Finding>,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + PERIOD;
        let total = forgotten();
        let fresh = total - self.forgotten.min(total);
        self.forgotten = total;
        let causes = [(self.loss > LOSS, 0), (self.opaque > OPAQUE, 0), (fresh > 0, fresh)];
        for ((cause, open), (is_so, count)) in CAUSES.into_iter().zip(&mut self.open).zip(causes) {
            match open {
                Some(open) if is_so => (open.last, open.count) = (now, open.count + count),
                Some(over) if now.since(over.last) >= QUIET => {
                    out.push(over.finding(cause, Phase::Ends, at, Vec::new()));
                    *open = None;
                }
                None if is_so => {
                    let begun = Open { first: at, last: now, count };
                    out.push(begun.finding(cause, Phase::Begins, at, Vec::new()));
                    *open = Some(begun);
                }
                _ => {}
            }
        }
        for (why, connections) in Unseen::ALL.into_iter().zip(&mut self.unseen) {
            out.extend(connections.tick(why, now, at));
        }
    }
}

impl Connections {
    /// Told when it begins, each time that they have doubled, and when there were no more for a while.
    fn tick(&mut self, why: Unseen, now: Timestamp, at: Timestamp) -> Option<Finding> {
        if self.open.is_none() && self.fresh < why.least() {
            if self.fresh != self.looked_at {
                (self.looked_at, self.latest) = (self.fresh, now);
            } else if self.fresh > 0 && now.since(self.latest) >= FORGOTTEN {
                *self = Connections::default();
            }
            return None;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.looked_at = 0;
        let phase = match &mut self.open {
            None if fresh == 0 => return None,
            None => Phase::Begins,
            Some(open) if fresh > 0 => {
                (open.last, open.count) = (now, open.count + fresh);
                if open.count < self.next {
                    return None;
                }
                Phase::Grows
            }
            Some(open) if now.since(open.last) >= QUIET => Phase::Ends,
            Some(_) => return None,
        };
        let open = *self.open.get_or_insert(Open { first: at, last: now, count: fresh });
        self.next = open.count.saturating_mul(2);
        let finding = open.finding(why.route(), phase, at, self.addresses.list());
        if phase == Phase::Ends {
            *self = Connections::default();
        }
        Some(finding)
    }
}

impl Open {
    fn finding(&self, cause: &'static str, phase: Phase, at: Timestamp, addresses: Vec<IpAddr>) -> Finding {
        Finding {
            phase,
            rule: Rule::Blind,
            at,
            client: None,
            route: cause.into(),
            window: PERIOD,
            figures: Figures {
                distinct: self.count,
                first_seen: self.first,
                last_seen: at,
                addresses,
                ..Figures::default()
            },
            sample_objects: Vec::new(),
            signals: Vec::new(),
            is_far: false,
            part: 0,
            loss: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn each_cause_has_a_life() {
        let mut blind = Blind::default();
        let mut told = Vec::new();
        let mut forgotten = 0;
        for second in 0..2_000 {
            match second {
                10 => blind.set_loss(0.02),
                20 => blind.set_opaque(0.6),
                30 | 40 => forgotten += 5,
                50 => blind.set_loss(0.01),
                60 => blind.set_opaque(0.5),
                _ => {}
            }
            let mut out = Vec::new();
            blind.tick(Timestamp(second * S), Timestamp(second * S), || forgotten, &mut out);
            told.extend(
                out.iter()
                    .map(|found| (second, found.route.to_string(), found.phase, found.figures.distinct)),
            );
        }
        let told: Vec<(u64, &str, Phase, u64)> =
            told.iter().map(|(at, route, phase, count)| (*at, route.as_str(), *phase, *count)).collect();
        use Phase::{Begins, Ends};
        let expected = [
            (10, "~loss", Begins, 0),
            (20, "~opaque", Begins, 0),
            (30, "~overload", Begins, 5),
            (340, "~overload", Ends, 10),
            (349, "~loss", Ends, 0),
            (359, "~opaque", Ends, 0),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn answers_without_requests_are_told_once_they_are_no_stray_ones() {
        for (every, expected) in [(1, Some(4)), (600, Some(2400)), (4000, None)] {
            let mut blind = Blind::default();
            let mut told = None;
            for second in 0..20_000 {
                if second % every == 0 {
                    blind.unseen(Unseen::Answered, [192, 0, 2, 1].into());
                }
                let mut out = Vec::new();
                blind.tick(Timestamp(second * S), Timestamp(second * S), || 0, &mut out);
                if let Some(found) = out.first() {
                    assert_eq!((&*found.route, found.figures.addresses.len()), ("~unseen", 1));
                    told = told.or(Some(second));
                }
            }
            assert_eq!(told, expected, "one in {every} s");
        }
    }

    #[test]
    fn connections_that_are_not_seen_whole_are_told_with_their_clients() {
        let mut blind = Blind::default();
        let mut told = Vec::new();
        for second in 0..400 {
            if second < 8 {
                blind.unseen(Unseen::Multipath, [192, 0, 2, 1 + u8::from(second > 4)].into());
            }
            let mut out = Vec::new();
            blind.tick(Timestamp(second * S), Timestamp(second * S), || 0, &mut out);
            told.extend(out.into_iter().map(|found| {
                assert_eq!(&*found.route, "~multipath");
                (second, found.phase, found.figures.distinct, found.figures.addresses.len())
            }));
        }
        use Phase::{Begins, Ends, Grows};
        assert_eq!(
            told,
            [(0, Begins, 1, 1), (1, Grows, 2, 1), (3, Grows, 4, 1), (7, Grows, 8, 2), (307, Ends, 8, 2)]
        );
    }
}
