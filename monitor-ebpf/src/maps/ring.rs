//! The ring: how full it is, and who wakes the daemon.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};

use super::{RING, control, counters, wake_at};

/// `BPF_RB_AVAIL_DATA` of bpf_ringbuf_query.
const AVAILABLE: u64 = 0;
/// Packets that a CPU hands over between looks at the ring's fill.
const LOOK_EVERY: u64 = 32;

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
