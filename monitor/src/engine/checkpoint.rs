//! The file that state is written to: a checkpoint.
//!
//! ```text
//! magic 8 │ format 4 │ key check 16 │ body … │ length of the body 8 │ seal 16
//! ```
//!
//! Numbers are little-endian, the body is [postcard](https://postcard.jamesmunns.com/wire-format). The seal is a keyed hash
//! of all before it, so what is not as it was written is refused before any of it is looked at. It is no proof against who
//! has the key; nor is one needed, for the key stands beside the file.

use std::io;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{
    hash::{HashKey, Seal},
    state::Inconsistent,
};

/// The format that is written, and the only one that is read.
pub const FORMAT: u32 = 2;

const MAGIC: &[u8; 8] = b"rollcall";

/// Magic, format and key check.
const HEAD: usize = MAGIC.len() + 4 + 16;

/// Length and seal.
const TAIL: usize = 8 + 16;

/// What is handed to the writer at a time.
const PIECE: usize = 64 * 1024;

/// Why a checkpoint is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("this is no checkpoint: name another file, or remove it to start with nothing learned")]
    Foreign,
    #[error(
        "a newer rollcall wrote this checkpoint (format {0}, and this one reads {FORMAT}): start that one, or remove the \
         checkpoint to start with nothing learned"
    )]
    Newer(u32),
    #[error(
        "an older rollcall wrote this checkpoint (format {0}, and this one reads {FORMAT}): remove it to start with nothing \
         learned"
    )]
    Older(u32),
    #[error(
        "this checkpoint was made with another key: put back the key that stood beside it, or remove the checkpoint to start \
         with nothing learned"
    )]
    OtherKey,
    #[error(
        "this checkpoint is not whole ({0} bytes are left of it): put back a copy, or remove it to start with nothing learned"
    )]
    NotWhole(usize),
    #[error(
        "this checkpoint is damaged: put back a copy and check the disk, or remove it to start with nothing learned"
    )]
    Damaged,
    #[error(
        "this checkpoint is as it was written, but cannot be so: {0}; report that, and remove it to start with nothing learned"
    )]
    Inconsistent(Inconsistent),
}

/// The message has it all: there is no cause to be shown behind it.
impl From<Inconsistent> for RestoreError {
    fn from(why: Inconsistent) -> RestoreError {
        RestoreError::Inconsistent(why)
    }
}

/// Writes `state` as a checkpoint.
pub(super) fn write(state: &impl Serialize, key: HashKey, writer: impl io::Write) -> io::Result<()> {
    let mut sealed =
        Sealed { writer, seal: key.seal(), piece: Vec::with_capacity(PIECE), sealed: 0, failed: None };
    sealed.add(MAGIC)?;
    sealed.add(&FORMAT.to_le_bytes())?;
    sealed.add(&key.check())?;
    let mut serializer = postcard::Serializer { output: sealed };
    let written = state.serialize(&mut serializer);
    let mut sealed = serializer.output;
    if let Some(error) = sealed.failed.take() {
        return Err(error);
    }
    written.map_err(io::Error::other)?;
    let body = sealed.length() - HEAD as u64;
    sealed.add(&body.to_le_bytes())?;
    sealed.finish()
}

/// Reads the state in `checkpoint`.
pub(super) fn read<'a, S: Deserialize<'a>>(checkpoint: &'a [u8], key: HashKey) -> Result<S, RestoreError> {
    let not_whole = RestoreError::NotWhole(checkpoint.len());
    let known = checkpoint.len().min(MAGIC.len());
    if checkpoint[..known] != MAGIC[..known] {
        return Err(RestoreError::Foreign);
    }
    let (_, rest) = checkpoint.split_first_chunk::<8>().ok_or(not_whole)?;
    let (format, rest) = rest.split_first_chunk().ok_or(not_whole)?;
    match u32::from_le_bytes(*format) {
        FORMAT => {}
        newer if newer > FORMAT => return Err(RestoreError::Newer(newer)),
        older => return Err(RestoreError::Older(older)),
    }
    let (made_with, rest) = rest.split_first_chunk().ok_or(not_whole)?;
    if key.check() != *made_with {
        return Err(RestoreError::OtherKey);
    }
    let (rest, seal) = rest.split_last_chunk().ok_or(not_whole)?;
    let (body, length) = rest.split_last_chunk().ok_or(not_whole)?;
    if u64::from_le_bytes(*length) != body.len() as u64 {
        return Err(not_whole);
    }
    let mut computed = key.seal();
    computed.add(&checkpoint[..HEAD + body.len() + TAIL - seal.len()]);
    if computed.finish() != *seal {
        return Err(RestoreError::Damaged);
    }
    decode(body).map_err(RestoreError::from)
}

/// Reads a state that has been sealed by us. Nothing is allocated before what fills it has been read.
fn decode<'a, S: Deserialize<'a>>(body: &'a [u8]) -> Result<S, Inconsistent> {
    let (state, rest) = postcard::take_from_bytes(body)
        .map_err(|_| Inconsistent("it does not have the form of its format"))?;
    if rest.is_empty() { Ok(state) } else { Err(Inconsistent("something follows it")) }
}

/// Hands on what is written in large pieces, and seals it.
struct Sealed<W> {
    writer: W,
    seal: Seal,
    piece: Vec<u8>,
    /// Bytes handed on.
    sealed: u64,
    /// Why the writer failed: postcard's errors have no room for that.
    failed: Option<io::Error>,
}

impl<W: io::Write> Sealed<W> {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(PIECE) {
            if self.piece.len() + bytes.len() > PIECE {
                self.hand_on()?;
            }
            self.piece.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.seal.add(&self.piece);
        self.sealed += self.piece.len() as u64;
        self.writer.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// What has been added.
    fn length(&self) -> u64 {
        self.sealed + self.piece.len() as u64
    }

    fn finish(mut self) -> io::Result<()> {
        self.hand_on()?;
        self.writer.write_all(&self.seal.finish())?;
        self.writer.flush()
    }
}

impl<W: io::Write> Flavor for Sealed<W> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.add(bytes).map_err(|error| {
            self.failed = Some(error);
            postcard::Error::SerializeBufferFull
        })
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
