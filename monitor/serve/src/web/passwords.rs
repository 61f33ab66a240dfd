//! Basic authentication (RFC 7617) against bcrypt hashes, without letting strangers spend the host's CPU.
//!
//! A comparison takes some 50 ms by design. What has been compared is remembered, as a keyed hash of user, password and what
//! was compared with, so that a scraper pays once. All else waits for its turn: one comparison at a time, for a quarter of one
//! core at most, few that wait, and fewer from one network, so that whoever guesses waits for himself. An unknown user costs
//! as much as a wrong password does.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use ring::rand::{SecureRandom as _, SystemRandom};
use siphasher::sip128::SipHasher24;
use tokio::{
    sync::{Semaphore, oneshot},
    task, time,
};

/// Pairs that are remembered as right, and as wrong.
const REMEMBERED: usize = 100;

/// Requests that wait for a comparison, in all and from one network.
const WAITING: usize = 16;
const WAITING_EACH: usize = 4;

/// After a comparison the next one waits for so many times as long, up to a bound.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Salt and hash that unknown users are compared with, behind version and cost.
const NOBODY: &str = "W9Z9JuqrsukKKE67194a5eZJ4b6VjYY2NjEFbMoxCBVzxhRTm.AQu";

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too many requests of this network wait.
    TooMany,
    /// Too many requests wait.
    Busy,
}

/// See the [module](self).
pub(super) struct Passwords {
    key: [u8; 16],
    known: Mutex<Known>,
    turn: Arc<Semaphore>,
    waiting: Arc<Mutex<Vec<IpAddr>>>,
}

#[derive(Default)]
struct Known {
    right: VecDeque<u128>,
    wrong: VecDeque<u128>,
}

/// A place among those who wait.
struct Place {
    waiting: Arc<Mutex<Vec<IpAddr>>>,
    network: IpAddr,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        let mut key = [0; 16];
        if SystemRandom::new().fill(&mut key).is_err() {
            // The kernel has had its randomness long before anybody can start this. The key guards hashes in our own memory
            // from whoever can read it, who has the key as well.
            tracing::debug!("no random bytes for the memory of passwords");
        }
        Passwords { key, known: Mutex::default(), turn: Arc::new(Semaphore::new(1)), waiting: Arc::default() }
    }

    /// Whether the field `authorization` of a request from `from` names one of `users` with the password of that one's hash.
    pub(super) async fn check(
        &self,
        users: &BTreeMap<String, String>,
        authorization: Option<&HeaderValue>,
        from: IpAddr,
    ) -> Verdict {
        let Some((user, password)) = authorization.and_then(credentials) else { return Verdict::Wrong };
        let hash = users.get(&user).cloned();
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| nobody(users));
        let pair = self.pair(&user, &password, &hash);
        if let Some(verdict) = self.recall(pair) {
            return verdict;
        }
        let _place = match self.place(from) {
            Ok(place) => place,
            Err(verdict) => return verdict,
        };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // Somebody may have asked the same meanwhile.
        if let Some(verdict) = self.recall(pair) {
            return verdict;
        }
        let (tell, told) = oneshot::channel();
        // Goes on when the client leaves, or leaving early would be a way to have more than one turn.
        tokio::spawn(async move {
            let started = Instant::now();
            let compared = task::spawn_blocking(move || bcrypt::verify(password, &hash)).await;
            // Whoever asked may have gone.
            let _ = tell.send(matches!(compared, Ok(Ok(true))));
            time::sleep((started.elapsed() * REST).min(LONGEST_REST)).await;
            drop(turn);
        });
        let right = told.await.unwrap_or(false) && is_known;
        self.remember(pair, right)
    }

    fn pair(&self, user: &str, password: &[u8], hash: &str) -> u128 {
        let mut text = Vec::with_capacity(user.len() + password.len() + hash.len() + 16);
        for part in [user.as_bytes(), password, hash.as_bytes()] {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        }
        SipHasher24::new_with_key(&self.key).hash(&text).as_u128()
    }

    fn recall(&self, pair: u128) -> Option<Verdict> {
        let known = self.known();
        if known.right.contains(&pair) {
            return Some(Verdict::Right);
        }
        known.wrong.contains(&pair).then_some(Verdict::Wrong)
    }

    fn remember(&self, pair: u128, right: bool) -> Verdict {
        let mut known = self.known();
        // Each has room of its own: no number of guesses makes a right password be forgotten.
        let (list, verdict) =
            if right { (&mut known.right, Verdict::Right) } else { (&mut known.wrong, Verdict::Wrong) };
        if list.len() == REMEMBERED {
            list.pop_front();
        }
        list.push_back(pair);
        verdict
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, from: IpAddr) -> Result<Place, Verdict> {
        let network = network(from);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.iter().filter(|&&other| other == network).count() >= WAITING_EACH {
            return Err(Verdict::TooMany);
        }
        if waiting.len() >= WAITING {
            return Err(Verdict::Busy);
        }
        waiting.push(network);
        Ok(Place { waiting: Arc::clone(&self.waiting), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = waiting.iter().position(|&network| network == self.network) {
            waiting.swap_remove(index);
        }
    }
}

/// User and password.
fn credentials(field: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = field.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

/// A hash of no password, which takes as long as the dearest of those that there are.
fn nobody(users: &BTreeMap<String, String>) -> String {
    let cost = |hash: &String| hash.parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost());
    format!("$2y${:02}${NOBODY}", users.values().map(cost).max().unwrap_or(bcrypt::DEFAULT_COST))
}

/// What an attacker has many addresses of: an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
