//! Bodies that are compressed: `Content-Encoding` of requests, which some frameworks undo for whoever sends it.
//!
//! What comes out is bounded, for a small body can hold a large one; so is what it costs to begin anew.

use std::io::Read as _;

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

/// As much as is taken out of a body. What padding is in it compresses well, so this is as large as a body is kept.
const MOST: u64 = 32 * 1024;

/// Pieces of which one body is made: each may begin anew (RFC 1952, section 2.2).
const MEMBERS: usize = 8;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    Whole,
    /// There is more.
    Cut,
    /// It is not compressed.
    Not,
}

/// Undoes the coding that `octets` begin with, into `out`: whatever it is called, servers tell by its first bytes.
pub(super) fn inflate(octets: &[u8], out: &mut Vec<u8>) -> Inflated {
    out.clear();
    let mut rest = octets;
    match octets {
        [0x1f, 0x8b, ..] => {
            for _ in 0..MEMBERS {
                let mut decoder = GzDecoder::new(rest);
                let left = MOST.saturating_sub(out.len() as u64);
                // An error is the end: what came before it is there.
                let whole = decoder.by_ref().take(left).read_to_end(out).is_ok();
                rest = decoder.into_inner();
                if !whole || rest.is_empty() || out.len() as u64 >= MOST {
                    break;
                }
            }
        }
        // A method and window of zlib's, and its check (RFC 1950, section 2.2).
        [method, flags, ..]
            if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31) =>
        {
            let _ = ZlibDecoder::new(octets).take(MOST).read_to_end(out);
        }
        // Without zlib's frame, which some servers take as well. Nothing but its end tells it from what is not compressed.
        _ => {
            if DeflateDecoder::new(octets).take(MOST).read_to_end(out).is_err() {
                out.clear();
            }
        }
    }
    match out.len() as u64 {
        0 => Inflated::Not,
        MOST.. => Inflated::Cut,
        _ if rest.is_empty() || !rest.starts_with(&[0x1f, 0x8b]) => Inflated::Whole,
        _ => Inflated::Cut,
    }
}
