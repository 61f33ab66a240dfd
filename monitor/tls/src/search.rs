//! Secrets tried on records: one belongs to a connection if it opens something of it.

use rollcall_model::time::Timestamp;

use super::{
    handshake,
    keys::Keys,
    ready::{Agreed, Ready},
    record::{HANDSHAKE, Header},
    secret::{Label, Secret},
    shared::Shared,
};

/// What was tried in vain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    /// On records up to this one
    order: u64,
    /// the secrets without a name that had come up to this one,
    came: u64,
    /// and as many of the connection's own.
    own: usize,
    /// How many were.
    trials: u32,
}

/// Secrets without a name that a connection tries for one direction: those of three seconds with 1,200 handshakes in each, on four
/// records. Who has thousands of handshakes go on at once shall not have this one cost more.
const TRIALS: u32 = 65_536;

/// A record that secrets are tried on.
pub(crate) struct Sealed<'a> {
    /// Its place among what came in either direction.
    pub(crate) order: u64,
    /// The place of its header.
    pub(crate) start: u64,
    pub(crate) header: Header,
    pub(crate) body: &'a [u8],
    pub(crate) is_server: bool,
}

/// Secrets that a connection tries.
pub(crate) struct Candidates<'a> {
    /// Its own, and
    pub(crate) own: &'a [Secret],
    /// those without a name that came within this time,
    pub(crate) window: (Timestamp, Timestamp),
    /// but for what was tried in vain.
    pub(crate) tried: &'a mut Tried,
}

impl Candidates<'_> {
    /// What comes of the first that `is_one` and opens one of the records. If it `is_named`, none without a name does.
    fn first<T>(
        self,
        records: &[Sealed<'_>],
        is_named: bool,
        is_one: impl Fn(&Secret) -> bool,
        shared: &mut Shared,
        opens: impl Fn(&Secret, &Sealed<'_>, &mut Vec<u8>) -> Option<T>,
    ) -> Option<T> {
        let Candidates { own, window, tried } = self;
        let Shared { secrets, counters, scratch, .. } = shared;
        let mut found = None;
        for sealed in records {
            let is_new = sealed.order > tried.order;
            let fresh = own.get(if is_new { 0 } else { tried.own }..).unwrap_or_default();
            let mut fresh = fresh.iter().filter(|secret| is_one(secret));
            found = fresh.find_map(|secret| opens(secret, sealed, scratch));
            if found.is_none() && !is_named {
                let since = if is_new { 0 } else { tried.came };
                let unnamed = secrets.candidates(since, window.0, window.1);
                let left = (TRIALS - tried.trials) as usize;
                let hit =
                    unnamed.filter(|(_, secret)| is_one(secret)).take(left).find_map(|(number, secret)| {
                        counters.trials += 1;
                        tried.trials += 1;
                        opens(secret, sealed, scratch).map(|found| (number, found))
                    });
                if let Some((number, hit)) = hit {
                    secrets.take(number);
                    found = Some(hit);
                }
            }
            if found.is_some() {
                break;
            }
        }
        let order = records.last().map_or(tried.order, |sealed| sealed.order.max(tried.order));
        *tried = Tried { order, came: secrets.came(), own: own.len(), ..*tried };
        found
    }
}

/// The secret of this kind that opens one of the records with a number up to `ahead`, with where that begins.
pub(crate) fn search(
    agreed: &Agreed,
    records: &[Sealed<'_>],
    ahead: u64,
    label: Label,
    candidates: Candidates<'_>,
    shared: &mut Shared,
) -> Option<(u64, Ready)> {
    let is_one = |secret: &Secret| secret.label == label || secret.label == Label::Unknown;
    let is_named =
        candidates.own.iter().any(|secret| secret.label == label && secret.client_random.is_some());
    candidates.first(records, is_named, is_one, shared, |secret, sealed, scratch| {
        let ready = Ready::new(agreed, secret, sealed.is_server)?;
        let number = (0..=ahead).find(|&number| {
            let opened = opens(&ready.keys, number, sealed, scratch);
            opened.is_some_and(|(kind, first)| kind != HANDSHAKE || first.is_some_and(handshake::is_behind))
        })?;
        Some((sealed.start, ready.at(number, sealed.start)))
    })
}

/// The master secret that opens one of the first records: what it gives for either side.
pub(crate) fn search_master(
    agreed: &Agreed,
    records: &[Sealed<'_>],
    candidates: Candidates<'_>,
    shared: &mut Shared,
) -> Option<(Ready, Ready)> {
    let is_one = |secret: &Secret| matches!(secret.label, Label::Master | Label::Unknown);
    candidates.first(records, false, is_one, shared, |secret, sealed, scratch| {
        let ready = Ready::new(agreed, secret, sealed.is_server)?;
        opens(&ready.keys, 0, sealed, scratch)?;
        Some((Ready::new(agreed, secret, false)?, Ready::new(agreed, secret, true)?))
    })
}

/// What the keys open a record with this number to: its type, and the first byte of its content.
fn opens(keys: &Keys, number: u64, sealed: &Sealed<'_>, scratch: &mut Vec<u8>) -> Option<(u8, Option<u8>)> {
    scratch.clear();
    scratch.extend_from_slice(sealed.body);
    let (kind, content) = keys.open(number, sealed.header, scratch)?;
    Some((kind, scratch[content].first().copied()))
}

/// The early secret that opens the first record of a client; those that have been tried are not tried once more.
pub(crate) fn search_early(
    agreed: &Agreed,
    first: &Sealed<'_>,
    candidates: Candidates<'_>,
    shared: &mut Shared,
) -> Option<Ready> {
    let is_one = |secret: &&Secret| matches!(secret.label, Label::ClientEarly | Label::Unknown);
    let Candidates { own, window, tried } = candidates;
    let Shared { secrets, scratch, .. } = shared;
    let fresh = own.get(tried.own..).unwrap_or_default().iter();
    let left = (TRIALS - tried.trials) as usize;
    let unnamed = secrets.candidates(tried.came, window.0, window.1).map(|(_, secret)| secret).take(left);
    let found = fresh.chain(unnamed).filter(is_one).find_map(|secret| {
        tried.trials = (tried.trials + 1).min(TRIALS);
        let ready = Ready::new(agreed, secret, false)?;
        opens(&ready.keys, 0, first, scratch)?;
        Some(ready)
    });
    *tried = Tried { came: secrets.came(), own: own.len(), ..*tried };
    found
}
