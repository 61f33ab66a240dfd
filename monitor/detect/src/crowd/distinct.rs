//! How many different objects there were: HyperLogLog (Flajolet et al., 2007) in 256 bytes, with its sum kept up to date
//! so that an estimate costs nothing.

use serde::{Deserialize, Serialize};

const REGISTERS: usize = 256;

/// The correction for 256 registers: 0.7213 / (1 + 1.079 / 256).
const ALPHA: f64 = 0.718_3;

/// The highest rank, so that a register's 2^-rank is a whole number of [`WHOLE`]ths and sums are exact.
const HIGHEST: u8 = 50;

/// 1 in the sum of 2^-rank.
const WHOLE: u64 = 1 << HIGHEST;

/// One standard error: 1.04 / sqrt(256).
pub(super) const ERROR: f64 = 0.065;

/// A set that can be counted, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub(super) struct Distinct {
    registers: Box<[u8]>,
    sum: u64,
    empty: u32,
}

impl Distinct {
    pub(super) fn new() -> Distinct {
        Distinct {
            registers: vec![0; REGISTERS].into(),
            sum: REGISTERS as u64 * WHOLE,
            empty: REGISTERS as u32,
        }
    }

    pub(super) fn clear(&mut self) {
        self.registers.fill(0);
        (self.sum, self.empty) = (REGISTERS as u64 * WHOLE, REGISTERS as u32);
    }

    /// Takes in an object by its keyed hash; returns whether that changed the estimate.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let register = &mut self.registers[(hash % REGISTERS as u64) as usize];
        let rank = ((hash >> 8) | 1 << (HIGHEST - 1)).trailing_zeros() as u8 + 1;
        if rank <= *register {
            return false;
        }
        self.empty -= u32::from(*register == 0);
        self.sum = self.sum - (WHOLE >> *register) + (WHOLE >> rank);
        *register = rank;
        true
    }

    /// How many there are, about.
    pub(super) fn count(&self) -> u64 {
        let registers = REGISTERS as f64;
        let raw = ALPHA * registers * registers * WHOLE as f64 / self.sum as f64;
        let estimate = if raw <= 2.5 * registers && self.empty > 0 {
            registers * (registers / f64::from(self.empty)).ln()
        } else {
            raw
        };
        estimate.round() as u64
    }
}

impl From<Distinct> for Vec<u8> {
    fn from(distinct: Distinct) -> Vec<u8> {
        distinct.registers.into()
    }
}

impl TryFrom<Vec<u8>> for Distinct {
    type Error = &'static str;

    fn try_from(registers: Vec<u8>) -> Result<Distinct, Self::Error> {
        if registers.len() != REGISTERS || registers.iter().any(|&rank| rank > HIGHEST) {
            return Err("no registers of a HyperLogLog");
        }
        let sum = registers.iter().map(|&rank| WHOLE >> rank).sum();
        let empty = registers.iter().filter(|&&rank| rank == 0).count() as u32;
        Ok(Distinct { registers: registers.into(), sum, empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::hash::HashKey;

    #[test]
    fn it_counts_within_its_error() {
        let key = HashKey::new([9; 16]);
        let mut distinct = Distinct::new();
        for n in 1_u32..=100_000 {
            distinct.insert(key.hash(&n.to_be_bytes()));
            assert!(!distinct.insert(key.hash(&n.to_be_bytes())));
            if [10, 100, 1_000, 10_000, 100_000].contains(&n) {
                let off = distinct.count() as f64 / f64::from(n) - 1.0;
                assert!(off.abs() < 3.0 * ERROR, "{off} of {n}");
            }
        }
        let restored = Distinct::try_from(Vec::from(distinct.clone())).unwrap();
        assert_eq!(restored, distinct);
        distinct.clear();
        assert_eq!(distinct, Distinct::new());
        distinct.insert(0);
        assert!(Distinct::try_from(vec![0; 255]).is_err() && Distinct::try_from(vec![51; 256]).is_err());
    }
}
