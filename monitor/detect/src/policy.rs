//! Which limits are in force for whom: those for everyone, those of a route, and the budgets of partners, at this hour.
//!
//! What the operator started with stays; what is allowed meanwhile comes and goes. Then every profile may be
//! another's, which its revision tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rollcall_attribute::{client::ClientKey, route::full_name};
use rollcall_model::time::Timestamp;

use super::{
    allowance::{Allowance, AllowanceId},
    budgets::Budgets,
    limit::{Limit, LimitError, LimitRule, Limits, MAX_LIMITS},
    partner::Partner,
};

/// No limit: nobody touches so many.
pub(super) const NONE: u32 = u32::MAX;

const MINUTE: u64 = 60_000_000_000;

/// What a limit is in each window, by its number.
pub(super) type Row = [u32; MAX_LIMITS];

/// The limits that apply to a pair: a number that stands until something else is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Profile(u16);

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Policy {
    windows: Vec<Duration>,
    rows: Vec<Rules>,
    routes: BTreeMap<String, Profile>,
    budgets: Budgets,
    /// The minute since the epoch that the rows are made for.
    minute: u64,
    /// What it was made of.
    rules: Vec<LimitRule>,
    partners: Vec<Partner>,
    /// What is in force beside, and when the first of it ends.
    allowances: Vec<Allowance>,
    next_end: Timestamp,
    revision: u16,
    /// Somebody looks up whose addresses are that come near a limit.
    asks_whose: bool,
    /// The limits for everyone are the default ones, at all hours.
    is_default: bool,
}

/// Limits that apply together.
#[derive(Clone, Debug)]
struct Rules {
    always: Row,
    /// Those for some hours of the day, by window.
    timed: Vec<(usize, LimitRule)>,
    now: Row,
    is_budget: bool,
    /// The limits for everyone, be it with more room.
    is_everyones: bool,
    /// No limit is below this.
    least: u32,
    /// What they come from, if that was allowed meanwhile, and the window that it is about.
    allowance: Option<(AllowanceId, usize)>,
}

/// What everybody may touch on a route, by which allowance, within which window.
#[derive(Clone, Copy, Debug)]
struct Room {
    allowance: (AllowanceId, usize),
    least: u32,
}

impl Policy {
    /// Limits for everyone and for routes, and the budgets of partners. Without a limit for everyone and every hour, the
    /// default ones apply.
    pub fn new(rules: &[LimitRule], partners: &[Partner]) -> Result<Policy, LimitError> {
        let everyone = rules.iter().filter(|rule| rule.route.is_none() && rule.hours.is_none());
        let everyone: Vec<Limit> = everyone.map(|rule| rule.limit).collect();
        let everyone = if everyone.is_empty() { Limits::default() } else { Limits::new(everyone)? };
        let mut windows: Vec<Duration> = everyone.as_slice().iter().map(|limit| limit.window).collect();
        windows.extend(rules.iter().map(|rule| rule.limit.window));
        windows.extend(partners.iter().map(|partner| partner.budget.limit.window));
        windows.sort();
        windows.dedup();
        if windows.len() > MAX_LIMITS {
            return Err(LimitError::TooMany(windows.len()));
        }
        let mut policy = Policy {
            windows,
            rows: vec![Rules { is_everyones: true, ..Rules::new(false) }],
            routes: BTreeMap::new(),
            budgets: Budgets::default(),
            minute: u64::MAX,
            rules: rules.to_vec(),
            partners: partners.to_vec(),
            allowances: Vec::new(),
            next_end: Timestamp(u64::MAX),
            revision: 0,
            asks_whose: false,
            is_default: !rules.iter().any(|rule| rule.route.is_none()),
        };
        for &limit in everyone.as_slice() {
            let window = policy.window(limit.window);
            policy.rows[0].always[window] = limit.distinct;
        }
        for rule in rules.iter().filter(|rule| rule.route.is_none() && rule.hours.is_some()) {
            policy.add(Profile(0), rule)?;
        }
        policy.add_routes(rules)?;
        for partner in partners {
            policy.add_partner(partner)?;
        }
        policy.advance(Timestamp(0));
        Ok(policy)
    }

    /// Puts these in force, in the place of all that were. Of several for the same client and route the last one holds, and
    /// each before what a partner has.
    pub(super) fn allow(&mut self, allowances: &[Allowance], now: Timestamp) {
        let allowances: Vec<Allowance> =
            allowances.iter().filter(|allowance| now < allowance.until).cloned().collect();
        if self.allowances == allowances {
            return;
        }
        let (revision, minute, asks_whose) = (self.revision.wrapping_add(1), self.minute, self.asks_whose);
        let made = Policy::new(&self.rules, &self.partners);
        *self = made.expect("a policy was made of the same limits before");
        (self.revision, self.asks_whose) = (revision, asks_whose);
        self.next_end =
            allowances.iter().map(|allowance| allowance.until).min().unwrap_or(Timestamp(u64::MAX));
        self.add_allowances(&allowances);
        self.allowances = allowances;
        self.put_in_force(minute);
    }

    /// Has addresses that come near a limit noted, for whoever looks up whose they are.
    pub fn ask_whose(&mut self) {
        self.asks_whose = true;
    }

    /// Whether they are to be noted.
    pub(super) fn asks_whose(&self) -> bool {
        self.asks_whose
    }

    /// Rises with each change of what is allowed: profiles from before are of no use any more.
    pub(super) fn revision(&self) -> u16 {
        self.revision
    }

    /// What `profile` comes from, if that was allowed meanwhile.
    pub(super) fn allowance(&self, profile: Profile) -> Option<AllowanceId> {
        self.allowance_within(profile).map(|(id, _)| id)
    }

    /// That, and the number of the window that it is about.
    pub(super) fn allowance_within(&self, profile: Profile) -> Option<(AllowanceId, usize)> {
        self.rows.get(usize::from(profile.0)).and_then(|rules| rules.allowance)
    }

    /// Whether anything was allowed meanwhile.
    pub(super) fn has_allowances(&self) -> bool {
        !self.allowances.is_empty()
    }

    /// What is allowed under that name.
    pub fn allowed(&self, id: AllowanceId) -> Option<&Allowance> {
        self.allowances.iter().find(|allowance| allowance.id == id)
    }

    /// The windows, shortest first; never none.
    pub fn windows(&self) -> &[Duration] {
        &self.windows
    }

    /// The shortest window.
    pub fn shortest(&self) -> Duration {
        self.windows[0]
    }

    /// The longest window.
    pub fn longest(&self) -> Duration {
        self.windows[self.windows.len() - 1]
    }

    /// The limits that `profile` has, one a window at most.
    #[cfg(test)]
    pub(super) fn limits(&self, profile: Profile) -> Vec<Limit> {
        let limit = |(&window, &distinct): (&Duration, &u32)| Limit { distinct, window };
        self.windows.iter().zip(self.row(profile)).map(limit).filter(|limit| limit.distinct != NONE).collect()
    }

    /// What the limit of each window is for everyone, or for everyone on `route`, at all hours that have none of their own;
    /// `None` where there is no limit.
    pub fn usual(&self, route: Option<&str>) -> Vec<Option<u32>> {
        let profile = route.and_then(|route| self.of_route(route)).map_or(0, |profile| profile.0);
        let rules = self.rows.get(usize::from(profile)).unwrap_or(&self.rows[0]);
        let mut row = rules.always;
        for (window, rule) in rules.timed.iter().filter(|(_, rule)| rule.hours.is_none()) {
            row[*window] = rule.limit.distinct;
        }
        row[..self.windows.len()].iter().map(|&limit| (limit != NONE).then_some(limit)).collect()
    }

    /// The least that everyone may touch on a route.
    pub fn least(&self) -> u32 {
        self.usual(None).into_iter().flatten().min().unwrap_or(NONE)
    }

    /// The services that limits name.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let services = self
            .routes
            .keys()
            .map(|name| if full_name::is_name(name) { name } else { full_name::split(name).0 });
        services.filter(|service| !service.is_empty())
    }

    /// Whether there are limits for `route` alone, by its full name.
    pub(super) fn has_limits(&self, route: &str) -> bool {
        self.routes.contains_key(route) || self.routes.contains_key(full_name::split(route).1)
    }

    /// The limits that apply to a client on a route.
    pub(super) fn profile(&self, client: &ClientKey, route: &str) -> Profile {
        self.budgets.of(client, route).unwrap_or_else(|| self.everyones_on(route))
    }

    /// The limits that apply to everyone on a route.
    pub(super) fn everyones_on(&self, route: &str) -> Profile {
        self.of_route(route).unwrap_or(Profile(0))
    }

    /// The limits of a route, by its full name.
    fn of_route(&self, name: &str) -> Option<Profile> {
        if self.routes.is_empty() {
            return None;
        }
        let (service, route) = full_name::split(name);
        // Where several of these have limits, the first has them all.
        [name, route, service].iter().find_map(|name| self.routes.get(*name)).copied()
    }

    /// Adds the limits of routes and of services. On a route of a service those come first that are for it alone, then those of
    /// routes of its name on every service, those of the service, and those for everyone.
    fn add_routes(&mut self, rules: &[LimitRule]) -> Result<(), LimitError> {
        let mut own: BTreeMap<&str, Rules> = BTreeMap::new();
        for rule in rules {
            let Some(name) = rule.route.as_deref() else { continue };
            let window = self.window(rule.limit.window);
            own.entry(name).or_insert_with(|| Rules::new(false)).add(window, rule)?;
        }
        let (services, routes): (Vec<&str>, Vec<&str>) =
            own.keys().copied().partition(|name| full_name::is_name(name));
        let everywhere = routes.iter().copied().filter(|name| full_name::split(name).0.is_empty());
        let pairs =
            everywhere.flat_map(|route| services.iter().map(move |service| format!("{service} {route}")));
        let names: BTreeSet<String> = own.keys().map(|&name| name.to_owned()).chain(pairs).collect();
        for name in names {
            let everyone = &self.rows[0];
            let mut rules = Rules { timed: Vec::new(), is_everyones: false, ..everyone.clone() };
            let (service, route) = full_name::split(&name);
            let layers = if service.is_empty() { vec![&*name] } else { vec![&*name, route, service] };
            for layer in layers.iter().filter_map(|layer| own.get(layer)) {
                rules.timed.extend_from_slice(&layer.timed);
            }
            rules.timed.extend_from_slice(&everyone.timed);
            let profile = self.push(rules)?;
            self.routes.insert(name, profile);
        }
        Ok(())
    }

    /// Whether one of the keys has a budget on the route.
    pub(super) fn has_partner(&self, keys: &[ClientKey], route: &str) -> bool {
        keys.iter().any(|client| self.budgets.of(client, route).is_some())
    }

    /// Whether the key has a budget on any route.
    pub(super) fn may_be_partner(&self, key: &ClientKey) -> bool {
        self.budgets.has(key)
    }

    /// Whether the operator has set no limits for everyone.
    pub fn has_defaults(&self) -> bool {
        self.is_default
    }

    /// The limits for everyone.
    pub(super) fn everyones(&self) -> &Row {
        &self.rows[0].now
    }

    /// Whether they are those for everyone, where what is usual on a route takes their place; be it with more room there.
    pub(super) fn is_everyones(&self, profile: Profile) -> bool {
        self.rows.get(usize::from(profile.0)).is_some_and(|rules| rules.is_everyones)
    }

    /// No limit of `profile` is below this, whatever is usual.
    pub(super) fn room(&self, profile: Profile) -> u32 {
        self.rows.get(usize::from(profile.0)).map_or(0, |rules| rules.least)
    }

    /// What the limits of `profile` are now, for each window.
    pub(super) fn row(&self, profile: Profile) -> &Row {
        &self.rows.get(usize::from(profile.0)).unwrap_or(&self.rows[0]).now
    }

    /// Whether it is a partner's budget: all that it allows is in order.
    pub(super) fn is_budget(&self, profile: Profile) -> bool {
        self.rows.get(usize::from(profile.0)).is_some_and(|rules| rules.is_budget)
    }

    /// Puts the limits of the hour in force, and ends what was allowed until now.
    pub(super) fn advance(&mut self, now: Timestamp) {
        if now >= self.next_end {
            let allowances = self.allowances.clone();
            self.allow(&allowances, now);
        }
        let minute = now.0 / MINUTE;
        if minute != self.minute {
            self.put_in_force(minute);
        }
    }

    fn put_in_force(&mut self, minute: u64) {
        self.minute = minute;
        let now = Timestamp(minute.saturating_mul(MINUTE));
        for rules in &mut self.rows {
            rules.now = rules.always;
            for (window, rule) in rules.timed.iter().rev() {
                if rule.hours.is_none_or(|hours| hours.contain(now)) {
                    rules.now[*window] = rule.limit.distinct;
                }
            }
            rules.now.iter_mut().for_each(|limit| *limit = rules.least.max(*limit));
        }
    }

    fn window(&self, length: Duration) -> usize {
        self.windows.iter().position(|&window| window == length).expect("all windows were collected")
    }

    fn push(&mut self, rules: Rules) -> Result<Profile, LimitError> {
        let number = u16::try_from(self.rows.len()).map_err(|_| LimitError::TooManyRoutes)?;
        self.rows.push(rules);
        Ok(Profile(number))
    }

    fn add(&mut self, profile: Profile, rule: &LimitRule) -> Result<(), LimitError> {
        let window = self.window(rule.limit.window);
        self.rows[usize::from(profile.0)].add(window, rule)
    }

    fn add_partner(&mut self, partner: &Partner) -> Result<(), LimitError> {
        let profile = match self.budgets.on_all(&partner.key) {
            Some(profile) => profile,
            None => {
                let profile = self.push(Rules::new(true))?;
                self.budgets.give(partner.key, None, profile);
                profile
            }
        };
        self.add(profile, &partner.budget)
    }

    /// Adds what is allowed. What there is no window for is left out, and so is what has no number any more: both are narrower
    /// than what was said.
    fn add_allowances(&mut self, allowances: &[Allowance]) {
        let mut roomier = BTreeMap::<&str, Room>::new();
        for Allowance { id, clients, routes, limit, .. } in allowances {
            let Some(window) = self.windows.iter().position(|&window| window >= limit.window) else {
                continue;
            };
            if clients.is_empty() {
                let room = Room { allowance: (*id, window), least: limit.distinct };
                roomier.extend(routes.iter().map(|route| (route.as_str(), room)));
                continue;
            }
            let mut rules = Rules { allowance: Some((*id, window)), ..Rules::new(true) };
            rules.always[window] = limit.distinct;
            let Ok(profile) = self.push(rules) else { continue };
            for &client in clients {
                match &routes[..] {
                    [] => self.budgets.give(client, None, profile),
                    routes => routes.iter().for_each(|route| self.budgets.give(client, Some(route), profile)),
                }
            }
        }
        self.add_room(&roomier);
    }

    /// Gives everybody more room on routes, by their names with a service or on whichever.
    fn add_room(&mut self, roomier: &BTreeMap<&str, Room>) {
        let mut rooms = BTreeMap::new();
        for &route in roomier.keys() {
            let mut names = vec![route.to_owned()];
            if full_name::split(route).0.is_empty() {
                // Where a service has limits of its own, it has the room beside them.
                names.extend(self.routes.keys().filter_map(|name| match full_name::is_name(name) {
                    true => Some(format!("{name} {route}")),
                    false => (full_name::split(name).1 == route).then(|| name.clone()),
                }));
            }
            for name in names {
                let (_, on_all) = full_name::split(&name);
                let Some(&Room { allowance, least }) = roomier.get(&*name).or_else(|| roomier.get(on_all))
                else {
                    continue;
                };
                let before = self.of_route(&name).map_or(0, |profile| profile.0);
                let rules = &self.rows[usize::from(before)];
                let rules = Rules { allowance: Some(allowance), least, ..rules.clone() };
                if let Ok(profile) = self.push(rules) {
                    rooms.insert(name, profile);
                }
            }
        }
        self.routes.append(&mut rooms);
    }
}

impl Rules {
    fn new(is_budget: bool) -> Rules {
        let none = [NONE; MAX_LIMITS];
        Rules {
            always: none,
            timed: Vec::new(),
            now: none,
            is_budget,
            is_everyones: false,
            least: 0,
            allowance: None,
        }
    }

    fn add(&mut self, window: usize, rule: &LimitRule) -> Result<(), LimitError> {
        let same = |known: &LimitRule| known.hours == rule.hours && known.limit.window == rule.limit.window;
        if let Some((_, known)) = self.timed.iter().find(|(_, known)| same(known)) {
            return Err(LimitError::RuleTwice(known.clone(), rule.clone()));
        }
        self.timed.push((window, rule.clone()));
        // Those for some hours go before those for all.
        self.timed.sort_by_key(|(_, rule)| rule.hours.is_none());
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::new(&[], &[]).expect("the default limits are in order")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str], partners: &[&str]) -> Result<Policy, LimitError> {
        let rules: Vec<LimitRule> = rules.iter().map(|text| text.parse().unwrap()).collect();
        let partners: Vec<Partner> = partners.iter().map(|text| text.parse().unwrap()).collect();
        Policy::new(&rules, &partners)
    }

    fn at(hour: u64) -> Timestamp {
        Timestamp((20_000 * 24 + hour) * 60 * MINUTE)
    }

    fn shown(policy: &Policy, client: &str, route: &str) -> String {
        let profile = policy.profile(&ClientKey::Peer(client.parse().unwrap()), route);
        let limits: Vec<String> = policy.limits(profile).iter().map(Limit::to_string).collect();
        limits.join(",")
    }

    #[test]
    fn a_route_and_a_partner_have_limits_of_their_own() {
        let policy = policy(
            &["GET /v1/dashboard/{id}=60/10s", "GET /v1/dashboard/{id}=80/2min"],
            &["192.0.2.7=25000/24h", "192.0.2.0/24=500/1h", "192.0.2.0/28=600/1h"],
        )
        .unwrap();
        let usual = "20/10s,30/1min,60/10min,100/1h,300/1d";
        assert_eq!(shown(&policy, "198.51.100.1", "GET /x/{id}"), usual);
        let route = "60/10s,30/1min,80/2min,60/10min,100/1h,300/1d";
        assert_eq!(shown(&policy, "198.51.100.1", "GET /v1/dashboard/{id}"), route);
        assert_eq!(shown(&policy, "192.0.2.7", "GET /v1/dashboard/{id}"), "25000/1d");
        assert_eq!(shown(&policy, "192.0.2.8", "GET /x/{id}"), "600/1h");
        assert_eq!(shown(&policy, "192.0.2.80", "GET /x/{id}"), "500/1h");
    }

    /// Whatever of them is for one window, the most specific holds, and the others for the rest.
    #[test]
    fn limits_are_for_a_route_a_service_or_a_route_of_a_service() {
        let policy = policy(
            &[
                ":81=40/10s",
                ":81=41/1min",
                "GET /x=50/1h",
                "GET /x=51/1min",
                ":81 GET /x=60/1d",
                ":82 GET /x=70/10s",
            ],
            &[],
        )
        .unwrap();
        for (route, limits) in [
            ("GET /y", "20/10s,30/1min,60/10min,100/1h,300/1d"),
            (":80 GET /y", "20/10s,30/1min,60/10min,100/1h,300/1d"),
            (":81 GET /y", "40/10s,41/1min,60/10min,100/1h,300/1d"),
            ("GET /x", "20/10s,51/1min,60/10min,50/1h,300/1d"),
            (":80 GET /x", "20/10s,51/1min,60/10min,50/1h,300/1d"),
            (":81 GET /x", "40/10s,51/1min,60/10min,50/1h,60/1d"),
            (":82 GET /x", "70/10s,51/1min,60/10min,50/1h,300/1d"),
        ] {
            assert_eq!(shown(&policy, "192.0.2.1", route), limits, "{route}");
        }
        // What a service allows on each of its routes, it does not allow on ever new ones.
        assert_eq!(
            [":81 GET /x", ":80 GET /x", ":81 GET /y"].map(|route| policy.has_limits(route)),
            [true, true, false]
        );
    }

    fn allow(policy: &mut Policy, allowed: &[(&[&str], &[&str], &str)]) {
        let allowances = allowed.iter().zip(1..).map(|(&(clients, routes, limit), id)| Allowance {
            id: AllowanceId(id),
            clients: clients.iter().map(|client| client.parse().unwrap()).collect(),
            routes: routes.iter().map(|&route| route.to_owned()).collect(),
            limit: limit.parse().unwrap(),
            until: at(100),
            by: String::new(),
            why: String::new(),
        });
        policy.allow(&allowances.collect::<Vec<_>>(), at(0));
    }

    #[test]
    fn the_narrowest_of_what_is_allowed_holds() {
        let mut policy = policy(&["20/10s", "100/1h"], &["192.0.2.7=900/1h", "192.0.2.0/24=800/1h"]).unwrap();
        allow(
            &mut policy,
            &[
                (&["192.0.2.0/24"], &[], "1/1h"),
                (&["192.0.2.0/28"], &["GET /x", ":81 GET /y"], "2/1h"),
                (&["192.0.2.7", "192.0.2.9"], &["GET /x"], "3/1h"),
                (&["192.0.2.9"], &["GET /x"], "4/10s"),
            ],
        );
        for (client, route, limits) in [
            ("192.0.2.7", ":80 GET /x", "3/1h"),
            ("192.0.2.7", ":80 GET /y", "900/1h"),
            ("192.0.2.9", "GET /x", "4/10s"),
            ("192.0.2.8", ":80 GET /x", "2/1h"),
            ("192.0.2.8", ":81 GET /y", "2/1h"),
            ("192.0.2.8", ":80 GET /y", "1/1h"),
            ("192.0.2.77", "GET /x", "1/1h"),
            ("198.51.100.1", "GET /x", "20/10s,100/1h"),
        ] {
            assert_eq!(shown(&policy, client, route), limits, "{client} {route}");
        }
        allow(&mut policy, &[]);
        assert_eq!(shown(&policy, "192.0.2.8", "GET /x"), "800/1h");
        assert_eq!(policy.revision(), 2);
        allow(&mut policy, &[]);
        assert_eq!(policy.revision(), 2, "nothing has changed");
    }

    /// However many addresses of it take turns, an IPv6 network that is a client key has its budget once.
    #[test]
    fn a_network_that_is_a_client_key_has_its_budget_as_a_whole() {
        let policy = policy(&["20/10s"], &["2001:db8:0:1::/64=500/1h", "2001:db8:1::/48=600/1h"]).unwrap();
        let limits = |key: ClientKey| {
            let limits = policy.limits(policy.profile(&key, "GET /x"));
            limits.iter().map(Limit::to_string).collect::<Vec<_>>().join(",")
        };
        let prefix = |text: &str| limits(ClientKey::Prefix(text.parse().unwrap()));
        let peer = |text: &str| limits(ClientKey::Peer(text.parse().unwrap()));
        assert_eq!([peer("2001:db8:0:1::7"), prefix("2001:db8:0:1::/64")], ["500/1h", "500/1h"]);
        // Of a larger one each address has it, and what lies between has none.
        assert_eq!([peer("2001:db8:1:2::7"), prefix("2001:db8:1:2::/64")], ["600/1h", "20/10s"]);
    }

    #[test]
    fn room_on_a_route_is_beside_its_limits_whatever_the_hour() {
        let rules =
            ["20/10s", "300/1h", "5/1h@00:00-01:00", ":81=40/10s", ":82 GET /x=900/1h", "GET /z=7/10s"];
        let mut policy = policy(&rules, &[]).unwrap();
        policy.advance(at(5));
        allow(&mut policy, &[(&[], &["GET /x"], "500/1h"), (&[], &[":82 GET /x"], "30/10s")]);
        for hour in [5, 0, 5] {
            policy.advance(at(24 + hour));
            let usual = if hour == 0 { "20/10s,5/1h" } else { "20/10s,300/1h" };
            for (route, limits) in [
                (":80 GET /x", "500/10s,500/1h"),
                (":81 GET /x", "500/10s,500/1h"),
                (":82 GET /x", "30/10s,900/1h"),
                (":80 GET /y", usual),
            ] {
                assert_eq!(shown(&policy, "192.0.2.1", route), limits, "{route} at {hour}");
            }
        }
        assert_eq!(shown(&policy, "192.0.2.1", "GET /z"), "7/10s,300/1h");
        policy.advance(at(100));
        assert_eq!(shown(&policy, "192.0.2.1", ":81 GET /x"), "40/10s,300/1h", "it is over");
    }

    #[test]
    fn the_usual_limits_are_those_without_hours() {
        let policy =
            policy(&["50/1h", "10/1h@22:00-06:00", "GET /x=70/1h", "GET /x=90/2h"], &["192.0.2.7=9/1h"])
                .unwrap();
        assert_eq!(policy.usual(None), [Some(50), None]);
        assert_eq!(policy.usual(Some("GET /x")), [Some(70), Some(90)]);
        assert_eq!(policy.usual(Some("GET /y")), [Some(50), None]);
    }

    #[test]
    fn hours_change_limits() {
        let mut policy =
            policy(&["50/1h", "10/1h@22:00-06:00", "GET /x=70/1h"], &["192.0.2.7=9/1h@02:00-04:00"]).unwrap();
        let mut seen = Vec::new();
        for hour in [3, 12, 21, 22, 23] {
            policy.advance(at(hour));
            let shown = [("192.0.2.1", "GET /y"), ("192.0.2.1", "GET /x"), ("192.0.2.7", "GET /y")]
                .map(|(client, route)| shown(&policy, client, route));
            seen.push(shown.join(" "));
        }
        assert_eq!(
            seen,
            ["10/1h 70/1h 9/1h", "50/1h 70/1h ", "50/1h 70/1h ", "10/1h 70/1h ", "10/1h 70/1h "]
        );
    }

    #[test]
    fn limits_for_some_hours_or_routes_leave_the_default_ones_in_force() {
        let mut policy = policy(&["5/10s@00:00-06:00"], &[]).unwrap();
        policy.advance(at(12));
        assert_eq!(shown(&policy, "192.0.2.1", "GET /"), "20/10s,30/1min,60/10min,100/1h,300/1d");
        policy.advance(at(1));
        assert_eq!(shown(&policy, "192.0.2.1", "GET /"), "5/10s,30/1min,60/10min,100/1h,300/1d");
    }

    #[test]
    fn contradictions_are_told() {
        let error = |rules: &[&str], partners: &[&str]| policy(rules, partners).unwrap_err().to_string();
        assert_eq!(
            error(&["GET /x=5/10s", "GET /x=6/10s"], &[]),
            "limits GET /x=5/10s and GET /x=6/10s have the same route, window and hours; keep one of them"
        );
        assert_eq!(
            error(&["5/10s", "6/10s"], &[]),
            "limits 5/10s and 6/10s have the same window; keep one of them"
        );
        let many: Vec<String> = (1..=8).map(|n| format!("1/{n}s")).collect();
        let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
        many.push("GET /x=5/1h");
        assert_eq!(error(&many, &[]), "9 windows are too many; at most 8 can be in force");
    }
}
