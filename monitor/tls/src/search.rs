//! Secrets tried on records: one belongs to a connection if it opens something of it.

use rollcall_model::time::Timestamp;

use super::{
    keys::Keys,
    ready::{Agreed, Ready},
    record::Header,
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
}

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

/// The secret of this kind that opens one of the records with a number up to `ahead`, with where that begins.
#[expect(clippy::too_many_arguments, reason = "what is tried on what, and what has been")]
pub(crate) fn search(
    agreed: &Agreed,
    records: &[Sealed<'_>],
    ahead: u64,
    label: Label,
    own: &[Secret],
    tried: &mut Tried,
    window: (Timestamp, Timestamp),
    shared: &mut Shared,
) -> Option<(u64, Ready)> {
    let is_one = |secret: &Secret| secret.label == label || secret.label == Label::Unknown;
    let is_named = own.iter().any(|secret| secret.label == label && secret.client_random.is_some());
    let Shared { secrets, counters, scratch, .. } = shared;
    let mut opens = |secret: &Secret, sealed: &Sealed<'_>| {
        let ready = Ready::new(agreed, secret, sealed.is_server)?;
        let number = (0..=ahead).find(|&number| opens(&ready.keys, number, sealed, scratch))?;
        Some((sealed.start, ready.at(number, sealed.start)))
    };
    let mut found = None;
    for sealed in records {
        let is_new = sealed.order > tried.order;
        let fresh = own.get(if is_new { 0 } else { tried.own }..).unwrap_or_default();
        found = fresh.iter().filter(|secret| is_one(secret)).find_map(|secret| opens(secret, sealed));
        if found.is_none() && !is_named {
            let since = if is_new { 0 } else { tried.came };
            let candidates = secrets.candidates(since, window.0, window.1);
            let hit = candidates.filter(|(_, secret)| is_one(secret)).find_map(|(number, secret)| {
                counters.trials += 1;
                opens(secret, sealed).map(|found| (number, found))
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
    *tried = Tried { order, came: secrets.came(), own: own.len() };
    found
}

/// The master secret that opens one of the first records: what it gives for either side.
pub(crate) fn search_master(
    agreed: &Agreed,
    records: &[Sealed<'_>],
    own: &[Secret],
    tried: &mut Tried,
    window: (Timestamp, Timestamp),
    shared: &mut Shared,
) -> Option<(Ready, Ready)> {
    let is_one = |secret: &Secret| matches!(secret.label, Label::Master | Label::Unknown);
    let Shared { secrets, counters, scratch, .. } = shared;
    let mut opens = |secret: &Secret, sealed: &Sealed<'_>| {
        let ready = Ready::new(agreed, secret, sealed.is_server)?;
        opens(&ready.keys, 0, sealed, scratch).then_some(())?;
        Some((Ready::new(agreed, secret, false)?, Ready::new(agreed, secret, true)?))
    };
    let mut found = None;
    for sealed in records {
        let is_new = sealed.order > tried.order;
        let fresh = own.get(if is_new { 0 } else { tried.own }..).unwrap_or_default();
        found = fresh.iter().filter(|secret| is_one(secret)).find_map(|secret| opens(secret, sealed));
        if found.is_some() {
            break;
        }
        let since = if is_new { 0 } else { tried.came };
        let candidates = secrets.candidates(since, window.0, window.1);
        let hit = candidates.filter(|(_, secret)| is_one(secret)).find_map(|(number, secret)| {
            counters.trials += 1;
            opens(secret, sealed).map(|found| (number, found))
        });
        if let Some((number, hit)) = hit {
            secrets.take(number);
            found = Some(hit);
            break;
        }
    }
    let order = records.last().map_or(tried.order, |sealed| sealed.order.max(tried.order));
    *tried = Tried { order, came: secrets.came(), own: own.len() };
    found
}

/// Whether the keys open a record with this number.
fn opens(keys: &Keys, number: u64, sealed: &Sealed<'_>, scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    scratch.extend_from_slice(sealed.body);
    keys.open(number, sealed.header, scratch).is_some()
}
