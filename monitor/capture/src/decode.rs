//! From a ring record to a segment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use monitor_ebpf::record::{
    Batch, CHUNK, Entry, FLAG_ACK, FLAG_AFTER_RESPONSE, FLAG_CUT, FLAG_FIN, FLAG_IPV6, FLAG_JOINED,
    FLAG_LISTENER, FLAG_RESPONSE, FLAG_RST, FLAG_SYN, KIND_BATCH, KIND_SEGMENT, SegmentHeader,
};
use rollcall_model::time::Timestamp;
use rollcall_stream::{Checksum, ConnectionId, Direction, Endpoints, Segment, urgent_byte};

use super::{checksum, mapped::read};

/// What a ring record holds.
pub enum Record<'a> {
    Segment(Segment<'a>),
    Batch(Box<Batch>),
}

/// Decodes one ring record. `clock` is what has to be added to the kernel's clock to get the time of day, in
/// nanoseconds. `None` for a record of no known shape, which the programs of this build never write.
pub fn record(bytes: &[u8], clock: u64) -> Option<Record<'_>> {
    let kind = bytes.first_chunk().map(|&word| u32::from_ne_bytes(word))?;
    match kind {
        KIND_SEGMENT => segment(bytes, clock).map(Record::Segment),
        KIND_BATCH => read::<Batch>(bytes).map(|batch| Record::Batch(Box::new(batch))),
        _ => None,
    }
}

fn segment(bytes: &[u8], clock: u64) -> Option<Segment<'_>> {
    let header: SegmentHeader = read(bytes)?;
    let captured = bytes.get(size_of::<SegmentHeader>()..)?.get(..header.captured as usize)?;
    let data = captured.get(usize::from(header.header)..).unwrap_or_default();
    let has = |flag| header.flags & flag != 0;
    let response = has(FLAG_RESPONSE);
    let wide = if has(FLAG_IPV6) { 16 } else { 4 };
    let (from, to) = (octets(header.source), octets(header.destination));
    let whole = header.captured == u32::from(header.header) + header.length;
    let checksum = if whole && header.offset == 0 && !response {
        checksum::verify(&from[..wide], &to[..wide], captured)
    } else {
        Checksum::Unknown
    };
    let source = address(from, header.source_port, has(FLAG_IPV6));
    let destination = address(to, header.destination_port, has(FLAG_IPV6));
    let (client, server) = if response { (destination, source) } else { (source, destination) };
    // A chunk is a segment of its own; what ends a packet stands with its last chunk.
    let rest = header.length - header.offset.min(header.length);
    let chunk = data.len() as u32;
    let last = chunk >= rest || chunk == 0 || has(FLAG_CUT) && header.captured < CHUNK;
    let length = if last { rest } else { chunk };
    Some(Segment {
        connection: ConnectionId(header.connection),
        direction: if response { Direction::Response } else { Direction::Request },
        endpoints: Some(Endpoints { client, server }),
        cgroup: (header.cgroup != 0).then_some(header.cgroup),
        at: Timestamp(header.at.wrapping_add(clock)),
        seq: header.seq.wrapping_add(header.offset),
        ack: has(FLAG_ACK).then_some(header.ack),
        length,
        data,
        syn: has(FLAG_SYN),
        fin: has(FLAG_FIN) && last,
        urgent: urgent_byte(&captured[..captured.len().min(header.header.into())], header.seq),
        rst: has(FLAG_RST),
        received: (!response && !has(FLAG_LISTENER)).then_some(header.received),
        sent: (!response && !has(FLAG_LISTENER)).then_some(header.sent),
        after_response: has(FLAG_AFTER_RESPONSE) && header.offset == 0,
        listener: has(FLAG_LISTENER),
        joined: has(FLAG_JOINED),
        checksum,
        sampling: (f64::from(header.sampling) + 1.0) / 4_294_967_296.0,
    })
}

/// The TCP header in the record of a packet's start; empty in others.
pub(super) fn tcp_header(bytes: &[u8]) -> &[u8] {
    const AT: usize = size_of::<SegmentHeader>();
    let length = read::<SegmentHeader>(bytes).map_or(0, |header| usize::from(header.header));
    bytes.get(AT..AT + length).unwrap_or_default()
}

/// The segment that a batch entry tells of.
pub(super) fn entry(entry: &Entry, clock: u64) -> Segment<'_> {
    let has = |flag| entry.flags & flag != 0;
    let (connection, at) = (ConnectionId(entry.connection), Timestamp(entry.at.wrapping_add(clock)));
    Segment {
        ack: has(FLAG_ACK).then_some(entry.ack),
        length: entry.length,
        data: entry.data.get(..usize::from(entry.captured)).unwrap_or_default(),
        fin: has(FLAG_FIN),
        rst: has(FLAG_RST),
        joined: has(FLAG_JOINED),
        ..Segment::bare(connection, Direction::Response, at, entry.seq)
    }
}

/// The bytes as they were in the packet.
fn octets(words: [u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    bytes
}

fn address(bytes: [u8; 16], port: u16, ipv6: bool) -> SocketAddr {
    let ip = if ipv6 {
        IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
    } else {
        IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
    };
    SocketAddr::new(ip, port)
}
