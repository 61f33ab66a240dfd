//! Packets out of a capture file: pcap in its byte orders and time units, and pcapng.
//!
//! Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
    rc::Rc,
};

use pcap_parser::{LegacyPcapReader, PcapError, PcapNGReader, traits::PcapReaderIterator};

use super::{
    error::Error,
    format::{self, Content, Format},
    input::describe,
};

/// The read buffer to begin with; it grows to the largest packet.
const BUFFER: usize = 64 * 1024;

/// No block is larger, or the file is damaged. Wireshark takes packets of at most 256 KiB, or 128 MiB from D-Bus and USB.
const LARGEST_BLOCK: usize = 16 * 1024 * 1024;

/// A block of pcapng without content: its kind, and its length before and behind.
const LEAST_BLOCK: usize = 12;

const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The pcap header, and as much of a pcapng section header as is needed to know its length.
const HEADER: usize = 24;

/// Hands every packet of the capture at `path`, and the secrets in it, to `each`; `-` is stdin.
pub(super) fn read(path: &Path, each: impl FnMut(Content<'_>)) -> Result<(), Error> {
    if path == Path::new("-") {
        return read_from("(stdin)", io::stdin().lock(), each);
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read_from(&name, file, each),
        Err(source) => Err(Error::Read { path: name, source }),
    }
}

/// Hands every packet of the capture in `input`, and the secrets in it, to `each`.
pub(super) fn read_from(name: &str, input: impl Read, each: impl FnMut(Content<'_>)) -> Result<(), Error> {
    let failure = Rc::default();
    let mut input = Remembering { input, failure: Rc::clone(&failure) };
    let mut position = Position { path: name, packet: 0, offset: 0, failure };
    let start = position.start(&mut input)?;
    let is_ng = start.starts_with(&SECTION_HEADER);
    let input = Cursor::new(start).chain(input);
    if is_ng {
        let reader = PcapNGReader::new(BUFFER, input).map_err(|error| position.explain(error, false))?;
        packets(reader, position, LEAST_BLOCK, each)
    } else {
        let reader = LegacyPcapReader::new(BUFFER, input).map_err(|error| position.explain(error, false))?;
        packets(reader, position, 0, each)
    }
}

fn packets(
    mut reader: impl PcapReaderIterator,
    mut position: Position<'_>,
    least: usize,
    mut each: impl FnMut(Content<'_>),
) -> Result<(), Error> {
    let mut format = Format::default();
    let mut capacity = BUFFER;
    loop {
        // The parser counts on it, and panics or waits for 4 GiB.
        if format.claimed_length(reader.data()).is_some_and(|length| length < least) {
            return Err(position.explain(PcapError::HeaderNotRecognized, false));
        }
        let error = match reader.next() {
            Ok((size, block)) => {
                position.packet += u64::from(format::is_packet(&block));
                match format.content(&block) {
                    Ok(content) => content.into_iter().for_each(&mut each),
                    Err(link_type) => {
                        return Err(Error::LinkType { path: position.path.to_owned(), link_type });
                    }
                }
                drop(block);
                position.offset += size as u64;
                reader.consume(size);
                continue;
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(error) => error.to_owned_vec(),
        };
        let claimed = format.claimed_length(reader.data()).unwrap_or(0);
        // A parser that wants more than a block which stands there whole is misled by what is inside.
        let whole = claimed > 0 && claimed <= reader.data().len();
        match error {
            PcapError::Incomplete(_) if !whole => {
                let before = reader.data().len();
                if let Err(error) = reader.refill() {
                    let error = error.to_owned_vec();
                    return Err(position.explain(error, false));
                }
                if reader.data().len() == before && !reader.reader_exhausted() {
                    return Err(position.explain(PcapError::BufferTooSmall, false));
                }
            }
            PcapError::BufferTooSmall if !whole && capacity <= claimed && claimed <= LARGEST_BLOCK => {
                // The parser wants some room beside the block.
                capacity = claimed + BUFFER;
                reader.grow(capacity);
            }
            error => return Err(position.explain(error, whole)),
        }
    }
}

/// Where the reader is, for errors.
struct Position<'a> {
    path: &'a str,
    /// Packets read.
    packet: u64,
    /// Where the next block starts.
    offset: u64,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl Position<'_> {
    /// Reads as much as tells what kind of file it is. A pipe may give that in pieces.
    fn start(&mut self, input: &mut impl Read) -> Result<Vec<u8>, Error> {
        let mut start = Vec::new();
        let mut fill = |start: &mut Vec<u8>, length: usize| {
            let more = length.saturating_sub(start.len()) as u64;
            input.by_ref().take(more).read_to_end(start).map(drop).map_err(|kind| {
                let source = self.failure.borrow_mut().take().unwrap_or(kind);
                Error::Read { path: self.path.to_owned(), source }
            })
        };
        fill(&mut start, HEADER)?;
        if start.len() == HEADER && start.starts_with(&SECTION_HEADER) {
            // The parser wants a pcapng section header in one piece.
            let length = section_length(&start).min(BUFFER);
            fill(&mut start, length)?;
        }
        self.recognise(&start)?;
        Ok(start)
    }

    fn recognise(&self, start: &[u8]) -> Result<(), Error> {
        let path = self.path.to_owned();
        let known = match start {
            [] => return Err(Error::Empty { path }),
            [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0xc3, 0xd4, ..] => true,
            [0x4d, 0x3c, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => true,
            // With extra fields in each packet's header, by a patch of 1999.
            [0x34, 0xcd, 0xb2, 0xa1, ..] => true,
            [0x0a, 0x0d, 0x0d, 0x0a, _, _, _, _, byte_order, ..] => matches!(byte_order, 0x4d | 0x1a),
            _ => false,
        };
        if !known {
            return Err(Error::Foreign { path, start: describe(start) });
        }
        if start.len() < HEADER {
            return Err(Error::Truncated { path, packet: 1, offset: 0 });
        }
        Ok(())
    }

    fn explain(&self, error: PcapError<&[u8]>, whole: bool) -> Error {
        let path = self.path.to_owned();
        if let Some(source) = self.failure.borrow_mut().take() {
            return Error::Read { path, source };
        }
        let damaged = |what: &str| Error::Damaged {
            path: path.clone(),
            packet: self.packet,
            offset: self.offset,
            what: what.to_owned(),
        };
        match error {
            _ if whole => damaged("a block says that it holds more than it does"),
            PcapError::UnexpectedEof | PcapError::Incomplete(_) => {
                Error::Truncated { path, packet: self.packet + 1, offset: self.offset }
            }
            PcapError::BufferTooSmall => damaged("a packet says that it is larger than 16 MiB"),
            _ => damaged("there is no packet here"),
        }
    }
}

fn section_length(start: &[u8]) -> usize {
    let field =
        |at: usize| start.get(at..).and_then(|bytes| bytes.first_chunk::<4>()).copied().unwrap_or_default();
    let length =
        if field(8)[0] == 0x4d { u32::from_le_bytes(field(4)) } else { u32::from_be_bytes(field(4)) };
    length as usize
}

/// Keeps the error that the parser would forget.
struct Remembering<R> {
    input: R,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for Remembering<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    *self.failure.borrow_mut() = Some(error);
                    return Err(kind.into());
                }
                done => return done,
            }
        }
    }
}
