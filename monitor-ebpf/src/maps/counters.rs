//! Counting outcomes.

use core::ptr::{from_mut, read_volatile, write_volatile};

use monitor_ebpf::outcome::{Counters, Outcome, Tally};

use super::COUNTERS;
use crate::verifier::opaque;

/// Index of the request direction's counters.
pub const REQUEST: usize = 0;
/// Index of the response direction's counters.
pub const RESPONSE: usize = 1;

/// Counts a packet's outcome.
#[inline(always)]
pub fn count(direction: usize, outcome: Outcome) {
    add(direction, |tally| tally.outcomes.get_mut(opaque(outcome as u64) as usize));
}

/// Counts the loss of what looked like the beginning of a request.
#[inline(always)]
pub fn request_lost() {
    add(REQUEST, |tally| Some(&mut tally.requests_lost));
}

/// Packets of one direction that this CPU has handed over, nearly all of them; a cheap clock for things to be done now
/// and then.
#[inline(always)]
pub fn submitted(direction: usize) -> u64 {
    this_cpu(direction).map_or(0, |counters| counters.alone.outcomes[Outcome::Submitted as usize])
}

/// Adds one to a word, and loses no other program's addition.
///
/// A program that sends from a system call may be interrupted by one that answers from a softirq, between the load and the
/// store of an addition. An atomic one would do, but costs 15 to 25 ns a run, a tenth of all, as it waits for what has
/// been stored into the ring (measured). So whoever finds nobody counting says that it does, and adds as usual; whoever has
/// interrupted it adds elsewhere, atomically, and is done before the other goes on.
#[inline(always)]
fn add(direction: usize, word: impl Fn(&mut Tally) -> Option<&mut u64>) {
    let Some(counters) = this_cpu(direction) else { return };
    let busy = &raw mut counters.busy;
    // SAFETY: words of the map's element. Volatile: the order is what makes it right.
    unsafe {
        if read_volatile(busy) == 0 {
            write_volatile(busy, 1);
            if let Some(word) = word(&mut counters.alone) {
                write_volatile(word, read_volatile(word).wrapping_add(1));
            }
            write_volatile(busy, 0);
        } else if let Some(word) = word(&mut counters.amid) {
            add_atomically(word);
        }
    }
}

/// Written as an instruction: core has no atomic addition for this target, as before 5.12 the kernel has none that tells
/// its result.
#[inline(always)]
pub fn add_atomically(word: &mut u64) {
    // SAFETY: an aligned word of a map.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) from_mut(word), in(reg) 1u64, options(nostack));
    }
}

#[inline(always)]
fn this_cpu(direction: usize) -> Option<&'static mut Counters> {
    let both = COUNTERS.get_ptr_mut(0)?;
    // SAFETY: a per-CPU element, aligned and initialised by the kernel.
    unsafe { (*both).get_mut(direction) }
}
