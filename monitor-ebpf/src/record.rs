//! The records in the ring.
//!
//! Two kinds, told apart by their first four bytes. A [`SegmentHeader`] is followed by the bytes of one packet
//! (requests, and the responses that must be seen whole). A [`Batch`] holds the starts of up to
//! [`BATCH_ENTRIES`] response packets of one CPU: collecting them costs a tenth of a ring record each.

/// First word of a ring record that is a [`SegmentHeader`].
pub const KIND_SEGMENT: u32 = 1;
/// First word of a ring record that is a [`Batch`].
pub const KIND_BATCH: u32 = 2;

/// The packet goes from the server to the client.
pub const FLAG_RESPONSE: u16 = 1;
/// TCP flags, as in the packet.
pub const FLAG_SYN: u16 = 1 << 1;
pub const FLAG_FIN: u16 = 1 << 2;
pub const FLAG_RST: u16 = 1 << 3;
pub const FLAG_ACK: u16 = 1 << 4;
/// `source` and `destination` are IPv6 addresses, not IPv4 in their first four bytes.
pub const FLAG_IPV6: u16 = 1 << 5;
/// The listening socket saw the packet: data on the handshake's last ACK, or TCP Fast Open.
pub const FLAG_LISTENER: u16 = 1 << 6;
/// The connection is older than the programs.
pub const FLAG_JOINED: u16 = 1 << 7;
/// First payload from the client since the server last sent payload.
pub const FLAG_AFTER_RESPONSE: u16 = 1 << 8;
/// The rest of the packet follows in no record.
pub const FLAG_CUT: u16 = 1 << 9;

/// Payload that one ring record can hold behind its header, TCP header included.
pub const CHUNK: u32 = 16384;
/// Records that one packet may take: enough for two segments of 64 KiB, which TCP sends in one packet over loopback.
pub const CHUNKS: u32 = 9;
/// Bytes of each response packet that a batch entry holds: a status line and the usual framing headers.
pub const ENTRY_DATA: usize = 272;
/// Entries a batch holds. 16 make the ring's share of an entry's cost negligible (about 15 ns).
pub const BATCH_ENTRIES: usize = 16;

/// In front of the bytes of one packet, or of one of its chunks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SegmentHeader {
    /// [`KIND_SEGMENT`]
    pub kind: u32,
    /// Bytes that follow: the TCP header (first chunk only), then payload.
    pub captured: u32,
    /// Socket cookie; of the listener with [`FLAG_LISTENER`].
    pub connection: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub at: u64,
    /// Id of the server socket's cgroup, [`Connection::cgroup`](crate::connection::Connection::cgroup); 0 if it isn't known.
    pub cgroup: u64,
    /// TCP sequence number of the packet.
    pub seq: u32,
    /// TCP acknowledgement number.
    pub ack: u32,
    /// Payload bytes of the packet on the wire.
    pub length: u32,
    /// Offset within the payload of the first payload byte that follows.
    pub offset: u32,
    /// The server socket's `rcv_nxt` when the packet arrived. 0 for responses and listeners.
    pub received: u32,
    /// The server socket's `snd_nxt` when the packet arrived. 0 for responses and listeners.
    pub sent: u32,
    /// Share of request targets captured, in units of 2^-32; `u32::MAX` is all.
    pub sampling: u32,
    /// `FLAG_*`
    pub flags: u16,
    /// Length of the TCP header that stands before the payload in the first chunk; 0 in others.
    pub header: u16,
    pub source_port: u16,
    pub destination_port: u16,
    /// Addresses in network byte order; four bytes of an IPv4 address, then zeros.
    pub source: [u32; 4],
    pub destination: [u32; 4],
    /// Zero: room for what is to come.
    pub reserved: [u32; 3],
}

/// The start of one response packet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Number of the entry on its CPU, from 1 on, written before the rest…
    pub begin: u64,
    pub connection: u64,
    pub at: u64,
    pub seq: u32,
    pub ack: u32,
    /// Payload bytes of the packet on the wire.
    pub length: u32,
    /// Valid bytes of `data`.
    pub captured: u16,
    /// `FLAG_*`
    pub flags: u16,
    pub data: [u8; ENTRY_DATA],
    /// …and after it. A reader that finds the two different looks at an entry that is being written.
    pub end: u64,
}

/// The response packets that one CPU has collected. Lives in an array with one element a CPU, which the
/// daemon maps, so that it can look at a batch that does not fill up; goes to the ring when full.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// [`KIND_BATCH`]
    pub kind: u32,
    /// Valid entries.
    pub count: u32,
    /// Which CPU's.
    pub cpu: u32,
    /// Non-zero while a program fills it: one that interrupted that program on the same CPU keeps out.
    pub busy: u32,
    /// Number that the next entry gets, less one.
    pub last: u64,
    /// Zero: room for what is to come.
    pub reserved: u64,
    pub entries: [Entry; BATCH_ENTRIES],
}
