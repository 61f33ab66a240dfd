//! What is to be done about a packet.

use crate::{
    outcome::Outcome,
    packet::Packet,
    record::{CHUNK, CHUNKS, FLAG_AFTER_RESPONSE},
};

/// All that is captured of a packet at most: 144 KiB, enough for the largest without BIG TCP.
pub const WHOLE: u32 = CHUNK * CHUNKS;
/// The start of a packet, for when there is no room for the whole: a request line and what matters most behind it.
pub const START: u32 = 640;

/// How the packet is captured, or else how it ends.
pub type Verdict = Result<Capture, Outcome>;

/// What the daemon is to see of a packet, and to know beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Cookie of its socket.
    pub connection: u64,
    /// Id of its socket's cgroup.
    pub cgroup: u64,
    /// `FLAG_*` to add to those of the headers.
    pub flags: u16,
    /// See [`SegmentHeader::received`](crate::record::SegmentHeader::received).
    pub received: u32,
    /// See [`SegmentHeader::sent`](crate::record::SegmentHeader::sent).
    pub sent: u32,
    /// See [`SegmentHeader::sampling`](crate::record::SegmentHeader::sampling).
    pub sampling: u32,
    /// How many bytes, TCP header included.
    pub limit: u32,
    /// The start in the CPU's batch will do.
    pub batch: bool,
}

impl Capture {
    /// The packet's outcome, once its bytes have been `written` or have found no room.
    #[inline(always)]
    pub fn outcome(&self, packet: &Packet, written: bool) -> Outcome {
        if !written {
            Outcome::RingFull
        } else if self.limit == START && packet.length > START {
            Outcome::OverBudget
        } else {
            Outcome::Submitted
        }
    }

    /// Whether the packet begins a request, as far as can be told from outside.
    #[inline(always)]
    pub fn begins_request(&self) -> bool {
        self.flags & FLAG_AFTER_RESPONSE != 0
    }
}
