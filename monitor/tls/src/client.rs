//! The request direction of a connection as records.

use rollcall_stream::reassembly::Origin;

use super::record::{CHANGE_CIPHER_SPEC, HEADER, Header};

/// A record that the client sent.
#[derive(Debug)]
pub(crate) struct Record {
    /// The place of its header.
    pub(crate) start: u64,
    /// The place behind it.
    pub(crate) end: u64,
    pub(crate) header: Header,
    /// Its body, up to the first byte that is missing.
    pub(crate) body: Vec<u8>,
    /// It stands behind a change of ciphers.
    pub(crate) is_changed: bool,
    /// The number of the segment that its first byte came with.
    pub(crate) segment: u64,
    /// That segment began amid another record.
    pub(crate) is_behind: bool,
    /// What is known of that segment.
    pub(crate) origin: Origin,
}

impl Record {
    /// Nothing of it is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.len() == usize::from(self.header.length)
    }
}

/// What comes out of the stream.
#[derive(Debug)]
pub(crate) enum Taken {
    Record(Record),
    /// Bytes of which nobody knows where records begin in them.
    Lost {
        bytes: u64,
        origin: Option<Origin>,
    },
    /// What should be a header is none.
    Foreign,
}

#[derive(Debug)]
struct Open {
    record: Record,
    left: usize,
    is_broken: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Stream {
    head: Vec<u8>,
    head_at: Option<(u64, bool, u64, Origin)>,
    open: Option<Open>,
    segments: u64,
    is_changed: bool,
    /// Nobody knows where the next record begins.
    is_lost: bool,
}

impl Stream {
    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.head.len() + self.open.as_ref().map_or(0, |open| open.record.body.len())
    }

    /// Takes a segment's bytes.
    pub(crate) fn take(
        &mut self,
        mut place: u64,
        data: &[u8],
        origin: &Origin,
        each: &mut impl FnMut(Taken),
    ) {
        self.segments += 1;
        let mut rest = data;
        if self.is_lost {
            // A record that is found must begin where the segment does.
            let header = rest.first_chunk().and_then(|&bytes| Header::read(bytes));
            if header.is_none() {
                return each(Taken::Lost { bytes: rest.len() as u64, origin: Some(*origin) });
            }
            self.is_lost = false;
        }
        let is_behind = self.open.is_some() || !self.head.is_empty();
        while !rest.is_empty() {
            let taken = match &mut self.open {
                None => self.header(place, rest, is_behind, origin, each),
                Some(open) => {
                    let taken = open.left.min(rest.len());
                    if !open.is_broken {
                        open.record.body.extend_from_slice(&rest[..taken]);
                    }
                    open.left -= taken;
                    taken
                }
            };
            if self.is_lost {
                return each(Taken::Lost { bytes: rest.len() as u64, origin: None });
            }
            self.close(each);
            place += taken as u64;
            rest = &rest[taken..];
        }
    }

    /// Bytes that were not captured.
    pub(crate) fn gap(&mut self, bytes: u64, each: &mut impl FnMut(Taken)) {
        let mut lost = bytes;
        if let Some(open) = &mut self.open {
            let inside = open.left.min(usize::try_from(bytes).unwrap_or(usize::MAX));
            open.is_broken |= inside > 0;
            open.left -= inside;
            lost -= inside as u64;
            self.close(each);
        }
        if lost > 0 {
            self.is_lost = true;
            self.head.clear();
            each(Taken::Lost { bytes: lost, origin: None });
        }
    }

    fn header(
        &mut self,
        place: u64,
        rest: &[u8],
        is_behind: bool,
        origin: &Origin,
        each: &mut impl FnMut(Taken),
    ) -> usize {
        let taken = (HEADER - self.head.len()).min(rest.len());
        let (start, is_behind, segment, origin) =
            *self.head_at.get_or_insert((place, is_behind, self.segments, *origin));
        self.head.extend_from_slice(&rest[..taken]);
        let Some(&bytes) = self.head.first_chunk::<HEADER>() else { return taken };
        self.head.clear();
        self.head_at = None;
        let Some(header) = Header::read(bytes) else {
            self.is_lost = true;
            each(Taken::Foreign);
            return taken;
        };
        let left = usize::from(header.length);
        let end = start + (HEADER + left) as u64;
        let is_changed = self.is_changed;
        let body = Vec::with_capacity(left.min(rest.len() - taken));
        let record = Record { start, end, header, body, is_changed, segment, is_behind, origin };
        self.open = Some(Open { record, left, is_broken: false });
        taken
    }

    fn close(&mut self, each: &mut impl FnMut(Taken)) {
        if let Some(Open { record, .. }) = self.open.take_if(|open| open.left == 0) {
            self.is_changed |= record.header.kind == CHANGE_CIPHER_SPEC;
            each(Taken::Record(record));
        }
    }
}
