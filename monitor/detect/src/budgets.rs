//! Who has a budget of its own: keys of clients, on one route each or on all of them.

use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use rollcall_attribute::{client::ClientKey, route::full_name};

use super::{partner::PartnerKey, policy::Profile};

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets {
    /// By key: on all routes, and on some, by their names, with their service or on whichever.
    keys: BTreeMap<PartnerKey, OnRoutes>,
    /// The lengths of the networks among the keys, by family (IPv4 or not), the longest first: with any number of networks, an
    /// address is looked for in one of each length.
    lengths: Vec<(bool, u8)>,
}

#[derive(Clone, Debug, Default)]
struct OnRoutes {
    all: Option<Profile>,
    some: BTreeMap<String, Profile>,
}

impl Budgets {
    /// The budget of the client with that key, on `route` or on all, if it has one. What is for its key comes before what is
    /// for a network that it is in, the narrowest first; and of each, what is for the route before what is for all.
    pub(super) fn of(&self, client: &ClientKey, route: &str) -> Option<Profile> {
        if self.keys.is_empty() {
            return None;
        }
        let key = PartnerKey::of(client);
        let of_key = |key: &PartnerKey| self.keys.get(key).and_then(|on| on.route(route));
        of_key(&key).or_else(|| match key {
            PartnerKey::Address(address) => self.networks_of(address).find_map(|key| of_key(&key)),
            _ => None,
        })
    }

    /// Whether there is one on any route.
    pub(super) fn has(&self, client: &ClientKey) -> bool {
        !self.keys.is_empty()
            && match PartnerKey::of(client) {
                key if self.keys.contains_key(&key) => true,
                PartnerKey::Address(address) => {
                    self.networks_of(address).any(|key| self.keys.contains_key(&key))
                }
                _ => false,
            }
    }

    /// The budget that was given to a key on all routes.
    pub(super) fn on_all(&self, key: &PartnerKey) -> Option<Profile> {
        self.keys.get(key)?.all
    }

    /// Gives a budget to a key, on `route` or on all, in the place of one for the same.
    pub(super) fn give(&mut self, key: PartnerKey, route: Option<&str>, budget: Profile) {
        let on = self.keys.entry(key).or_default();
        match route {
            Some(route) => drop(on.some.insert(route.to_owned(), budget)),
            None => on.all = Some(budget),
        }
        if let PartnerKey::Network(network) = key {
            let length = (network.addr().is_ipv4(), network.prefix_len());
            if !self.lengths.contains(&length) {
                self.lengths.push(length);
                self.lengths.sort_by_key(|&(_, length)| Reverse(length));
            }
        }
    }

    /// The networks that may be among the keys and that the address is in.
    fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = PartnerKey> {
        let lengths = self.lengths.iter().filter(move |(is_v4, _)| *is_v4 == address.is_ipv4());
        lengths.filter_map(move |&(_, length)| {
            IpNet::new(address, length).ok().map(|network| PartnerKey::Network(network.trunc()))
        })
    }
}

impl OnRoutes {
    fn route(&self, name: &str) -> Option<Profile> {
        let on_some = || self.some.get(name).or_else(|| self.some.get(full_name::split(name).1)).copied();
        if self.some.is_empty() { self.all } else { on_some().or(self.all) }
    }
}
