//! IP and TCP packets built byte by byte, right or wrong on purpose, and taken apart.

use std::net::{IpAddr, SocketAddr};

/// TCP flags.
pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;

/// What stands in the TCP checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The right sum.
    #[default]
    Valid,
    /// A wrong one.
    Wrong,
    /// The sum of the pseudo header alone: what a packet of the host's own carries whose checksum is offloaded,
    /// and wrong for one that comes from outside.
    PseudoHeaderOnly,
}

/// What stands between the IP header and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// IPv6 hop-by-hop options (padding only). Must come first.
    HopByHop,
    /// IPv6 destination options (padding only).
    Destination,
    /// An IPv6 routing header of a type that nobody knows, with no segments left.
    Routing,
    /// An IPv6 fragment header of a packet that is whole (RFC 6946, an atomic fragment).
    AtomicFragment,
    /// IPv4: this many words of no-operation options.
    NoOperation(u8),
}

/// One TCP segment to be built.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    /// Padded to whole words by the caller.
    pub options: &'a [u8],
    pub payload: &'a [u8],
    pub checksum: Checksum,
    pub extensions: &'a [Extension],
}

/// What the client needs to know of a segment that it received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

const TCP: u8 = 6;

/// Builds the packet, from the IP header on.
pub fn encode(segment: &Segment) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(20 + segment.options.len() + segment.payload.len());
    tcp.extend(segment.source.port().to_be_bytes());
    tcp.extend(segment.destination.port().to_be_bytes());
    tcp.extend(segment.seq.to_be_bytes());
    tcp.extend(segment.ack.to_be_bytes());
    tcp.push(((5 + segment.options.len() / 4) as u8) << 4);
    tcp.push(segment.flags);
    tcp.extend(segment.window.to_be_bytes());
    tcp.extend([0, 0]);
    tcp.extend(segment.urgent.to_be_bytes());
    tcp.extend(segment.options);
    tcp.extend(segment.payload);
    let pseudo = pseudo_header(segment.source.ip(), segment.destination.ip(), tcp.len());
    let checksum = match segment.checksum {
        Checksum::Valid => !fold(sum(&pseudo) + sum(&tcp)),
        Checksum::Wrong => (!fold(sum(&pseudo) + sum(&tcp))).wrapping_add(0x1234),
        Checksum::PseudoHeaderOnly => fold(sum(&pseudo)),
    };
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    let mut packet = ip_header(segment, tcp.len());
    packet.extend(tcp);
    packet
}

/// Takes a packet apart; `None` if it is not TCP without extension headers.
pub fn decode(packet: &[u8]) -> Option<Received> {
    let (source, destination, tcp): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&TCP) => {
            let header = usize::from(packet[0] & 15) * 4;
            let total = usize::from(u16_at(packet, 2)?);
            let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
            (address(12)?, address(16)?, packet.get(header..total)?)
        }
        6 if packet.get(6) == Some(&TCP) => {
            let address =
                |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
            (address(8)?, address(24)?, packet.get(40..40 + usize::from(u16_at(packet, 4)?))?)
        }
        _ => return None,
    };
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Received {
        source: SocketAddr::new(source, u16_at(tcp, 0)?),
        destination: SocketAddr::new(destination, u16_at(tcp, 2)?),
        seq: u32_at(tcp, 4)?,
        ack: u32_at(tcp, 8)?,
        flags: *tcp.get(13)?,
        options: tcp.get(20..header)?.to_vec(),
        payload: tcp.get(header..)?.to_vec(),
    })
}

/// Cuts an IPv4 packet without options into fragments of at most `size` payload bytes (a multiple of 8).
pub fn fragment_v4(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let count = payload.len().div_ceil(size);
    let pieces = payload.chunks(size).enumerate().map(|(index, piece)| {
        let mut fragment = header.to_vec();
        let more = if index + 1 < count { 0x2000 } else { 0 };
        fragment[2..4].copy_from_slice(&((20 + piece.len()) as u16).to_be_bytes());
        fragment[6..8].copy_from_slice(&(more | (index * size / 8) as u16).to_be_bytes());
        seal_v4(&mut fragment);
        fragment.extend(piece);
        fragment
    });
    pieces.collect()
}

fn ip_header(segment: &Segment, tcp: usize) -> Vec<u8> {
    match (segment.source.ip(), segment.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let words = segment.extensions.iter().map(|extension| match extension {
                Extension::NoOperation(words) => usize::from(*words),
                _ => 0,
            });
            let length = 20 + 4 * words.sum::<usize>();
            let mut header = vec![0x40 | (length / 4) as u8, 0];
            header.extend(((length + tcp) as u16).to_be_bytes());
            // An identification for fragments to have in common.
            header.extend((segment.seq as u16).to_be_bytes());
            header.extend([0, 0, 64, TCP, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            header.resize(length, 1);
            seal_v4(&mut header);
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let numbers = segment.extensions.iter().map(|extension| match extension {
                Extension::HopByHop => 0,
                Extension::Destination => 60,
                Extension::Routing => 43,
                Extension::AtomicFragment => 44,
                Extension::NoOperation(_) => 59,
            });
            let mut next: Vec<u8> = numbers.collect();
            next.push(TCP);
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(((8 * segment.extensions.len() + tcp) as u16).to_be_bytes());
            header.extend([next[0], 64]);
            header.extend(source.octets());
            header.extend(destination.octets());
            for (extension, next) in segment.extensions.iter().zip(&next[1..]) {
                match extension {
                    Extension::AtomicFragment => header.extend([*next, 0, 0, 0, 0, 0, 0, 1]),
                    Extension::Routing => header.extend([*next, 0, 253, 0, 0, 0, 0, 0]),
                    // One PadN option of six bytes (RFC 8200, section 4.2).
                    _ => header.extend([*next, 0, 1, 4, 0, 0, 0, 0]),
                }
            }
            header
        }
        (source, destination) => panic!("a packet from {source} to {destination}"),
    }
}

fn seal_v4(header: &mut [u8]) {
    header[10..12].fill(0);
    let checksum = !fold(sum(header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend(u32::from(TCP).to_be_bytes());
    bytes
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment<'a>(source: &str, destination: &str, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            seq: 7,
            ack: 9,
            flags: ACK | PSH,
            window: 100,
            urgent: 0,
            options: &[],
            payload,
            checksum: Checksum::Valid,
            extensions: &[],
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        for (source, destination) in [("10.0.0.2:5", "10.0.0.1:80"), ("[fd99::2]:5", "[fd99::1]:80")] {
            let packet = encode(&segment(source, destination, b"hello"));
            let received = decode(&packet).unwrap();
            assert_eq!((received.seq, received.ack, received.flags), (7, 9, ACK | PSH));
            assert_eq!(received.payload, b"hello");
            assert_eq!(received.source.to_string(), source);
        }
    }

    #[test]
    fn a_valid_checksum_sums_up() {
        let packet = encode(&segment("10.0.0.2:5", "10.0.0.1:80", b"odd"));
        let pseudo = pseudo_header([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), packet.len() - 20);
        assert_eq!(fold(sum(&pseudo) + sum(&packet[20..])), 0xffff);
        assert_eq!(fold(sum(&packet[..20])), 0xffff);
    }
}
