//! Whole packets into the ring: space is reserved in the smallest size class that fits and filled in place.

use aya_ebpf::{bindings::__sk_buff, helpers::bpf_ktime_get_ns, programs::SkBuffContext};
use monitor_ebpf::{
    connection::Capture,
    packet::Packet,
    record::{CHUNK, CHUNKS, FLAG_CUT, FLAG_RESPONSE, KIND_SEGMENT, SegmentHeader},
};

use super::packet::{addresses, copy};
use crate::{
    maps::{RING, counters, ring::wakeup},
    verifier::forget,
};

const HEADER: usize = size_of::<SegmentHeader>();

/// One record to be: passed by reference, as the parts of a program have five registers for arguments.
struct Part<'a> {
    packet: &'a Packet,
    capture: &'a Capture,
    at: u64,
    /// Where to begin, from the TCP header on.
    offset: u32,
    /// How many bytes.
    length: u32,
    /// How many of them are the TCP header.
    header: u16,
    /// Bits to add to the flags.
    flags: u16,
}

/// Puts as much of the packet as is wanted into the ring, in chunks if that is much. False if the ring is full.
///
/// Takes the capture by value: a copy is written to the stack here, where it is needed, and not for packets that go elsewhere.
#[inline(always)]
pub fn submit(ctx: &SkBuffContext, packet: &Packet, capture: Capture) -> bool {
    let all = packet.header + packet.length;
    let total = if all > capture.limit { capture.limit } else { all };
    let mut part = Part {
        packet,
        capture: &capture,
        // SAFETY: no preconditions.
        at: unsafe { bpf_ktime_get_ns() },
        length: if total > CHUNK { CHUNK } else { total },
        offset: 0,
        header: packet.header as u16,
        flags: FLAG_CUT * u16::from(all > capture.limit),
    };
    write(ctx, &part) && (total <= CHUNK || rest(ctx, &mut part, total))
}

/// The chunks after the first. A loss amid a packet counts as the packet's: the daemon sees the gap.
#[inline(always)]
fn rest(ctx: &SkBuffContext, part: &mut Part<'_>, total: u32) -> bool {
    part.header = 0;
    part.offset = CHUNK;
    for _ in 1..CHUNKS {
        // So the verifier of 5.10 looks at one round for all of them.
        let done = forget(part.offset);
        if done >= total {
            break;
        }
        let left = total - done;
        part.length = if left > CHUNK { CHUNK } else { left };
        if !write(ctx, part) {
            return false;
        }
        part.offset = done + CHUNK;
    }
    true
}

/// Writes a record of the smallest size class that fits. False if the ring is full.
///
/// Requests of 200 to 1,000 bytes are what there is most of. Classes close to them keep the ring small and in the
/// cache; larger ones may waste half.
#[inline(always)]
fn write(ctx: &SkBuffContext, part: &Part<'_>) -> bool {
    let skb = ctx.skb.skb;
    let written = if part.length <= 640 {
        put::<640>(skb, part)
    } else if part.length <= 1536 {
        put::<1536>(skb, part)
    } else if part.length <= 4096 {
        put::<4096>(skb, part)
    } else {
        put::<{ CHUNK as usize }>(skb, part)
    };
    written != 0
}

/// Writes a record with room for `N` bytes. Zero if the ring is full.
#[inline(never)]
fn put<const N: usize>(skb: *mut __sk_buff, part: &Part<'_>) -> u32 {
    let ctx = SkBuffContext::new(skb);
    let Some(mut record) = RING.reserve_bytes(HEADER + N, 0) else { return 0 };
    let start = record.as_mut_ptr();
    let Part { packet, capture, at, offset, length, header, flags } = part;
    let from = packet.tcp + *offset;
    let payload = if *offset == 0 { 0 } else { *offset - packet.header };
    // SAFETY: the record has HEADER + N bytes, aligned to eight, and every field is written.
    unsafe {
        let written = &mut *start.cast::<SegmentHeader>();
        written.kind = KIND_SEGMENT;
        written.connection = capture.connection;
        written.at = *at;
        written.cgroup = capture.cgroup;
        written.seq = packet.seq;
        written.ack = packet.ack;
        written.length = packet.length;
        written.offset = payload;
        written.received = capture.received;
        written.sent = capture.sent;
        written.sampling = capture.sampling;
        written.flags = packet.flags | capture.flags | flags;
        written.header = *header;
        written.source_port = packet.source_port;
        written.destination_port = packet.destination_port;
        // One by one: the compiler makes a loop over bytes of zeros in a row.
        for word in &mut written.reserved {
            *word = 0;
        }
        addresses(&ctx, packet.flags, &mut written.source, &mut written.destination);
        written.captured = match N {
            640 => copy::<640>(&ctx, from, *length, start.add(HEADER)),
            1536 => copy::<1536>(&ctx, from, *length, start.add(HEADER)),
            4096 => copy::<4096>(&ctx, from, *length, start.add(HEADER)),
            _ => copy::<CHUNK>(&ctx, from, *length, start.add(HEADER)),
        };
    }
    let response = capture.flags & FLAG_RESPONSE != 0;
    record.submit(wakeup(if response { counters::RESPONSE } else { counters::REQUEST }));
    1
}
