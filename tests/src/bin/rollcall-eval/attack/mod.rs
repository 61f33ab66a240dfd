//! Attacks: who calls, in which order accounts are read, and how fast.

mod calls;
mod shapes;

pub(crate) use calls::{Attack, Strike};
pub(crate) use shapes::SHAPES;

use crate::ids::Ids;

/// The rate of the breach: 902,000 accounts a day.
pub(crate) const BREACH: f64 = 10.44;

/// A shape of attack. What makes it up is independent of each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// For whoever reads the table.
    pub(crate) about: &'static str,
    pub(crate) ids: Ids,
    /// Calls a second.
    pub(crate) rate: f64,
    pub(crate) order: Order,
    pub(crate) who: Who,
    pub(crate) how: How,
    /// Also run amid recorded logs.
    pub(crate) in_logs: bool,
}

/// In which order accounts are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    /// One after the other, from somewhere on.
    Sequential,
    /// Any of all that there are.
    Random,
    /// Each of a range of so many, without order.
    Shuffled(u64),
    /// Each of so many threads has a range of its own; they take turns.
    Threads(u64),
}

/// Who calls. What isn't named stays the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Who {
    /// One address, one token.
    One,
    /// One token, from behind the address of a mobile carrier with its customers.
    BehindCarrier,
    /// So many addresses in turn, with another token each call.
    Pool(u64),
    /// So many addresses in turn, each with a token of its own.
    Identities(u64),
    /// Another address each call.
    Addresses,
    /// Another address of one /64 each call; no token.
    Subnet64,
    /// Another /64 of one /48 each call; no token.
    Subnet48,
    /// Another token each call.
    Tokens,
    /// Another made-up address in `X-Forwarded-For` each call, to which a trusted proxy appends the true one; no token.
    Forwarded,
    /// Another `User-Agent` each call.
    Agents,
}

/// How accounts are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// One each call, each there.
    Plain,
    /// Identifiers are guessed: only this share is there.
    Guess(f64),
    /// After each new account, so many repeats of ones that were read already.
    Repeats(u64),
    /// So many in each call's query.
    Batch(u64),
    /// So many on each page of a list.
    Pages(u64),
    /// First, so many calls with made-up tokens from everywhere, each for one of the caller's own few accounts.
    Flood(u64),
    /// After so many accounts, the source's clock is set back by an hour.
    ClockBack(u64),
}
