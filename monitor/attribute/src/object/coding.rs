//! Bodies that are compressed: `Content-Encoding` of requests, which some frameworks undo for whoever sends it.
//!
//! What comes out is bounded, also by what was sent, for a small body can hold a large one; so is what it costs to begin anew.

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{
            TINFL_FLAG_IGNORE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

/// As much as is taken out of a body. What padding is in it compresses well, so this is as large as a body is kept.
pub(super) const MOST: usize = 32 * 1024;

/// And as much for each octet that was sent, besides [`ALWAYS`]. What programs write is a tenth of its size or more; less than
/// this are bodies that are to cost much and were cheap to send.
const RATIO: usize = 16;

/// Of a body however small.
const ALWAYS: usize = 512;

/// Pieces of which one body is made: each may begin anew (RFC 1952, section 2.2).
const MEMBERS: usize = 8;

/// What gzip begins with (RFC 1952, section 2.3), and how long what is behind its body is.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const TRAILER: usize = 8;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    Whole,
    /// There is more.
    Cut,
    /// It is not compressed.
    Not,
}

/// As much as is taken out of what `sent` octets were sent for.
pub(super) fn most(sent: usize) -> usize {
    (ALWAYS + RATIO * sent).min(MOST)
}

/// Undoes the coding that `octets` begin with, into `out`, until it has `most`: whatever it is called, servers tell by its first
/// bytes.
pub(super) fn inflate(octets: &[u8], most: usize, out: &mut Vec<u8>) -> Inflated {
    out.clear();
    out.resize(most, 0);
    let (mut length, mut more) = (0, false);
    match octets {
        _ if octets.starts_with(&GZIP) => {
            let mut rest = octets;
            for _ in 0..MEMBERS {
                let Some(body) = gzip_body(rest) else { break };
                let (end, read, written) = piece(body, &mut out[length..], 0);
                length += written;
                more = end == End::Full;
                // An error is the end: what came before it is there.
                if end != End::Whole {
                    rest = &[];
                    break;
                }
                rest = body.get(read + TRAILER..).unwrap_or_default();
            }
            more |= rest.starts_with(&GZIP);
        }
        // A method and window of zlib's, and its check (RFC 1950, section 2.2).
        [method, flags, ..]
            if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31) =>
        {
            let (end, _, written) = piece(octets, out, TINFL_FLAG_PARSE_ZLIB_HEADER);
            (length, more) = (written, end == End::Full);
        }
        // Without zlib's frame, which some servers take as well. Nothing but its end tells it from what is not compressed.
        _ => {
            let (end, _, written) = piece(octets, out, 0);
            if end != End::Broken {
                (length, more) = (written, end == End::Full);
            }
        }
    }
    out.truncate(length);
    match length {
        0 => Inflated::Not,
        _ if more => Inflated::Cut,
        _ => Inflated::Whole,
    }
}

/// How a piece ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// There was no room for more.
    Full,
    Broken,
}

/// Undoes one piece: its end, and how much was read and written. Sums are not checked, for some servers don't.
fn piece(octets: &[u8], out: &mut [u8], flags: u32) -> (End, usize, usize) {
    let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_IGNORE_ADLER32;
    let (status, read, written) = decompress(&mut DecompressorOxide::new(), octets, out, 0, flags);
    let end = match status {
        TINFLStatus::Done => End::Whole,
        TINFLStatus::HasMoreOutput => End::Full,
        _ => End::Broken,
    };
    (end, read, written)
}

/// What is behind the header of gzip (RFC 1952, section 2.3.1); none if that does not end.
fn gzip_body(octets: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = octets.split_at_checked(10).filter(|(header, _)| header.starts_with(&GZIP))?;
    let flags = header[3];
    if flags & EXTRA != 0 {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = &rest[memchr::memchr(0, rest)? + 1..];
        }
    }
    if flags & CHECK != 0 { rest.get(2..) } else { Some(rest) }
}

/// Flags of that header.
const CHECK: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
