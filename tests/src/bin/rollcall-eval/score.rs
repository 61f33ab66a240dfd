//! Scoring: which alerts are about the attack, and how much had been read by then.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use rollcall_attribute::client::ClientKey;
use rollcall_detect::finding::ANY_ROUTE;
use rollcall_model::time::Timestamp;

use crate::{
    engine::{Raised, Seen},
    outcome::Caught,
};

/// What an attack has done so far, and by which names alerts may call it.
#[derive(Default)]
pub(crate) struct Watch {
    /// The same as text, which is how alerts name clients.
    names: HashSet<u64>,
    keys: HashSet<ClientKey>,
    routes: HashSet<Arc<str>>,
    read: HashSet<u64>,
    calls: u64,
    began: Option<Timestamp>,
}

impl Watch {
    /// A call of the attack, at its true time, that read `accounts`.
    pub(crate) fn strike(&mut self, at: Timestamp, seen: &Seen, accounts: &[u64]) {
        self.note(at, seen.keys(), &seen.route, accounts);
    }

    fn note(&mut self, at: Timestamp, keys: &[ClientKey], route: &Arc<str>, accounts: &[u64]) {
        self.began.get_or_insert(at);
        self.calls += 1;
        self.read.extend(accounts);
        for key in keys {
            if self.keys.insert(*key) {
                self.names.insert(hash(&key.to_string()));
            }
        }
        if !self.routes.contains(route) {
            self.routes.insert(Arc::clone(route));
        }
    }

    /// What the attack had got when the first of `raised` that is about it was raised: one about a client that called for
    /// it, or about everybody's calls of a route that it called.
    pub(crate) fn caught(&self, now: Timestamp, raised: &[Raised]) -> Option<Caught> {
        let began = self.began?;
        let alert = raised.iter().find(|alert| self.is_about(alert))?;
        Some(Caught {
            accounts: self.accounts(),
            calls: self.calls,
            delay_s: now.since(began).as_secs_f64(),
            alert: alert.clone(),
        })
    }

    /// Accounts read.
    pub(crate) fn accounts(&self) -> u64 {
        self.read.len() as u64
    }

    fn is_about(&self, alert: &Raised) -> bool {
        match alert.kind.as_str() {
            "all" => alert.route == ANY_ROUTE || self.routes.contains(alert.route.as_str()),
            _ => self.names.contains(&hash(&alert.key())),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// False alerts in so much time, as many a day or a week.
pub(crate) fn per(alerts: usize, observed: Duration, span: Duration) -> f64 {
    alerts as f64 * span.as_secs_f64() / observed.as_secs_f64().max(1.0)
}

/// How well clients were told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Accuracy {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    pub(crate) f1: f64,
}

impl Accuracy {
    /// Of so many that were right, found, and to be found.
    pub(crate) fn of(right: u64, found: u64, wanted: u64) -> Accuracy {
        let share = |of: u64| if of == 0 { 1.0 } else { right as f64 / of as f64 };
        let (precision, recall) = (share(found), share(wanted));
        let f1 = if right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        Accuracy { precision, recall, f1 }
    }
}

/// The value that `share` of the values are not above, by the nearest rank; infinite ones stand for never.
pub(crate) fn rank(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const ROUTE: &str = "GET /v1/customers/{id}";

    fn raised(kind: &str, client: &str, route: &str) -> Raised {
        Raised {
            at: 1,
            rule: "distinct-objects".into(),
            severity: "warning".into(),
            kind: kind.into(),
            client: client.into(),
            route: route.into(),
            distinct: 31,
            window_s: 60,
        }
    }

    fn watch() -> Watch {
        let mut watch = Watch::default();
        let address: IpAddr = [192, 0, 2, 7].into();
        for (at, account) in [(5, 1), (6, 2), (7, 2), (8, 3)] {
            watch.note(
                Timestamp(at * 1_000_000_000),
                &[ClientKey::Peer(address)],
                &Arc::from(ROUTE),
                &[account],
            );
        }
        watch
    }

    #[test]
    fn accounts_are_distinct_and_the_delay_is_from_the_first_call() {
        let alert = raised("peer", "192.0.2.7", ROUTE);
        let caught = watch().caught(Timestamp(8_000_000_000), std::slice::from_ref(&alert)).unwrap();
        assert_eq!((caught.accounts, caught.calls, caught.delay_s), (3, 4, 3.0));
        assert_eq!(caught.alert, alert);
    }

    #[test]
    fn only_alerts_about_its_clients_or_everybody_on_its_route_are_about_an_attack() {
        let watch = watch();
        for (kind, client, route, is) in [
            ("peer", "192.0.2.7", "GET /other", true),
            ("peer", "192.0.2.8", ROUTE, false),
            ("forwarded", "192.0.2.7", ROUTE, false),
            ("all", "*", ROUTE, true),
            ("all", "*", "GET /other", false),
            ("all", "*", ANY_ROUTE, true),
        ] {
            assert_eq!(watch.is_about(&raised(kind, client, route)), is, "{kind} {client} {route}");
        }
        assert!(Watch::default().caught(Timestamp(9), &[raised("all", "*", ANY_ROUTE)]).is_none());
    }

    #[test]
    fn figures_are_what_they_are_by_hand() {
        assert_eq!(per(2, Duration::from_secs(86_400), Duration::from_secs(7 * 86_400)), 14.0);
        let accuracy = Accuracy::of(90, 100, 120);
        assert_eq!((accuracy.precision, accuracy.recall), (0.9, 0.75));
        assert!((accuracy.f1 - 2.0 * 0.9 * 0.75 / 1.65).abs() < 1e-12);
        assert_eq!(Accuracy::of(0, 0, 10), Accuracy { precision: 1.0, recall: 0.0, f1: 0.0 });
        let values = [30.0, 10.0, f64::INFINITY];
        assert_eq!(
            [0.5, 0.95, 1.0].map(|share| rank(&values, share)),
            [Some(30.0), Some(f64::INFINITY), Some(f64::INFINITY)]
        );
        assert_eq!(rank(&[], 0.5), None);
    }
}
