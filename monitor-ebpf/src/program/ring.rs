//! Whole packets into the ring: space is reserved in the smallest size class that fits and filled in place.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_ktime_get_ns,
    programs::SkBuffContext,
};
use monitor_ebpf::{
    control::Control,
    outcome::Outcome,
    record::{CHUNK, CHUNKS, FLAG_CUT, FLAG_RESPONSE, KIND_SEGMENT, SegmentHeader},
};

use super::{
    counters,
    maps::{CONTROL, RING, wake_at},
    packet::{Packet, addresses, copy},
};

const HEADER: usize = size_of::<SegmentHeader>();
/// `BPF_RB_AVAIL_DATA` of bpf_ringbuf_query.
const AVAILABLE: u64 = 0;
/// Packets that a CPU hands over between looks at the ring's fill.
const LOOK_EVERY: u64 = 32;

/// All that is captured of a packet at most: 144 KiB, enough for the largest without BIG TCP.
pub const WHOLE: u32 = CHUNK * CHUNKS;
/// The start of a packet, for when there is no room for the whole: a request line and what matters most behind it.
pub const START: u32 = 640;

/// What stands in a record beside the packet's headers.
pub struct Context {
    pub connection: u64,
    pub flags: u16,
    pub received: u32,
    pub sent: u32,
    /// See [`SegmentHeader::sampling`].
    pub sampling: u32,
}

/// One record to be: passed by reference, as the parts of a program have five registers for arguments.
struct Part<'a> {
    packet: &'a Packet,
    context: &'a Context,
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

/// Puts the packet's first `limit` bytes, TCP header included, into the ring, in chunks if they are many.
#[inline(always)]
pub fn submit(ctx: &SkBuffContext, packet: &Packet, context: &Context, limit: u32) -> Outcome {
    let all = packet.header + packet.length;
    let total = if all > limit { limit } else { all };
    let mut part = Part {
        packet,
        context,
        // SAFETY: no preconditions.
        at: unsafe { bpf_ktime_get_ns() },
        length: if total > CHUNK { CHUNK } else { total },
        offset: 0,
        header: packet.header as u16,
        flags: FLAG_CUT * u16::from(all > limit),
    };
    if !write(ctx, &part) {
        return Outcome::RingFull;
    }
    if total > CHUNK {
        return rest(ctx, &mut part, total);
    }
    Outcome::Submitted
}

/// The chunks after the first. A loss amid a packet counts as the packet's: the daemon sees the gap.
#[inline(always)]
fn rest(ctx: &SkBuffContext, part: &mut Part<'_>, total: u32) -> Outcome {
    part.header = 0;
    part.offset = CHUNK;
    for _ in 1..CHUNKS {
        // In memory, where the verifier of 5.10 doesn't follow numbers: it looks at one round for all of them.
        // SAFETY: a valid reference.
        let done = unsafe { core::ptr::read_volatile(&raw const part.offset) };
        if done >= total {
            break;
        }
        let left = total - done;
        part.length = if left > CHUNK { CHUNK } else { left };
        if !write(ctx, part) {
            return Outcome::RingFull;
        }
        part.offset = done + CHUNK;
    }
    Outcome::Submitted
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
    let Part { packet, context, at, offset, length, header, flags } = part;
    let from = packet.tcp + *offset;
    let payload = if *offset == 0 { 0 } else { *offset - packet.header };
    // SAFETY: the record has HEADER + N bytes, aligned to eight, and every field is written.
    unsafe {
        let written = &mut *start.cast::<SegmentHeader>();
        written.kind = KIND_SEGMENT;
        written.connection = context.connection;
        written.at = *at;
        written.seq = packet.seq;
        written.ack = packet.ack;
        written.length = packet.length;
        written.offset = payload;
        written.received = context.received;
        written.sent = context.sent;
        written.sampling = context.sampling;
        written.flags = packet.flags | context.flags | flags;
        written.header = *header;
        written.source_port = packet.source_port;
        written.destination_port = packet.destination_port;
        written.reserved = 0;
        addresses(&ctx, packet.flags, &mut written.source, &mut written.destination);
        written.captured = match N {
            640 => copy::<640>(&ctx, from, *length, start.add(HEADER)),
            1536 => copy::<1536>(&ctx, from, *length, start.add(HEADER)),
            4096 => copy::<4096>(&ctx, from, *length, start.add(HEADER)),
            _ => copy::<CHUNK>(&ctx, from, *length, start.add(HEADER)),
        };
    }
    let response = context.flags & FLAG_RESPONSE != 0;
    record.submit(wakeup(if response { counters::RESPONSE } else { counters::REQUEST }));
    1
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
    if counters::submitted(direction) & (LOOK_EVERY - 1) == 0 && RING.query(AVAILABLE) > u64::from(wake_at())
    {
        return BPF_RB_FORCE_WAKEUP.into();
    }
    BPF_RB_NO_WAKEUP.into()
}

/// Whether the ring is three quarters full: the daemon is woken at one.
#[inline(always)]
pub fn is_filling() -> bool {
    RING.query(AVAILABLE) > u64::from(wake_at()) * 3
}
