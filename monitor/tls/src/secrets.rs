//! Secrets that wait for their connections.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use rollcall_model::time::Timestamp;

use super::secret::Secret;

/// How long a secret waits for a connection. Whoever does the handshake has it when the connection's first records go by; what
/// nobody asks for is of connections that are none of ours.
const KEPT: Duration = Duration::from_secs(10);

/// Secrets of one client random: those of a handshake are five, and some libraries tell them twice.
const OF_ONE: usize = 16;

/// Secrets of which a time is known that wait, in all: those of 1,200 handshakes a second for ten seconds.
const WAITING: usize = 64 * 1024;

/// See the [module](self). Those without time, from a key log, are kept for good; whoever reads one bounds them.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    named: HashMap<[u8; 32], Vec<Secret>>,
    /// The client randoms of secrets in `named` that have a time, in the order in which they came.
    order: VecDeque<(Timestamp, [u8; 32])>,
    /// In the order in which they came, with numbers of their own.
    unnamed: VecDeque<(u64, Secret)>,
    /// How many have come.
    came: u64,
}

impl Secrets {
    pub(crate) fn add(&mut self, secret: Secret) {
        self.came += 1;
        let Some(random) = secret.client_random else {
            if self.unnamed.len() >= WAITING {
                self.unnamed.pop_front();
            }
            self.unnamed.push_back((self.came, secret));
            return;
        };
        if secret.at != Timestamp::default() {
            if self.order.len() >= WAITING
                && let Some((_, oldest)) = self.order.pop_front()
            {
                self.named.remove(&oldest);
            }
            self.order.push_back((secret.at, random));
        }
        let known = self.named.entry(random).or_default();
        if known.len() < OF_ONE && known.iter().all(|known| known.bytes() != secret.bytes()) {
            known.push(secret);
        }
    }

    /// How many have come so far: while that stays, there is nothing new to be had.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Hands over those of a connection. A key log's stay: a recording may have a connection twice, on both sides of a
    /// router.
    pub(crate) fn claim(&mut self, random: &[u8; 32], claimed: &mut Vec<Secret>) {
        let Some(known) = self.named.get(random) else { return };
        claimed.extend(known.iter().cloned());
        if known.iter().all(|secret| secret.at != Timestamp::default()) {
            self.named.remove(random);
        }
    }

    /// Those that came since the number `since` of which nobody said whose they are, and that were seen between these times.
    pub(crate) fn candidates(
        &self,
        since: u64,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (u64, &Secret)> {
        let first = self.unnamed.partition_point(|&(number, _)| number <= since);
        let is_near = move |at: Timestamp| at == Timestamp::default() || (from..=to).contains(&at);
        let candidates = self.unnamed.iter().skip(first).filter(move |(_, secret)| is_near(secret.at));
        candidates.map(|(number, secret)| (*number, secret))
    }

    /// Takes out the one with this number: it has found its connection.
    pub(crate) fn take(&mut self, number: u64) -> Option<Secret> {
        let index = self.unnamed.binary_search_by_key(&number, |&(number, _)| number).ok()?;
        self.unnamed.remove(index).map(|(_, secret)| secret)
    }

    /// Drops those that have waited long enough.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let is_over = |at: Timestamp| at != Timestamp::default() && at + KEPT <= now;
        while self.unnamed.front().is_some_and(|(_, secret)| is_over(secret.at)) {
            self.unnamed.pop_front();
        }
        while let Some((_, random)) = self.order.pop_front_if(|(at, _)| is_over(*at)) {
            self.named.remove(&random);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Label;

    fn secret(byte: u8, random: Option<[u8; 32]>, at: u64) -> Secret {
        Secret::new(Label::Client, &[byte; 32], random, Timestamp(at)).expect("32 bytes")
    }

    #[test]
    fn what_nobody_asks_for_is_dropped() {
        let mut secrets = Secrets::default();
        let second = 1_000_000_000;
        secrets.add(secret(1, Some([1; 32]), second));
        secrets.add(secret(2, None, second));
        secrets.add(secret(3, Some([3; 32]), 0));
        secrets.expire(Timestamp(10 * second));
        assert_eq!((secrets.named.len(), secrets.unnamed.len()), (2, 1));
        secrets.expire(Timestamp(11 * second));
        assert_eq!((secrets.named.len(), secrets.unnamed.len(), secrets.order.len()), (1, 0, 0));
        let mut claimed = Vec::new();
        secrets.claim(&[3; 32], &mut claimed);
        secrets.claim(&[3; 32], &mut claimed);
        assert_eq!(claimed.len(), 2, "a key log's secret stays");
    }

    #[test]
    fn there_are_never_more_than_can_be_of_use() {
        let mut secrets = Secrets::default();
        for number in 0..WAITING as u64 + 10 {
            secrets.add(secret(1, None, number + 1));
            let mut random = [0; 32];
            random[..8].copy_from_slice(&number.to_le_bytes());
            secrets.add(secret(1, Some(random), number + 1));
        }
        assert_eq!((secrets.named.len(), secrets.unnamed.len()), (WAITING, WAITING));
        for byte in 0..100 {
            secrets.add(secret(byte, Some([9; 32]), 5));
        }
        assert_eq!(secrets.named[&[9; 32]].len(), OF_ONE);
    }
}
