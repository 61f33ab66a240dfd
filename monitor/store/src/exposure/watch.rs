//! Whom to watch: the clients of open alerts, each on its alert's route.
//!
//! A client of an alert is a **subject**. A touch goes to one subject of each alert that it belongs to, the most specific
//! one, so that a list names it once however many of the caller's keys were found out.

use std::collections::HashMap;

use rollcall_attribute::client::ClientKey;

/// Subjects that are watched at once. With sixteen clients an alert has more than it names.
const MOST: usize = 65_536;

/// A client, or everybody.
pub type Client = Option<ClientKey>;

/// A subject of an alert, as a touch finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub incident: u64,
    pub subject: u64,
    /// The number in [`super::recent`] of the first touch that came after it was watched.
    pub since: u64,
    /// What came before has not been looked for yet.
    pub is_new: bool,
}

/// Everyone that is watched.
#[derive(Debug, Default)]
pub struct Watch {
    /// By route, as a hash.
    places: HashMap<(u64, Client), Vec<Place>>,
    /// How many places a route has.
    routes: HashMap<u64, usize>,
    /// The subjects of each alert.
    incidents: HashMap<u64, Vec<(u64, Client)>>,
    /// Those whose earlier touches have not been looked for.
    new: Vec<(u64, Client)>,
    count: usize,
}

impl Watch {
    /// Whether nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many are watched.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether an alert has the subject already.
    pub fn has(&self, incident: u64, route: u64, client: Client) -> bool {
        self.places
            .get(&(route, client))
            .is_some_and(|places| places.iter().any(|place| place.incident == incident))
    }

    /// Whether one more can be watched.
    pub fn has_room(&self) -> bool {
        self.count < MOST
    }

    /// Watches a client, if there is room.
    pub fn add(&mut self, route: u64, client: Client, place: Place) {
        if !self.has_room() {
            return;
        }
        self.places.entry((route, client)).or_default().push(place);
        *self.routes.entry(route).or_default() += 1;
        self.incidents.entry(place.incident).or_default().push((route, client));
        if place.is_new {
            self.new.push((route, client));
        }
        self.count += 1;
    }

    /// Watches the clients of an alert no more. Returns whether it was watched.
    pub fn remove(&mut self, incident: u64) -> bool {
        let Some(subjects) = self.incidents.remove(&incident) else { return false };
        for (route, client) in subjects {
            if let Some(places) = self.places.get_mut(&(route, client)) {
                places.retain(|place| place.incident != incident);
                if places.is_empty() {
                    self.places.remove(&(route, client));
                }
            }
            if let Some(count) = self.routes.get_mut(&route) {
                *count -= 1;
                if *count == 0 {
                    self.routes.remove(&route);
                }
            }
            self.count -= 1;
        }
        true
    }

    /// Whom a touch of now goes to: the most specific subject of each alert.
    pub fn find(&self, route: u64, keys: &[ClientKey], found: &mut Vec<Place>) {
        found.clear();
        for place in self.matching(route, keys) {
            if found.iter().all(|other| other.incident != place.incident) {
                found.push(place);
            }
        }
    }

    /// Whom the touch with that number goes to, which came before they were watched. None of an alert of which another
    /// subject was watched before: it has the touch already, if it was remembered.
    pub fn find_before(&self, route: u64, keys: &[ClientKey], number: u64, found: &mut Vec<Place>) {
        self.find(route, keys, found);
        let had =
            |incident| self.matching(route, keys).any(|place| place.incident == incident && !place.is_new);
        found.retain(|place| place.is_new && number < place.since && !had(place.incident));
    }

    /// The routes of those whose earlier touches have not been looked for, in order.
    pub fn new_routes(&self) -> Vec<u64> {
        let mut routes: Vec<u64> = self.new.iter().map(|(route, _)| *route).collect();
        routes.sort_unstable();
        routes.dedup();
        routes
    }

    /// Earlier touches have been looked for.
    pub fn looked(&mut self) {
        for subject in self.new.drain(..) {
            self.places.get_mut(&subject).into_iter().flatten().for_each(|place| place.is_new = false);
        }
    }

    /// Every subject that the keys lead to, the most specific first.
    fn matching(&self, route: u64, keys: &[ClientKey]) -> impl Iterator<Item = Place> {
        let is_watched = self.routes.contains_key(&route);
        let keys = if is_watched { keys } else { &[] };
        let ranked = (0..RANKS).flat_map(move |rank| keys.iter().filter(move |key| self::rank(key) == rank));
        let everybody = is_watched.then_some(None);
        let clients = ranked.map(|key| Some(*key)).chain(everybody);
        clients.filter_map(move |client| self.places.get(&(route, client))).flatten().copied()
    }
}

const RANKS: u8 = 4;

/// The fewer people a key may stand for, the lower.
fn rank(key: &ClientKey) -> u8 {
    match key {
        ClientKey::Credential(_) => 0,
        ClientKey::Forwarded(_) => 1,
        ClientKey::Peer(_) => 2,
        ClientKey::Prefix(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_attribute::client::{Credential, CredentialKind};

    const ROUTE: u64 = 1;

    fn peer(text: &str) -> ClientKey {
        ClientKey::Peer(text.parse().unwrap())
    }

    fn token(byte: u8) -> ClientKey {
        ClientKey::Credential(Credential { kind: CredentialKind::Bearer, hash: [byte; 16] })
    }

    fn place(incident: u64, subject: u64) -> Place {
        Place { incident, subject, since: 10, is_new: true }
    }

    fn find(watch: &Watch, route: u64, keys: &[ClientKey]) -> Vec<u64> {
        let mut found = Vec::new();
        watch.find(route, keys, &mut found);
        found.iter().map(|place| place.subject).collect()
    }

    fn before(watch: &Watch, keys: &[ClientKey], number: u64) -> Vec<u64> {
        let mut found = Vec::new();
        watch.find_before(ROUTE, keys, number, &mut found);
        found.iter().map(|place| place.subject).collect()
    }

    #[test]
    fn a_touch_goes_to_one_subject_of_each_alert_the_most_specific() {
        let mut watch = Watch::default();
        watch.add(ROUTE, Some(peer("192.0.2.7")), place(1, 101));
        watch.add(ROUTE, Some(token(1)), place(1, 102));
        watch.add(ROUTE, None, place(2, 201));
        assert_eq!(find(&watch, ROUTE, &[peer("192.0.2.7"), token(1)]), [102, 201]);
        assert_eq!(find(&watch, ROUTE, &[peer("192.0.2.7"), token(2)]), [101, 201]);
        assert_eq!(find(&watch, ROUTE, &[peer("192.0.2.8"), token(1)]), [102, 201]);
        assert_eq!(find(&watch, ROUTE, &[peer("192.0.2.8")]), [201]);
        assert!(find(&watch, 2, &[peer("192.0.2.7"), token(1)]).is_empty());
        assert!(watch.remove(2) && !watch.remove(2));
        assert_eq!(find(&watch, ROUTE, &[peer("192.0.2.7"), token(1)]), [102]);
        assert!(watch.remove(1) && watch.is_empty());
        assert!(watch.places.is_empty() && watch.routes.is_empty() && watch.incidents.is_empty());
    }

    #[test]
    fn earlier_touches_go_to_who_joins_unless_another_subject_had_them() {
        let mut watch = Watch::default();
        watch.add(ROUTE, Some(peer("192.0.2.7")), place(1, 101));
        assert_eq!(watch.new_routes(), [ROUTE]);
        assert_eq!(before(&watch, &[peer("192.0.2.7"), token(1)], 9), [101]);
        assert!(
            before(&watch, &[peer("192.0.2.7"), token(1)], 10).is_empty(),
            "it went to the subject itself"
        );
        watch.looked();
        assert!(watch.new_routes().is_empty() && before(&watch, &[peer("192.0.2.7")], 9).is_empty());
        watch.add(ROUTE, Some(token(1)), Place { since: 20, ..place(1, 102) });
        assert_eq!(before(&watch, &[peer("192.0.2.8"), token(1)], 15), [102]);
        assert!(before(&watch, &[peer("192.0.2.7"), token(1)], 5).is_empty());
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut watch = Watch::default();
        for number in 0..MOST as u64 {
            watch.add(number, None, place(number, number));
        }
        assert!(!watch.has_room());
        watch.add(0, None, place(MOST as u64, 0));
        assert_eq!(watch.len(), MOST);
    }
}
