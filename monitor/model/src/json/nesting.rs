//! What each open bracket was: one bit a level, in a fixed number of levels.

/// Levels whose bit is kept. More than the usual parsers of servers take at all (System.Text.Json 64,
/// serde_json 128, PHP 512, Jackson and CPython 1000), so that nothing they read lies deeper. Go takes 10000
/// and V8 any number, which is why deeper levels are still counted.
const LEVELS: usize = 1024;

/// A stack of bits. Those of the first 1024 levels are kept; deeper ones are all `false`.
#[derive(Clone, Debug)]
pub struct Nesting {
    bits: [u64; LEVELS / 64],
    depth: usize,
}

impl Nesting {
    /// Nothing open.
    pub fn new() -> Nesting {
        Nesting { bits: [0; LEVELS / 64], depth: 0 }
    }

    /// Opens a level. Gives what [`Nesting::pop`] will give for it: `bit`, or `false` beyond the last level
    /// whose bit is kept.
    pub fn push(&mut self, bit: bool) -> bool {
        let kept = match self.bits.get_mut(self.depth / 64) {
            Some(word) => {
                let mask = 1 << (self.depth % 64);
                *word = if bit { *word | mask } else { *word & !mask };
                bit
            }
            None => false,
        };
        self.depth += 1;
        kept
    }

    /// Closes the innermost level. `false` too if nothing is open.
    pub fn pop(&mut self) -> bool {
        let bit = self.top().unwrap_or(false);
        self.depth = self.depth.saturating_sub(1);
        bit
    }

    /// The bit of the innermost level; `None` if nothing is open.
    pub fn top(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1)?;
        Some(self.bits.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1))
    }

    /// The number of open levels.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the bit of one more level would not be kept.
    pub fn is_full(&self) -> bool {
        self.depth >= LEVELS
    }
}

impl Default for Nesting {
    fn default() -> Nesting {
        Nesting::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_in_reverse() {
        let mut nesting = Nesting::new();
        let bits: Vec<bool> = (0..LEVELS).map(|level| level % 3 == 0).collect();
        assert!(bits.iter().all(|&bit| nesting.push(bit) == bit));
        assert!(nesting.is_full());
        assert!(!nesting.push(true), "beyond the bound");
        assert_eq!(nesting.top(), Some(false));
        assert!(!nesting.pop());
        assert!(bits.iter().rev().all(|&bit| nesting.top() == Some(bit) && nesting.pop() == bit));
        assert_eq!((nesting.top(), nesting.pop(), nesting.depth()), (None, false, 0));
    }
}
