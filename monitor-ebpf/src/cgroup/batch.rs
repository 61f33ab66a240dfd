//! The starts of response packets, collected a CPU at a time.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::map,
    maps::Array,
    programs::SkBuffContext,
};
use monitor_ebpf::{
    packet::Packet,
    record::{BATCH_ENTRIES, Batch, ENTRY_DATA, FLAG_RESPONSE, KIND_BATCH},
};

use super::packet::copy;
use crate::maps::{RING, control, counters, ring::wakeup};

/// One batch of response entries a CPU. Sized at load.
#[map]
static BATCHES: Array<Batch> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Adds the packet's start to this CPU's batch, and hands the batch over when it is full, or at once when the
/// daemon sleeps. False if there is no room, `None` if another program is amid the batch on this CPU: the packet takes the
/// ring.
#[inline(always)]
pub fn add(ctx: &SkBuffContext, packet: &Packet, connection: u64) -> Option<bool> {
    // SAFETY: no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    // SAFETY: this CPU's element; `busy` keeps programs out that interrupt one another on the CPU, and the
    // entry's two numbers show the daemon when it reads one that is being written. What both depend on is read and
    // written as volatile: the compiler keeps the order of such accesses, so a number that is read while busy is not
    // one from before an interruption.
    let batch = unsafe { &mut *BATCHES.get_ptr_mut(cpu)? };
    if volatile(&batch.busy) != 0 {
        return None;
    }
    set(&mut batch.busy, 1);
    if volatile(&batch.count) as usize >= BATCH_ENTRIES && !hand_over(batch) {
        set(&mut batch.busy, 0);
        return Some(false);
    }
    let number = volatile(&batch.last) + 1;
    let index = volatile(&batch.count) as usize & (BATCH_ENTRIES - 1);
    let entry = &mut batch.entries[index];
    set(&mut entry.begin, number);
    entry.connection = connection;
    entry.at = sent_at(ctx);
    entry.seq = packet.seq;
    entry.ack = packet.ack;
    entry.length = packet.length;
    entry.flags = packet.flags | FLAG_RESPONSE;
    let length = if packet.length > ENTRY_DATA as u32 { ENTRY_DATA as u32 } else { packet.length };
    // SAFETY: `data` has ENTRY_DATA bytes.
    entry.captured =
        unsafe { copy::<{ ENTRY_DATA as u32 }>(ctx, packet.payload(), length, entry.data.as_mut_ptr()) }
            as u16;
    set(&mut entry.end, number);
    batch.kind = KIND_BATCH;
    batch.cpu = cpu;
    set(&mut batch.last, number);
    set(&mut batch.count, index as u32 + 1);
    if index + 1 == BATCH_ENTRIES || control().is_some_and(|control| control.idle != 0) {
        // If it fails the batch stays, and the next packet tries again.
        hand_over(batch);
    }
    set(&mut batch.busy, 0);
    Some(true)
}

#[inline(always)]
fn hand_over(batch: &mut Batch) -> bool {
    let flags = wakeup(counters::RESPONSE);
    // SAFETY: a batch is plain data without padding.
    let bytes =
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(batch).cast::<u8>(), size_of::<Batch>()) };
    let handed_over = RING.output::<[u8]>(bytes, flags).is_ok();
    if handed_over {
        set(&mut batch.count, 0);
    }
    handed_over
}

/// When TCP sent the packet: it writes CLOCK_MONOTONIC into the packet itself, which spares us a clock.
#[inline(always)]
fn sent_at(ctx: &SkBuffContext) -> u64 {
    // SAFETY: a field of the context.
    match unsafe { (*ctx.skb.skb).tstamp } {
        // SAFETY: no preconditions.
        0 => unsafe { bpf_ktime_get_ns() },
        at => at,
    }
}

#[inline(always)]
fn volatile<T>(word: &T) -> T {
    // SAFETY: a valid reference.
    unsafe { core::ptr::read_volatile(word) }
}

#[inline(always)]
fn set<T>(word: &mut T, value: T) {
    // SAFETY: a valid reference.
    unsafe { core::ptr::write_volatile(word, value) }
}
