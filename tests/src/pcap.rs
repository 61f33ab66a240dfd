//! Capture files written by hand, for replays where no recorded ones are at hand.

use crate::packet::{self, ACK, Checksum, FIN, PSH, RST, SYN, Segment};

/// Link type of packets that begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

/// The client's first sequence number.
const INITIAL: u32 = u32::MAX - 3;

/// A classic capture file (microseconds, little-endian) in the making.
#[derive(Clone, Debug)]
pub struct Capture {
    bytes: Vec<u8>,
    microseconds: u64,
}

impl Default for Capture {
    fn default() -> Capture {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(LINKTYPE_RAW.to_le_bytes());
        Capture { bytes, microseconds: 1_700_000_000_000_000 }
    }
}

impl Capture {
    /// Adds a segment, a millisecond after the one before.
    pub fn push(&mut self, segment: &Segment) {
        self.push_cut(segment, usize::MAX);
    }

    /// The same with no more than `kept` bytes of the packet.
    pub fn push_cut(&mut self, segment: &Segment, kept: usize) {
        let packet = packet::encode(segment);
        self.microseconds += 1000;
        let kept = &packet[..packet.len().min(kept)];
        let (seconds, fraction) = (self.microseconds / 1_000_000, self.microseconds % 1_000_000);
        for field in [seconds as u32, fraction as u32, kept.len() as u32, packet.len() as u32] {
            self.bytes.extend(field.to_le_bytes());
        }
        self.bytes.extend(kept);
    }

    /// Adds the SYN of [`Capture::push_conversation`], to which a server that still has an older connection on these ports
    /// answers with where that stands, and perhaps the reset by which the client ends that.
    pub fn push_challenge(&mut self, port: u16, with_reset: bool) {
        self.push(&segment(port, true, INITIAL, 0, SYN, b""));
        self.push(&segment(port, false, 900_000, 700_000, ACK, b""));
        if with_reset {
            self.push(&segment(port, true, 700_000, 0, RST, b""));
        }
    }

    /// Adds one connection of 10.0.0.2 to port 80 of 10.0.0.1: what each end sends in turn, in segments of at most `size`
    /// bytes.
    pub fn push_conversation(&mut self, port: u16, turns: &[(&[u8], &[u8])], size: usize) {
        let (mut ours, mut theirs) = (INITIAL, 77_u32);
        let segment =
            |from_client, seq, ack, flags, payload| segment(port, from_client, seq, ack, flags, payload);
        self.push(&segment(true, ours, 0, SYN, b""));
        ours = ours.wrapping_add(1);
        self.push(&segment(false, theirs, ours, SYN | ACK, b""));
        theirs = theirs.wrapping_add(1);
        self.push(&segment(true, ours, theirs, ACK, b""));
        for (asked, answered) in turns {
            for piece in asked.chunks(size) {
                self.push(&segment(true, ours, theirs, ACK | PSH, piece));
                ours = ours.wrapping_add(piece.len() as u32);
            }
            for piece in answered.chunks(size) {
                self.push(&segment(false, theirs, ours, ACK | PSH, piece));
                theirs = theirs.wrapping_add(piece.len() as u32);
            }
        }
        self.push(&segment(true, ours, theirs, ACK | FIN, b""));
        self.push(&segment(false, theirs, ours.wrapping_add(1), ACK | FIN, b""));
    }

    /// The file so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn segment(port: u16, from_client: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
    let (client, server) = (([10, 0, 0, 2], port).into(), ([10, 0, 0, 1], 80).into());
    Segment {
        source: if from_client { client } else { server },
        destination: if from_client { server } else { client },
        seq,
        ack,
        flags,
        window: u16::MAX,
        urgent: 0,
        options: &[],
        payload,
        checksum: Checksum::Valid,
        extensions: &[],
    }
}
