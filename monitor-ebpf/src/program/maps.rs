//! The maps, and the constants that the daemon sets when it loads the programs.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use monitor_ebpf::{
    control::{Advice, Control},
    outcome::Counters,
    record::Batch,
};

/// Records for the daemon. Sized at load.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// One batch of response entries a CPU. Sized at load.
#[map]
pub static BATCHES: Array<Batch> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The daemon's control words.
#[map]
pub static CONTROL: Array<Control> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Outcomes, requests first, then responses.
#[map]
pub static COUNTERS: PerCpuArray<[Counters; 2]> = PerCpuArray::with_max_entries(1, 0);

/// The daemon's advice by socket cookie. Least recently used goes first: lost advice costs ring space only.
#[map]
pub static ADVICE: LruHashMap<u64, Advice> = LruHashMap::with_max_entries(16_384, 0);

/// Ports watched, a bit each.
#[map]
pub static PORTS: Array<u64> = Array::with_max_entries(1024, 0);

/// Ports that servers have been seen on, a byte each: a store of a byte undoes no other CPU's note, and kernels before
/// 5.12 cannot set a bit in one step.
#[map]
static SERVERS: Array<[u8; SERVERS_A_PART]> = Array::with_max_entries(65_536 / SERVERS_A_PART as u32, 0);
const SERVERS_A_PART: usize = 64;

/// Set at load: whether [`PORTS`] is to be asked at all.
#[unsafe(no_mangle)]
static PORT_FILTER: u32 = 0;
/// Set at load: fill of the ring, in bytes, from which the daemon is woken.
#[unsafe(no_mangle)]
static WAKE_AT: u32 = 1 << 18;
/// Set at load: the secret of the sampling hash.
#[unsafe(no_mangle)]
static SAMPLING_KEY: u64 = 0;

/// Reads a constant that is set at load; volatile, or the compiler would use the value above.
macro_rules! constant {
    ($function:ident, $name:ident, $type:ty) => {
        #[inline(always)]
        pub fn $function() -> $type {
            // SAFETY: an aligned, initialised static that nobody writes after load.
            unsafe { core::ptr::read_volatile(&raw const $name) }
        }
    };
}

constant!(port_filter, PORT_FILTER, u32);
constant!(wake_at, WAKE_AT, u32);
constant!(sampling_key, SAMPLING_KEY, u64);

/// Whether connections to this server port are watched.
#[inline(always)]
pub fn port_watched(port: u16) -> bool {
    port_filter() == 0 || PORTS.get(u32::from(port) / 64).is_some_and(|word| word & (1 << (port % 64)) != 0)
}

/// Whether a server has been seen on this local port. Every connection to one begins with a SYN that tells; so where
/// none has been, a packet's first bytes settle most of what there is to ask, at a tenth of the cost of asking the
/// socket (measured: half of all packets on a host whose clients are its own).
#[inline(always)]
pub fn serves(port: u16) -> bool {
    SERVERS.get(u32::from(port) / SERVERS_A_PART as u32).is_some_and(|part| part[place(port)] != 0)
}

/// Takes note of a server. Stores only what is new, as each store would take the line from the other CPUs' caches.
#[inline(always)]
pub fn note_server(port: u16) {
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
