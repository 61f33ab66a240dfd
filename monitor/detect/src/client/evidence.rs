//! Evidence: what is kept about a pair that comes near a limit, to judge it and for whoever reads the alert.

use std::{collections::VecDeque, net::IpAddr};

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Fresh},
    levels::Levels,
    sequence::Sequence,
    track::Held,
};
use crate::{finding::Rule, people::People};

/// Objects shown in an alert, and addresses.
const SAMPLES: usize = 10;

/// The longest object that is shown whole, in bytes. Every known kind of identifier is shorter.
const LONGEST_SAMPLE: usize = 128;

/// Bytes that most objects have at most: a UUID has 36.
const USUAL_SAMPLE: usize = 40;

/// What is kept about one pair.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Evidence {
    samples: VecDeque<String>,
    addresses: Vec<IpAddr>,
    pub(super) sequence: Sequence,
    pub(super) people: People,
    /// Objects noted, and those of them that nobody had touched before.
    pub(super) noted: u32,
    pub(super) firsts: u32,
    pub(super) levels: Levels,
    open: [Option<Open>; CLIENT_RULES.len()],
}

/// The rules about one client, by their place in [`Evidence::open`].
pub(super) const CLIENT_RULES: [Rule; 5] =
    [Rule::DistinctObjects, Rule::SequentialWalk, Rule::MissProbing, Rule::FirstTouch, Rule::Volume];

/// A finding that has begun and not ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    /// The highest level reported.
    pub(super) level: u8,
    /// The limit reported last.
    pub(super) limit: u32,
    /// Its window's number, and the most that counted.
    pub(super) window: usize,
    pub(super) peak: Held,
    /// When the first call counted, by the detector's time, and its number.
    pub(super) first_seen: Timestamp,
    pub(super) first_call: u32,
    /// The last time that something new spoke for it.
    pub(super) last_excess: Timestamp,
    /// The shortest window that was over its limit then.
    pub(super) excess_window: usize,
    /// Bytes of answers, where they count.
    pub(super) bytes: u64,
}

impl Evidence {
    /// Takes down a call that touched, or asked for, something new.
    pub(super) fn note(&mut self, call: &Call<'_>, fresh: &Fresh) {
        if self.addresses.len() < SAMPLES && !self.addresses.contains(&call.address) {
            self.addresses.push(call.address);
        }
        // What comes after ten others would not be kept.
        let before = fresh.of(call.named).count().saturating_sub(SAMPLES);
        for named in fresh.of(call.named).skip(before) {
            self.sample(call.objects.get(named.at as usize).unwrap_or_default());
        }
    }

    fn sample(&mut self, object: &str) {
        let shown = sample(object);
        if !self.samples.iter().any(|sample| sample == shown) {
            let mut sample = match self.samples.len() {
                SAMPLES => self.samples.pop_front().unwrap_or_default(),
                // Usual identifiers fit, so that samples can follow each other without allocation.
                _ => String::with_capacity(USUAL_SAMPLE),
            };
            sample.clear();
            sample.push_str(shown);
            self.samples.push_back(sample);
        }
    }

    /// The latest objects, oldest first.
    pub(super) fn samples(&self) -> Vec<String> {
        self.samples.iter().cloned().collect()
    }

    /// The addresses that calls came from.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    /// Where the finding of a rule about clients stands.
    pub(super) fn open(&self, rule: Rule) -> Option<&Open> {
        self.open[place(rule)].as_ref()
    }

    /// Where the finding of a rule about clients stands.
    pub(super) fn open_mut(&mut self, rule: Rule) -> &mut Option<Open> {
        &mut self.open[place(rule)]
    }

    /// The rules with a finding open.
    pub(super) fn open_rules(&self) -> impl Iterator<Item = Rule> {
        CLIENT_RULES.into_iter().filter(|&rule| self.open(rule).is_some())
    }

    /// Whether it is about so many windows.
    pub(super) fn fits(&self, lengths: usize) -> bool {
        self.sequence.fits()
            && self.people.fits()
            && self.open.iter().flatten().all(|open| open.window < lengths && open.excess_window < lengths)
    }

    /// Begins anew after all findings have ended; what was over a limit goes on being so.
    pub(super) fn start_over(&mut self) {
        let (levels, people) = (self.levels, self.people.clone());
        self.empty();
        (self.levels, self.people) = (levels, people);
    }

    /// Forgets everything, and keeps its memory for the next.
    pub(super) fn empty(&mut self) {
        let Evidence { samples, addresses, sequence, people, noted, firsts, levels, open } = self;
        samples.clear();
        addresses.clear();
        sequence.clear();
        (*people, *noted, *firsts) = (People::default(), 0, 0);
        (*levels, *open) = (Levels::default(), Default::default());
    }

    /// Whether it may be dropped without forgetting what has been said.
    pub(super) fn is_idle(&self) -> bool {
        self.open.iter().all(Option::is_none) && self.levels.at_rest()
    }
}

fn place(rule: Rule) -> usize {
    CLIENT_RULES.iter().position(|&known| known == rule).expect("only rules about clients are asked for")
}

/// As much of an object as an alert shows.
pub(crate) fn sample(object: &str) -> &str {
    &object[..object.floor_char_boundary(LONGEST_SAMPLE)]
}

/// The number in an object like `1042`, `cust-1042` or `7/1042`: the digits at its end, if letters at most and
/// a separator stand before them.
pub(crate) fn number(object: &str) -> Option<u64> {
    let last = object.rsplit('/').next().unwrap_or(object);
    let digits =
        last.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(['-', '_', ':', '+']);
    if digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(objects: impl IntoIterator<Item = String>) -> Evidence {
        let mut evidence = Evidence::default();
        objects.into_iter().for_each(|object| evidence.sample(&object));
        evidence
    }

    #[test]
    fn the_number_stands_at_the_end() {
        for (object, expected) in [
            ("1042", Some(1042)),
            ("cust-001042", Some(1042)),
            ("7/1042", Some(1042)),
            ("order:5", Some(5)),
            ("3f2a9c01-x", None),
            ("page=2", None),
            ("alice", None),
            ("1234567890123456789", None),
            ("", None),
        ] {
            assert_eq!(number(object), expected, "{object}");
        }
    }

    #[test]
    fn the_latest_objects_are_kept_once_each_and_cut() {
        let kept = evidence((0..30).map(|n| (n / 2).to_string())).samples();
        assert_eq!(kept, ["5", "6", "7", "8", "9", "10", "11", "12", "13", "14"]);
        let long = evidence(["é".repeat(100)]).samples();
        assert_eq!(long[0], "é".repeat(64));
    }
}
