//! Counting outcomes.

use monitor_ebpf::outcome::{Counters, Outcome};

use super::{maps::COUNTERS, packet::opaque};

/// Index of the request direction's counters.
pub const REQUEST: usize = 0;
/// Index of the response direction's counters.
pub const RESPONSE: usize = 1;

/// Counts a packet and its outcome together, so that a reader finds them equal at nearly all times.
#[inline(always)]
pub fn count(direction: usize, outcome: Outcome) {
    if let Some(counters) = this_cpu(direction) {
        counters.seen += 1;
        if let Some(counter) = counters.outcomes.get_mut(opaque(outcome as u64) as usize) {
            *counter += 1;
        }
    }
}

/// Counts the loss of what looked like the beginning of a request.
#[inline(always)]
pub fn request_lost() {
    if let Some(counters) = this_cpu(REQUEST) {
        counters.requests_lost += 1;
    }
}

/// Packets that this CPU has seen in one direction; a cheap clock for things to be done now and then.
#[inline(always)]
pub fn seen(direction: usize) -> u64 {
    this_cpu(direction).map_or(0, |counters| counters.seen)
}

#[inline(always)]
fn this_cpu(direction: usize) -> Option<&'static mut Counters> {
    let both = COUNTERS.get_ptr_mut(0)?;
    // SAFETY: a per-CPU element, aligned and initialised by the kernel; programs that interrupt one another on
    // a CPU may lose an increment, never more.
    unsafe { (*both).get_mut(direction) }
}
