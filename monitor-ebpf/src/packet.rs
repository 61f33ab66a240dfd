//! IP and TCP headers. The only place that knows where things stand in a packet.

use crate::{
    outcome::Outcome,
    record::{FLAG_ACK, FLAG_FIN, FLAG_IPV6, FLAG_RST, FLAG_SYN},
};

const TCP: u8 = 6;
/// IPv6 extension headers that are skipped before TCP (RFC 8200, section 4.1), at eight bytes each the least. Linux takes as
/// many as a packet holds (tried up to 8,000 in one of 64 KiB): 180 fit an Ethernet frame. More take fragments or jumbo
/// frames, and are counted as [`Outcome::Unreadable`].
const EXTENSIONS: usize = 192;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// The bytes of a packet from the IP header on, as they were on the wire.
pub trait Bytes {
    /// `N` words at `offset` in memory order, `None` if they are not there.
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]>;
    /// Eight bytes at `offset` in memory order, `None` if they are not there.
    fn long(&self, offset: u32) -> Option<u64>;
    /// Copies the words at `offset` in memory order, or zeros if they are not there.
    fn copy<const N: usize>(&self, offset: u32, to: &mut [u32; N]);
}

/// A TCP packet's headers, in host byte order.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Where the TCP header begins.
    pub tcp: u32,
    /// Length of the TCP header.
    pub header: u32,
    /// Payload bytes.
    pub length: u32,
    pub seq: u32,
    pub ack: u32,
    pub source_port: u16,
    pub destination_port: u16,
    /// `FLAG_*` of the record that the headers tell.
    pub flags: u16,
}

/// Where a packet's TCP header is, and how it begins.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    /// Where the TCP header begins.
    pub tcp: u32,
    /// `FLAG_*` of the record that the IP header tells.
    pub flags: u16,
    /// The first five words of the TCP header.
    pub fields: [u32; 5],
}

impl Packet {
    /// The packet of `total` bytes with these headers.
    #[inline(always)]
    pub fn new(headers: &Headers, total: u32) -> Result<Packet, Outcome> {
        let Headers { tcp, flags, fields } = headers;
        let ports = u32::from_be(fields[0]);
        let [offset, bits, ..] = fields[3].to_ne_bytes();
        let header = u32::from(offset >> 4) * 4;
        let length = total.wrapping_sub(tcp + header);
        if header < 20 || length > i32::MAX as u32 {
            return Err(Outcome::Unreadable);
        }
        Ok(Packet {
            tcp: *tcp,
            header,
            length,
            seq: u32::from_be(fields[1]),
            ack: u32::from_be(fields[2]),
            source_port: (ports >> 16) as u16,
            destination_port: ports as u16,
            flags: flags | tcp_flags(bits),
        })
    }

    /// Where the payload begins.
    #[inline(always)]
    pub fn payload(&self) -> u32 {
        self.tcp + self.header
    }

    /// Whether any of these flags is set.
    #[inline(always)]
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// The first eight bytes of the payload in memory order, `None` if there are fewer.
    #[inline(always)]
    pub fn first_word(&self, bytes: &impl Bytes) -> Option<u64> {
        if self.length < 8 { None } else { bytes.long(self.payload()) }
    }
}

/// The headers of an IPv4 packet without options, whose `word`s from its start on are at hand: 40 bytes. `None` for other
/// packets.
#[inline(always)]
pub fn common(word: impl Fn(usize) -> u32) -> Option<Result<Headers, Outcome>> {
    if word(0) as u8 != 0x45 {
        return None;
    }
    if word(2).to_ne_bytes()[1] != TCP {
        return Some(Err(Outcome::NotTcp));
    }
    Some(Ok(Headers { tcp: 20, flags: 0, fields: [word(5), word(6), word(7), word(8), word(9)] }))
}

/// The headers of any packet.
#[inline(always)]
pub fn headers(bytes: &impl Bytes) -> Result<Headers, Outcome> {
    let first = bytes.words::<3>(0).ok_or(Outcome::Unreadable)?;
    let head = first[0].to_ne_bytes();
    let (tcp, flags) = match head[0] >> 4 {
        4 if first[2].to_ne_bytes()[1] == TCP => (u32::from(head[0] & 15) * 4, 0),
        6 => (after_extensions(bytes, first[1].to_ne_bytes()[2])?, FLAG_IPV6),
        _ => return Err(Outcome::NotTcp),
    };
    Ok(Headers { tcp, flags, fields: bytes.words(tcp).ok_or(Outcome::Unreadable)? })
}

/// Copies source and destination address as they are in the packet, four or sixteen bytes each. Headers have been read before,
/// and lie in front of what was or behind it: that they are not there is not to be expected, and leaves zeros.
#[inline(always)]
pub fn addresses(bytes: &impl Bytes, flags: u16, source: &mut [u32; 4], destination: &mut [u32; 4]) {
    if flags & FLAG_IPV6 == 0 {
        let mut both = [0; 2];
        bytes.copy(12, &mut both);
        (*source, *destination) = ([both[0], 0, 0, 0], [both[1], 0, 0, 0]);
    } else {
        bytes.copy(8, source);
        bytes.copy(24, destination);
    }
}

/// The record's flags for the flag byte of a TCP header (RFC 9293, section 3.1).
#[inline(always)]
fn tcp_flags(bits: u8) -> u16 {
    let bits = u16::from(bits);
    let flag = |at: u16, flag: u16| ((bits >> at) & 1) * flag;
    flag(0, FLAG_FIN) | flag(1, FLAG_SYN) | flag(2, FLAG_RST) | flag(4, FLAG_ACK)
}

/// Skips IPv6 extension headers; returns where the TCP header begins.
#[inline(always)]
fn after_extensions(bytes: &impl Bytes, mut next: u8) -> Result<u32, Outcome> {
    let mut offset = 40;
    for _ in 0..EXTENSIONS {
        if next == TCP {
            return Ok(offset);
        }
        let [word] = bytes.words(offset).ok_or(Outcome::Unreadable)?;
        let [following, length, high, low] = word.to_ne_bytes();
        offset += match next {
            HOP_BY_HOP | ROUTING | DESTINATION => (u32::from(length) + 1) * 8,
            AUTHENTICATION => (u32::from(length) + 2) * 4,
            // Whole packets may carry a fragment header too (RFC 6946); true fragments come reassembled.
            FRAGMENT if high == 0 && low & 0xf9 == 0 => 8,
            _ => return Err(Outcome::NotTcp),
        };
        next = following;
    }
    if next == TCP { Ok(offset) } else { Err(Outcome::Unreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Bytes for &[u8] {
        fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
            let bytes = self.get(offset as usize..)?.as_chunks::<4>().0.get(..N)?;
            Some(std::array::from_fn(|index| u32::from_ne_bytes(bytes[index])))
        }

        fn copy<const N: usize>(&self, offset: u32, to: &mut [u32; N]) {
            *to = self.words(offset).unwrap_or([0; N]);
        }

        fn long(&self, offset: u32) -> Option<u64> {
            self.get(offset as usize..)?.first_chunk().map(|&bytes| u64::from_ne_bytes(bytes))
        }
    }

    fn tcp(header: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(header) * 4];
        bytes[..4].copy_from_slice(&[0x9c, 0x40, 0, 80]);
        bytes[4..8].copy_from_slice(&7u32.to_be_bytes());
        bytes[8..12].copy_from_slice(&9u32.to_be_bytes());
        (bytes[12], bytes[13]) = (header << 4, 0x18);
        [&bytes, payload].concat()
    }

    fn ipv4(words: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(words) * 4];
        (bytes[0], bytes[9]) = (0x40 | words, protocol);
        bytes[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        [&bytes, rest].concat()
    }

    fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 40];
        (bytes[0], bytes[6], bytes[8], bytes[39]) = (0x60, next, 0xfd, 2);
        [&bytes, rest].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Packet, Outcome> {
        let found = headers(&bytes)?;
        if bytes.len() >= 40
            && let Some(common) = common(|index| bytes.words::<1>(index as u32 * 4).unwrap()[0])
        {
            assert_eq!(common?.fields, found.fields);
        }
        Packet::new(&found, bytes.len() as u32)
    }

    #[test]
    fn headers_are_read_wherever_tcp_begins() {
        let segment = tcp(8, b"GET / HTTP/1.1\r\n\r\n");
        // Routing header of 16 bytes, authentication of 12, an atomic fragment.
        let chain =
            [&[51u8, 1][..], &[0; 14], &[44, 1], &[0; 10], &[TCP, 0, 0, 0], &[0; 4], &segment].concat();
        for (bytes, at, ip) in [
            (ipv4(5, TCP, &segment), 20, 0),
            (ipv4(15, TCP, &segment), 60, 0),
            (ipv6(TCP, &segment), 40, FLAG_IPV6),
            (ipv6(ROUTING, &chain), 40 + 16 + 12 + 8, FLAG_IPV6),
        ] {
            let packet = parse(&bytes).unwrap();
            assert_eq!((packet.tcp, packet.header, packet.length), (at, 32, 18));
            assert_eq!((packet.seq, packet.ack), (7, 9));
            assert_eq!((packet.source_port, packet.destination_port), (40_000, 80));
            assert_eq!(packet.flags, FLAG_ACK | ip);
            assert_eq!(packet.first_word(&bytes.as_slice()), Some(u64::from_ne_bytes(*b"GET / HT")));
        }
    }

    #[test]
    fn what_is_no_tcp_or_cut_off_says_so() {
        let segment = tcp(5, b"");
        let fragment = [&[TCP, 0, 0, 8][..], &[0; 4], &segment].concat();
        for (bytes, outcome) in [
            (ipv4(5, 17, &segment), Outcome::NotTcp),
            (ipv6(17, &segment), Outcome::NotTcp),
            (ipv6(FRAGMENT, &fragment), Outcome::NotTcp),
            (vec![0x50; 60], Outcome::NotTcp),
            (vec![0x45; 11], Outcome::Unreadable),
            (ipv4(5, TCP, &segment[..19]), Outcome::Unreadable),
            // A header shorter than TCP's, and one longer than the packet.
            (ipv4(5, TCP, &tcp(4, b"longer than that")), Outcome::Unreadable),
            (ipv4(5, TCP, &tcp(15, b"")[..40]), Outcome::Unreadable),
            (
                ipv6(DESTINATION, &[&[DESTINATION, 0, 0, 0, 0, 0, 0, 0][..]; 193].concat()),
                Outcome::Unreadable,
            ),
        ] {
            assert_eq!(parse(&bytes).map(|packet| packet.tcp), Err(outcome), "{bytes:x?}");
        }
    }

    #[test]
    fn every_flag_of_tcp_is_told() {
        for (bit, flag) in [(1, FLAG_FIN), (2, FLAG_SYN), (4, FLAG_RST), (8, 0), (16, FLAG_ACK), (32, 0)] {
            assert_eq!(tcp_flags(bit), flag);
        }
        assert_eq!(tcp_flags(255), FLAG_FIN | FLAG_SYN | FLAG_RST | FLAG_ACK);
    }

    #[test]
    fn addresses_stand_as_they_were_in_the_packet() {
        let words = |bytes: [u8; 4]| u32::from_ne_bytes(bytes);
        let told = |bytes: &[u8], flags| {
            let mut told = ([1; 4], [1; 4]);
            addresses(&bytes, flags, &mut told.0, &mut told.1);
            told
        };
        let (source, destination) = told(&ipv4(6, TCP, &[]), 0);
        assert_eq!(source, [words([10, 0, 0, 1]), 0, 0, 0]);
        assert_eq!(destination, [words([10, 0, 0, 2]), 0, 0, 0]);
        let (source, destination) = told(&ipv6(TCP, &[]), FLAG_IPV6);
        assert_eq!(source, [words([0xfd, 0, 0, 0]), 0, 0, 0]);
        assert_eq!(destination, [0, 0, 0, words([0, 0, 0, 2])]);
        assert_eq!(told(&[0x45; 19], 0), ([0; 4], [0; 4]));
    }
}
