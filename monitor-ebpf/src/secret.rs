//! Secrets of TLS connections, as programs hand them to the function that would log them.
//!
//! Of what is logged, what decrypts traffic is taken, and nothing else leaves the kernel.

/// The longest secret: a master secret (RFC 5246, section 8.1), or what SHA-384 gives.
pub const SECRET: usize = 48;
/// The client random of a connection (RFC 8446, section 4.1.2).
pub const RANDOM: usize = 32;

/// Words that a secret is logged by, which are its labels (the key log format of NSS), in the order of [`SecretRecord::label`].
pub const LABELS: [&str; 6] = [
    "CLIENT_RANDOM",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
];

/// The [`SecretRecord::label`] of a secret whose label could not be read: the page that it is on was not in memory.
pub const UNLABELLED: u8 = 255;

/// Bytes in which the longest label fits, with the zero behind it in C.
pub const LABEL: usize = 32;

/// One secret, in the ring of secrets.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SecretRecord {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub at: u64,
    /// The process that did the handshake.
    pub process: u32,
    /// Index among [`LABELS`], or [`UNLABELLED`].
    pub label: u8,
    /// Valid bytes of `secret`: 32 or 48.
    pub length: u8,
    /// Whether `random` is known.
    pub has_random: u8,
    /// Zero.
    pub reserved: u8,
    pub secret: [u8; SECRET],
    pub random: [u8; RANDOM],
}

/// What became of a hit. The counters are an array in this order; [`Hit::NAMES`] has their label values.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// Its secret was handed to the daemon.
    Submitted = 0,
    /// A secret that decrypts nothing.
    NotNeeded,
    /// What the registers hold is no secret: not the function that it was taken for.
    Refused,
    /// The memory that they point to can't be read: a loss.
    Unreadable,
    /// The ring had no room: a loss.
    RingFull,
}

/// Number of [`Hit`]s.
pub const HITS: usize = 5;

impl Hit {
    /// Label values, in the order of the discriminants.
    pub const NAMES: [&'static str; HITS] = ["submitted", "not_needed", "refused", "unreadable", "ring_full"];
}

/// What one process has hit: a probe that costs too much is taken off.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessHits {
    pub hits: u64,
    /// Of these, those that were [`Hit::Refused`].
    pub refused: u64,
}

/// Whether a secret has this length.
#[inline(always)]
pub fn is_secret(length: u64) -> bool {
    length == 32 || length == SECRET as u64
}

/// The index of a label among [`LABELS`], of which the first `length` bytes of `words` (in memory order) are the text. `None` if it
/// is none of them.
#[inline(always)]
pub fn label(words: &[u64; LABEL / 8], length: u64) -> Option<u8> {
    let mut index = 0;
    while index < LABELS.len() {
        let (text, mask) = PATTERNS[index];
        let differs = (words[0] & mask[0] ^ text[0])
            | (words[1] & mask[1] ^ text[1])
            | (words[2] & mask[2] ^ text[2])
            | (words[3] & mask[3] ^ text[3]);
        if length == LABELS[index].len() as u64 && differs == 0 {
            return Some(index as u8);
        }
        index += 1;
    }
    None
}

type Pattern = ([u64; LABEL / 8], [u64; LABEL / 8]);

const PATTERNS: [Pattern; LABELS.len()] = {
    let mut patterns = [([0; LABEL / 8], [0; LABEL / 8]); LABELS.len()];
    let mut index = 0;
    while index < LABELS.len() {
        patterns[index] = pattern(LABELS[index].as_bytes());
        index += 1;
    }
    patterns
};

const fn pattern(label: &[u8]) -> Pattern {
    let (mut text, mut mask) = ([0; LABEL / 8], [0; LABEL / 8]);
    let mut word = 0;
    while word < LABEL / 8 {
        let (mut bytes, mut bits) = ([0; 8], [0; 8]);
        let mut at = 0;
        while at < 8 && word * 8 + at < label.len() {
            (bytes[at], bits[at]) = (label[word * 8 + at], 255);
            at += 1;
        }
        (text[word], mask[word]) = (u64::from_ne_bytes(bytes), u64::from_ne_bytes(bits));
        word += 1;
    }
    (text, mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[u8]) -> [u64; LABEL / 8] {
        let mut bytes = [0; LABEL];
        bytes[..text.len().min(LABEL)].copy_from_slice(&text[..text.len().min(LABEL)]);
        let mut words = [0; LABEL / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }

    fn of(text: &str) -> Option<u8> {
        label(&words(text.as_bytes()), text.len() as u64)
    }

    #[test]
    fn each_label_is_known_and_nothing_like_it() {
        for (index, name) in LABELS.into_iter().enumerate() {
            assert!(name.len() < LABEL);
            assert_eq!(of(name), Some(index as u8), "{name}");
            assert_eq!(of(&name[1..]), None, "{name}");
            assert_eq!(of(&name[..name.len() - 1]), None, "{name}");
            for place in 0..name.len() {
                let mut changed = name.as_bytes().to_vec();
                changed[place] ^= 1;
                assert_eq!(label(&words(&changed), name.len() as u64), None, "{name} at {place}");
            }
        }
        for other in ["", "EXPORTER_SECRET", "EARLY_EXPORTER_SECRET", "RSA", "CLIENT_TRAFFIC_SECRET_1"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    /// Go's strings have no zero behind them, but the next string.
    #[test]
    fn what_stands_behind_a_label_does_not_matter() {
        for (index, name) in LABELS.into_iter().enumerate() {
            let text = format!("{name}CLIENT_RANDOM_AND_MORE_OF_IT_ALL");
            assert_eq!(label(&words(text.as_bytes()), name.len() as u64), Some(index as u8), "{name}");
        }
    }

    #[test]
    fn a_secret_has_the_length_of_a_hash() {
        let lengths: Vec<u64> =
            (0..100).chain([1 << 32 | 48, u64::MAX]).filter(|&length| is_secret(length)).collect();
        assert_eq!(lengths, [32, 48]);
    }
}
