//! The memory of the program that was hit, the ring of secrets, and the counters.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{
        bpf_get_current_pid_tgid, bpf_ktime_get_ns,
        generated::{bpf_probe_read_user, bpf_probe_read_user_str},
    },
    macros::map,
    maps::{Array, LruHashMap, RingBuf},
};
use monitor_ebpf::secret::{HITS, Hit, LABEL, ProcessHits, RANDOM, SECRET, SecretRecord};

use crate::maps::counters::add_atomically;

/// Secrets for the daemon, which comes for them by itself. Sized at load.
#[map]
static SECRETS: RingBuf = RingBuf::with_byte_size(1 << 12, 0);

/// What became of hits.
#[map]
static SECRET_HITS: Array<[u64; HITS]> = Array::with_max_entries(1, 0);

/// Hits of each process. Least recently used goes first: one that hits a lot is not.
#[map]
static PROCESS_HITS: LruHashMap<u32, ProcessHits> = LruHashMap::with_max_entries(1024, 0);

/// What the function was handed.
pub struct Handed {
    /// Where the secret is.
    pub secret: u64,
    /// How many bytes.
    pub length: u64,
    /// Where the client random is.
    pub random: Option<u64>,
}

/// Reads what a label may be. Whether it could be read.
#[inline(always)]
pub fn read(from: u64, words: &mut [u64; LABEL / 8]) -> bool {
    // SAFETY: the kernel writes no more than the size given, and reads memory of the program only.
    unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), LABEL as u32, from as *const _) == 0 }
}

/// Reads a text up to its zero, or as much of it as fits; its length.
#[inline(always)]
pub fn read_text(from: u64, words: &mut [u64; LABEL / 8]) -> Option<u64> {
    // SAFETY: as above.
    let length =
        unsafe { bpf_probe_read_user_str(words.as_mut_ptr().cast(), LABEL as u32, from as *const _) };
    (length > 0).then(|| length as u64 - 1)
}

/// Puts a secret into the ring.
#[inline(always)]
pub fn submit(label: u8, handed: &Handed) -> Result<Hit, Hit> {
    let mut entry = SECRETS.reserve::<SecretRecord>(0).ok_or(Hit::RingFull)?;
    let record = entry.as_mut_ptr();
    // SAFETY: the record is as large as was reserved, and each of its fields is written: no memory of the kernel's leaks.
    let is_read = unsafe {
        (*record).at = bpf_ktime_get_ns();
        (*record).process = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*record).label = label;
        (*record).length = handed.length as u8;
        (*record).reserved = 0;
        (*record).secret = [0; SECRET];
        (*record).random = [0; RANDOM];
        let random = (&raw mut (*record).random).cast();
        let has_random = handed
            .random
            .is_some_and(|from| bpf_probe_read_user(random, RANDOM as u32, from as *const _) == 0);
        (*record).has_random = u8::from(has_random);
        let secret = (&raw mut (*record).secret).cast();
        let from = handed.secret as *const _;
        if handed.length == SECRET as u64 {
            bpf_probe_read_user(secret, SECRET as u32, from) == 0
        } else {
            bpf_probe_read_user(secret, 32, from) == 0
        }
    };
    if is_read {
        entry.submit(BPF_RB_NO_WAKEUP.into());
        Ok(Hit::Submitted)
    } else {
        entry.discard(BPF_RB_NO_WAKEUP.into());
        Err(Hit::Unreadable)
    }
}

/// Counts a hit.
#[inline(always)]
pub fn count(hit: Hit) {
    if let Some(hits) = SECRET_HITS.get_ptr_mut(0) {
        // SAFETY: the array's only element, all of whose words are added to atomically.
        if let Some(word) = unsafe { (*hits).get_mut(hit as usize) } {
            add_atomically(word);
        }
    }
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    if PROCESS_HITS.get_ptr_mut(process).is_none() {
        // Failure means that another thread of it came first, or that a hit goes uncounted.
        let _ = PROCESS_HITS.insert(process, ProcessHits::default(), 0);
    }
    if let Some(hits) = PROCESS_HITS.get_ptr_mut(process) {
        // SAFETY: an element of the map, all of whose words are added to atomically.
        unsafe {
            add_atomically(&mut (*hits).hits);
            if matches!(hit, Hit::Refused) {
                add_atomically(&mut (*hits).refused);
            }
        }
    }
}
