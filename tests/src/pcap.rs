//! Capture files written by hand, for replays where no recorded ones are at hand.

use crate::packet::{self, Segment};

/// Link type of packets that begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

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
        let packet = packet::encode(segment);
        self.microseconds += 1000;
        let length = packet.len() as u32;
        for field in
            [(self.microseconds / 1_000_000) as u32, (self.microseconds % 1_000_000) as u32, length, length]
        {
            self.bytes.extend(field.to_le_bytes());
        }
        self.bytes.extend(packet);
    }

    /// The file so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
