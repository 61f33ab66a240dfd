//! What the blocks of a capture file mean: link types, times, and packets.

use pcap_parser::{Block, PcapBlockOwned, PcapHeader, SecretsType, traits::PcapNGPacketBlock};
use rollcall_model::time::Timestamp;

use super::link::Link;

/// A captured packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub link_type: u16,
    pub at: Timestamp,
    /// Bytes on the wire.
    pub length: u32,
    /// Those of them that were captured.
    pub data: &'a [u8],
}

/// What a block holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Frame(Frame<'a>),
    /// Text of a key log.
    KeyLog(&'a [u8]),
}

/// What the file says about all its packets.
#[derive(Debug, Default)]
pub(super) struct Format {
    header: Option<PcapHeader>,
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// The time of the last packet that had one, for simple packet blocks, which have none.
    last: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    snapshot: u32,
    /// `if_tsresol`
    resolution: u8,
    /// `if_tsoffset`, in seconds
    offset: i64,
}

impl Format {
    /// How long the block at the start of `data` says it is, if that much of it is there.
    pub(super) fn claimed_length(&self, data: &[u8]) -> Option<usize> {
        let (at, more, big_endian) = match &self.header {
            // A packet's header of 16 bytes, or of 24 in the modified format, then what was captured.
            Some(header) => (8, if header.is_modified_format() { 24 } else { 16 }, header.is_bigendian()),
            None => (4, 0, self.big_endian),
        };
        let &length = data.get(at..)?.first_chunk::<4>()?;
        let length = if big_endian { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
        (length as usize).checked_add(more)
    }

    /// What is in a block, if anything; or the number of a link type that makes the whole file useless.
    pub(super) fn content<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Content<'a>>, u16> {
        if let PcapBlockOwned::NG(Block::DecryptionSecrets(secrets)) = block {
            let text = secrets.data.get(..secrets.secrets_len as usize);
            let is_key_log = secrets.secrets_type == SecretsType::TlsKeyLog;
            return Ok(text.filter(|_| is_key_log).map(Content::KeyLog));
        }
        self.frame(block).map(|frame| frame.map(Content::Frame))
    }

    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Frame<'a>>, u16> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                // The upper bits tell the length of a frame check sequence, which IP's length cuts off.
                let link_type = header.network.0 as u16;
                if Link::from_number(link_type).is_none() {
                    return Err(link_type);
                }
                self.header = Some(header.clone());
                Ok(None)
            }
            PcapBlockOwned::Legacy(packet) => Ok(self.header.as_ref().map(|header| {
                let unit = if header.is_nanosecond_precision() { 1 } else { 1_000 };
                Frame {
                    link_type: header.network.0 as u16,
                    at: Timestamp(
                        u64::from(packet.ts_sec) * 1_000_000_000 + u64::from(packet.ts_usec) * unit,
                    ),
                    length: packet.origlen,
                    data: packet.data,
                }
            })),
            PcapBlockOwned::NG(block) => Ok(self.ng_frame(block)),
        }
    }

    fn ng_frame<'a>(&mut self, block: &'a Block<'_>) -> Option<Frame<'a>> {
        match block {
            Block::SectionHeader(section) => {
                self.big_endian = section.big_endian();
                self.interfaces.clear();
                None
            }
            Block::InterfaceDescription(interface) => {
                let offset = interface.if_tsoffset;
                self.interfaces.push(Interface {
                    link_type: interface.linktype.0 as u16,
                    snapshot: interface.snaplen,
                    resolution: interface.if_tsresol,
                    // The parser reads this option as little-endian in every file.
                    offset: if self.big_endian { offset.swap_bytes() } else { offset },
                });
                None
            }
            Block::EnhancedPacket(packet) => {
                let interface = self.interfaces.get(packet.if_id as usize);
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                self.last = interface.map_or(self.last, |interface| interface.time(units));
                Some(Frame {
                    // A packet of an interface that the file does not describe is of an unknown type.
                    link_type: interface.map_or(u16::MAX, |interface| interface.link_type),
                    at: self.last,
                    length: packet.origlen,
                    data: packet.packet_data(),
                })
            }
            Block::SimplePacket(packet) => {
                let interface = self.interfaces.first();
                let snapshot = interface.map_or(0, |interface| interface.snapshot) as usize;
                let data = packet.packet_data();
                Some(Frame {
                    link_type: interface.map_or(u16::MAX, |interface| interface.link_type),
                    at: self.last,
                    length: packet.origlen,
                    data: if snapshot > 0 { &data[..data.len().min(snapshot)] } else { data },
                })
            }
            _ => None,
        }
    }
}

impl Interface {
    /// A point in time that is `units` of the interface's resolution after the epoch.
    fn time(&self, units: u64) -> Timestamp {
        let exponent = u32::from(self.resolution & 0x7f);
        let units = u128::from(units) * 1_000_000_000;
        let since_offset = if self.resolution & 0x80 == 0 {
            10u128.checked_pow(exponent).map_or(0, |divisor| units / divisor)
        } else {
            units >> exponent
        };
        let nanoseconds = (since_offset as i128).saturating_add(i128::from(self.offset) * 1_000_000_000);
        Timestamp(nanoseconds.clamp(0, u64::MAX.into()) as u64)
    }
}

/// Whether a block is a packet.
pub(super) fn is_packet(block: &PcapBlockOwned<'_>) -> bool {
    match block {
        PcapBlockOwned::LegacyHeader(_) => false,
        PcapBlockOwned::Legacy(_) => true,
        PcapBlockOwned::NG(block) => block.is_data_block(),
    }
}
