//! Evidence: what is kept about a pair that comes near a limit, to judge it and for whoever reads the alert.

use rollcall_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    call::{Call, Fresh},
    levels::Levels,
    sequence::Sequence,
    track::Held,
};
use crate::{
    finding::{Rule, Usual},
    people::People,
    shown::{self, Addresses, Samples},
};

/// What is kept about one pair.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) samples: Samples,
    pub(super) addresses: Addresses,
    pub(super) sequence: Sequence,
    pub(super) people: People,
    /// Objects noted, and those of them that nobody had touched before.
    pub(super) noted: u32,
    pub(super) firsts: u32,
    /// And those that are a part of what everybody walks through.
    pub(super) walked: u32,
    /// It walked, one number after the other.
    pub(super) walks: bool,
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
    /// What was usual there when it was reported last.
    pub(super) norm: Known,
}

/// What is known of a route when something is found on it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) usual: Option<Usual>,
    pub(super) learning: bool,
    /// The count alone leaves no doubt.
    pub(super) is_far: bool,
}

impl Evidence {
    /// Takes down a call that touched, or asked for, something new.
    pub(super) fn note(&mut self, call: &Call<'_>, fresh: &Fresh) {
        self.addresses.push(call.address);
        // What comes after ten others would not be kept.
        let before = fresh.of(call.named).count().saturating_sub(shown::SHOWN);
        for named in fresh.of(call.named).skip(before) {
            self.samples.push(call.objects.get(named.at as usize).unwrap_or_default());
        }
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
        let Evidence { samples, addresses, sequence, people, noted, firsts, walked, walks, levels, open } =
            self;
        samples.clear();
        addresses.clear();
        sequence.clear();
        (*people, *noted, *firsts) = (People::default(), 0, 0);
        (*walked, *walks) = (0, false);
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
