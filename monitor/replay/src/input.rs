//! Files as replay takes them: unpacked, and told apart by how they begin.
//!
//! gzip is unpacked on the way, in as many members as there are. What is in the file is told by its first bytes, and where
//! those are text, by the first of its lines that is an access log's. A pipe is read no further than that takes.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;
use rollcall_model::{hex, time::Timestamp};

use super::{access_log, error::Error, file_format::FileFormat};

/// Bytes read from a file at once, packed and unpacked.
const BUFFER: usize = 128 * 1024;

/// What is looked at of a text to tell its format: lines, and bytes of them.
const LINES: usize = 20;
const START: usize = 128 * 1024;

/// As many bytes tell a capture.
const MAGIC: usize = 4;

/// A recording, opened and unpacked.
pub struct Input {
    name: String,
    format: FileFormat,
    /// Of the file as it is stored; `None` for a pipe.
    size: Option<u64>,
    /// Of the file as it is stored.
    position: Arc<AtomicU64>,
    first: Option<Timestamp>,
    reader: Box<dyn BufRead>,
}

impl Input {
    /// Opens the recording at `path`, in `format` or in the one that it begins in; `-` is stdin.
    pub fn open(path: &Path, format: Option<FileFormat>) -> Result<Input, Error> {
        if path == Path::new("-") {
            return Input::from_reader("(stdin)", io::stdin().lock(), None, format);
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => {
                let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file);
                Input::from_reader(&name, file, metadata.map(|metadata| metadata.len()), format)
            }
            Err(source) => Err(Error::Read { path: name, source }),
        }
    }

    /// Takes a recording from `reader`, of `size` bytes if that is known. `name` is for errors.
    pub fn from_reader(
        name: &str,
        reader: impl Read + 'static,
        size: Option<u64>,
        format: Option<FileFormat>,
    ) -> Result<Input, Error> {
        let failed = |source| Error::Read { path: name.to_owned(), source };
        let position = Arc::<AtomicU64>::default();
        let counted = Counted { reader, position: Arc::clone(&position) };
        let (start, packed) = peek(BufReader::with_capacity(BUFFER, counted), MAGIC, 0).map_err(failed)?;
        let (start, reader): (_, Box<dyn BufRead>) = if start.starts_with(&[0x1f, 0x8b]) {
            let unpacked = MultiGzDecoder::new(Cursor::new(start).chain(packed));
            let (start, rest) = peek(BufReader::with_capacity(BUFFER, unpacked), MAGIC, 0).map_err(failed)?;
            (start, Box::new(rest))
        } else {
            (start, Box::new(packed))
        };
        if start.is_empty() {
            return Err(Error::Empty { path: name.to_owned() });
        }
        if format == Some(FileFormat::Pcap) || format.is_none() && is_capture(&start) {
            let reader = Box::new(Cursor::new(start).chain(reader));
            let (name, format) = (name.to_owned(), FileFormat::Pcap);
            return Ok(Input { name, format, size, position, first: None, reader });
        }
        // Whatever ends the text early shows up once more when the text is read.
        let (start, reader) = peek(Cursor::new(start).chain(reader), START, LINES).map_err(failed)?;
        let recognised = access_log::recognise(&start, format);
        let Some(format) = format.or(recognised.format) else {
            return Err(Error::Unknown { path: name.to_owned(), start: describe(&start) });
        };
        let reader = Box::new(Cursor::new(start).chain(reader));
        Ok(Input { name: name.to_owned(), format, size, position, first: recognised.first, reader })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is written in.
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// The time of the first call that was found at the beginning of an access log.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// Bytes of the file as it is stored; `None` for a pipe.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many of them have been read so far.
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// What is in it, unpacked.
    pub fn into_reader(self) -> impl BufRead {
        self.reader
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.position.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Takes at least `bytes` off `reader`, or `lines` if that is not 0 and comes first, or all there is. An error that comes
/// behind something is left for whoever reads on.
fn peek<R: BufRead + 'static>(
    mut reader: R,
    bytes: usize,
    lines: usize,
) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut start = Vec::new();
    let mut ends = 0;
    while start.len() < bytes && (lines == 0 || ends < lines) {
        match reader.fill_buf() {
            Ok([]) => break,
            Ok(more) => {
                let room = bytes - start.len();
                let more = &more[..more.len().min(room)];
                start.extend_from_slice(more);
                ends += memchr::memchr_iter(b'\n', more).count();
                let taken = more.len();
                reader.consume(taken);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if start.is_empty() => return Err(error),
            Err(error) => {
                let rest = BufReader::with_capacity(1, Failing(Some(error)));
                return Ok((start, Box::new(rest)));
            }
        }
    }
    Ok((start, Box::new(reader)))
}

fn is_capture(start: &[u8]) -> bool {
    matches!(
        start,
        [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x34, 0xcd, 0xb2, 0xa1, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..]
    )
}

/// Says what a file is that can't be read, if that is easily said.
pub(super) fn describe(start: &[u8]) -> String {
    let kind = match start {
        [0x1f, 0x8b, ..] => "gzip's mark; unpack it first",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd's mark; unpack it first",
        [0xfd, b'7', b'z', ..] => "xz's mark; unpack it first",
        [b'B', b'Z', b'h', ..] => "bzip2's mark; unpack it first",
        _ if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => {
            let bytes: Vec<_> = start.iter().take(4).map(|&byte| hex::text(&[byte])).collect();
            return format!("the bytes {}", bytes.join(" "));
        }
    };
    kind.to_owned()
}
