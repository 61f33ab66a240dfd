//! Link layers: where in a captured packet the IP packet starts.
//!
//! Numbers and layouts: <https://www.tcpdump.org/linktypes.html>.

/// A link layer that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Ethernet, with any number of VLAN tags.
    Ethernet,
    /// No link layer: the packet starts with the IP header.
    Raw,
    /// Linux "any" device, first version.
    LinuxSll,
    /// Linux "any" device, second version.
    LinuxSll2,
    /// BSD and macOS loopback: an address family in four bytes, in the host's byte order or the network's.
    Loopback,
}

/// Why a packet gives no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    NotIp,
    NotTcp,
    Fragment,
    CutShort,
    Malformed,
}

/// How many VLAN tags are looked through. Two are usual (IEEE 802.1ad), more are found in carriers' networks.
const TAGS: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

impl Link {
    /// The link layer that a capture file means by `number`.
    pub(super) fn from_number(number: u16) -> Option<Link> {
        match number {
            0 | 108 => Some(Link::Loopback),
            1 => Some(Link::Ethernet),
            // 12 and 14 are what LINKTYPE_RAW was called on some systems.
            12 | 14 | 101 | 228 | 229 => Some(Link::Raw),
            113 => Some(Link::LinuxSll),
            276 => Some(Link::LinuxSll2),
            _ => None,
        }
    }

    /// Where the IP packet starts.
    pub(super) fn ip_offset(self, packet: &[u8]) -> Result<usize, Skip> {
        let (ether_type_at, offset) = match self {
            Link::Raw => return Ok(0),
            Link::Loopback => return Ok(4),
            Link::Ethernet => (12, 14),
            Link::LinuxSll => (14, 16),
            Link::LinuxSll2 => (0, 20),
        };
        let mut ether_type = word(packet, ether_type_at)?;
        let mut offset = offset;
        for _ in 0..TAGS {
            if !VLAN.contains(&ether_type) {
                break;
            }
            // A tag is its control word and the type of what follows.
            ether_type = word(packet, offset + 2)?;
            offset += 4;
        }
        if ether_type == IPV4 || ether_type == IPV6 { Ok(offset) } else { Err(Skip::NotIp) }
    }
}

fn word(packet: &[u8], at: usize) -> Result<u16, Skip> {
    let bytes = packet.get(at..at + 2).ok_or(Skip::CutShort)?;
    Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
}
