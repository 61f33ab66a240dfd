//! The objects of several clients as one list in order, by route: read block by block, so that it takes little memory however
//! long it is.

use std::{cmp::Reverse, collections::BinaryHeap};

use rollcall_model::time::Timestamp;

use super::{
    block::Entry,
    object::Object,
    reader::{Reader, Subject},
    reads::Reads,
};
use crate::Error;

/// An object that a client read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub object: Object,
    /// The client's place among the subjects that were asked for.
    pub subject: usize,
    /// `None` of what detection had counted when the alert opened, and nobody remembers more of.
    pub reads: Option<Reads>,
}

/// A list on its way.
#[derive(Debug)]
pub struct Listing<'a> {
    reader: &'a Reader,
    subjects: &'a [Subject],
    since: u32,
    /// The next row of each source that has one.
    heads: BinaryHeap<Reverse<Head>>,
    sources: Vec<Source>,
    /// The alerts of rows with the latest object.
    listed: Vec<u64>,
    latest: Option<(usize, Object)>,
    /// Blocks that could not be read.
    damaged: u64,
}

/// Ordered by route and object.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    route: usize,
    object: Object,
    /// Samples come after what is known for certain.
    is_sample: bool,
    source: usize,
}

/// Where rows come from: the blocks of a subject, or what detection knew by name of an alert.
#[derive(Debug)]
struct Source {
    subject: usize,
    route: usize,
    is_sample: bool,
    entries: std::vec::IntoIter<Entry>,
    /// How the object at the head was read.
    reads: Option<Reads>,
    samples: std::vec::IntoIter<Object>,
    low: Vec<u8>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        subjects: &'a [Subject],
        since: Option<Timestamp>,
    ) -> Result<Listing<'a>, Error> {
        let mut routes: Vec<&str> = subjects.iter().map(|subject| &subject.incident.route[..]).collect();
        routes.sort_unstable();
        routes.dedup();
        let mut listing = Listing {
            reader,
            subjects,
            since: since.map_or(0, |since| u32::try_from(since.0 / 1_000_000_000).unwrap_or(u32::MAX)),
            heads: BinaryHeap::with_capacity(subjects.len() + 1),
            sources: Vec::with_capacity(subjects.len() + 1),
            listed: Vec::new(),
            latest: None,
            damaged: 0,
        };
        for (at, subject) in subjects.iter().enumerate() {
            let incident = &subject.incident;
            let route = routes.binary_search(&&incident.route[..]).unwrap_or_default();
            let source = |is_sample, samples: Vec<Object>| Source {
                subject: at,
                route,
                is_sample,
                entries: Vec::new().into_iter(),
                reads: None,
                samples: samples.into_iter(),
                low: Vec::new(),
            };
            listing.sources.push(source(false, Vec::new()));
            if subject.number == incident.first_subject
                && since.is_none_or(|since| since <= incident.opened_at)
            {
                listing.sources.push(source(true, incident.samples.clone()));
            }
        }
        for source in 0..listing.sources.len() {
            listing.advance(source)?;
        }
        Ok(listing)
    }

    /// Blocks that could not be read so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        while let Some(Reverse(Head { route, object, is_sample, source })) = self.heads.pop() {
            let Source { subject, reads, .. } = self.sources[source];
            self.advance(source)?;
            let is_same =
                self.latest.as_ref().is_some_and(|(before, latest)| *before == route && *latest == object);
            if !is_same {
                self.listed.clear();
                self.latest = Some((route, object.clone()));
            }
            let incident = self.subjects[subject].incident.number;
            let is_listed = self.listed.contains(&incident);
            if !is_listed {
                self.listed.push(incident);
            }
            let is_old = reads.is_some_and(|reads| reads.last < self.since);
            if !(is_old || is_sample && is_listed) {
                return Ok(Some(Row { object, subject, reads }));
            }
        }
        Ok(None)
    }

    /// Puts the next row of a source into its place.
    fn advance(&mut self, at: usize) -> Result<(), Error> {
        let source = &mut self.sources[at];
        let next = loop {
            if let Some(entry) = source.entries.next() {
                break Some((entry.object, Some(entry.reads)));
            }
            if source.is_sample {
                break source.samples.next().map(|object| (object, None));
            }
            let number = self.subjects[source.subject].number;
            let Some((low, entries)) = self.reader.block_after(number, &source.low)? else { break None };
            source.low = low;
            match entries {
                Ok(entries) => source.entries = entries.into_iter(),
                Err(_) => self.damaged += 1,
            }
        };
        if let Some((object, reads)) = next {
            source.reads = reads;
            let (route, is_sample) = (source.route, source.is_sample);
            self.heads.push(Reverse(Head { route, object, is_sample, source: at }));
        }
        Ok(())
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}
