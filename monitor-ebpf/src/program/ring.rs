//! Whole packets into the ring: space is reserved in the smallest size class that fits and filled in place.

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_ktime_get_ns,
    programs::SkBuffContext,
};
use monitor_ebpf::{
    control::Control,
    outcome::Outcome,
    record::{CHUNK, CHUNKS, FLAG_CUT, KIND_SEGMENT, SegmentHeader},
};

use super::{
    counters,
    maps::{CONTROL, RING, wake_at},
    packet::{Packet, copy},
};

const HEADER: usize = size_of::<SegmentHeader>();
/// `BPF_RB_AVAIL_DATA` of bpf_ringbuf_query.
const AVAILABLE: u64 = 0;
/// Packets of a CPU between looks at the ring's fill.
const LOOK_EVERY: u64 = 64;

/// All that is captured of a packet at most: 64 KiB, the largest without BIG TCP.
pub const WHOLE: u32 = CHUNK * CHUNKS;
/// The start of a packet, for when there is no room for the whole: a request line and what matters most behind it.
pub const START: u32 = 640;

/// What stands in a record beside the packet's headers.
pub struct Context {
    pub connection: u64,
    pub flags: u16,
    pub received: u32,
    pub sent: u32,
}

/// Puts the packet's first `limit` bytes, TCP header included, into the ring, in chunks if they are many.
#[inline(always)]
pub fn submit(ctx: &SkBuffContext, packet: &Packet, context: &Context, limit: u32) -> Outcome {
    let mut header = SegmentHeader {
        kind: KIND_SEGMENT,
        captured: 0,
        connection: context.connection,
        // SAFETY: no preconditions.
        at: unsafe { bpf_ktime_get_ns() },
        seq: packet.seq,
        ack: packet.ack,
        length: packet.length,
        offset: 0,
        received: context.received,
        sent: context.sent,
        sampling: control().map_or(u32::MAX, |control| control.sampling),
        flags: packet.flags | context.flags | FLAG_CUT * u16::from(packet.header + packet.length > limit),
        header: packet.header as u16,
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        reserved: 0,
        source: words(packet.source),
        destination: words(packet.destination),
    };
    let total = packet.header + packet.length;
    let total = if total > limit { limit } else { total };
    let first = if total > CHUNK { CHUNK } else { total };
    if !write(ctx, &header, packet.tcp, first) {
        return Outcome::RingFull;
    }
    if total > CHUNK {
        return rest(ctx, &mut header, packet.tcp, total);
    }
    Outcome::Submitted
}

/// The chunks after the first. A loss amid a packet counts as the packet's: the daemon sees the gap.
#[inline(always)]
fn rest(ctx: &SkBuffContext, header: &mut SegmentHeader, tcp: u32, total: u32) -> Outcome {
    let tcp_header = u32::from(header.header);
    header.header = 0;
    for chunk in 1..CHUNKS {
        let done = chunk * CHUNK;
        if done >= total {
            break;
        }
        let left = total - done;
        header.offset = done - tcp_header;
        if !put::<{ CHUNK as usize }>(ctx, header, tcp + done, if left > CHUNK { CHUNK } else { left }) {
            return Outcome::RingFull;
        }
    }
    Outcome::Submitted
}

/// Picks the size class. Chosen on requests of 200 to 1,000 bytes with 32 bytes of TCP header: one cache line
/// more or less of copying is 2 ns, and half-empty records waste the ring.
#[inline(always)]
fn write(ctx: &SkBuffContext, header: &SegmentHeader, offset: u32, length: u32) -> bool {
    if length <= 320 {
        put::<320>(ctx, header, offset, length)
    } else if length <= 640 {
        put::<640>(ctx, header, offset, length)
    } else if length <= 1536 {
        put::<1536>(ctx, header, offset, length)
    } else if length <= 4096 {
        put::<4096>(ctx, header, offset, length)
    } else {
        put::<{ CHUNK as usize }>(ctx, header, offset, length)
    }
}

/// Writes a record with room for `N` bytes. False if the ring is full.
#[inline(always)]
fn put<const N: usize>(ctx: &SkBuffContext, header: &SegmentHeader, offset: u32, length: u32) -> bool {
    let Some(mut record) = RING.reserve_bytes(HEADER + N, 0) else { return false };
    let start = record.as_mut_ptr();
    // SAFETY: the record has HEADER + N bytes, aligned to eight.
    unsafe {
        let written = start.cast::<SegmentHeader>();
        *written = *header;
        (*written).captured = match N {
            320 => copy::<320>(ctx, offset, length, start.add(HEADER)),
            640 => copy::<640>(ctx, offset, length, start.add(HEADER)),
            1536 => copy::<1536>(ctx, offset, length, start.add(HEADER)),
            4096 => copy::<4096>(ctx, offset, length, start.add(HEADER)),
            _ => copy::<CHUNK>(ctx, offset, length, start.add(HEADER)),
        };
    }
    record.submit(wakeup(counters::REQUEST));
    true
}

/// The daemon's control words.
#[inline(always)]
pub fn control() -> Option<&'static mut Control> {
    // SAFETY: the array's only element; its fields are words that both sides read and write whole.
    CONTROL.get_ptr_mut(0).map(|control| unsafe { &mut *control })
}

/// Whether this record wakes the daemon: when it sleeps for good, or when the ring fills faster than it comes.
#[inline(always)]
pub fn wakeup(direction: usize) -> u64 {
    if let Some(control) = control()
        && control.idle != 0
    {
        control.idle = 0;
        return BPF_RB_FORCE_WAKEUP.into();
    }
    if counters::seen(direction) & (LOOK_EVERY - 1) == 0 && is_filling() {
        return BPF_RB_FORCE_WAKEUP.into();
    }
    BPF_RB_NO_WAKEUP.into()
}

/// Whether the daemon falls behind: more waits in the ring than it leaves between two looks.
#[inline(always)]
pub fn is_filling() -> bool {
    RING.query(AVAILABLE) > u64::from(wake_at())
}

#[inline(always)]
fn words(address: [u32; 4]) -> [u8; 16] {
    // SAFETY: the same size, and every bit pattern is valid.
    unsafe { core::mem::transmute(address) }
}
