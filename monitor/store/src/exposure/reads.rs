//! How often one object was read, when, and with which statuses.

use std::fmt;

/// Reads of one object by one subject. Times are seconds since the epoch, which fit until the year 2106.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    pub first: u32,
    pub last: u32,
    pub calls: u32,
    pub statuses: Statuses,
}

impl Reads {
    /// One read.
    pub fn once(at: u32, status: Option<u16>) -> Reads {
        Reads { first: at, last: at, calls: 1, statuses: Statuses::of(status) }
    }

    /// Takes in other reads of the same object.
    pub fn add(&mut self, other: &Reads) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.calls = self.calls.saturating_add(other.calls);
        self.statuses = Statuses(self.statuses.0 | other.statuses.0);
    }
}

/// The set of statuses that reads ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses(pub(super) u16);

/// Those that are told apart, each by its bit. A status that is not among them shows as `2xx`.
const TOLD: [u16; 11] = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 304];
const OTHER: u16 = 1 << TOLD.len();
const UNKNOWN: u16 = OTHER << 1;

impl Statuses {
    /// By far the most frequent set.
    pub const OK: Statuses = Statuses(1);

    /// The set of one status; `None` is one that never became known.
    pub fn of(status: Option<u16>) -> Statuses {
        let Some(status) = status else { return Statuses(UNKNOWN) };
        Statuses(TOLD.iter().position(|&told| told == status).map_or(OTHER, |bit| 1 << bit))
    }

    /// The statuses, as text.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [&str; TOLD.len() + 2] =
            ["200", "201", "202", "203", "204", "205", "206", "207", "208", "226", "304", "2xx", "unknown"];
        NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

/// With spaces between them.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, status) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(status)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_add_up() {
        let mut reads = Reads::once(10, Some(200));
        reads.add(&Reads::once(7, Some(304)));
        reads.add(&Reads::once(12, None));
        reads.add(&Reads::once(11, Some(250)));
        assert_eq!((reads.first, reads.last, reads.calls), (7, 12, 4));
        assert_eq!(reads.statuses.to_string(), "200 304 2xx unknown");
        assert_eq!(Statuses::of(Some(200)), Statuses::OK);
        let all: Vec<&str> = Statuses(u16::MAX).iter().collect();
        assert_eq!(all.len(), TOLD.len() + 2);
    }
}
