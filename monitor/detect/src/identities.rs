//! Who callers have proved to be: by what a server that refuses others has answered.
//!
//! A route that has refused somebody for want of a credential (401) checks credentials: what it answers came with one that
//! it knows. Of several in one call only one need be good, and the others may be made up. So where one of them is known
//! already, that one explains the answer, and the others prove nothing.
//!
//! Whoever is a partner by its credential has a budget in place of every limit, and keys are names at times: of a user, of a
//! token's subject. So a partner has to prove itself by the whole of its credential, password and signature included: by
//! a call that shows nothing else, or nothing else but what has come with the whole of it before.

use std::collections::VecDeque;

use rollcall_attribute::client::{ClientKey, Clients, Shown};
use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::memory::Memory;

/// What partners have proved themselves by lately, all together: each has a few credentials at a time, and new tokens every
/// few minutes at most.
const PARTNERS: usize = 512;

/// See the [module](self).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identities {
    /// Persons with whose credentials calls were answered.
    proven: Memory,
    /// What each partner has shown, the latest last. Not written down: passwords are in it, and the next answer proves
    /// them anew.
    #[serde(skip)]
    partners: VecDeque<u64>,
}

impl Identities {
    /// Nobody yet, in `bytes`.
    pub(super) fn new(bytes: usize) -> Identities {
        Identities { proven: Memory::new(bytes), partners: VecDeque::new() }
    }

    /// Whether it is one of `bytes`.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.proven.fits(bytes)
    }

    /// The person that the caller has proved to be, if not by this call then by an earlier one. `is_proof` tells that a
    /// server which refuses others has answered it.
    pub(super) fn person(&mut self, clients: &Clients, is_proof: bool, now: Timestamp) -> Option<u64> {
        let persons = clients.shown().iter().map(|shown| shown.person);
        if let Some(known) = persons.clone().find(|&person| self.proven.knows(person)) {
            if is_proof {
                self.proven.touch(known, now);
            }
            return Some(known);
        }
        if !is_proof {
            return None;
        }
        persons.clone().for_each(|person| _ = self.proven.touch(person, now));
        persons.clone().next()
    }

    /// Whether the caller has proved to be the partner with the key `partner`, one of its credentials.
    pub(super) fn is_partner(&mut self, clients: &Clients, partner: &ClientKey, is_proof: bool) -> bool {
        let place = clients.by_credential().iter().position(|key| key == partner);
        let (Some(place), ClientKey::Credential(credential)) = (place, partner) else { return false };
        if clients.is_mixed() {
            return false;
        }
        // One partner's are not another's.
        let name = Shown::of(*credential).whole;
        let shown = clients.shown().iter().map(|shown| shown.whole ^ name.rotate_left(32));
        let own = clients.shown()[place].whole ^ name.rotate_left(32);
        let is_known = |shown: u64, partners: &VecDeque<u64>| partners.contains(&shown);
        let is_partner = is_known(own, &self.partners)
            || is_proof && shown.clone().all(|shown| shown == own || is_known(shown, &self.partners));
        if is_partner && is_proof {
            for shown in shown {
                if !is_known(shown, &self.partners) {
                    if self.partners.len() == PARTNERS {
                        self.partners.pop_front();
                    }
                    self.partners.push_back(shown);
                }
            }
        }
        is_partner
    }
}
