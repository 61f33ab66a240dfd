//! The memory that detection may take, and who gets how much of it.

use super::client::Sizes;

/// The least that detection works with, in bytes.
pub const LEAST: usize = 1 << 20;

/// Bytes for everything that detection holds, fixed at the start. What learned routes take is set aside first; the rest
/// goes to the tables of addresses, those of credentials, and those of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(usize);

impl Budget {
    /// So many bytes, [`LEAST`] at least.
    pub fn new(bytes: usize) -> Budget {
        Budget(bytes.max(LEAST))
    }

    /// All of it.
    pub fn bytes(self) -> usize {
        self.0
    }

    /// The tables of one family of client keys: five sixteenths.
    pub(super) fn tally(self, lengths: usize) -> Sizes {
        Sizes::within(self.0 / 16 * 5, lengths)
    }

    /// The memory of identities that have proved good.
    pub(super) fn proven(self) -> usize {
        self.0 / 64
    }

    /// What is usual on routes, and who is known: a thirty-second.
    pub(super) fn norms(self) -> usize {
        self.0 / 32
    }

    /// The tables of routes: an eighth.
    pub(super) fn crowd(self) -> usize {
        self.0 / 8
    }
}

/// 64 MiB.
impl Default for Budget {
    fn default() -> Budget {
        Budget(64 << 20)
    }
}
