//! Ports that servers have been seen on.

use aya_ebpf::{macros::map, maps::Array};

/// A byte each: a store of a byte undoes no other CPU's note, and kernels before 5.12 cannot set a bit in one step.
#[map]
static SERVERS: Array<[u8; SERVERS_A_PART]> = Array::with_max_entries(65_536 / SERVERS_A_PART as u32, 0);
const SERVERS_A_PART: usize = 64;

/// Whether a server has been seen on this local port. Every connection to one begins with a SYN that tells; so where
/// none has been, a packet's first bytes settle most of what there is to ask, at a tenth of the cost of asking the
/// socket (measured: half of all packets on a host whose clients are its own).
#[inline(always)]
pub fn serves(port: u16) -> bool {
    SERVERS.get(u32::from(port) / SERVERS_A_PART as u32).is_some_and(|part| part[place(port)] != 0)
}

/// Takes note of a server. Stores only what is new, as each store would take the line from the other CPUs' caches.
#[inline(always)]
pub fn note(port: u16) {
    if let Some(part) = SERVERS.get_ptr_mut(u32::from(port) / SERVERS_A_PART as u32) {
        // SAFETY: an element of the map; programs only ever store the same value there.
        let note = unsafe { &mut (*part)[place(port)] };
        if *note == 0 {
            *note = 1;
        }
    }
}

/// The port's place within its part, in a form whose bound the verifier sees.
#[inline(always)]
fn place(port: u16) -> usize {
    usize::from(port) & (SERVERS_A_PART - 1)
}
