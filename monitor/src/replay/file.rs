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

use pcap_parser::{
    Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapHeader, PcapNGReader,
    traits::{PcapNGPacketBlock, PcapReaderIterator},
};

use super::link::Link;
use crate::time::Timestamp;

/// The read buffer to begin with: as large as most packets get.
const BUFFER: usize = 256 * 1024;

/// No block is larger, or the file is damaged. Wireshark takes packets of at most 256 KiB, or 128 MiB from D-Bus and USB.
const LARGEST_BLOCK: usize = 16 * 1024 * 1024;

const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The pcap header, and as much of a pcapng section header as is needed to know its length.
const HEADER: usize = 24;

/// A captured packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub link_type: u16,
    pub at: Timestamp,
    /// Bytes on the wire.
    pub length: u32,
    /// Those of them that were captured.
    pub data: &'a [u8],
}

/// A capture that can't be read, or not to its end. Everything before the damage has been delivered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read capture {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("capture {path} is empty")]
    Empty { path: String },
    #[error("{path} is not a pcap or pcapng capture: it starts with {start}")]
    Foreign { path: String, start: String },
    #[error(
        "capture {path} has link type {link_type}, which is not among Ethernet, raw IP, Linux cooked and loopback"
    )]
    LinkType { path: String, link_type: u16 },
    #[error("capture {path} breaks off within packet {packet}, which starts at byte {offset}")]
    Truncated { path: String, packet: u64, offset: u64 },
    #[error("capture {path} is damaged at byte {offset}, after packet {packet}: {what}")]
    Damaged { path: String, packet: u64, offset: u64, what: String },
}

/// Hands every packet of the capture at `path` to `each`; `-` is stdin.
pub(super) fn read(path: &Path, each: impl FnMut(Frame<'_>)) -> Result<(), Error> {
    if path == Path::new("-") {
        return read_from("(stdin)", io::stdin().lock(), each);
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read_from(&name, file, each),
        Err(source) => Err(Error::Read { path: name, source }),
    }
}

/// Hands every packet of the capture in `input` to `each`.
pub(super) fn read_from(name: &str, input: impl Read, each: impl FnMut(Frame<'_>)) -> Result<(), Error> {
    let failure = Rc::default();
    let mut input = Remembering { input, failure: Rc::clone(&failure) };
    let mut position = Position { path: name, packet: 0, offset: 0, failure };
    let start = position.start(&mut input)?;
    let is_ng = start.starts_with(&SECTION_HEADER);
    let input = Cursor::new(start).chain(input);
    if is_ng {
        let reader = PcapNGReader::new(BUFFER, input).map_err(|error| position.explain(error, false))?;
        packets(reader, position, each)
    } else {
        let reader = LegacyPcapReader::new(BUFFER, input).map_err(|error| position.explain(error, false))?;
        packets(reader, position, each)
    }
}

fn packets(
    mut reader: impl PcapReaderIterator,
    mut position: Position<'_>,
    mut each: impl FnMut(Frame<'_>),
) -> Result<(), Error> {
    let mut format = Format::default();
    let mut capacity = BUFFER;
    loop {
        let error = match reader.next() {
            Ok((size, block)) => {
                position.packet += u64::from(is_packet(&block));
                match format.frame(&block) {
                    Ok(frame) => frame.into_iter().for_each(&mut each),
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
        let whole = holds_whole_block(reader.data(), &format);
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
            PcapError::BufferTooSmall if !whole && capacity < LARGEST_BLOCK => {
                capacity *= 2;
                reader.grow(capacity);
            }
            error => return Err(position.explain(error, whole)),
        }
    }
}

/// What the file says about all its packets.
#[derive(Debug, Default)]
struct Format {
    header: Option<PcapHeader>,
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// The time of the last packet that had one, for simple packet blocks, which have none.
    last: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    snapshot: u32,
    /// `if_tsresol`
    resolution: u8,
    /// `if_tsoffset`, in seconds
    offset: i64,
}

impl Format {
    /// The packet in a block, if it is one; or the number of a link type that makes the whole file useless.
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Frame<'a>>, u16> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                // The upper bits tell the length of a frame check sequence, which IP's length cuts off.
                let link_type = header.network.0 as u16;
                if Link::from_number(link_type).is_none() {
                    return Err(link_type);
                }
                self.header = Some(header.clone());
                Ok(None)
            }
            PcapBlockOwned::Legacy(packet) => Ok(self.header.as_ref().map(|header| {
                let unit = if header.is_nanosecond_precision() { 1 } else { 1_000 };
                Frame {
                    link_type: header.network.0 as u16,
                    at: Timestamp(
                        u64::from(packet.ts_sec) * 1_000_000_000 + u64::from(packet.ts_usec) * unit,
                    ),
                    length: packet.origlen,
                    data: packet.data,
                }
            })),
            PcapBlockOwned::NG(block) => Ok(self.ng_frame(block)),
        }
    }

    fn ng_frame<'a>(&mut self, block: &'a Block<'_>) -> Option<Frame<'a>> {
        match block {
            Block::SectionHeader(section) => {
                self.big_endian = section.big_endian();
                self.interfaces.clear();
                None
            }
            Block::InterfaceDescription(interface) => {
                let offset = interface.if_tsoffset;
                self.interfaces.push(Interface {
                    link_type: interface.linktype.0 as u16,
                    snapshot: interface.snaplen,
                    resolution: interface.if_tsresol,
                    // The parser reads this option as little-endian in every file.
                    offset: if self.big_endian { offset.swap_bytes() } else { offset },
                });
                None
            }
            Block::EnhancedPacket(packet) => {
                let interface = self.interfaces.get(packet.if_id as usize);
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                self.last = interface.map_or(self.last, |interface| interface.time(units));
                Some(Frame {
                    // A packet of an interface that the file does not describe is of an unknown type.
                    link_type: interface.map_or(u16::MAX, |interface| interface.link_type),
                    at: self.last,
                    length: packet.origlen,
                    data: packet.packet_data(),
                })
            }
            Block::SimplePacket(packet) => {
                let interface = self.interfaces.first();
                let snapshot = interface.map_or(0, |interface| interface.snapshot) as usize;
                let data = packet.packet_data();
                Some(Frame {
                    link_type: interface.map_or(u16::MAX, |interface| interface.link_type),
                    at: self.last,
                    length: packet.origlen,
                    data: if snapshot > 0 { &data[..data.len().min(snapshot)] } else { data },
                })
            }
            _ => None,
        }
    }
}

impl Interface {
    /// A point in time that is `units` of the interface's resolution after the epoch.
    fn time(&self, units: u64) -> Timestamp {
        let exponent = u32::from(self.resolution & 0x7f);
        let units = u128::from(units) * 1_000_000_000;
        let since_offset = if self.resolution & 0x80 == 0 {
            10u128.checked_pow(exponent).map_or(0, |divisor| units / divisor)
        } else {
            units >> exponent
        };
        let nanoseconds = (since_offset as i128).saturating_add(i128::from(self.offset) * 1_000_000_000);
        Timestamp(nanoseconds.clamp(0, u64::MAX.into()) as u64)
    }
}

fn is_packet(block: &PcapBlockOwned<'_>) -> bool {
    match block {
        PcapBlockOwned::LegacyHeader(_) => false,
        PcapBlockOwned::Legacy(_) => true,
        PcapBlockOwned::NG(block) => block.is_data_block(),
    }
}

/// Whether a pcapng block stands whole in `data`, so that a parser which wants more is misled by what is inside.
fn holds_whole_block(data: &[u8], format: &Format) -> bool {
    let Some(&length) = data.get(4..8).and_then(|bytes| bytes.first_chunk::<4>()) else {
        return false;
    };
    let length = if format.big_endian { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
    format.header.is_none() && length as usize <= data.len()
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
        let mut start = vec![0; HEADER];
        let mut filled = 0;
        while filled < start.len() {
            match input.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(kind) => {
                    let source = self.failure.borrow_mut().take().unwrap_or(kind);
                    return Err(Error::Read { path: self.path.to_owned(), source });
                }
            }
            // The parser wants a pcapng section header in one piece.
            if filled == HEADER && start.len() == HEADER && start.starts_with(&SECTION_HEADER) {
                start.resize(section_length(&start).clamp(HEADER, LARGEST_BLOCK), 0);
            }
        }
        start.truncate(filled);
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

/// Says what a file is that is not a capture, if that is easily said.
fn describe(start: &[u8]) -> String {
    let kind = match start {
        [0x1f, 0x8b, ..] => "gzip's mark; unpack it first",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd's mark; unpack it first",
        [0xfd, b'7', b'z', ..] => "xz's mark; unpack it first",
        _ if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => {
            let bytes: Vec<_> = start.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            return format!("the bytes {}", bytes.join(" "));
        }
    };
    kind.to_owned()
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
