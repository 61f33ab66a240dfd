//! Connections whose bytes travel over several TCP connections at once: Multipath TCP (RFC 8684).
//!
//! A server that listens with it, as those in Go 1.24 and later do by default, reads one stream, put together by the data
//! sequence numbers that stand in the options of each path's packets. Here each path is a connection by itself, and what a
//! client puts on another one is missing. So it is recognised where that happens, and told.
//!
//! A path's first payload shows whether the connection began on it: then it carries MP_CAPABLE. On such a path the data
//! sequence number and the path's own stay the same distance apart for as long as it carries everything, and a jump means
//! that bytes went another way.

use std::collections::BTreeMap;

use super::{Endpoints, Segment};

/// Paths that are remembered, half of them at least: of some 60 bytes each.
const PATHS: usize = 65_536;

/// Option kinds and MPTCP subtypes (RFC 9293, section 3.2; RFC 8684, section 3).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MPTCP: u8 = 30;
const CAPABLE: u8 = 0;
const JOIN: u8 = 1;
const DATA_SEQUENCE: u8 = 2;

/// What MPTCP says in a packet's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// The connection begins on this path.
    Capable,
    /// The path belongs to a connection that began on another.
    Join,
    /// The distance from the path's sequence numbers to those of the data, modulo 2^32.
    Distance(u32),
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    distance: Option<u32>,
    reported: bool,
}

/// The paths of MPTCP connections that are or were lately alive.
#[derive(Debug, Default)]
pub struct Multipath {
    young: BTreeMap<Endpoints, Path>,
    /// Gives way as a whole when the young are too many. A path that is forgotten is taken for a joined one when it speaks
    /// again: whoever opens many connections makes more known of himself, not less.
    old: BTreeMap<Endpoints, Path>,
}

impl Multipath {
    /// Looks at a client's segment with the TCP `header` that it came with. True if it shows, for the first time on its
    /// path, that bytes of the connection travel another way.
    pub fn is_news(&mut self, segment: &Segment<'_>, header: &[u8]) -> bool {
        let (Some(says), Some(ends)) = (read(header), segment.endpoints) else { return false };
        if segment.length == 0 {
            return false;
        }
        let known = self.young.get(&ends).or_else(|| self.old.get(&ends)).copied();
        let mut path = known.unwrap_or_default();
        let elsewhere = match (says, known) {
            (Says::Capable, _) => {
                // The ports are in use again.
                path = Path::default();
                false
            }
            (Says::Join, _) => true,
            // Of what began before the source did nobody knows how.
            (Says::Distance(_), None) => !segment.joined,
            (Says::Distance(distance), Some(path)) => path.distance.is_some_and(|before| before != distance),
        };
        if let Says::Distance(distance) = says {
            path.distance = Some(distance);
        }
        let is_news = elsewhere && !path.reported;
        path.reported |= elsewhere;
        self.keep(ends, path);
        is_news
    }

    fn keep(&mut self, ends: Endpoints, path: Path) {
        if self.young.len() >= PATHS / 2 && !self.young.contains_key(&ends) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(ends, path);
    }
}

/// What MPTCP says in a TCP header, if anything that matters here.
fn read(header: &[u8]) -> Option<Says> {
    let mut options = header.get(20..)?;
    loop {
        let (&kind, rest) = options.split_first()?;
        match kind {
            END => return None,
            NO_OPERATION => options = rest,
            _ => {
                let length = usize::from(*rest.first()?);
                let option = options.get(..length).filter(|option| option.len() > 2)?;
                if kind == MPTCP
                    && let Some(says) = mptcp(option)
                {
                    return Some(says);
                }
                options = options.get(length..)?;
            }
        }
    }
}

/// Of one option, kind and length included.
fn mptcp(option: &[u8]) -> Option<Says> {
    match option[2] >> 4 {
        CAPABLE => Some(Says::Capable),
        JOIN => Some(Says::Join),
        DATA_SEQUENCE => distance(option).map(Says::Distance),
        _ => None,
    }
}

/// Of a data sequence signal with a mapping (RFC 8684, section 3.3): flags, an acknowledgement, the data sequence number and
/// that of the path, both of the mapping's first byte.
fn distance(option: &[u8]) -> Option<u32> {
    const ACK: u8 = 1;
    const WIDE_ACK: u8 = 2;
    const MAPPING: u8 = 4;
    const WIDE: u8 = 8;
    let flags = *option.get(3)?;
    let has = |flag| flags & flag != 0;
    if !has(MAPPING) {
        return None;
    }
    let ack = match (has(ACK), has(WIDE_ACK)) {
        (false, _) => 0,
        (true, false) => 4,
        (true, true) => 8,
    };
    let (skip, width) = if has(WIDE) { (4, 8) } else { (0, 4) };
    let word = |at: usize| option.get(at..)?.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
    let data = word(4 + ack + skip)?;
    let path = word(4 + ack + width)?;
    Some(data.wrapping_sub(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionId, Direction};
    use rollcall_model::time::Timestamp;

    fn segment(port: u16, joined: bool) -> Segment<'static> {
        let client = ([192, 0, 2, 1], port).into();
        Segment {
            endpoints: Some(Endpoints { client, server: ([192, 0, 2, 2], 80).into() }),
            ack: Some(1),
            length: 10,
            joined,
            ..Segment::bare(ConnectionId(port.into()), Direction::Request, Timestamp(0), 1)
        }
    }

    /// A header with time stamps, and an option of MPTCP.
    fn header(option: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 20];
        header.extend([1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend([MPTCP, option.len() as u8 + 2]);
        header.extend(option);
        header.resize(header.len().next_multiple_of(4), 1);
        header
    }

    /// A mapping as Linux writes it: eight bytes each of acknowledgement and data sequence number.
    fn mapping(data: u64, path: u32) -> Vec<u8> {
        let mut option = vec![0x20, 0x0f];
        option.extend([7; 8]);
        option.extend(data.to_be_bytes());
        option.extend(path.to_be_bytes());
        option.extend([0, 10]);
        header(&option)
    }

    fn capable() -> Vec<u8> {
        header(&[0x01, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10])
    }

    #[test]
    fn one_path_that_carries_everything_is_no_news() {
        let mut multipath = Multipath::default();
        let path = segment(1, false);
        assert!(!multipath.is_news(&path, &capable()));
        for sent in [10, 20, 1_000, u32::MAX] {
            let data = 0xfedc_ba98_7654_3210 + u64::from(sent);
            assert!(!multipath.is_news(&path, &mapping(data, sent)));
        }
        assert!(!multipath.is_news(&segment(2, false), &[0; 20]), "no MPTCP at all");
    }

    #[test]
    fn a_path_that_joins_is_news_once() {
        let mut multipath = Multipath::default();
        assert!(!multipath.is_news(&segment(1, false), &capable()));
        assert!(multipath.is_news(&segment(2, false), &mapping(5_000, 1)));
        assert!(!multipath.is_news(&segment(2, false), &mapping(6_000, 1)));
        assert!(!multipath.is_news(&segment(3, true), &mapping(7_000, 1)), "older than the source");
        assert!(multipath.is_news(&segment(3, true), &mapping(8_000, 1)));
    }

    #[test]
    fn bytes_that_are_missing_on_the_first_path_are_news() {
        let mut multipath = Multipath::default();
        let path = segment(1, false);
        assert!(!multipath.is_news(&path, &capable()));
        assert!(!multipath.is_news(&path, &mapping(5_010, 11)));
        assert!(multipath.is_news(&path, &mapping(5_050, 21)));
        // Another connection from the same port.
        assert!(!multipath.is_news(&path, &capable()));
        assert!(!multipath.is_news(&path, &mapping(9_010, 11)));
    }

    #[test]
    fn short_numbers_are_read_too() {
        let short = header(&[0x20, 0x05, 7, 7, 7, 7, 0, 0, 0, 9, 0, 0, 0, 2, 0, 10]);
        assert_eq!(read(&short), Some(Says::Distance(7)));
        let without = header(&[0x20, 0x04, 0, 0, 0, 9, 0, 0, 0, 2, 0, 10]);
        assert_eq!(read(&without), Some(Says::Distance(7)));
        assert_eq!(read(&header(&[0x20, 0x01, 7, 7, 7, 7])), None, "an acknowledgement alone");
    }

    #[test]
    fn a_header_that_is_cut_says_nothing() {
        for whole in [mapping(5_000, 1), capable(), header(&[0x20, 0x05])] {
            for end in 0..whole.len() {
                let _ = read(&whole[..end]);
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut multipath = Multipath::default();
        for port in 0..=u16::MAX {
            multipath.is_news(&segment(port, false), &capable());
        }
        assert!(multipath.young.len() + multipath.old.len() <= PATHS);
    }
}
