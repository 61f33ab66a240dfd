//! The segment: what every source of traffic hands to the engine.

use std::net::SocketAddr;

use rollcall_model::time::Timestamp;

/// Names one TCP connection for as long as the source knows it: a kernel socket cookie, or a number that a
/// capture file's reader gave out. Never reused by a source for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Which way a segment travels, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Response,
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoints {
    /// The end that opened the connection: the TCP peer, which may be a proxy.
    pub client: SocketAddr,
    /// The end that answers requests.
    pub server: SocketAddr,
}

/// What is known of a segment's TCP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Covers the bytes: TCP accepts the segment as far as the checksum goes.
    Valid,
    /// Does not match: TCP drops the segment.
    Invalid,
    /// Offloaded, or not all bytes were captured: nothing can be said.
    Unknown,
}

/// Bytes of one direction of one TCP connection as the source saw them, in the order in which it saw them.
///
/// Segments may be retransmitted, overlap, come out of order or be dropped by the receiver's TCP after the
/// source saw them. The receiver's own state (`received`, `sent`) is the evidence of what it accepted.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The connection. For a segment that the listening socket saw ([`Segment::listener`]) this is the
    /// listener's id, and the endpoints tell which connection it becomes.
    pub connection: ConnectionId,
    /// Which way.
    pub direction: Direction,
    /// Both ends. Absent on follow-up segments of a connection whose ends an earlier segment has told.
    pub endpoints: Option<Endpoints>,
    /// Id of the cgroup v2 that the server's socket belongs to, which is that of the process which made it or the socket that
    /// it was accepted from: where the process has moved since doesn't matter. Told with the endpoints, on each segment
    /// that has them; `None` where the source cannot know it, as in capture files.
    pub cgroup: Option<u64>,
    /// When the source saw it.
    pub at: Timestamp,
    /// TCP sequence number of the first payload byte (of the SYN itself when `syn`; the payload then starts one later).
    pub seq: u32,
    /// The acknowledgement number in the header: the sender has received everything before it. `None` without ACK flag.
    pub ack: Option<u32>,
    /// Payload bytes on the wire.
    pub length: u32,
    /// The captured prefix of the payload: `data.len() <= length`.
    pub data: &'a [u8],
    /// SYN flag.
    pub syn: bool,
    /// FIN flag: the sender's stream ends at `seq + length`.
    pub fin: bool,
    /// The sequence number of a byte that TCP hands over out of band, so that the application's stream lacks it.
    pub urgent: Option<u32>,
    /// RST flag: the connection is gone, if the receiver accepts it.
    pub rst: bool,
    /// Direction::Request only: the server socket's `rcv_nxt` when the segment arrived, before TCP looked at
    /// it: everything before it was accepted. `None` where the source cannot know (capture files; listener).
    pub received: Option<u32>,
    /// Direction::Request only: the server socket's `snd_nxt` when the segment arrived: the sequence number
    /// of the next response byte. For a client that waits for each answer, the response to the request that
    /// starts here starts exactly there.
    pub sent: Option<u32>,
    /// Direction::Request only: first segment with payload since the server last sent payload. A source that
    /// splits a large segment says so of the first part only. Sources with `received: None` may leave it false.
    pub after_response: bool,
    /// Seen by the listening socket: the last ACK of the handshake carried data, or TCP Fast Open.
    pub listener: bool,
    /// The connection was there before the source began to look: the stream may start amid a message.
    pub joined: bool,
    /// See [`Checksum`].
    pub checksum: Checksum,
    /// The share of request targets that is being captured, in (0, 1]: 1 without sampling.
    pub sampling: f64,
}

impl Segment<'_> {
    /// A segment without payload, of which nothing is known but where it belongs: sources that know more say so.
    pub const fn bare(
        connection: ConnectionId,
        direction: Direction,
        at: Timestamp,
        seq: u32,
    ) -> Segment<'static> {
        Segment {
            connection,
            direction,
            endpoints: None,
            cgroup: None,
            at,
            seq,
            ack: None,
            length: 0,
            data: &[],
            syn: false,
            fin: false,
            urgent: None,
            rst: false,
            received: None,
            sent: None,
            after_response: false,
            listener: false,
            joined: false,
            checksum: Checksum::Unknown,
            sampling: 1.0,
        }
    }
}

/// The sequence number of the byte that the urgent pointer of a TCP header points to, as Linux reads it: the pointer is to the byte after
/// (`tcp_check_urg`, RFC 6093 section 2.2).
pub fn urgent_byte(header: &[u8], seq: u32) -> Option<u32> {
    const URG: u8 = 32;
    let pointer = header.get(18..20).filter(|_| header[13] & URG != 0)?;
    let pointer = u32::from(u16::from_be_bytes([pointer[0], pointer[1]]));
    Some(seq.wrapping_add(pointer.saturating_sub(1)))
}

/// Advice for the source of a connection's segments. A source that ignores it loses nothing but time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Not HTTP/1, or no longer: nothing need be captured but what begins as a request or an answer does.
    Ignore,
    /// What comes before this TCP sequence number in request direction is body: it need not be captured.
    SkipTo(u32),
    /// The client pipelines: response segments are needed whole to tell where each response starts.
    WholeResponses,
}
