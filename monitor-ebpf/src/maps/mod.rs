//! What the programs of all families share with one another and with the daemon: maps, and the constants that the daemon
//! sets when it loads the programs.

pub mod advice;
pub mod counters;
pub mod ring;

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use monitor_ebpf::{
    control::{Advice, Control},
    outcome::Counters,
};

/// Records for the daemon. Sized at load.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// The daemon's control words.
#[map]
static CONTROL: Array<Control> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Outcomes, requests first, then responses.
#[map]
static COUNTERS: PerCpuArray<[Counters; 2]> = PerCpuArray::with_max_entries(1, 0);

/// The daemon's advice by socket cookie. Least recently used goes first: lost advice costs ring space only.
#[map]
static ADVICE: LruHashMap<u64, Advice> = LruHashMap::with_max_entries(16_384, 0);

/// Ports watched, a bit each.
#[map]
static PORTS: Array<u64> = Array::with_max_entries(1024, 0);

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
        pub(crate) fn $function() -> $type {
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

/// The daemon's control words.
#[inline(always)]
pub fn control() -> Option<&'static mut Control> {
    // SAFETY: the array's only element; its fields are words that both sides read and write whole.
    CONTROL.get_ptr_mut(0).map(|control| unsafe { &mut *control })
}
