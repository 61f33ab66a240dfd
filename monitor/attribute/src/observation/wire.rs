//! Observations as bytes: what they are between hosts.
//!
//! A version, then the observation in [postcard](https://postcard.jamesmunns.com/wire-format). They name clients by the
//! hashes that prove them, which are for no disk and for no wire that others can read: whoever sends them seals them.

use super::Observation;

/// The form that is written, and the only one that is read. Whoever changes what an observation holds, at any depth, raises
/// it.
const VERSION: u8 = 1;

/// Why bytes are no observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("an observation is in version {0}, and this rollcall reads {VERSION}")]
    Version(u8),
    #[error("an observation is cut off, or is none")]
    Malformed,
}

impl Observation {
    /// Appends it to `out`.
    ///
    /// # Errors
    ///
    /// If it can't be told in the format, which is a defect.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
        out.push(VERSION);
        let start = std::mem::take(out);
        *out = postcard::to_extend(self, start)?;
        Ok(())
    }

    /// The observation that `bytes` begin with, and what follows it. Nothing is allocated before what fills it has been
    /// read.
    ///
    /// # Errors
    ///
    /// If there is none, or none that this version reads.
    pub fn decode(bytes: &[u8]) -> Result<(Observation, &[u8]), DecodeError> {
        let (&version, rest) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (observation, rest): (Observation, _) =
            postcard::take_from_bytes(rest).map_err(|_| DecodeError::Malformed)?;
        let is_share = observation.sampling > 0.0 && observation.sampling <= 1.0;
        if is_share { Ok((observation, rest)) } else { Err(DecodeError::Malformed) }
    }
}
