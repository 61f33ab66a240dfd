//! Version 2, binary (proxy-protocol.txt, section 2.2).
//!
//! ```text
//! 0            12        13       14       16
//! ┌────────────┬────────┬────────┬────────┬───────────────────────────────┬─────────┐
//! │ signature  │ 2 │cmd │fam│prot│ length │ source, destination, ports    │ TLVs    │
//! └────────────┴────────┴────────┴────────┴───────────────────────────────┴─────────┘
//!                                          └────────── length bytes ────────────────┘
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Status;

/// Holds neither a request nor a line of version 1: its fifth byte is no text.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of it that may precede a request as well.
const BLANK: u32 = 4;
/// Where the addresses begin.
const ADDRESSES: u32 = 16;

/// The connection is the balancer's own, a health check: whatever addresses it names are to be ignored.
const LOCAL: u8 = 0x20;
/// The connection is relayed.
const PROXY: u8 = 0x21;
/// TCP over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// A header of which any part has come: only what it says of the source is kept, the rest is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Binary {
    /// Bytes taken so far; at most 16 + 65,535.
    seen: u32,
    /// Version and command, family and protocol, length.
    fixed: [u8; 4],
    source: [u8; 16],
}

impl Binary {
    /// Bytes taken so far.
    pub(crate) fn seen(&self) -> u32 {
        self.seen
    }

    /// All bytes so far are line ends, which may precede a request.
    pub(crate) fn is_blank(&self) -> bool {
        self.seen <= BLANK
    }

    /// What was taken of what turned out to be no header, behind the line ends.
    pub(crate) fn behind_blank(&self) -> impl Iterator<Item = u8> {
        let whole = SIGNATURE.into_iter().chain(self.fixed);
        whole.take(self.seen as usize).skip(BLANK as usize)
    }

    /// Takes the next bytes, up to the first that no header has in its place.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Status {
        let mut consumed = 0;
        while let Some(&byte) = bytes.get(consumed) {
            let place = self.seen as usize;
            let rest = match place {
                0..12 if byte != SIGNATURE[place] => return Status::Not,
                0..12 => 1,
                12..16 => {
                    self.fixed[place - 12] = byte;
                    if !self.is_plausible() {
                        return Status::Not;
                    }
                    1
                }
                16..32 => {
                    self.source[place - 16] = byte;
                    1
                }
                _ => (self.end() - self.seen) as usize,
            };
            let taken = rest.min(bytes.len() - consumed);
            consumed += taken;
            self.seen += taken as u32;
            if self.seen >= ADDRESSES && self.seen == self.end() {
                return Status::Complete { consumed, source: self.source() };
            }
        }
        Status::Partial
    }

    /// Whether the byte that has just come in `fixed` is one that servers take.
    fn is_plausible(&self) -> bool {
        let [command, family, ..] = self.fixed;
        match self.seen {
            12 => matches!(command, LOCAL | PROXY),
            15 => {
                let least = match family {
                    TCP4 => 12,
                    TCP6 => 36,
                    _ => 0,
                };
                command == LOCAL || self.length() >= least
            }
            _ => true,
        }
    }

    fn length(&self) -> u32 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]]).into()
    }

    fn end(&self) -> u32 {
        ADDRESSES + self.length()
    }

    /// Families without an IP address, and those that are not TCP, are relayed too.
    fn source(&self) -> Option<IpAddr> {
        let [command, family, ..] = self.fixed;
        match (command, family) {
            (PROXY, TCP4) => {
                let [a, b, c, d, ..] = self.source;
                Some(Ipv4Addr::new(a, b, c, d).into())
            }
            (PROXY, TCP6) => Some(Ipv6Addr::from(self.source).into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = (block.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    /// Cut into pieces of every size, and at every place.
    fn expect(header: &[u8], source: Option<&str>) {
        let source = source.map(|source| source.parse().unwrap());
        let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
        for at in 0..header.len() {
            let mut binary = Binary::default();
            assert_eq!(binary.take(&bytes[..at]), Status::Partial, "{at}");
            let complete = Status::Complete { consumed: header.len() - at, source };
            assert_eq!(binary.take(&bytes[at..]), complete, "{at}");
        }
        let mut binary = Binary::default();
        let (last, others) = header.split_last().unwrap();
        for byte in others {
            assert_eq!(binary.take(&[*byte]), Status::Partial);
        }
        assert_eq!(binary.take(&[*last]), Status::Complete { consumed: 1, source });
    }

    #[test]
    fn a_header_may_be_cut_anywhere() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0, 80];
        let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[1; 16], &[0x9c, 0x40, 0, 80]].concat();
        let tlvs = [4, 0, 200].into_iter().chain([b'\n'; 200]).collect::<Vec<u8>>();
        expect(&header(PROXY, TCP4, &four), Some("192.0.2.1"));
        expect(&header(PROXY, TCP4, &[&four[..], &tlvs].concat()), Some("192.0.2.1"));
        expect(&header(PROXY, TCP6, &six), Some("2001:db8::7"));
        expect(&header(PROXY, TCP6, &[&six[..], &tlvs].concat()), Some("2001:db8::7"));
        expect(&header(PROXY, 0x00, &[]), None);
        expect(&header(PROXY, 0x00, &tlvs), None);
        expect(&header(PROXY, 0x12, &four), None);
        expect(&header(PROXY, 0x31, &[b'/'; 216]), None);
        expect(&header(PROXY, 0xff, &[1; 3]), None);
        expect(&header(LOCAL, 0x00, &[]), None);
        expect(&header(LOCAL, TCP4, &four), None);
        expect(&header(LOCAL, TCP4, &[]), None);
    }

    #[test]
    fn what_is_no_header_is_told_by_its_first_wrong_byte() {
        for place in 0..12 {
            let mut bytes = header(PROXY, TCP4, &[0; 12]);
            bytes[place] ^= 1;
            let mut binary = Binary::default();
            assert_eq!((binary.take(&bytes), binary.seen() as usize), (Status::Not, place));
            assert_eq!(binary.is_blank(), place <= 4);
        }
        for command in (0..=255).filter(|&command| command != LOCAL && command != PROXY) {
            assert_eq!(Binary::default().take(&header(command, 0, &[])), Status::Not, "{command:#x}");
        }
        assert_eq!(Binary::default().take(&header(PROXY, TCP4, &[0; 11])), Status::Not);
        assert_eq!(Binary::default().take(&header(PROXY, TCP6, &[0; 35])), Status::Not);
    }

    #[test]
    fn the_longest_block_is_passed_over_without_being_kept() {
        let bytes = header(PROXY, TCP4, &vec![9; 65_535]);
        let source = Some(Ipv4Addr::new(9, 9, 9, 9).into());
        let mut binary = Binary::default();
        assert_eq!(binary.take(&bytes[..20_000]), Status::Partial);
        assert_eq!(binary.take(&bytes[20_000..]), Status::Complete { consumed: 45_551, source });
        assert!(size_of::<Binary>() <= 24);
    }
}
