//! The TCP segment in a captured packet.
//!
//! A capture may hold less of a packet than was on the wire (the snapshot length), and more: Ethernet pads short frames
//! and some captures keep its checksum. So payload lengths come from the IP header, and the bytes are as many of
//! them as were captured.

use std::net::SocketAddr;

use etherparse::{IpNumber, LaxIpSlice, err::ip::LaxHeaderSliceError};
use rollcall_stream::urgent_byte;

use super::link::{Link, Skip};

/// One TCP segment with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub seq: u32,
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub urgent: Option<u32>,
    pub rst: bool,
    /// Payload bytes on the wire.
    pub length: u32,
    /// Those of them that were captured, from the first on.
    pub data: &'a [u8],
}

/// The TCP header without options (RFC 9293, section 3.1).
const TCP_HEADER: usize = 20;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Finds the segment in `captured`, the first bytes of a packet that was `length` bytes long.
pub(super) fn decode(link: Link, captured: &[u8], length: u32) -> Result<Packet<'_>, Skip> {
    let offset = link.ip_offset(captured)?;
    let captured = captured.get(offset..).ok_or(Skip::CutShort)?;
    let on_wire = (length as usize).saturating_sub(offset).max(captured.len());
    let (ip, cut) = LaxIpSlice::from_slice(captured).map_err(|error| match error {
        LaxHeaderSliceError::Len(_) => Skip::CutShort,
        // Only the version is not 4 or 6 where the link layer does not tell.
        LaxHeaderSliceError::Content(etherparse::err::ip::HeaderError::UnsupportedIpVersion { .. }) => {
            Skip::NotIp
        }
        LaxHeaderSliceError::Content(_) => Skip::Malformed,
    })?;
    if ip.is_fragmenting_payload() {
        return Err(Skip::Fragment);
    }
    if cut.is_some() {
        return Err(Skip::CutShort);
    }
    if ip.payload_ip_number() != IpNumber::TCP {
        return Err(Skip::NotTcp);
    }
    let (tcp_at, ip_length) = match &ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header().slice().len();
            let extensions = ip.extensions().auth.map_or(0, |auth| auth.slice().len());
            (header + extensions, usize::from(ip.header().total_len()))
        }
        LaxIpSlice::Ipv6(ip) => {
            let header = ip.header().slice().len();
            let payload = usize::from(ip.header().payload_length());
            (header + ip.extensions().slice().len(), if payload == 0 { 0 } else { header + payload })
        }
    };
    // A length of zero: packets that the sending host captured before its network card cut them to size
    // (and IPv6 jumbograms). They are as long as the capture says.
    let ip_length = if ip_length == 0 { on_wire } else { ip_length };
    let captured = &captured[..captured.len().min(ip_length)];
    let tcp = captured.get(tcp_at..).ok_or(Skip::Malformed)?;
    let addresses = (ip.source_addr(), ip.destination_addr());
    segment(addresses, tcp, ip_length - tcp_at.min(ip_length))
}

/// Reads the TCP header by hand: one whose options were not captured is still as good as any.
fn segment(
    (source, destination): (std::net::IpAddr, std::net::IpAddr),
    captured: &[u8],
    on_wire: usize,
) -> Result<Packet<'_>, Skip> {
    if on_wire < TCP_HEADER {
        return Err(Skip::Malformed);
    }
    let header: &[u8; TCP_HEADER] = captured.first_chunk().ok_or(Skip::CutShort)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < TCP_HEADER || header_length > on_wire {
        return Err(Skip::Malformed);
    }
    let flags = header[13];
    Ok(Packet {
        source: SocketAddr::new(source, word(0)),
        destination: SocketAddr::new(destination, word(2)),
        seq: long(4),
        ack: (flags & ACK != 0).then(|| long(8)),
        syn: flags & SYN != 0,
        fin: flags & FIN != 0,
        urgent: urgent_byte(header, long(4)),
        rst: flags & RST != 0,
        length: u32::try_from(on_wire - header_length).map_err(|_| Skip::Malformed)?,
        data: captured.get(header_length..).unwrap_or_default(),
    })
}
