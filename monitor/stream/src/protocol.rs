//! The door between TCP and what a connection carries.
//!
//! Through it go, for each direction, bytes at their places and what is missing between them, in order and only once: request
//! bytes when the server's TCP is known to have accepted them, response bytes as they were sent. What has gone through is
//! never taken back.

use rollcall_model::time::Timestamp;

use super::{ConnectionId, Endpoints, Segment, reassembly::Origin};

/// Where the request stream was when the source came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At its first byte.
    Start,
    /// Anywhere: the connection is older than the source.
    Joined,
    /// Anywhere: the connection was forgotten amid a message.
    Lost,
}

/// What TCP knows of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub id: ConnectionId,
    /// `None` until a segment has told them.
    pub endpoints: Option<Endpoints>,
    /// When its newest segment was seen.
    pub seen: Timestamp,
    /// The server's TCP has everything before it.
    pub accepted: u64,
    /// Places are those of the bytes on the wire, so that the source can be told what to skip.
    pub is_wire: bool,
}

/// Part of the response stream, in order.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub place: u64,
    pub length: u32,
    /// The captured prefix.
    pub data: &'a [u8],
    /// What the server had received when it sent this.
    pub ack: Option<u64>,
    pub at: Timestamp,
}

/// How one connection's protocol stands.
pub trait Standing {
    /// A connection of which nothing has been seen.
    fn new(beginning: Beginning) -> Self;

    /// Whether `data`, at `place`, differs from the request bytes that were handed on there, as far as these are still known.
    fn differs(&self, place: u64, data: &[u8]) -> bool;

    /// A message, or an answer to one, is under way or waited for.
    fn is_waiting(&self) -> bool;

    /// Every request has been answered.
    fn is_answered(&self) -> bool;

    /// Nothing of what came is needed to read what comes next, however late.
    fn is_forgettable(&self) -> bool;

    /// What is known of it can't be learnt again, so that it outlasts any silence.
    fn is_kept(&self) -> bool;

    /// The end of the request stream here is amid a message.
    fn is_amid(&self) -> bool;

    /// Another protocol, as far as is known.
    fn is_opaque(&self) -> bool;
}

/// One connection's protocol. `C` is what all connections share, with where goes what is found.
pub trait Protocol<C>: Standing {
    /// Request bytes that the server's TCP has accepted.
    fn request(&mut self, place: u64, data: &[u8], origin: &Origin, context: &mut C);

    /// Request bytes that it has accepted and that were not captured.
    fn request_gap(&mut self, place: u64, bytes: u64, context: &mut C);

    /// Response bytes.
    fn response(&mut self, piece: Piece<'_>, link: &Link, context: &mut C);

    /// Response bytes that were not seen.
    fn response_gap(&mut self, place: u64, bytes: u64, context: &mut C);

    /// Response bytes of a connection of which no request byte has come.
    fn orphan(segment: &Segment<'_>, context: &mut C);

    /// Advice for the source, on which the bytes that come next may depend.
    fn advise(&mut self, link: &Link, context: &mut C);

    /// All bytes that were there have been handed on: reports what is certain.
    fn flush(&mut self, link: &Link, context: &mut C);

    /// Time has passed: what need not wait any longer is reported by the `flush` that follows.
    fn overdue(&mut self, now: Timestamp, context: &C);

    /// When [`Protocol::overdue`] is next due.
    fn deadline(&self, context: &C) -> Option<Timestamp>;

    /// There is no other direction that could show what a guess was worth.
    fn believe(&mut self, context: &mut C);

    /// Whether request bytes up to `place` would be passed over.
    fn passes(&self, place: u64, context: &C) -> bool;

    /// The connection is over: reports everything that is left.
    fn finish(&mut self, link: &Link, context: &mut C);

    /// What was handed on since [`Protocol::finish`] TCP is not known to have accepted: counts it.
    fn dismiss(&mut self, context: &mut C);
}
