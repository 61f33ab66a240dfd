//! How many different clients a route has had: HyperLogLog (Flajolet et al., 2007) in 64 bytes.
//!
//! Small numbers come out nearly exact by linear counting, large ones within some 13 %: enough to tell a route that one
//! job calls from one that everybody does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const REGISTERS: usize = 64;

/// The correction for 64 registers.
const ALPHA: f64 = 0.709;

/// Longer arrays serde does not know.
const HALF: usize = REGISTERS / 2;

/// A set of clients that can be counted, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers([u8; REGISTERS]);

impl Default for Callers {
    fn default() -> Callers {
        Callers([0; REGISTERS])
    }
}

impl Callers {
    /// Takes in a client by its keyed hash.
    pub fn insert(&mut self, hash: u64) {
        let register = &mut self.0[(hash % REGISTERS as u64) as usize];
        // The first bits choose the register, the others are counted; never more than 59.
        let rank = ((hash >> 6) | 1 << 58).trailing_zeros() as u8 + 1;
        *register = (*register).max(rank);
    }

    /// Takes in all that `other` has.
    pub fn merge(&mut self, other: &Callers) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// How many there are, about.
    pub fn count(&self) -> u64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|&rank| (-f64::from(rank)).exp2()).sum();
        let raw = ALPHA * registers * registers / sum;
        let empty = self.0.iter().filter(|&&rank| rank == 0).count();
        let estimate = if raw <= 2.5 * registers && empty > 0 {
            registers * (registers / empty as f64).ln()
        } else {
            raw
        };
        estimate.round() as u64
    }
}

impl Serialize for Callers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut halves = [[0; HALF]; 2];
        halves.as_flattened_mut().copy_from_slice(&self.0);
        halves.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Callers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Callers, D::Error> {
        let halves = <[[u8; HALF]; 2]>::deserialize(deserializer)?;
        let mut callers = Callers::default();
        callers.0.copy_from_slice(halves.as_flattened());
        Ok(callers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::hash::HashKey;

    #[test]
    fn few_are_counted_and_many_estimated() {
        let key = HashKey::new([9; 16]);
        let mut callers = Callers::default();
        assert_eq!(callers.count(), 0);
        for n in 1_u32..=100_000 {
            callers.insert(key.hash(&n.to_be_bytes()));
            callers.insert(key.hash(&n.to_be_bytes()));
            let (count, n) = (callers.count() as f64, f64::from(n));
            match n as u32 {
                1..=3 => assert_eq!(count, n),
                4..=20 => assert!((count - n).abs() <= 3.0, "{count} for {n}"),
                100 | 1_000 | 10_000 | 100_000 => {
                    assert!((count / n - 1.0).abs() < 0.4, "{count} for {n}");
                }
                _ => {}
            }
        }
        let mut merged = Callers::default();
        merged.merge(&callers);
        assert_eq!(merged, callers);
    }
}
