//! What an alert shows of the calls that led to it: the latest objects, and the first addresses.

use std::{collections::VecDeque, net::IpAddr};

use serde::{Deserialize, Serialize};

/// Objects shown in an alert, and addresses.
pub(super) const SHOWN: usize = 10;

/// The longest object that is shown whole, in bytes. Every known kind of identifier is shorter.
const LONGEST_SAMPLE: usize = 128;

/// Bytes that most objects have at most: a UUID has 36.
const USUAL_SAMPLE: usize = 40;

/// The latest objects, each once, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Samples(VecDeque<String>);

/// The first addresses, each once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Addresses(Vec<IpAddr>);

impl Samples {
    pub(super) fn push(&mut self, object: &str) {
        let shown = sample(object);
        if !self.0.iter().any(|sample| sample == shown) {
            let mut sample = match self.0.len() {
                SHOWN => self.0.pop_front().unwrap_or_default(),
                // Usual identifiers fit, so that samples can follow each other without allocation.
                _ => String::with_capacity(USUAL_SAMPLE),
            };
            sample.clear();
            sample.push_str(shown);
            self.0.push_back(sample);
        }
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Addresses {
    pub(super) fn push(&mut self, address: IpAddr) {
        if self.0.len() < SHOWN && !self.0.contains(&address) {
            self.0.push(address);
        }
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn list(&self) -> Vec<IpAddr> {
        self.0.clone()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// As much of an object as an alert shows.
pub(super) fn sample(object: &str) -> &str {
    &object[..object.floor_char_boundary(LONGEST_SAMPLE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(objects: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut samples = Samples::default();
        objects.into_iter().for_each(|object| samples.push(&object));
        samples.list()
    }

    #[test]
    fn the_latest_objects_are_kept_once_each_and_cut() {
        let kept = samples((0..30).map(|n| (n / 2).to_string()));
        assert_eq!(kept, ["5", "6", "7", "8", "9", "10", "11", "12", "13", "14"]);
        let long = samples(["é".repeat(100)]);
        assert_eq!(long[0], "é".repeat(64));
    }
}
