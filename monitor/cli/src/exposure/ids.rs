//! The operator's own list of objects, and which of them were read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Lines},
    path::Path,
    vec,
};

use anyhow::Context;
use rollcall_attribute::object;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_store::exposure::{Lookup, Object, Reader, Row, Subject};

use crate::exit::{Exit, Failure};

/// Lines that are looked up at a time, in order: neighbours stand in one block.
const LINES: usize = 1 << 20;

/// Rows for the objects of a file.
pub(super) struct Matching<'a> {
    name: String,
    lines: Lines<Box<dyn BufRead>>,
    lookup: Lookup<'a>,
    subjects: &'a [Subject],
    /// Places among the subjects, those with one route next to each other.
    order: Vec<usize>,
    since: u32,
    /// What objects were hashed with, where they were.
    key: Option<HashKey>,
    ready: vec::IntoIter<Row>,
}

impl<'a> Matching<'a> {
    /// Rows of `subjects` for the objects in the file `path`, one a line; - is stdin. `key` is the installation's.
    pub(super) fn open(
        path: &Path,
        reader: &'a Reader,
        subjects: &'a [Subject],
        since: Option<Timestamp>,
        key: Option<HashKey>,
    ) -> Result<Matching<'a>, Failure> {
        let is_hashed = subjects.iter().any(|subject| subject.incident.mode == "hashed");
        if is_hashed && key.is_none() {
            let error =
                anyhow::anyhow!("objects are hashed with the key in the state directory, and it is gone");
            return Err(Failure::new(Exit::State, error).advise("put it back: the file is named key"));
        }
        let name = path.display().to_string();
        let input: Box<dyn BufRead> = if name == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(path).with_context(|| format!("open {name}"));
            Box::new(BufReader::new(file.map_err(unreadable)?))
        };
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        order.sort_by_key(|&at| &subjects[at].incident.route);
        Ok(Matching {
            name,
            lines: input.lines(),
            lookup: reader.lookup(),
            subjects,
            order,
            since: since.map_or(0, |since| u32::try_from(since.0 / 1_000_000_000).unwrap_or(u32::MAX)),
            key: key.filter(|_| is_hashed),
            ready: Vec::new().into_iter(),
        })
    }

    /// Looks up the next lines; `false` at the end.
    fn fill(&mut self) -> Result<bool, Failure> {
        let mut asked: Vec<(Object, Object)> = Vec::new();
        let mut count = 0;
        for line in self.lines.by_ref().take(LINES) {
            let line = line.with_context(|| format!("read {}", self.name)).map_err(unreadable)?;
            count += 1;
            let text = line.trim();
            if !text.is_empty() {
                asked.extend(forms(text, self.key.as_ref()).into_iter().map(|form| (form, Object::of(text))));
            }
        }
        asked.sort_unstable();
        asked.dedup_by(|a, b| a.0 == b.0);
        let mut rows = Vec::new();
        for (form, shown) in asked {
            for &subject in &self.order {
                let reads = self.lookup.reads(&self.subjects[subject], &form)?;
                if let Some(reads) = reads.filter(|reads| reads.last >= self.since) {
                    rows.push(Row { object: shown.clone(), subject, reads: Some(reads) });
                }
            }
        }
        self.ready = rows.into_iter();
        Ok(count > 0)
    }
}

impl Iterator for Matching<'_> {
    type Item = Result<Row, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.next() {
                return Some(Ok(row));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

/// As what an object may be kept: as it stands there, or as attribution spells it; hashed or not.
fn forms(text: &str, key: Option<&HashKey>) -> Vec<Object> {
    let mut texts = vec![text.to_owned(), object::canonical(text)];
    texts.dedup();
    let unkeyed = HashKey::new([0; 16]);
    let plain = texts.iter().map(|text| Object::kept(text, key.unwrap_or(&unkeyed)));
    let hashed = texts.iter().filter_map(|text| key.map(|key| Object::hashed(text, key)));
    plain.chain(hashed).collect()
}

fn unreadable(error: anyhow::Error) -> Failure {
    Failure::new(Exit::Input, error).advise("check the path and its permissions")
}
