//! The response direction of a connection as records. Of most of its packets only the beginning was captured: the rest of a
//! record is known by its length, and where the next one begins may have to be guessed.

use rollcall_model::time::Timestamp;
use rollcall_stream::protocol::Piece;

use super::record::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, HEADER, Header};

/// Bytes of a record in full, in TLS 1.3: what servers send long answers in.
const FULL: usize = HEADER + 16 * 1024 + 17;

/// Where and when bytes were seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    /// What the server had received when it sent them.
    pub(crate) ack: Option<u64>,
}

/// What comes out of the stream.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A record of which every byte was captured.
    Whole {
        start: u64,
        end: u64,
        header: Header,
        body: Vec<u8>,
        is_changed: bool,
        /// Bytes of its body that came with the piece before the last one, and when that was.
        first: Option<(usize, Seen)>,
        seen: Seen,
    },
    /// The beginning of another one. Of its body `bytes` have gone by.
    Start {
        start: u64,
        header: Header,
        /// Nobody saw its header: it begins here if records are as long as they were.
        is_guess: bool,
        body: Vec<u8>,
        bytes: usize,
        is_changed: bool,
        seen: Seen,
    },
    /// More bytes of its body; `None` where they were not seen.
    More { bytes: usize, seen: Option<Seen> },
    /// It is over.
    End,
    /// Bytes of which nobody knows where records begin in them.
    Lost,
}

#[derive(Debug)]
struct Open {
    start: u64,
    header: Header,
    body: Vec<u8>,
    /// Bytes of the body that have gone by.
    bytes: usize,
    is_guess: bool,
    is_changed: bool,
    /// A byte of it was not captured, and its beginning has been told.
    is_cut: bool,
    first: Option<(usize, Seen)>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Stream {
    head: Vec<u8>,
    head_at: u64,
    open: Option<Open>,
    is_changed: bool,
    is_lost: bool,
    /// The newest record's header that was seen.
    last: Option<Header>,
}

impl Stream {
    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.head.len() + self.open.as_ref().map_or(0, |open| open.body.len())
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self, piece: Piece<'_>, each: &mut impl FnMut(Taken)) {
        let seen = Seen { at: piece.at, ack: piece.ack };
        let length = piece.length as usize;
        let header = piece.data.first_chunk().and_then(|&bytes| Header::read(bytes));
        let begins = header.is_some_and(|header| header.kind == APPLICATION_DATA);
        if begins && self.open.take_if(|open| open.is_guess).is_some() {
            // It was shorter.
            each(Taken::End);
        }
        if self.is_lost {
            if !begins {
                return each(Taken::Lost);
            }
            self.is_lost = false;
            self.head.clear();
        }
        let mut at = 0;
        while at < length {
            let rest = piece.data.get(at..).unwrap_or_default();
            let Some(open) = &mut self.open else {
                at += self.header(piece.place + at as u64, rest, length - at, seen, each);
                if self.is_lost {
                    return each(Taken::Lost);
                }
                self.close(seen, each);
                continue;
            };
            let taken = open.left().min(length - at);
            let captured = taken.min(rest.len());
            open.bytes += taken;
            at += taken;
            if open.is_cut {
                each(Taken::More { bytes: taken, seen: Some(seen) });
            } else {
                open.body.extend_from_slice(&rest[..captured]);
                open.first.get_or_insert((open.bytes, seen));
                if captured < taken {
                    self.cut(each);
                }
            }
            self.close(seen, each);
        }
    }

    /// Bytes that were not seen.
    pub(crate) fn gap(&mut self, bytes: u64, each: &mut impl FnMut(Taken)) {
        let mut lost = bytes;
        self.cut(each);
        if let Some(open) = &mut self.open {
            let inside = open.left().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            lost -= inside as u64;
            open.bytes += inside;
            each(Taken::More { bytes: inside, seen: None });
            if open.left() == 0 {
                self.open = None;
                each(Taken::End);
            }
        }
        if lost > 0 {
            self.is_lost = true;
            each(Taken::Lost);
        }
    }

    /// Nothing more will come: tells what there is of a record.
    pub(crate) fn finish(&mut self, each: &mut impl FnMut(Taken)) {
        self.cut(each);
    }

    /// At a record's first byte, or within its header. `left` bytes of the piece are to come.
    fn header(
        &mut self,
        place: u64,
        rest: &[u8],
        left: usize,
        seen: Seen,
        each: &mut impl FnMut(Taken),
    ) -> usize {
        if self.head.is_empty() {
            self.head_at = place;
        }
        let missing = (HEADER - self.head.len()).min(left);
        let taken = missing.min(rest.len());
        self.head.extend_from_slice(&rest[..taken]);
        if let Some(&bytes) = self.head.first_chunk::<HEADER>() {
            self.head.clear();
            match Header::read(bytes) {
                Some(header) => {
                    if header.kind == APPLICATION_DATA {
                        self.last = Some(header);
                    }
                    self.open = Some(Open::new(self.head_at, header, false, self.is_changed));
                }
                None => self.is_lost = true,
            }
        } else if taken < missing {
            let Some(last) = self.last else {
                self.is_lost = true;
                return taken;
            };
            // Long answers come in records of one length, and the last of them ends with the answer.
            let rest = left.min(FULL).saturating_sub(HEADER);
            let length = usize::from(last.length).max(rest) as u16;
            self.head.clear();
            let open = Open::new(self.head_at, Header { length, ..last }, true, self.is_changed);
            each(self.open.insert(open).start(seen));
            return missing;
        }
        taken
    }

    /// A byte of the record under way was not captured: tells of its beginning.
    fn cut(&mut self, each: &mut impl FnMut(Taken)) {
        if let Some(open) = &mut self.open
            && !open.is_cut
        {
            let seen = open.first.map_or(Seen { at: Timestamp::default(), ack: None }, |(_, seen)| seen);
            each(open.start(seen));
        }
    }

    /// The record under way may be over.
    fn close(&mut self, seen: Seen, each: &mut impl FnMut(Taken)) {
        let Some(open) = self.open.take_if(|open| open.left() == 0) else { return };
        self.is_changed |= open.header.kind == CHANGE_CIPHER_SPEC;
        if open.is_cut {
            return each(Taken::End);
        }
        let Open { start, header, body, is_changed, first, .. } = open;
        let end = start + (HEADER + body.len()) as u64;
        let first = first.filter(|&(bytes, _)| bytes < body.len());
        each(Taken::Whole { start, end, header, body, is_changed, first, seen });
    }
}

impl Open {
    fn new(start: u64, header: Header, is_guess: bool, is_changed: bool) -> Open {
        let (body, bytes, is_cut, first) = (Vec::new(), 0, false, None);
        Open { start, header, body, bytes, is_guess, is_changed, is_cut, first }
    }

    /// Bytes of the body that are still to come.
    fn left(&self) -> usize {
        usize::from(self.header.length) - self.bytes
    }

    /// Its beginning, after which its bytes are counted.
    fn start(&mut self, seen: Seen) -> Taken {
        self.is_cut = true;
        Taken::Start {
            start: self.start,
            header: self.header,
            is_guess: self.is_guess,
            body: std::mem::take(&mut self.body),
            bytes: self.bytes,
            is_changed: self.is_changed,
            seen,
        }
    }
}
