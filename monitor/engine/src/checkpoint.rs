//! The file that state is written to: a checkpoint.
//!
//! ```text
//! magic 8 │ format 4 │ key check 16 │ event 8 │ body … │ length of the body 8 │ seal 16
//! ```
//!
//! The event is the latest one in the lives of alerts that the body knows of, by its number in the ledger: what happened to
//! alerts later is for the ledger to say. Numbers are little-endian, the body is [postcard](https://postcard.jamesmunns.com/wire-format). The seal is a keyed hash
//! of all before it, so what is not as it was written is refused before any of it is looked at. It is no proof against who
//! has the key; nor is one needed, for the key stands beside the file.

use std::io;

use rollcall_model::{
    hash::{HashKey, Seal},
    state::Inconsistent,
};
use serde::{Deserialize, Serialize};

/// The format that is written.
pub const FORMAT: u32 = 8;

const MAGIC: &[u8; 8] = b"rollcall";

/// Magic, format, key check and event.
const HEAD: usize = MAGIC.len() + 4 + 16 + 8;

/// Length and seal.
const TAIL: usize = 8 + 16;

/// What is sealed and handed to the writer at a time: it is in the cache still.
const PIECE: usize = 64 * 1024;

/// Why a checkpoint is refused. The messages say it of "it".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("it is no checkpoint")]
    Foreign,
    #[error("a newer rollcall wrote it (format {0}, and this one reads {FORMAT})")]
    Newer(u32),
    #[error("an older rollcall wrote it (format {0}, and this one reads {FORMAT})")]
    Older(u32),
    #[error("it was made with another key than the one beside it")]
    OtherKey,
    #[error("it is not whole: {0} bytes are left of it")]
    NotWhole(usize),
    #[error("it is not as it was written: it was changed, or the disk is failing")]
    Damaged,
    #[error("it is as it was written, but cannot be so: {0}; please report that")]
    Inconsistent(Inconsistent),
}

impl RestoreError {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            RestoreError::Foreign => "foreign",
            RestoreError::Newer(_) => "newer",
            RestoreError::Older(_) => "older",
            RestoreError::OtherKey => "other-key",
            RestoreError::NotWhole(_) => "cut",
            RestoreError::Damaged => "damaged",
            RestoreError::Inconsistent(_) => "inconsistent",
        }
    }
}

/// The message has it all: there is no cause to be shown behind it.
impl From<Inconsistent> for RestoreError {
    fn from(why: Inconsistent) -> RestoreError {
        RestoreError::Inconsistent(why)
    }
}

/// What was known at a moment, on its way into a checkpoint. It takes as much memory as the file will.
///
/// It is made where the state is, at a moment when that does not change; the rest can be done elsewhere, and later.
#[derive(Debug)]
pub struct Draft {
    body: Vec<u8>,
    key: HashKey,
    event: u64,
}

impl Draft {
    /// What is known now: `state`.
    pub(super) fn of(state: &impl Serialize, key: HashKey) -> io::Result<Draft> {
        let body = postcard::to_allocvec(state).map_err(io::Error::other)?;
        Ok(Draft { body, key, event: 0 })
    }

    /// The same, known to be up to the event with that number.
    pub fn up_to(self, event: u64) -> Draft {
        Draft { event, ..self }
    }

    /// Writes the checkpoint.
    ///
    /// # Errors
    ///
    /// Those of `writer`; what has been written by then is refused when it is read.
    pub fn write(&self, writer: impl io::Write) -> io::Result<()> {
        let mut sealed = Sealed { writer, seal: self.key.seal() };
        sealed.add(MAGIC)?;
        sealed.add(&FORMAT.to_le_bytes())?;
        sealed.add(&self.key.check())?;
        sealed.add(&self.event.to_le_bytes())?;
        self.body.chunks(PIECE).try_for_each(|piece| sealed.add(piece))?;
        sealed.add(&(self.body.len() as u64).to_le_bytes())?;
        let Sealed { mut writer, seal } = sealed;
        writer.write_all(&seal.finish())?;
        writer.flush()
    }

    /// How many bytes the checkpoint will have.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        HEAD + self.body.len() + TAIL
    }
}

/// Seals what is written.
struct Sealed<W> {
    writer: W,
    seal: Seal,
}

impl<W: io::Write> Sealed<W> {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seal.add(bytes);
        self.writer.write_all(bytes)
    }
}

/// The number of the latest event that the state in `checkpoint` knows of, 0 if it does not say so.
pub fn event(checkpoint: &[u8]) -> u64 {
    let number = |at: usize| checkpoint.get(at..).and_then(|rest| rest.first_chunk::<8>());
    let is_named = checkpoint.get(MAGIC.len()..).is_some_and(|rest| rest.starts_with(&FORMAT.to_le_bytes()));
    number(HEAD - 8).filter(|_| is_named).map_or(0, |number| u64::from_le_bytes(*number))
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
    let rest = rest.get(8..).ok_or(not_whole)?;
    let (rest, seal) = rest.split_last_chunk().ok_or(not_whole)?;
    let (body, length) = rest.split_last_chunk().ok_or(not_whole)?;
    if u64::from_le_bytes(*length) != body.len() as u64 {
        return Err(not_whole);
    }
    let mut computed = key.seal();
    computed.add(&checkpoint[..checkpoint.len() - seal.len()]);
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

#[cfg(test)]
mod tests;
