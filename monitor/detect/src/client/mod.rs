//! The rules about one client: what it touches on a route, over all windows at once.
//!
//! For each pair of a client key and a route that has got a place ([`admission`]) the distinct objects of the longest
//! window are kept in order of their last touch ([`objects`], [`track`]), and each window's place in that order, so that
//! all windows slide exactly, in constant amortised time for each observation. A pair with very many objects goes on as a
//! sample of them. What comes near a limit is watched more closely ([`evidence`]), and what that means is judged ([`judge`]).
//! All of it stands in [`tables`]; [`tally`] is how calls get there.

mod admission;
mod busy;
mod call;
mod evidence;
mod judge;
mod levels;
mod misses;
mod objects;
mod pairs;
mod sequence;
mod sizes;
mod tables;
mod tally;
mod track;
mod volume;

pub(crate) use self::judge::times;
pub use self::{busy::Busy, sizes::TallyCounters};
pub(super) use self::{
    call::{Call, Context, Reach, Touched},
    objects::UNIT,
    sizes::Sizes,
    tally::Tally,
};

/// The hash of a pair. Both hashes are keyed; the rotation keeps a route and a client apart that hash alike. Of a pair's hash and
/// the route's, it is the client's.
pub(super) fn pair_hash(client_hash: u64, route_hash: u64) -> u64 {
    client_hash ^ route_hash.rotate_left(17)
}

/// Of how many objects one is the sample at the rate `sampling`, in [`UNIT`]s.
pub(super) fn weight(sampling: f64) -> u32 {
    if sampling > 0.0 && sampling < 1.0 { (f64::from(UNIT) / sampling).min(1e9) as u32 } else { UNIT }
}
